//! As much as may come in at once: what goes out still fits.

use eks_upgrade_core::door::UpgradeRequest;
use eks_upgrade_support::{Fleet, installed};
use serde_json::{Value, json};

use crate::judge::{documented, fleet, objections};

const ARN: &str = "arn:aws:eks:us-east-1:123456789012:cluster/";

/// What an event of EventBridge holds.
const EVENT_BYTES_MAX: usize = 256 * 1024;

/// The upgrades that the last campaign asks for.
fn started(fleet: &Fleet, event: &Value) -> Vec<UpgradeRequest> {
    fleet.take(event).expect("it lives").expect("it answers");
    let started = fleet.campaigns().pop().expect("a campaign");
    assert_eq!(objections(fleet, &started), Vec::<String>::new());
    started.1
}

#[test]
fn a_page_full_of_nonsense_hides_no_cluster_that_is_due() {
    let mut event = documented();
    let nonsense = (0..4_900).map(|number| json!({"entityValue": format!("vol-{number:06}")}));
    event["detail"]["affectedEntities"] =
        nonsense.chain([json!({"entityValue": format!("{ARN}prod-a")})]).collect();
    assert!(event.to_string().len() < EVENT_BYTES_MAX);
    assert_eq!(started(&fleet(), &event).len(), 1);
}

#[test]
fn a_thousand_clusters_that_are_not_opted_in_are_told_about_in_one_message_that_fits() {
    let fleet = fleet();
    for number in 0..1_000 {
        let mut cluster =
            installed(&format!("team-{number}-with-a-name-as-long-as-people-give-them"), "1.34");
        cluster.cluster.tags.clear();
        fleet.eks.add(cluster);
    }
    started(&fleet, &json!({"trigger": "sweep"}));
    let told = fleet.told_of_campaigns().pop().expect("people are told");
    assert!(told.subject.contains("1002"), "{}", told.subject);
    assert!(told.message.contains("more"), "the list does not say that it is cut");
}

#[test]
fn a_region_full_of_clusters_that_are_due_is_one_campaign() {
    let fleet = fleet();
    for number in 0..1_000 {
        fleet.eks.add(installed(&format!("team-{number}"), "1.34"));
    }
    assert_eq!(started(&fleet, &json!({"trigger": "sweep"})).len(), 1_002);
}
