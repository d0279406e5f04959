//! What is turned away: one clear sentence and a name, before any effect.

use eks_upgrade_core::cluster::Status;
use eks_upgrade_core::policy::STRATEGY_TAG;
use eks_upgrade_support::{End, Fleet, installed};
use serde_json::{Value, json};

fn refused(fleet: &Fleet, request: Value) -> (String, String) {
    let shown = request.to_string();
    let end = fleet.start(request).finish();
    let End::Refused(raised) = end else { panic!("{shown} was let in: {end:?}") };
    assert_eq!(fleet.eks.arrived(), 0, "{shown}");
    assert!(fleet.table.memory.kept().lines.is_empty() && fleet.table.memory.kept().leases.is_empty());
    assert!(!raised.message.is_empty() && raised.message.lines().count() == 1, "{}", raised.message);
    (raised.name, raised.message)
}

#[test]
fn every_bad_request_has_its_name() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    for (request, name) in [
        (json!(null), "InvalidRequest"),
        (json!({}), "InvalidRequest"),
        (json!([]), "InvalidRequest"),
        (json!({"cluster": 7}), "InvalidRequest"),
        (json!({"cluster": "prod-a", "surprise": true}), "InvalidRequest"),
        (json!({"cluster": "prod-z", "target": "1.35"}), "ClusterNotFound"),
        (json!({"cluster": "prod a"}), "MalformedCluster"),
        (json!({"cluster": "arn:aws:eks:us-east-1:999999999999:cluster/prod-a"}), "WrongAccount"),
        (json!({"cluster": "arn:aws:eks:eu-west-1:123456789012:cluster/prod-a"}), "WrongRegion"),
        (json!({"cluster": "prod-a", "target": "1.33"}), "TargetNotNewer"),
        (json!({"cluster": "prod-a", "target": "1.34"}), "TargetNotNewer"),
        (json!({"cluster": "prod-a", "target": "1.38"}), "UnknownTarget"),
        (json!({"cluster": "prod-a", "target": "newest"}), "UnknownTarget"),
    ] {
        assert_eq!(refused(&fleet, request.clone()).0, name, "{request}");
    }
}

#[test]
fn a_cluster_that_is_not_active_is_turned_away() {
    let mut failed = installed("prod-a", "1.34");
    failed.cluster.status = Status::Unwell("FAILED".into());
    let (name, message) = refused(&Fleet::new().with(failed), json!({"cluster": "prod-a", "target": "1.35"}));
    assert_eq!(name, "ClusterNotActive");
    assert!(message.contains("FAILED"), "{message}");
}

#[test]
fn a_tag_that_means_nothing_is_turned_away_and_not_ignored() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34").tagged(STRATEGY_TAG, "forse"));
    let (name, message) = refused(&fleet, json!({"cluster": "prod-a", "target": "1.35"}));
    assert_eq!(name, "InvalidPolicy");
    assert!(message.contains("forse"), "{message}");
}
