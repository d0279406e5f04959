//! Notices of the organisation view: `account` is the organisation's, the clusters are wherever their ARNs say.

use eks_upgrade_core::contract::IntakeAnswer;
use eks_upgrade_support::{Fleet, installed, word};
use serde_json::{Value, json};

use crate::judge::documented;

const FAR: &str = "arn:aws:eks:eu-central-1:210987654321:cluster/far";
const SPOKES: &str = "spokes: [{account: \"210987654321\", regions: [eu-central-1], externalId: only-us}]";

fn fleet(policy: &str) -> Fleet {
    let mut far = installed("far", "1.34");
    far.cluster.arn = word(FAR);
    Fleet::new().under(policy).with(installed("prod-a", "1.34")).with(far)
}

fn of_the_organisation() -> Value {
    let mut event = documented();
    event["account"] = json!("999999999999");
    event["detail"]["affectedAccount"] = json!("210987654321");
    event["detail"]["eventRegion"] = json!("eu-central-1");
    event["detail"]["affectedEntities"] = json!([{"entityValue": FAR, "status": "PENDING"}]);
    event
}

fn take(fleet: &Fleet) -> (Vec<String>, Vec<String>) {
    let answer = fleet.take(&of_the_organisation()).expect("it lives").expect("it answers");
    let IntakeAnswer::Campaign { upgrades, left_alone, .. } = answer else { panic!("{answer:?}") };
    (upgrades, left_alone.into_iter().map(|left| format!("{:?}", left.code)).collect())
}

#[test]
fn a_cluster_of_a_spoke_is_upgraded_where_it_is() {
    let fleet = fleet(SPOKES);
    assert_eq!(take(&fleet), (vec![FAR.to_owned()], vec![]));
    let (input, _) = fleet.campaigns().remove(0);
    fleet.start_campaign(&input).output().unwrap();
    assert_eq!(fleet.eks.see("far").cluster.version.to_string(), "1.35");
    assert_eq!(fleet.eks.see("prod-a").cluster.version.to_string(), "1.34", "the notice did not name it");
}

#[test]
fn a_cluster_of_nobody_we_know_is_left_alone() {
    let fleet = fleet("");
    assert_eq!(take(&fleet), (vec![], vec!["NotOurs".to_owned()]));
    assert_eq!(fleet.eks.arrived(), 0);
}
