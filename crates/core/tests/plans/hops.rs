//! The control plane's way up, the bake after each hop, windows that are too short, and the cluster as a whole.

use eks_upgrade_core::finding::{Code, Level};
use eks_upgrade_core::health::Vitals;
use eks_upgrade_core::inspection::Inspection;
use eks_upgrade_core::plan::Baseline;
use eks_upgrade_core::window::Window;
use jiff::SignedDuration;

use crate::given::{Case, found, ids, minor, now, step, version, waits_for};

#[test]
fn each_hop_says_why_it_is_made() {
    let plan = Case::to(35).plan();
    assert!(step(&plan, "1.34/control-plane").reason.contains("on the way to 1.35"));
    assert_eq!(step(&plan, "1.35/control-plane").reason, "1.35 is the target");
}

#[test]
fn no_step_may_stand_in_a_plan_twice() {
    let mut plan = Case::to(35).plan();
    assert!(plan.ids_are_unique());
    let again = plan.hops[0].steps[0].clone();
    plan.hops[1].steps.push(again);
    assert!(!plan.ids_are_unique());
}

#[test]
fn after_each_hop_it_bakes_where_the_policy_says_so() {
    let mut case = Case::to(34);
    assert!(!ids(&case.plan()).contains(&"1.34/bake"));
    case.policy.bake.duration = SignedDuration::from_mins(30);
    let plan = case.plan();
    assert!(waits_for(&plan, "1.34/bake", "1.34/control-plane"));
    assert!(waits_for(&plan, "1.34/node-group/a", "1.34/bake"));
}

#[test]
fn a_second_hop_gives_up_the_way_back_that_a_bake_keeps_open() {
    let given_up = |target, bake_min| {
        let mut case = Case::to(target);
        case.policy.bake.duration = SignedDuration::from_mins(bake_min);
        found(&case.plan(), Code::WayBackGivenUp).len()
    };
    assert_eq!(given_up(35, 30), 1);
    assert_eq!(given_up(34, 30), 0);
    assert_eq!(given_up(35, 0), 0);
}

/// A case with a nightly window of so many minutes.
fn nightly(mut case: Case, minutes: u32) -> Case {
    let window = serde_json::json!({"start": "22:00", "duration": format!("{minutes}m")});
    case.policy.schedule.windows = vec![serde_json::from_value::<Window>(window).unwrap()];
    case
}

#[test]
fn a_step_that_no_window_holds_is_found_before_it_waits_for_ever() {
    let mut case = Case::to(34);
    case.policy.bake.duration = SignedDuration::from_hours(2);
    // A control plane is given 20 minutes and 16 to be planned again, the group of three nodes 44.
    let plan = nightly(case, 36).plan();
    assert_eq!(found(&plan, Code::WindowTooShort), [(Level::Block, "1.34/node-group/a")]);
    assert_eq!(found(&nightly(Case::to(34), 60).plan(), Code::WindowTooShort), []);
    let plan = nightly(Case::to(34), 35).plan();
    let blocked = [(Level::Block, "1.34/control-plane"), (Level::Block, "1.34/node-group/a")];
    assert_eq!(found(&plan, Code::WindowTooShort), blocked);
}

/// A cluster that is at 1.34 already, with everything in it.
fn there() -> Case {
    let mut case = Case::to(34);
    case.inventory.cluster.version = minor(34);
    case.group().version = minor(34);
    case.inventory.addons[0].version = version(17);
    case.inventory.addons[1].version = version(34);
    case
}

#[test]
fn a_cluster_that_is_there_is_left_alone_though_an_addon_is_not_at_its_default() {
    assert_eq!(there().plan().hops, []);
    let mut lags = there();
    lags.group().version = minor(33);
    let plan = lags.plan();
    assert_eq!(ids(&plan), ["1.34/add-on/vpc-cni/v1.18.0-eksbuild.1", "1.34/node-group/a"]);
}

#[test]
fn a_cluster_that_is_unwell_does_not_start() {
    let mut case = Case::to(34);
    assert_eq!(found(&case.plan(), Code::ClusterUnwell), []);
    case.inventory.cluster.health_issues = vec!["InsufficientFreeAddresses".into()];
    assert_eq!(found(&case.plan(), Code::ClusterUnwell), [(Level::Block, "prod-a")]);
}

#[test]
fn auto_mode_and_fargate_are_told() {
    let mut case = Case::to(34);
    case.inventory.cluster.auto_mode = true;
    case.inventory.fargate_profiles = vec!["jobs".into()];
    let plan = case.plan();
    assert_eq!(found(&plan, Code::AutoMode), [(Level::Pass, "prod-a")]);
    assert_eq!(found(&plan, Code::Fargate), [(Level::Warn, "jobs")]);
    case.target = minor(36);
    assert_eq!(found(&case.plan(), Code::Fargate), [(Level::Warn, "jobs")], "three behind is allowed");
    case.target = minor(37);
    assert_eq!(found(&case.plan(), Code::Fargate), [(Level::Block, "jobs")]);
}

#[test]
fn only_where_no_node_is_to_be_seen_at_all_there_may_be_some_unseen() {
    let unseen = |case: &Case| found(&case.plan(), Code::NodesNotSeen).len();
    let without = || {
        let mut case = Case::to(34);
        case.inventory.node_groups.clear();
        case
    };
    assert_eq!(unseen(&without()), 1);
    assert_eq!(unseen(&Case::to(34)), 0);
    let mut case = without();
    case.inventory.cluster.auto_mode = true;
    assert_eq!(unseen(&case), 0);
    let mut case = without();
    case.inventory.fargate_profiles = vec!["jobs".into()];
    assert_eq!(unseen(&case), 0);
    let mut case = without();
    case.inventory.inside = Some(Inspection::unseen(now(), "403 Forbidden"));
    assert_eq!(unseen(&case), 0, "who looks inside sees every node");
}

#[test]
fn a_baseline_that_is_kept_takes_in_what_came_since_and_forgives_nothing() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let first = Baseline { addons: names(&["vpc-cni", "coredns"]), ..Baseline::default() };
    let vitals = Some(Vitals { pods_crashing: 2, ..Vitals::default() });
    let now = Baseline {
        health_issues: names(&["Ec2SubnetNotFound"]),
        addons: names(&["vpc-cni", "coredns", "adot"]),
        addons_unwell: names(&["coredns", "adot"]),
        insights: names(&["Deprecated APIs"]),
        vitals: vitals.clone(),
    };
    let kept = first.kept(now);
    assert_eq!(kept.addons, ["vpc-cni", "coredns", "adot"]);
    assert_eq!(kept.addons_unwell, ["adot"], "coredns was well when the run began");
    assert!(kept.health_issues.is_empty(), "{kept:?}");
    assert_eq!(kept.insights, ["Deprecated APIs"], "it did not block the plan: somebody knows of it");
    assert_eq!(kept.vitals, vitals, "they had not been seen before");
    assert_eq!(kept.unwell().collect::<Vec<_>>(), ["adot"]);
}
