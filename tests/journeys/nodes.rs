//! Managed node groups: strategies, images, and what is in their way.

use eks_upgrade_core::cluster::{AmiFamily, LaunchTemplate, NodeGroup, Status};
use eks_upgrade_core::finding::{Code, Level};
use eks_upgrade_core::ledger::Event;
use eks_upgrade_core::policy::{NODES_TAG, NodeStrategy, STRATEGY_TAG};
use eks_upgrade_support::{Fleet, Twist, installed, node_group};
use serde_json::json;

use crate::story::{Told, group, upgrade, upgrade_with};

const ROLLED: &str = "UpdateNodegroupVersion nodegroup=general version=1.35 force=false";
const FORCED: &str = "UpdateNodegroupVersion nodegroup=general version=1.35 force=true";

fn with_strategy(strategy: &str) -> Fleet {
    Fleet::new().with(installed("prod-a", "1.34").tagged(STRATEGY_TAG, strategy))
}

fn finding(told: &Told, code: Code) -> Level {
    let plan = told.state.plan.as_ref().unwrap();
    plan.findings.iter().find(|finding| finding.code == code).expect("the finding").level
}

#[test]
fn rolling_stops_at_a_budget_that_never_lets_go_and_says_what_to_do() {
    let fleet = with_strategy("rolling");
    fleet.eks.twist(group("general"), Twist::eviction_fails());
    fleet.eks.twist(group("general"), Twist::eviction_fails());
    let told = upgrade(&fleet, "1.35").halted("PodEvictionFailure");
    assert_eq!(told.group_calls(), [ROLLED, ROLLED], "bounded, and never forced");
    assert!(told.words().contains("ip-10-0-1-7.ec2.internal"), "{}", told.words());
    assert!(told.words().contains("PodDisruptionBudget"), "{}", told.words());
}

#[test]
fn a_group_that_is_held_by_nobody_known_is_waited_for_a_day_and_then_left_to_a_person() {
    let fleet = with_strategy("rolling");
    // Once the run is planned, somebody's update of the group hangs, and EKS lists none.
    fleet.later(300, |eks| {
        eks.change("prod-a", |it| it.node_groups.get_mut("general").unwrap().status = Status::Updating);
    });
    let told = upgrade(&fleet, "1.35").halted("ResourceInUse");
    assert_eq!(told.group_calls(), Vec::<&str>::new());
    let withheld = told.events.iter().filter(|event| matches!(event, Event::Withheld { .. })).count();
    assert!((5..100).contains(&withheld), "{withheld} tries in a day");
}

#[test]
fn rolling_gets_through_when_the_budget_lets_go_meanwhile() {
    let fleet = with_strategy("rolling");
    fleet.eks.twist(group("general"), Twist::eviction_fails());
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(told.group_calls(), [ROLLED, ROLLED]);
}

#[test]
fn rolling_then_force_forces_once_and_only_after_a_failed_eviction() {
    let fleet = with_strategy("rolling-then-force");
    fleet.eks.twist(group("general"), Twist::eviction_fails());
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(told.group_calls(), [ROLLED, FORCED]);
}

#[test]
fn rolling_then_force_does_not_force_for_another_failure() {
    let fleet = with_strategy("rolling-then-force");
    fleet.eks.twist(group("general"), Twist::fails("NodeCreationFailure", "no node joined"));
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(told.group_calls(), [ROLLED, ROLLED]);
}

#[test]
fn force_forces_from_the_start() {
    let told = upgrade(&with_strategy("force"), "1.35").completed();
    assert_eq!(told.group_calls(), [FORCED]);
}

#[test]
fn the_request_says_how_before_the_tag_does() {
    let fleet = with_strategy("force");
    let request = json!({"cluster": "prod-a", "target": "1.35", "strategy": "rolling"});
    assert_eq!(upgrade_with(&fleet, request).completed().group_calls(), [ROLLED]);
}

#[test]
fn one_group_may_have_a_strategy_of_its_own() {
    let mut fleet = Fleet::new().with(installed("prod-a", "1.34").with(node_group("batch", "1.34")));
    fleet.policy.node_group_strategy.insert("batch".into(), NodeStrategy::Force);
    let told = upgrade(&fleet, "1.35").completed();
    assert!(told.group_calls().contains(&ROLLED));
    assert!(told.group_calls().contains(&"UpdateNodegroupVersion nodegroup=batch version=1.35 force=true"));
}

#[test]
fn no_more_groups_roll_at_once_than_the_policy_says() {
    let mut cluster = installed("prod-a", "1.34").without_groups();
    for name in ["a", "b", "c", "d", "e"] {
        cluster = cluster.with(node_group(name, "1.34"));
    }
    let mut fleet = Fleet::new().with(cluster);
    fleet.policy.node_groups_at_once = 2;
    let told = upgrade(&fleet, "1.35").completed();
    let (mut busy, mut most) = (0_usize, 0);
    for event in &told.events {
        match event {
            Event::Intended { step, .. } if step.as_str().contains("node-group") => busy += 1,
            Event::Succeeded { step, .. } if step.as_str().contains("node-group") => busy -= 1,
            _ => {}
        }
        most = most.max(busy);
    }
    assert_eq!((told.group_calls().len(), most), (5, 2));
}

