//! What only the cluster itself can tell: before an upgrade, while it goes on, and what is changed inside.

use eks_upgrade_core::cluster::Resource;
use eks_upgrade_core::finding::{Code, Level};
use eks_upgrade_core::inside::{NodeGroupOf, Seen};
use eks_upgrade_core::ledger::Event;
use eks_upgrade_core::plan::StepKind;
use eks_upgrade_support::{FakeInside, Fleet, Installed, Twist, empty_inside, installed};
use jiff::Timestamp;
use serde_json::json;

use crate::story::{Told, group, upgrade, upgrade_with};

const READ: &str = "{bake: {duration: 0s}, kubernetes: {access: read}}";
const FULL: &str = "{bake: {duration: 0s}, kubernetes: {access: full, fargate: restart, stall: 1h}}";
const PROXY: &str = "602401143452.dkr.ecr.us-east-1.amazonaws.com/eks/kube-proxy:v1.34.0-eksbuild.2";
const MINUTE_S: i64 = 60;

fn now() -> Timestamp {
    "2026-08-18T09:15:00Z".parse().unwrap()
}

/// The inside of `prod-a`: its managed group's three nodes, and a deployment.
fn healthy() -> FakeInside {
    empty_inside(now(), "1.34".parse().unwrap())
        .with_nodes(&NodeGroupOf::Managed("general".into()), "1.34", 3)
        .with_deployment("web", 3)
}

fn fleet(policy: &str, cluster: Installed, inside: FakeInside) -> Fleet {
    let fleet = Fleet::new().under(policy).with(cluster);
    fleet.eks.look_into("prod-a", inside);
    fleet
}

fn usual(policy: &str, inside: FakeInside) -> Fleet {
    fleet(policy, installed("prod-a", "1.34"), inside)
}

fn levels(told: &Told, code: Code) -> Vec<Level> {
    let plan = told.state.plan.as_ref().unwrap();
    plan.findings.iter().filter(|finding| finding.code == code).map(|finding| finding.level).collect()
}

/// The requests of the steps inside, in words.
fn inside_steps(told: &Told) -> Vec<String> {
    let plan = told.state.plan.as_ref().unwrap();
    plan.steps().filter(|step| step.kind.is_inside()).map(|step| step.kind.to_string()).collect()
}

fn automatic() -> serde_json::Value {
    json!({"cluster": "prod-a", "target": "1.35", "campaign": "sweep-1"})
}

#[test]
fn a_healthy_inside_is_no_obstacle() {
    let told = upgrade(&usual(READ, healthy()), "1.35").completed();
    let plan = told.state.plan.as_ref().unwrap();
    assert_eq!(plan.blocks().count(), 0, "{:#?}", plan.findings);
    assert!(plan.baseline.vitals.is_some());
}

#[test]
fn a_cluster_that_nobody_may_look_into_is_upgraded_as_before() {
    let told = upgrade(&Fleet::new().with(installed("prod-a", "1.34")), "1.35").completed();
    assert!(levels(&told, Code::InsideUnread).is_empty());
}

#[test]
fn what_cannot_be_read_stops_an_automatic_run_and_not_a_persons() {
    let unreachable = || {
        let mut inside = healthy();
        inside.unreachable = Some("no route to its private endpoint".into());
        inside
    };
    let told = upgrade_with(&usual(READ, unreachable()), automatic()).halted("Blocked");
    assert!(told.began.is_empty());
    assert!(told.words().contains("no route to its private endpoint"), "{}", told.words());
    let told = upgrade(&usual(READ, unreachable()), "1.35").completed();
    assert!(levels(&told, Code::InsideUnread).contains(&Level::Unknown));
}

#[test]
fn a_budget_that_never_lets_go_is_known_before_anything_moves() {
    let told = upgrade(&usual(READ, healthy().with_budget("web", 3)), "1.35").halted("Blocked");
    assert!(told.began.is_empty());
    let words = told.words();
    assert!(words.contains("shop/web") && words.contains("Deployment web"), "{words}");
}

