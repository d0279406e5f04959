//! Plans that have waited: before a control plane goes up on what was found days ago, it is looked at again.
//!
//! The stories begin on Tuesday 18 August 2026 at 09:15 UTC.

use eks_upgrade_core::cluster::InsightStatus;
use eks_upgrade_core::control::{Answer, ConsentScope};
use eks_upgrade_core::finding::Code;
use eks_upgrade_core::guard::Call;
use eks_upgrade_core::ledger::Event;
use eks_upgrade_core::policy::WINDOW_TAG;
use eks_upgrade_pipeline::ports::Time;
use eks_upgrade_support::{FakeEks, Fleet, Outcome, installed, word};
use jiff::Timestamp;

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
    let opens: Timestamp = "2026-08-22T22:00:00Z".parse().unwrap();
    assert!(refreshed_at(&fleet) >= opens, "{}", refreshed_at(&fleet));
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

/// When EKS began the last time to make its insights anew.
fn refreshed_at(fleet: &Fleet) -> Timestamp {
    fleet.eks.state().refresh.unwrap().started
}

#[test]
fn insights_are_made_anew_once_all_of_the_hop_before_is_done() {
    let fleet = two_hops("{bake: {duration: 0s}, nodes: each-hop}");
    upgrade(&fleet, "1.35").completed();
    let refreshed = refreshed_at(&fleet);
    let state = fleet.eks.state();
    let at = |call: &str| state.calls.iter().find(|called| called.call.to_string() == call).unwrap().at;
    let (rolled, up) = (at("UpdateNodegroupVersion general 1.34"), at("UpdateClusterVersion 1.35"));
    assert!(rolled < refreshed && refreshed <= up, "{rolled} {refreshed} {up}");
}

#[test]
fn insights_are_made_anew_after_somebody_elses_upgrade() {
    let fleet = two_hops("bake: {duration: 0s}");
    let began = fleet.clock.now();
    let theirs = Call::UpdateClusterVersion { version: word("1.34") };
    fleet.eks.somebody_calls("prod-a", &theirs, 900, Outcome::Successful);
    assert_eq!(upgrade(&fleet, "1.35").completed().hops().len(), 1);
    assert!(refreshed_at(&fleet).duration_since(began).as_secs() >= 900, "{}", refreshed_at(&fleet));
}

#[test]
fn what_passes_by_itself_between_two_hops_ends_no_run() {
    let fleet = two_hops("bake: {duration: 0s}");
    fleet.later(300, is_bad);
    fleet.later(3_000, |eks| eks.change("prod-a", |cluster| cluster.insights.clear()));
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!((told.hops().len(), plans(&told)), (2, 2));
    let waits = |event: &Event| matches!(event, Event::Paused { text, .. } if text.contains("insight-error"));
    assert_eq!(told.count(waits), 1, "{:#?}", told.events);
}

#[test]
fn a_tag_or_a_policy_that_no_longer_reads_ends_no_run_that_has_begun() {
    let fleet = two_hops("bake: {duration: 0s}");
    fleet.later(300, |eks| {
        eks.change("prod-a", |cluster| {
            cluster.cluster.tags.insert(WINDOW_TAG.into(), "whenever it suits".into());
        });
    });
    assert_eq!(upgrade(&fleet, "1.35").completed().hops().len(), 2);
}
