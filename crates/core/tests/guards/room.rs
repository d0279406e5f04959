//! How much of a kind runs at once, and what somebody else's update holds.

use eks_upgrade_core::cluster::Resource;
use eks_upgrade_core::decide::WaitFor;
use eks_upgrade_core::ledger::Foreign;
use eks_upgrade_core::plan::{Step, StepKind};
use eks_upgrade_core::policy::NodeStrategy;

use crate::given::{Case, addon_step, ago, control_plane, group, step};

fn groups<const N: usize>(names: [&str; N]) -> [Step; N] {
    names.map(|name| group(name, 34, NodeStrategy::Rolling))
}

fn addons<const N: usize>(names: [&str; N]) -> [Step; N] {
    let version = |n: u32| format!("v1.{n}.0-eksbuild.1").parse().unwrap();
    names.map(|name| {
        let kind = StepKind::AddOn { name: name.into(), from: version(16), to: version(17) };
        step(&format!("add-on/{name}"), kind)
    })
}

fn room(node_groups: u8, addons: u8) -> Case {
    let mut case = Case::new();
    case.state.opened.policy.node_groups_at_once = node_groups;
    case.state.opened.policy.addons_at_once = addons;
    case
}

/// The places of the steps that are acted on.
fn acted(case: &Case, steps: &[Step]) -> Vec<usize> {
    let place = |id| steps.iter().position(|step| step.id == id).unwrap();
    case.acts().into_iter().map(|(_, id)| place(id)).collect()
}

#[test]
fn so_many_of_a_kind_begin_at_once() {
    let steps = groups(["a", "b", "c"]);
    assert_eq!(acted(&room(1, 9).planned(&steps), &steps), [0]);
    assert_eq!(acted(&room(2, 9).planned(&steps), &steps), [0, 1]);
    let steps = addons(["coredns", "kube-proxy", "vpc-cni"]);
    assert_eq!(acted(&room(9, 1).planned(&steps), &steps), [0]);
    assert_eq!(acted(&room(9, 2).planned(&steps), &steps), [0, 1]);
}

#[test]
fn what_is_under_way_takes_room_of_its_own_kind() {
    let steps = groups(["a", "b", "c"]);
    assert_eq!(acted(&room(2, 9).planned(&steps).begun(&steps[0], 0), &steps), [1]);
    assert_eq!(room(1, 9).planned(&steps).begun(&steps[0], 0).waits().0, WaitFor::NodeGroups);
    let [group] = groups(["a"]);
    let steps = [addon_step(), group];
    assert_eq!(acted(&room(1, 1).planned(&steps).begun(&steps[0], 0), &steps), [1]);
}

#[test]
fn a_call_in_doubt_is_gone_after_whatever_room_there_is() {
    let steps = groups(["a", "b"]);
    assert_eq!(acted(&room(1, 9).planned(&steps).meant(&steps[0]), &steps), [0]);
    assert_eq!(acted(&room(1, 9).planned(&steps).meant(&steps[0]).meant(&steps[1]), &steps), [0, 1]);
}

#[test]
fn somebody_elses_update_holds_its_resource_and_one_of_the_control_plane_all() {
    let held_by = |resource| {
        let mut case = Case::new().planned(&[control_plane(), addon_step()]);
        let foreign = Foreign { update: "u-9".parse().unwrap(), since: ago(0) };
        case.state.foreign.insert(resource, foreign);
        case
    };
    let steps = [control_plane(), addon_step()];
    assert_eq!(acted(&held_by(Resource::AddOn("vpc-cni".into())), &steps), [0]);
    assert_eq!(acted(&held_by(Resource::AddOn("coredns".into())), &steps), [0, 1]);
    assert_eq!(held_by(Resource::ControlPlane).waits().0, WaitFor::OtherUpdate);
}