#[test]
fn where_force_is_allowed_it_only_warns() {
    let policy = "{bake: {duration: 0s}, strategy: rolling-then-force, kubernetes: {access: read}}";
    let told = upgrade(&usual(policy, healthy().with_budget("web", 3)), "1.35").completed();
    assert!(levels(&told, Code::DrainBlocked).contains(&Level::Warn));
}

#[test]
fn an_eviction_that_fails_is_told_with_pod_budget_and_owner() {
    let name = "ip-10-0-1-7.ec2.internal";
    let fleet = usual(READ, healthy().with_first_node(name));
    fleet.eks.twist(group("general"), Twist::eviction_fails());
    fleet.eks.twist(group("general"), Twist::eviction_fails());
    // Somebody tightens the budget once the run has begun.
    fleet.later(MINUTE_S, |eks| {
        let inside = eks.within("prod-a", |inner| inner.clone()).with_budget("web", 3);
        eks.look_into("prod-a", inside);
    });
    let told = upgrade(&fleet, "1.35").halted("PodEvictionFailure");
    let words = told.words();
    for wanted in [name, "shop/web-", "PodDisruptionBudget shop/web", "Deployment web"] {
        assert!(words.contains(wanted), "{wanted} is not in {words}");
    }
}

#[test]
fn who_holds_a_node_that_cannot_be_looked_at_is_said_to_be_unknown() {
    let fleet = usual(READ, healthy());
    fleet.eks.twist(group("general"), Twist::eviction_fails());
    fleet.eks.twist(group("general"), Twist::eviction_fails());
    fleet.later(MINUTE_S, |eks| {
        eks.within("prod-a", |inner| inner.unreachable = Some("timed out".into()));
    });
    let told = upgrade(&fleet, "1.35").halted("PodEvictionFailure");
    assert!(told.words().contains("could not be told: kube:List: timed out"), "{}", told.words());
}

#[test]
fn a_component_that_is_no_addon_goes_to_the_targets_image_and_is_watched() {
    let cluster = installed("prod-a", "1.34").without_addon("kube-proxy");
    let fleet = fleet(FULL, cluster, healthy().with_component("kube-proxy", PROXY));
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(inside_steps(&told).len(), 1, "{:?}", inside_steps(&told));
    let done = fleet.eks.within("prod-a", |inner| inner.done.clone());
    assert!(
        done[0].starts_with(
            "image kube-proxy 602401143452.dkr.ecr.us-east-1.amazonaws.com/eks/kube-proxy:v1.35"
        )
    );
    assert_eq!(done.len(), 1, "once: {done:?}");
}

#[test]
fn a_component_whose_pods_do_not_come_up_stops_with_its_way_back() {
    let cluster = installed("prod-a", "1.34").without_addon("kube-proxy");
    let fleet = fleet(FULL, cluster, healthy().with_component("kube-proxy", PROXY));
    fleet.eks.within("prod-a", |inner| inner.every_image_is_bad = true);
    let told = upgrade(&fleet, "1.35").halted("ComponentNotReady");
    assert!(told.words().contains(PROXY), "the way back: {}", told.words());
}

#[test]
fn without_full_access_a_component_is_left_and_said_so() {
    let cluster = installed("prod-a", "1.34").without_addon("kube-proxy");
    let fleet = fleet(READ, cluster, healthy().with_component("kube-proxy", PROXY));
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(levels(&told, Code::SelfManagedComponent), [Level::Warn]);
    assert!(fleet.eks.within("prod-a", |inner| inner.done.is_empty()));
}

#[test]
fn pods_on_fargate_are_restarted_once_through_their_workloads() {
    let inside = empty_inside(now(), "1.35".parse().unwrap())
        .with_nodes(&NodeGroupOf::Fargate, "1.34", 2)
        .with_deployment("api", 2);
    let fleet = fleet(FULL, installed("prod-a", "1.34").without_groups(), inside);
    upgrade(&fleet, "1.35").completed();
    assert_eq!(fleet.eks.within("prod-a", |inner| inner.done.clone()), ["restart shop/api"]);
}

