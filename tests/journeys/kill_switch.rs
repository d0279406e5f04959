//! The kill switch: thrown, nothing mutates; what runs is watched to its end; lifted, the run goes on.

use eks_upgrade_core::decide::WaitFor;
use eks_upgrade_core::ledger::Event;
use eks_upgrade_support::{Fleet, installed};
use serde_json::json;

use crate::story::{told, upgrade};

const HOUR_S: i64 = 3600;

fn fleet() -> Fleet {
    Fleet::new().with(installed("prod-a", "1.34"))
}

#[test]
fn thrown_before_the_start_nothing_is_called_until_it_is_lifted() {
    let fleet = fleet();
    fleet.switch(true);
    fleet.then(3 * HOUR_S, |fleet| {
        assert_eq!(fleet.eks.arrived(), 0, "called past the kill switch");
        fleet.switch(false);
    });
    let told = upgrade(&fleet, "1.35").completed();
    let paused = told.events.iter().find_map(|event| match event {
        Event::Paused { wait_for: WaitFor::KillSwitch, text, .. } => Some(text.clone()),
        _ => None,
    });
    let text = paused.expect("the pause is on record");
    assert!(text.contains("ada@example.com") && text.contains("an incident"), "{text}");
    assert_eq!(told.count(|event| matches!(event, Event::Paused { .. })), 1, "said once");
}

#[test]
fn thrown_under_way_the_update_is_watched_to_its_end_and_nothing_else_begins() {
    let fleet = fleet();
    fleet.then(300, |fleet| fleet.switch(true));
    fleet.then(6 * HOUR_S, |fleet| {
        assert_eq!(fleet.eks.began(), ["UpdateClusterVersion version=1.35"]);
        let lines = fleet.table.memory.kept().lines.values().next().unwrap().clone();
        let ended = lines.iter().any(|line| matches!(line.open().unwrap().event, Event::Succeeded { .. }));
        assert!(ended, "the control plane was not watched to its end");
        fleet.switch(false);
    });
    let told = upgrade(&fleet, "1.35").completed();
    assert!(told.began.len() > 1);
}

#[test]
fn thrown_between_the_decision_and_the_call_the_call_is_not_made() {
    let fleet = fleet();
    let mut execution = fleet.start(json!({"cluster": "prod-a", "target": "1.35"}));
    execution.until_at("UpgradeControlPlane");
    fleet.switch(true);
    execution.until_at("WaitForKillSwitch");
    assert_eq!(fleet.eks.arrived(), 0);
    fleet.switch(false);
    told(&fleet, &mut execution).completed();
}
