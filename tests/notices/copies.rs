//! The same notice again: in copies, in pages, from the backup Region, after a crash.

use std::collections::BTreeMap;

use eks_upgrade_core::contract::IntakeAnswer;
use eks_upgrade_core::ledger::Ending;
use eks_upgrade_pipeline::ports::Affected;
use eks_upgrade_support::{End, Fleet, Mishap, installed};
use serde_json::{Value, json};

use crate::judge::{documented, fleet, objections};

const ARN: &str = "arn:aws:eks:us-east-1:123456789012:cluster/";

fn naming(clusters: &[&str]) -> Value {
    let mut event = documented();
    let entities =
        clusters.iter().map(|name| json!({"entityValue": format!("{ARN}{name}"), "status": "PENDING"}));
    event["detail"]["affectedEntities"] = entities.collect();
    event
}

/// One more delivery of an event.
fn copy(event: &Value, number: usize) -> Value {
    let mut copy = event.clone();
    copy["id"] = json!(format!("00000000-0000-0000-0000-{number:012}"));
    copy
}

fn take(fleet: &Fleet, event: &Value) -> IntakeAnswer {
    let before = fleet.campaigns().len();
    let answer = fleet.take(event).expect("it lives").expect("it answers");
    for campaign in &fleet.campaigns()[before..] {
        assert_eq!(objections(fleet, campaign), Vec::<String>::new());
    }
    answer
}

/// How often each cluster was started, over all campaigns.
fn started(fleet: &Fleet) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for (_, requests) in fleet.campaigns() {
        for request in &requests {
            *count.entry(request.cluster.replace(ARN, "")).or_insert(0) += 1;
        }
    }
    count
}

fn once(clusters: &[&str]) -> BTreeMap<String, usize> {
    clusters.iter().map(|&name| (name.to_owned(), 1)).collect()
}

/// Runs every upgrade that campaigns asked for; gives how many were closed.
fn run_campaigns(fleet: &Fleet) -> usize {
    let requests = fleet.campaigns().into_iter().flat_map(|(_, requests)| requests);
    let ends = requests.map(|request| fleet.start(serde_json::to_value(request).unwrap()).finish());
    ends.filter(|end| matches!(end, End::Closed(_))).count()
}

#[test]
fn the_documented_notice_starts_what_is_due_and_tells_about_the_rest() {
    let fleet = fleet();
    let IntakeAnswer::Campaign { upgrades, left_alone, .. } = take(&fleet, &documented()) else {
        panic!("no campaign");
    };
    assert_eq!(upgrades, [format!("{ARN}prod-a")]);
    assert_eq!(left_alone.len(), 1);
    let told = &fleet.told_of_campaigns()[0];
    assert!(told.message.contains("prod-b") && told.message.contains("eks-upgrade:enabled=true"));
}

#[test]
fn ten_copies_are_one_campaign_and_no_further_look_at_eks() {
    let fleet = fleet();
    take(&fleet, &documented());
    let reads = fleet.eks.state().reads;
    for number in 1..10 {
        assert_eq!(take(&fleet, &copy(&documented(), number)), IntakeAnswer::Duplicate);
    }
    assert_eq!(started(&fleet), once(&["prod-a"]));
    assert_eq!(fleet.eks.state().reads, reads);
}

#[test]
fn ten_copies_before_while_and_after_the_upgrade_call_eks_once() {
    let alone = Fleet::new().with(installed("prod-a", "1.34"));
    take(&alone, &naming(&["prod-a"]));
    assert_eq!(run_campaigns(&alone), 1);
    let expected = alone.eks.began();

    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    for number in 0..3 {
        take(&fleet, &copy(&naming(&["prod-a"]), number));
    }
    let request = serde_json::to_value(&fleet.campaigns()[0].1[0]).unwrap();
    let mut execution = fleet.start(request);
    for number in 3..7 {
        execution.step();
        execution.step();
        take(&fleet, &copy(&naming(&["prod-a"]), number));
    }
    assert!(matches!(execution.finish(), End::Closed(answer) if answer.ending == Ending::Completed));
    for number in 7..10 {
        take(&fleet, &copy(&naming(&["prod-a"]), number));
    }
    assert_eq!(started(&fleet), once(&["prod-a"]));
    assert_eq!(fleet.eks.began(), expected);
}

#[test]
fn pages_in_any_order_and_each_twice_start_every_cluster_once() {
    let pages = [naming(&["prod-a"]), naming(&["old"]), naming(&["prod-b", "new"])];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let fleet = fleet();
        for (number, &page) in order.iter().chain(&order).enumerate() {
            let mut event = copy(&pages[page], number);
            event["detail"]["page"] = json!((page + 1).to_string());
            event["detail"]["totalPages"] = json!("3");
            take(&fleet, &event);
        }
        assert_eq!(started(&fleet), once(&["old", "prod-a"]), "{order:?}");
    }
}

#[test]
fn overlapping_pages_start_every_cluster_once() {
    let fleet = fleet();
    take(&fleet, &copy(&naming(&["prod-a", "prod-b"]), 1));
    take(&fleet, &copy(&naming(&["prod-a", "old"]), 2));
    assert_eq!(started(&fleet), once(&["old", "prod-a"]));
}