#[test]
fn nodes_that_follow_by_themselves_are_watched_until_they_are_there() {
    let pool = NodeGroupOf::Karpenter("default".into());
    let fleet = usual(READ, healthy().with_nodes(&pool, "1.34", 2));
    for after in [30, 55] {
        fleet.later(after * MINUTE_S, |eks| {
            eks.within("prod-a", |inner| inner.upgrade_one("default", "1.35"));
        });
    }
    let told = upgrade(&fleet, "1.35").completed();
    let behind: Vec<u32> = told
        .events
        .iter()
        .filter_map(|event| match event {
            Event::FollowBegan { behind, .. } | Event::FollowSeen { behind, .. } => Some(*behind),
            _ => None,
        })
        .collect();
    assert!(behind == [2, 1] || behind == [1], "{behind:?}");
}

#[test]
fn nodes_that_do_not_follow_are_a_persons_business_after_an_hour() {
    let pool = NodeGroupOf::Karpenter("default".into());
    let told = upgrade(&usual(READ, healthy().with_nodes(&pool, "1.34", 2)), "1.35").halted("Stalled");
    assert!(told.words().contains("2 node(s) are still below 1.35"), "{}", told.words());
}

#[test]
fn a_regression_while_nodes_roll_pauses_the_run_until_it_is_over() {
    let mut cluster = installed("prod-a", "1.34");
    cluster = cluster.with(eks_upgrade_support::node_group("second", "1.34"));
    let fleet =
        fleet("{bake: {duration: 0s}, nodeGroupsAtOnce: 1, kubernetes: {access: read}}", cluster, healthy());
    fleet.later(15 * MINUTE_S, |eks| eks.within("prod-a", |inner| inner.crash(true)));
    fleet.later(50 * MINUTE_S, |eks| eks.within("prod-a", |inner| inner.crash(false)));
    let told = upgrade(&fleet, "1.35").completed();
    let paused = told.events.iter().any(|event| {
        matches!(event, Event::Paused { text, .. } if text.contains("1 pods crashing (before the start 0)"))
    });
    assert!(paused, "{:#?}", told.events);
}

#[test]
fn a_regression_that_lasts_for_an_hour_stops_the_run_and_offers_the_way_back() {
    let cluster = installed("prod-a", "1.34").with(eks_upgrade_support::node_group("second", "1.34"));
    let policy = "{bake: {duration: 0s}, nodeGroupsAtOnce: 1, kubernetes: {access: read}}";
    let fleet = fleet(policy, cluster, healthy());
    fleet.later(15 * MINUTE_S, |eks| eks.within("prod-a", |inner| inner.crash(true)));
    let told = upgrade(&fleet, "1.35").halted("WorkloadsWorse");
    let rolled = told.began.iter().filter(|call| call.contains("UpdateNodegroupVersion")).count();
    assert_eq!(rolled, 1, "{:?}", told.began);
    assert!(told.words().contains("eks-upgrade roll-back prod-a"), "{}", told.words());
}

#[test]
fn inside_the_bake_a_regression_fails_the_gate() {
    let fleet = usual("{bake: {duration: 2h}, kubernetes: {access: read}}", healthy());
    fleet.later(40 * MINUTE_S, |eks| eks.within("prod-a", |inner| inner.crash(true)));
    let told = upgrade(&fleet, "1.35").halted("BakeFailed");
    assert!(told.words().contains("1 pods crashing"), "{}", told.words());
    assert!(told.group_calls().is_empty(), "nodes stay, so that the way back is open");
}

#[test]
fn a_bake_waits_for_what_cannot_be_seen_and_does_not_take_it_for_fine() {
    let fleet = usual("{bake: {duration: 1h}, kubernetes: {access: read}}", healthy());
    fleet.later(20 * MINUTE_S, |eks| {
        eks.within("prod-a", |inner| inner.unreachable = Some("timed out".into()));
    });
    upgrade(&fleet, "1.35").halted("BakeUntold");
}

