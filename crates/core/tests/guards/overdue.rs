//! Updates that take longer than they ever should.

use eks_upgrade_core::cluster::Resource;
use eks_upgrade_core::decide::overdue;
use eks_upgrade_core::ledger::{Ending, Event, Foreign};

use crate::given::{Case, ago, control_plane, now};

const HOUR_S: i64 = 3600;

/// Of how many updates it is to be said.
fn said(case: &Case) -> usize {
    overdue(&case.state, now()).len()
}

fn ours(meant_s: i64, known_s: i64) -> Case {
    let step = control_plane();
    Case::new().planned(std::slice::from_ref(&step)).begun_after(&step, meant_s, known_s)
}

fn theirs(resource: Resource, seconds_ago: i64) -> Case {
    let mut case = Case::new();
    let foreign = Foreign { update: "u-2".parse().unwrap(), since: ago(seconds_ago) };
    case.state.foreign.insert(resource, foreign);
    case
}

#[test]
fn ours_is_late_by_its_span_from_when_it_was_known() {
    // A control plane is late after 40 minutes.
    assert_eq!((said(&ours(2_400, 2_400)), said(&ours(2_401, 2_401))), (0, 1));
    assert_eq!(said(&ours(5 * HOUR_S, 60)), 0, "it was meant long ago, and has just begun");
}

#[test]
fn theirs_is_late_after_an_hour_and_a_roll_after_four() {
    let roll = || Resource::NodeGroup("a".into());
    assert_eq!(said(&theirs(Resource::ControlPlane, HOUR_S)), 0);
    assert_eq!(said(&theirs(Resource::ControlPlane, HOUR_S + 1)), 1);
    assert_eq!(said(&theirs(roll(), 4 * HOUR_S)), 0);
    assert_eq!(said(&theirs(roll(), 4 * HOUR_S + 1)), 1);
}

#[test]
fn it_is_said_once_and_not_of_a_run_that_is_over() {
    let mut case = ours(5 * HOUR_S, 5 * HOUR_S);
    let Event::Overdue { update, .. } = overdue(&case.state, now()).remove(0) else {
        panic!("something else")
    };
    case.state.overdue.insert(update);
    assert_eq!(said(&case), 0);
    let mut over = ours(5 * HOUR_S, 5 * HOUR_S);
    over.state.ended = Some(Ending::Completed);
    assert_eq!(said(&over), 0);
}