#[test]
fn a_group_that_fails_holds_up_no_other_and_stops_the_run() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34").with(node_group("batch", "1.34")));
    fleet.eks.twist(group("batch"), Twist::fails("AccessDenied", "no"));
    let told = upgrade(&fleet, "1.35").halted("AccessDenied");
    assert_eq!(fleet.eks.see("prod-a").node_groups["general"].version.to_string(), "1.35");
    assert_eq!(told.group_calls().len(), 2, "what is denied is not tried again");
}

#[test]
fn amazon_linux_2_stays_at_the_last_version_that_has_it() {
    let old = NodeGroup { ami: AmiFamily::AmazonLinux2, ..node_group("old", "1.31") };
    let fleet = Fleet::new().with(installed("prod-a", "1.31").with(old));
    let told = upgrade(&fleet, "1.34").completed();
    assert_eq!(finding(&told, Code::AmazonLinux2), Level::Warn);
    assert!(told.message.contains("Amazon Linux 2023"), "{}", told.message);
    assert_eq!(fleet.eks.see("prod-a").node_groups["old"].version.to_string(), "1.32");
    assert_eq!(fleet.eks.see("prod-a").node_groups["general"].version.to_string(), "1.34");
}

#[test]
fn amazon_linux_2_that_would_fall_out_of_skew_blocks_before_any_call() {
    let old = NodeGroup { ami: AmiFamily::AmazonLinux2, ..node_group("old", "1.32") };
    let fleet = Fleet::new().with(installed("prod-a", "1.33").with(old));
    let told = upgrade(&fleet, "1.36").halted("Blocked");
    assert_eq!(finding(&told, Code::SkewExceeded), Level::Block);
    assert_eq!(fleet.eks.arrived(), 0);
}

fn custom() -> NodeGroup {
    let launch_template = Some(LaunchTemplate { id: "lt-1".into(), version: "7".into() });
    NodeGroup { ami: AmiFamily::Custom, launch_template, ..node_group("own", "1.34") }
}

#[test]
fn an_own_image_stays_and_is_told_about() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34").with(custom()));
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(finding(&told, Code::CustomAmi), Level::Warn);
    assert_eq!(told.group_calls(), [ROLLED]);
}

#[test]
fn an_own_image_moves_by_its_launch_template_and_no_version_is_sent() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34").with(custom()));
    let request = json!({"cluster": "prod-a", "target": "1.35", "launchTemplates": {"own": "8"}});
    let told = upgrade_with(&fleet, request).completed();
    assert!(
        told.group_calls()
            .contains(&"UpdateNodegroupVersion nodegroup=own launchTemplate=lt-1:8 force=false")
    );
}

#[test]
fn a_launch_template_that_drives_a_group_is_kept() {
    let launch_template = Some(LaunchTemplate { id: "lt-2".into(), version: "3".into() });
    let driven = NodeGroup { launch_template, ..node_group("general", "1.34") };
    let fleet = Fleet::new().with(installed("prod-a", "1.34").with(driven));
    let told = upgrade(&fleet, "1.35").completed();
    // None is sent, so that EKS keeps the one the group has and wants no rights on it.
    assert_eq!(told.group_calls(), [ROLLED]);
    assert_eq!(fleet.eks.see("prod-a").node_groups["general"].launch_template.as_ref().unwrap().version, "3");
}

#[test]
fn a_degraded_group_blocks_before_anything_is_touched() {
    let unwell = NodeGroup {
        status: Status::Unwell("DEGRADED".into()),
        health_issues: vec!["Ec2SubnetInvalidConfiguration: no public address".into()],
        ..node_group("general", "1.34")
    };
    let fleet = Fleet::new().with(installed("prod-a", "1.34").with(unwell));
    let told = upgrade(&fleet, "1.35").halted("Blocked");
    assert!(told.words().contains("Ec2SubnetInvalidConfiguration"), "{}", told.words());
    assert_eq!(fleet.eks.arrived(), 0);
}

#[test]
fn a_group_that_degrades_on_the_way_is_not_touched() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    fleet.later(300, |eks| {
        eks.change("prod-a", |cluster| {
            cluster.node_groups.get_mut("general").unwrap().status = Status::Unwell("DEGRADED".into());
        });
    });
    let told = upgrade(&fleet, "1.35").halted("NodeGroupNotActive");
    assert_eq!(told.group_calls(), Vec::<&str>::new());
}

#[test]
fn auto_mode_and_fargate_are_told_apart() {
    let mut auto = installed("prod-a", "1.34").without_groups();
    auto.cluster.auto_mode = true;
    auto.fargate_profiles = vec!["serverless".into()];
    let fleet = Fleet::new().with(auto);
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(finding(&told, Code::AutoMode), Level::Pass);
    assert_eq!(finding(&told, Code::Fargate), Level::Warn);
}

#[test]
fn an_own_image_for_the_target_is_never_rolled_under_an_older_control_plane() {
    let own = NodeGroup { version: "1.33".parse().unwrap(), ..custom() };
    let fleet = Fleet::new().with(installed("prod-a", "1.33").tagged(NODES_TAG, "each-hop").with(own));
    let request = json!({"cluster": "prod-a", "target": "1.35", "launchTemplates": {"own": "8"}});
    let told = upgrade_with(&fleet, request).completed();
    let rolls = told.group_calls().into_iter().filter(|call| call.contains("nodegroup=own")).count();
    assert_eq!(rolls, 1);
    assert!(told.place("nodegroup=own") > told.place("UpdateClusterVersion version=1.35"));
}