#[test]
fn the_copy_for_the_backup_region_adds_nothing() {
    for backup_first in [true, false] {
        let fleet = fleet();
        let mut backup = copy(&documented(), 1);
        backup["detail"]["backupEvent"] = json!("true");
        backup["region"] = json!("us-west-2");
        let (first, second) = if backup_first { (backup, documented()) } else { (documented(), backup) };
        take(&fleet, &first);
        assert_eq!(take(&fleet, &second), IntakeAnswer::Duplicate);
        assert_eq!(started(&fleet), once(&["prod-a"]));
    }
}

#[test]
fn what_a_notice_says_of_status_version_and_date_decides_nothing() {
    let fleet = fleet();
    let mut event = naming(&["prod-a", "new"]);
    for entity in event["detail"]["affectedEntities"].as_array_mut().unwrap() {
        entity["status"] = json!("RESOLVED");
    }
    event["detail"]["startTime"] = json!("Fri, 2 Dec 1999 00:00:00 GMT");
    event["detail"]["eventMetadata"] = json!({"deprecated_versions": "Kubernetes 1.36 in EKS"});
    take(&fleet, &event);
    assert_eq!(started(&fleet), once(&["prod-a"]));
}

#[test]
fn a_reminder_while_the_run_goes_on_starts_nothing() {
    let fleet = fleet();
    take(&fleet, &naming(&["prod-a"]));
    let request = serde_json::to_value(&fleet.campaigns()[0].1[0]).unwrap();
    let mut execution = fleet.start(request);
    for _ in 0..6 {
        execution.step();
    }
    let mut reminder = copy(&naming(&["prod-a"]), 1);
    reminder["detail"]["communicationId"] = json!("another-1");
    take(&fleet, &reminder);
    assert_eq!(started(&fleet), once(&["prod-a"]));
    execution.finish();
    reminder["detail"]["communicationId"] = json!("another-2");
    take(&fleet, &copy(&reminder, 2));
    assert_eq!(started(&fleet), once(&["prod-a"]), "it is where it should be");
}

#[test]
fn a_cluster_whose_run_halted_waits_for_a_person_however_its_arn_is_written() {
    let fleet = fleet();
    take(&fleet, &naming(&["prod-a"]));
    let request = serde_json::to_value(&fleet.campaigns()[0].1[0]).unwrap();
    let denied = eks_upgrade_support::Twist::Refused(403, "AccessDeniedException", "no".into());
    fleet.eks.twist(eks_upgrade_core::cluster::Resource::ControlPlane, denied);
    fleet.start(request).finish();
    for (number, arn) in
        [format!("{ARN}prod-a"), ARN.replace("arn:aws:", "arn:aws-cn:") + "prod-a"].iter().enumerate()
    {
        let mut later = copy(&documented(), number);
        later["detail"]["communicationId"] = json!(format!("later-{number}"));
        later["detail"]["affectedEntities"] = json!([{"entityValue": arn}]);
        take(&fleet, &later);
    }
    assert_eq!(started(&fleet), once(&["prod-a"]));
}

#[test]
fn health_fills_in_what_a_page_leaves_out() {
    let fleet = fleet();
    let all = ["prod-a", "old", "nowhere"].map(|name| format!("{ARN}{name}"));
    fleet.eks.state().affected = Affected::Entities(all.into());
    take(&fleet, &copy(&naming(&["prod-a"]), 1));
    take(&fleet, &copy(&naming(&["old"]), 2));
    assert_eq!(started(&fleet), once(&["old", "prod-a"]));
}

/// A delivery is tried three times by Lambda. Whatever befalls one port call of the first try, the next one
/// brings the work to where an undisturbed one has it.
#[test]
fn whatever_befalls_any_single_port_call_the_next_try_starts_what_is_due() {
    let measured = fleet();
    take(&measured, &naming(&["prod-a", "old", "prod-b"]));
    let port_calls = measured.faults.calls();
    assert!(port_calls > 15, "{port_calls}");
    for mishap in [Mishap::DiesBefore, Mishap::DiesAfter, Mishap::FailsBefore, Mishap::FailsAfter] {
        for call in 0..port_calls {
            let fleet = fleet();
            fleet.faults.at(call, mishap);
            let event = naming(&["prod-a", "old", "prod-b"]);
            for _ in 0..3 {
                if matches!(fleet.take(&event), Some(Ok(_))) {
                    break;
                }
            }
            let place = format!("{mishap:?} at port call {call}");
            assert_eq!(take(&fleet, &copy(&event, 1)), IntakeAnswer::Duplicate, "{place}");
            assert_eq!(fleet.campaigns().len(), 1, "{place}");
            let mut clusters = started(&fleet);
            if clusters.len() < 2 {
                // A cluster that could not be looked at holds up no other; the next sweep has it.
                assert!(["FailsBefore", "FailsAfter"].contains(&format!("{mishap:?}").as_str()), "{place}");
                fleet.pass(86_400);
                take(&fleet, &json!({"trigger": "sweep"}));
                clusters = started(&fleet);
            }
            let names: Vec<&str> = clusters.keys().map(String::as_str).collect();
            assert_eq!(names, ["old", "prod-a"], "{place}");
        }
    }
}
