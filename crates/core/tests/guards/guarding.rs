//! The last look before a call: each thing that stands against it, alone.

use eks_upgrade_core::cluster::{Found, Resource, Status};
use eks_upgrade_core::decide::ActionName;
use eks_upgrade_core::guard::{Call, Verdict};
use eks_upgrade_core::ledger::Event;
use eks_upgrade_core::plan::StepKind;
use eks_upgrade_core::remedy::{Failure, Remedy};
use jiff::SignedDuration;

use crate::given::{Case, addon_step, back, control_plane, group_step, minor, step, verify};

const UP: ActionName = ActionName::UpgradeControlPlane;
const ROLL: ActionName = ActionName::RollNodeGroup;
const ADDON: ActionName = ActionName::UpdateAddOn;
const BACK: ActionName = ActionName::RollBackControlPlane;

fn failure(verdict: Verdict) -> Failure {
    match verdict {
        Verdict::Record(event) => match *event {
            Event::Withheld { failure, .. } => failure,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_stands_against_any_of_them() {
    let case = Case::new();
    let up = Call::UpdateClusterVersion { version: minor(34) };
    assert_eq!(case.guard(&control_plane(), UP), Verdict::Call(up));
    assert!(matches!(case.guard(&group_step(33), ROLL), Verdict::Call(Call::UpdateNodegroupVersion { .. })));
    assert!(matches!(case.guard(&addon_step(), ADDON), Verdict::Call(Call::UpdateAddon { .. })));
    let down = Call::RollBackClusterVersion { version: minor(32), force: false };
    assert_eq!(case.guard(&back(false), BACK), Verdict::Call(down));
}

#[test]
fn what_holds_the_step_is_asked_again() {
    assert_eq!(Case::new().thrown(SignedDuration::ZERO).withheld(&control_plane(), UP), "Held");
}

#[test]
fn only_what_is_due_is_done() {
    let case = Case::new();
    assert_eq!(case.withheld(&group_step(33), ActionName::ForceNodeGroup), "AnotherAction");
    assert_eq!(case.withheld(&verify(), ActionName::Verify), "AnotherAction");
}

#[test]
fn a_cluster_is_itself_by_its_name_and_its_birth() {
    let mut case = Case::new();
    case.cluster().created_at += SignedDuration::from_secs(1);
    assert_eq!(case.withheld(&control_plane(), UP), "AnotherCluster");
    let mut case = Case::new();
    case.cluster().arn = "arn:aws:eks:us-east-1:123456789012:cluster/prod-b".parse().unwrap();
    assert_eq!(case.withheld(&control_plane(), UP), "AnotherCluster");
}

#[test]
fn what_was_not_seen_or_is_gone_is_not_called_for() {
    let mut case = Case::new();
    case.world.cluster = None;
    assert_eq!(case.withheld(&control_plane(), UP), "NotSeen");
    case.world.cluster = Some(Found::Gone);
    assert_eq!(case.withheld(&control_plane(), UP), "TargetGone");
    let mut case = Case::new();
    case.world.node_group_names = None;
    assert_eq!(case.withheld(&control_plane(), UP), "NotSeen");
    assert_eq!(case.withheld(&back(false), BACK), "NotSeen");
    let mut case = Case::new();
    case.world.node_groups.clear();
    case.world.addons.clear();
    assert_eq!(case.withheld(&control_plane(), UP), "NotSeen");
    assert_eq!(case.withheld(&back(false), BACK), "NotSeen");
    assert_eq!(case.withheld(&group_step(33), ROLL), "NotSeen");
    assert_eq!(case.withheld(&addon_step(), ADDON), "NotSeen");
}

#[test]
fn a_cluster_has_to_be_at_rest_and_well() {
    let mut case = Case::new();
    case.cluster().status = Status::Updating;
    assert_eq!(case.guard(&group_step(33), ROLL), Verdict::Busy(Resource::ControlPlane));
    case.cluster().status = Status::Transient("DELETING".into());
    let waits = failure(case.guard(&group_step(33), ROLL));
    assert_eq!((waits.code.as_str(), waits.remedy), ("ClusterNotActive", Remedy::Wait { after_s: 30 }));
    case.cluster().status = Status::Unwell("FAILED".into());
    let stops = failure(case.guard(&group_step(33), ROLL));
    assert_eq!((stops.code.as_str(), stops.remedy), ("ClusterNotActive", Remedy::Stop));
    assert!(!stops.next_action.is_empty());
}

#[test]
fn what_is_so_already_is_not_called_for() {
    let verdict = Case::new().at(34).guard(&control_plane(), UP);
    assert!(matches!(verdict, Verdict::Record(event) if matches!(*event, Event::Satisfied { .. })));
}

#[test]
fn a_control_plane_goes_to_the_next_minor_from_where_it_was_planned_from() {
    assert_eq!(Case::new().at(32).withheld(&control_plane(), UP), "NotTheNextMinor");
    let two = step("two", StepKind::ControlPlane { from: minor(33), to: minor(35) });
    assert_eq!(Case::new().withheld(&two, UP), "NotTheNextMinor");
}

#[test]
fn a_control_plane_leaves_no_node_too_far_behind() {
    let mut case = Case::new();
    case.group().version = minor(31);
    assert!(matches!(case.guard(&control_plane(), UP), Verdict::Call(_)), "three behind is allowed");
    case.group().version = minor(30);
    let stops = failure(case.guard(&control_plane(), UP));
    assert_eq!((stops.code.as_str(), stops.remedy), ("SkewExceeded", Remedy::Stop));
}

#[test]
fn nodes_go_where_their_control_plane_is() {
    let past = failure(Case::new().at(34).guard(&group_step(33), ROLL));
    assert_eq!(past.code, "ControlPlaneElsewhere");
    assert_eq!(past.remedy, Remedy::Replan { nodes_each_hop: false });
    let behind = failure(Case::new().guard(&group_step(34), ROLL));
    assert_eq!(behind.code, "ControlPlaneElsewhere");
    assert_eq!(behind.remedy, Remedy::Wait { after_s: 30 });
}

#[test]
fn a_group_has_to_be_at_rest_and_well() {
    let mut case = Case::new();
    case.group().status = Status::Updating;
    assert_eq!(case.guard(&group_step(33), ROLL), Verdict::Busy(Resource::NodeGroup("a".into())));
    case.group().status = Status::Transient("DELETING".into());
    assert_eq!(case.withheld(&group_step(33), ROLL), "NodeGroupNotActive");
    case.group().status = Status::Unwell("DEGRADED".into());
    let stops = failure(case.guard(&group_step(33), ROLL));
    assert_eq!((stops.code.as_str(), stops.remedy), ("NodeGroupNotActive", Remedy::Stop));
}

#[test]
fn an_addon_is_left_alone_while_it_changes_and_never_goes_down() {
    let mut case = Case::new();
    case.addon().status = Status::Updating;
    assert_eq!(case.guard(&addon_step(), ADDON), Verdict::Busy(Resource::AddOn("vpc-cni".into())));
    case.addon().status = Status::Unwell("DEGRADED".into());
    assert!(matches!(case.guard(&addon_step(), ADDON), Verdict::Call(_)), "an update may mend it");
    for version in ["v1.17.0-eksbuild.1", "v1.18.0-eksbuild.1"] {
        case.addon().version = version.parse().unwrap();
        assert_eq!(case.withheld(&addon_step(), ADDON), "AddonUnwell", "{version}");
    }
}

#[test]
fn the_way_back_is_one_minor_from_where_it_was_planned_from() {
    assert_eq!(Case::new().at(34).withheld(&back(false), BACK), "NotTheMinorBefore");
    let two = step("two", StepKind::RollBack { from: minor(33), to: minor(31), force: false });
    assert_eq!(Case::new().withheld(&two, BACK), "NotTheMinorBefore");
}

#[test]
fn the_way_back_goes_below_no_node() {
    let mut case = Case::new();
    case.group().version = minor(31);
    assert!(matches!(case.guard(&back(false), BACK), Verdict::Call(_)), "an older node is no hindrance");
    case.group().version = minor(33);
    let stops = failure(case.guard(&back(false), BACK));
    assert_eq!((stops.code.as_str(), stops.remedy), ("NodesNewer", Remedy::Stop));
}

#[test]
fn inside_a_cluster_nothing_becomes_newer_than_its_control_plane() {
    let image = |tag: &str| format!("602401143452.dkr.ecr.us-east-1.amazonaws.com/eks/kube-proxy:{tag}");
    let proxy = |minor: u8| {
        let (from, to) = (image("v1.32.0-eksbuild.1"), image(&format!("v1.{minor}.0-eksbuild.1")));
        step("proxy", StepKind::CoreComponent { name: "kube-proxy".into(), from, to })
    };
    let asked = ActionName::UpdateCoreComponent;
    for older in [32, 33] {
        assert_eq!(Case::new().guard(&proxy(older), asked), Verdict::Inside, "1.{older} beside 1.33");
    }
    assert_eq!(Case::new().withheld(&proxy(34), asked), "NewerThanControlPlane");
}

#[test]
fn inside_a_cluster_nodes_go_where_their_control_plane_is() {
    let pods = |to: u8| {
        let workloads = vec!["Deployment shop/web".into()];
        step("fargate", StepKind::FargatePods { workloads, to: minor(to) })
    };
    let asked = ActionName::RestartFargatePods;
    assert_eq!(Case::new().guard(&pods(33), asked), Verdict::Inside);
    for elsewhere in [32, 34] {
        assert_eq!(Case::new().withheld(&pods(elsewhere), asked), "ControlPlaneElsewhere");
    }
}
