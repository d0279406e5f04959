//! What a look means for a step whose call was made again and again before it arrived.

use eks_upgrade_core::cluster::Found;
use eks_upgrade_core::plan::StepKind;

use crate::given::{Case, control_plane, step};

#[test]
fn an_update_that_is_not_visible_is_lost_five_minutes_after_it_became_known() {
    let lost = |meant_s, known_s| {
        let mut case = Case::new().begun_after(&control_plane(), meant_s, known_s);
        case.world.updates.insert("u-1".parse().unwrap(), Found::Gone);
        case.settles()
    };
    assert_eq!(lost(3_000, 10), Vec::<String>::new());
    assert_eq!(lost(3_000, 301), ["UpdateNotFound"]);
}

#[test]
fn a_component_is_late_by_the_time_since_the_cluster_took_the_change() {
    let (name, from, to) = ("kube-proxy".to_owned(), "proxy:1".to_owned(), "proxy:2".to_owned());
    let component = step("kube-proxy", StepKind::CoreComponent { name, from, to });
    let late = |meant_s, known_s| {
        Case::new()
            .planned(std::slice::from_ref(&component))
            .begun_after(&component, meant_s, known_s)
            .settles()
    };
    assert_eq!(late(3_000, 10), Vec::<String>::new());
    assert_eq!(late(3_000, 3_000), ["ComponentNotSeen"]);
}