#[test]
fn one_part_that_is_unseen_is_said_by_itself() {
    let mut inside = healthy();
    inside.inside.components = Seen::Not("daemonsets is forbidden".into());
    let told = upgrade(&usual(READ, inside), "1.35").completed();
    assert!(levels(&told, Code::InsideUnread).contains(&Level::Unknown));
    let plan = told.state.plan.as_ref().unwrap();
    assert!(plan.steps().all(|step| !matches!(step.kind, StepKind::CoreComponent { .. })));
}

#[test]
fn pods_are_not_restarted_outside_the_window_that_closed_while_the_server_was_away() {
    let inside = empty_inside(now(), "1.35".parse().unwrap())
        .with_nodes(&NodeGroupOf::Fargate, "1.34", 2)
        .with_deployment("api", 2);
    let policy = "{bake: {duration: 0s}, windows: [{start: '08:00', duration: 4h, timeZone: UTC}],
        kubernetes: {access: full, fargate: restart}}";
    let fleet = fleet(policy, installed("prod-a", "1.34").without_groups(), inside);
    let away = |away: bool| {
        move |inner: &mut FakeInside| inner.unreachable = away.then(|| "connection refused".to_owned())
    };
    // The window is open until 12:00.
    fleet.later(4 * 60 * MINUTE_S, move |eks| eks.within("prod-a", away(false)));
    let mut execution = fleet.start(json!({"cluster": "prod-a", "target": "1.35"}));
    execution.until_at("RestartFargatePods");
    fleet.eks.within("prod-a", away(true));
    let told = crate::story::told(&fleet, &mut execution).completed();
    let refused = |event: &Event| matches!(event, Event::Refused { failure, .. } if failure.code == "Held");
    assert_eq!(told.count(refused), 1, "{:#?}", told.events);
    assert_eq!(fleet.eks.within("prod-a", |inner| inner.done.clone()), ["restart shop/api"]);
    let next_opening: Timestamp = "2026-08-19T08:00:00Z".parse().unwrap();
    assert!(told.state.updated_at >= next_opening, "{}", told.state.updated_at);
}

#[test]
fn a_pod_that_crashes_once_fails_no_bake() {
    let fleet = usual("{bake: {duration: 2h}, kubernetes: {access: read}}", healthy());
    let mut execution = fleet.start(json!({"cluster": "prod-a", "target": "1.35"}));
    execution.until_at("WaitForBake");
    fleet.pass(30 * MINUTE_S);
    fleet.eks.within("prod-a", |inner| inner.crash(true));
    execution.until_at("Decide");
    execution.until_at("WaitForBake");
    fleet.eks.within("prod-a", |inner| inner.crash(false));
    let told = crate::story::told(&fleet, &mut execution).completed();
    let crashed = |event: &Event| matches!(event, Event::VitalsSeen { vitals } if vitals.pods_crashing == 1);
    assert_eq!(told.count(crashed), 1, "{:#?}", told.events);
}

#[test]
fn planning_again_does_not_forgive_what_the_run_has_broken() {
    let cluster = installed("prod-a", "1.33").with(eks_upgrade_support::node_group("second", "1.33"));
    let fleet = fleet("{bake: {duration: 0s}, kubernetes: {access: read}}", cluster, healthy());
    let wants_equal =
        "Nodegroups general must be updated to match cluster version 1.34 before updating cluster version";
    fleet.eks.twist(Resource::ControlPlane, Twist::Lasts(600));
    fleet
        .eks
        .twist(Resource::ControlPlane, Twist::Refused(400, "InvalidRequestException", wants_equal.into()));
    let mut execution = fleet.start(json!({"cluster": "prod-a", "target": "1.35"}));
    execution.until_at("WaitForControlPlane");
    fleet.eks.within("prod-a", |inner| inner.crash(true));
    let told = crate::story::told(&fleet, &mut execution).halted("WorkloadsWorse");
    let plan = told.state.plan.as_ref().unwrap();
    assert_eq!(
        (plan.revision, plan.renewals),
        (3, 1),
        "anew before the second hop, and once for the refusal"
    );
    assert!(told.words().contains("1 pods crashing (before the start 0)"), "{}", told.words());
}
