//! Plans that have waited: before a control plane goes up on what was found days ago, it is looked at again.
//!
//! The stories begin on Tuesday 18 August 2026 at 09:15 UTC.

use eks_upgrade_core::cluster::InsightStatus;
use eks_upgrade_core::control::{Answer, ConsentScope};
use eks_upgrade_core::finding::Code;
use eks_upgrade_core::ledger::Event;
use eks_upgrade_pipeline::ports::Time;
use eks_upgrade_support::{FakeEks, Fleet, installed};

use crate::story::{Told, insight, upgrade};

const DAY_S: i64 = 24 * 3600;

fn fleet(policy: &str) -> Fleet {
    Fleet::new().under(&format!("bake: {{duration: 0s}}\n{policy}")).with(installed("prod-a", "1.34"))
}

fn on_saturdays() -> Fleet {
    fleet("windows: [{days: [sat], start: \"22:00\", duration: 4h, timeZone: UTC}]")
}

fn is_bad(eks: &FakeEks) {
    let error = insight(InsightStatus::Error, "webhooks time out");
    eks.change("prod-a", |cluster| cluster.insights.push(error));
}

fn plans(told: &Told) -> usize {
    told.count(|event| matches!(event, Event::Planned { .. }))
}

fn to_override() -> ConsentScope {
    ConsentScope::Override { finding: Code::InsightError, subject: None }
}

#[test]
fn what_turned_bad_while_a_window_was_waited_for_stops_the_run_before_its_hop() {
    let fleet = on_saturdays();
    fleet.later(2 * DAY_S, is_bad);
    let told = upgrade(&fleet, "1.35").halted("Blocked");
    assert!(told.words().contains("webhooks time out"), "{}", told.words());
    assert_eq!((fleet.eks.arrived(), plans(&told)), (0, 2), "looked at again, and nothing called");
}

#[test]
fn what_turned_bad_while_an_answer_was_waited_for_stops_the_run_before_its_hop() {
    let fleet = fleet("approvals: [{before: run, expires: 3d}]");
    fleet.later(DAY_S, is_bad);
    fleet.then(2 * DAY_S, |fleet| fleet.answer(Answer::Approve));
    let told = upgrade(&fleet, "1.35").halted("Blocked");
    assert_eq!((fleet.eks.arrived(), plans(&told)), (0, 2));
}

#[test]
fn where_all_is_as_it_was_the_run_goes_on_in_the_same_window() {
    let fleet = on_saturdays();
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(plans(&told), 2);
    let first = fleet.eks.state().calls[0].at;
    assert_eq!(first.strftime("%F %H").to_string(), "2026-08-22 22", "{first}");
    let plan = told.state.plan.unwrap();
    assert_eq!((plan.revision, plan.renewals), (2, 1));
}

#[test]
fn a_plan_of_the_day_is_as_good_as_new() {
    let fleet = fleet("windows: [{start: \"22:00\", duration: 4h, timeZone: UTC}]");
    assert_eq!(plans(&upgrade(&fleet, "1.35").completed()), 1);
}

#[test]
fn insights_are_made_anew_for_the_new_plan() {
    let fleet = on_saturdays();
    upgrade(&fleet, "1.35").completed();
    let opens = "2026-08-22T22:00:00Z".parse().unwrap();
    let refreshed = fleet.eks.state().refresh.unwrap();
    assert!(refreshed.started >= opens, "{refreshed:?}");
}

#[test]
fn a_finding_that_was_overridden_passes_only_while_the_consent_holds() {
    for (hours, holds) in [(24, false), (24 * 7, true)] {
        let fleet = on_saturdays();
        is_bad(&fleet.eks);
        fleet.consent("prod-a", to_override(), hours);
        let told = upgrade(&fleet, "1.35");
        if holds {
            assert_eq!(told.completed().hops().len(), 1);
        } else {
            told.halted("Blocked");
            assert_eq!(fleet.eks.arrived(), 0);
        }
    }
}

#[test]
fn a_consent_that_is_taken_back_counts_no_more_however_young_the_plan_is() {
    let fleet = fleet("windows: [{start: \"12:00\", duration: 4h, timeZone: UTC}]");
    is_bad(&fleet.eks);
    fleet.consent("prod-a", to_override(), 24);
    fleet.then(3600, |fleet| fleet.table.memory.kept().consents.clear());
    let told = upgrade(&fleet, "1.35").halted("Blocked");
    assert_eq!(fleet.eks.arrived(), 0);
    assert!(told.words().contains("webhooks time out"), "{}", told.words());
}

fn two_hops(policy: &str) -> Fleet {
    Fleet::new().under(policy).with(installed("prod-a", "1.33"))
}

#[test]
fn each_hop_goes_up_on_a_plan_of_its_minor() {
    for policy in ["bake: {duration: 0s}", "{bake: {duration: 36h}, nodes: each-hop}"] {
        let told = upgrade(&two_hops(policy), "1.35").completed();
        assert_eq!((told.hops().len(), plans(&told)), (2, 2), "{policy}");
        let (done, all) = told.state.steps_done();
        assert_eq!((done, told.state.upgrades()), (all, 2), "what the first plan did counts: {policy}");
        assert!(all > told.state.plan.unwrap().steps().count(), "{policy}");
    }
}

#[test]
fn what_the_first_hop_brings_to_light_stops_the_run_before_the_second() {
    let fleet = two_hops("bake: {duration: 0s}");
    fleet.later(300, is_bad);
    let told = upgrade(&fleet, "1.35").halted("Blocked");
    assert_eq!(told.hops(), ["UpdateClusterVersion version=1.34"]);
    assert_eq!(fleet.eks.see("prod-a").cluster.version.to_string(), "1.34");
}

#[test]
fn insights_for_the_next_hop_are_made_while_the_rest_of_this_one_goes_on() {
    let fleet = two_hops("bake: {duration: 0s}");
    let mut execution = fleet.start(serde_json::json!({"cluster": "prod-a", "target": "1.35"}));
    execution.until_at("WaitForAddOns");
    let (now, refresh) = (fleet.clock.now(), fleet.eks.state().refresh.unwrap());
    assert!(now.duration_since(refresh.started).as_secs() < 60, "{refresh:?} at {now}");
    crate::story::told(&fleet, &mut execution).completed();
}
