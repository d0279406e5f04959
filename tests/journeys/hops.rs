//! How a cluster gets from its minor to the target.

use eks_upgrade_core::cluster::Resource;
use eks_upgrade_core::ledger::Event;
use eks_upgrade_core::policy::{NODES_TAG, NodeHops};
use eks_upgrade_support::{Fleet, Twist, installed, node_group};

use crate::story::upgrade;

#[test]
fn one_hop() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(told.hops(), ["UpdateClusterVersion version=1.35"]);
    assert_eq!(told.group_calls(), ["UpdateNodegroupVersion nodegroup=general version=1.35 force=false"]);
    let after = fleet.eks.see("prod-a");
    assert_eq!(after.cluster.version.to_string(), "1.35");
    assert_eq!(after.node_groups["general"].version.to_string(), "1.35");
    assert_eq!(after.addons["kube-proxy"].version.to_string(), "v1.35.0-eksbuild.1");
}

#[test]
fn what_is_finished_is_left_alone() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    upgrade(&fleet, "1.35").completed();
    let calls = fleet.eks.arrived();
    let end = fleet.start(serde_json::json!({"cluster": "prod-a", "target": "1.35"})).finish();
    assert!(matches!(end, eks_upgrade_support::End::Refused(raised) if raised.name == "TargetNotNewer"));
    assert_eq!(fleet.eks.arrived(), calls);
}

#[test]
fn three_hops_roll_the_nodes_once_at_the_end() {
    let fleet = Fleet::new().with(installed("prod-a", "1.33"));
    let told = upgrade(&fleet, "1.36").completed();
    assert_eq!(told.hops().len(), 3);
    assert_eq!(told.group_calls().len(), 1);
    assert!(told.place("nodegroup=general") > told.place("UpdateClusterVersion version=1.36"));
}

#[test]
fn each_hop_by_tag_rolls_the_nodes_after_every_hop() {
    let fleet = Fleet::new().with(installed("prod-a", "1.33").tagged(NODES_TAG, "each-hop"));
    let told = upgrade(&fleet, "1.36").completed();
    assert_eq!(told.group_calls().len(), 3);
    assert!(told.place("nodegroup=general version=1.34") < told.place("UpdateClusterVersion version=1.35"));
}

#[test]
fn nodes_that_would_fall_too_far_behind_roll_first() {
    let old = installed("prod-a", "1.33").with(node_group("old", "1.31"));
    let fleet = Fleet::new().with(old);
    let told = upgrade(&fleet, "1.36").completed();
    // 1.31 is within the skew of 1.34 and not of 1.35.
    assert!(told.place("nodegroup=old version=1.34") < told.place("UpdateClusterVersion version=1.35"));
    assert!(told.place("nodegroup=old version=1.36") > told.place("UpdateClusterVersion version=1.36"));
    assert_eq!(told.group_calls().len(), 3);
}

#[test]
fn nodes_at_the_edge_roll_before_the_first_hop() {
    let fleet = Fleet::new().with(installed("prod-a", "1.33").with(node_group("old", "1.30")));
    let told = upgrade(&fleet, "1.34").completed();
    assert!(told.place("nodegroup=old version=1.33") < told.place("UpdateClusterVersion version=1.34"));
}

#[test]
fn a_refusal_of_skipped_node_rolls_makes_a_new_plan_with_nodes_on_every_hop() {
    let fleet = Fleet::new().with(installed("prod-a", "1.33"));
    let wants_equal =
        "Nodegroups general must be updated to match cluster version 1.34 before updating cluster version";
    fleet.eks.twist(Resource::ControlPlane, Twist::Lasts(600));
    let refused = Twist::Refused(400, "InvalidRequestException", wants_equal.into());
    fleet.eks.twist(Resource::ControlPlane, refused);
    let told = upgrade(&fleet, "1.36").completed();
    let plan = told.state.plan.as_ref().unwrap();
    assert_eq!((plan.revision, plan.renewals), (4, 2), "anew before each hop, and once for the refusal");
    assert_eq!(plan.nodes, NodeHops::EachHop);
    assert_eq!(told.group_calls().len(), 3);
    assert_eq!(told.hops().len(), 3);
    assert!(told.place("nodegroup=general version=1.34") < told.place("UpdateClusterVersion version=1.35"));
}

#[test]
fn a_person_may_ask_for_the_same_version_to_bring_nodes_along() {
    let fleet = Fleet::new().with(installed("prod-a", "1.35").with(node_group("general", "1.33")));
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(told.hops(), Vec::<&str>::new());
    assert_eq!(told.group_calls(), ["UpdateNodegroupVersion nodegroup=general version=1.35 force=false"]);
}

#[test]
fn the_number_of_looks_does_not_grow_with_a_slow_control_plane() {
    let looks = |lasts_s: i64| {
        let fleet = Fleet::new().with(installed("prod-a", "1.34").without_groups());
        fleet.eks.twist(Resource::ControlPlane, Twist::Lasts(lasts_s));
        let mut execution = fleet.start(serde_json::json!({"cluster": "prod-a", "target": "1.35"}));
        crate::story::told(&fleet, &mut execution).completed();
        execution.waits().len()
    };
    let (usual, slow) = (looks(600), looks(4 * 3_600));
    assert!(usual <= 25, "{usual} looks at a usual hop and its add-ons");
    assert!(slow <= usual + 95, "{slow} looks at a hop of four hours");
}

#[test]
fn a_refusal_that_another_plan_does_not_answer_stops_the_run() {
    let fleet = Fleet::new().with(installed("prod-a", "1.33"));
    for _ in 0..3 {
        let wants_equal = "Nodegroups own must be updated to match cluster version 1.33 before updating it";
        let refused = Twist::Refused(400, "InvalidRequestException", wants_equal.into());
        fleet.eks.twist(Resource::ControlPlane, refused);
    }
    let told = upgrade(&fleet, "1.34").halted("InvalidRequest");
    assert_eq!(told.count(|event| matches!(event, Event::Planned { .. })), 2, "one more plan, and no third");
}
