//! The daily sweep: what a lost notice would have said.

use eks_upgrade_core::contract::IntakeAnswer;
use eks_upgrade_support::{End, Fleet};
use serde_json::json;

use crate::judge::{documented, fleet, objections};

const DAY_S: i64 = 86_400;

fn sweep(fleet: &Fleet) -> IntakeAnswer {
    fleet.take(&json!({"trigger": "sweep"})).expect("it lives").expect("it answers")
}

fn started(fleet: &Fleet) -> Vec<String> {
    let campaigns = fleet.campaigns();
    for campaign in &campaigns {
        assert_eq!(objections(fleet, campaign), Vec::<String>::new());
    }
    campaigns.into_iter().flat_map(|(_, requests)| requests).map(|request| request.cluster).collect()
}

#[test]
fn the_sweep_finds_what_no_notice_named() {
    let fleet = fleet();
    let IntakeAnswer::Campaign { upgrades, .. } = sweep(&fleet) else { panic!("no campaign") };
    let names: Vec<&str> = upgrades.iter().filter_map(|arn| arn.rsplit('/').next()).collect();
    assert_eq!(names, ["old", "prod-a"]);
    assert_eq!(started(&fleet).len(), 2);
}

#[test]
fn a_second_sweep_of_the_day_starts_nothing() {
    let fleet = fleet();
    sweep(&fleet);
    sweep(&fleet);
    assert_eq!(started(&fleet).len(), 2);
}

#[test]
fn people_are_told_once_and_not_daily() {
    let fleet = fleet();
    sweep(&fleet);
    for _ in 0..5 {
        fleet.pass(DAY_S);
        sweep(&fleet);
    }
    let told = fleet.told_of_campaigns().into_iter();
    assert_eq!(told.filter(|message| message.message.contains("prod-b")).count(), 1);
}

#[test]
fn notice_and_sweep_of_one_cluster_make_one_upgrade() {
    let fleet = fleet();
    fleet.take(&documented()).unwrap().unwrap();
    sweep(&fleet);
    let mut executions: Vec<_> = fleet
        .campaigns()
        .into_iter()
        .flat_map(|(_, requests)| requests)
        .filter(|request| request.cluster.ends_with("prod-a"))
        .map(|request| fleet.start(serde_json::to_value(request).unwrap()))
        .collect();
    for _ in 0..200 {
        executions.iter_mut().for_each(eks_upgrade_support::Execution::step);
    }
    let ends: Vec<End> = executions.iter_mut().map(eks_upgrade_support::Execution::finish).collect();
    assert_eq!(ends.iter().filter(|end| matches!(end, End::Closed(_))).count(), 1, "{ends:?}");
    let hops = fleet.eks.began().into_iter().filter(|call| call.starts_with("UpdateClusterVersion"));
    assert_eq!(hops.count(), 1);
}

#[test]
fn a_fleet_with_nothing_due_is_left_in_peace() {
    let fleet = Fleet::new().with(eks_upgrade_support::installed("new", "1.36"));
    sweep(&fleet);
    assert_eq!(started(&fleet), Vec::<String>::new());
    assert_eq!(fleet.eks.arrived(), 0);
}
