//! Functions that die, and a table that does not answer: nothing is lost, nothing is done twice.

use eks_upgrade_core::cluster::Resource;
use eks_upgrade_core::ledger::Event;
use eks_upgrade_support::{End, Fleet, Mishap, Twist, installed};
use serde_json::json;

use crate::story::{addon, group, told, upgrade};

fn fleet() -> Fleet {
    Fleet::new().with(installed("prod-a", "1.34"))
}

/// One step of each kind: the shortest upgrade that has them all.
fn small_fleet() -> Fleet {
    let mut small = installed("prod-a", "1.34");
    small.addons.retain(|name, _| name == "kube-proxy");
    Fleet::new().under("bake: {duration: 10m, gates: [cluster-health]}").with(small)
}

/// A hop that breaks the cluster, and goes back by policy.
fn broken_fleet() -> Fleet {
    let mut broken = installed("prod-a", "1.34").without_groups();
    broken.addons.clear();
    let fleet = Fleet::new()
        .under("bake: {duration: 10m, gates: [cluster-health], onFailure: roll-back}")
        .with(broken);
    fleet.later(11 * 60, |eks| {
        eks.change("prod-a", |cluster| cluster.cluster.health_issues.push("Ec2SubnetNotFound: gone".into()));
    });
    fleet
}

/// The calls of an upgrade to which nothing happens, in any order.
fn undisturbed(fleet: &Fleet) -> Vec<String> {
    sorted(upgrade(fleet, "1.35").completed().began)
}

fn sorted(mut calls: Vec<String>) -> Vec<String> {
    calls.sort();
    calls
}

#[test]
fn a_death_after_the_call_adopts_the_update_that_began() {
    for resource in [Resource::ControlPlane, group("general"), addon("vpc-cni")] {
        let fleet = fleet();
        fleet.eks.twist(resource.clone(), Twist::DiesAfter);
        let told = upgrade(&fleet, "1.35").completed();
        let adopted = told.count(|event| matches!(event, Event::Started { adopted: true, .. }));
        assert_eq!(adopted, 1, "{resource}");
        assert_eq!(sorted(told.began), undisturbed(&self::fleet()), "{resource}");
    }
}

#[test]
fn a_death_before_the_call_makes_it_with_the_same_intent() {
    for resource in [Resource::ControlPlane, group("general"), addon("vpc-cni")] {
        let fleet = fleet();
        fleet.eks.twist(resource.clone(), Twist::DiesBefore);
        let told = upgrade(&fleet, "1.35").completed();
        let attempts = told.count(|event| matches!(event, Event::Intended { attempt: 2, .. }));
        assert_eq!(attempts, 0, "{resource}");
        assert_eq!(sorted(told.began), undisturbed(&self::fleet()), "{resource}");
    }
}

/// Every port call of an upgrade, one after the other, befallen by every mishap: each time the upgrade
/// completes, with exactly the calls to EKS that it makes undisturbed.
#[test]
fn whatever_befalls_any_single_port_call_the_upgrade_completes_and_calls_eks_once() {
    let measured = small_fleet();
    let expected = undisturbed(&measured);
    let port_calls = measured.faults.calls();
    assert!(port_calls > 60, "{port_calls}");
    for mishap in [Mishap::DiesBefore, Mishap::DiesAfter, Mishap::FailsBefore, Mishap::FailsAfter] {
        for call in 0..port_calls {
            let fleet = small_fleet();
            fleet.faults.at(call, mishap);
            let told = upgrade(&fleet, "1.35").completed();
            assert_eq!(sorted(told.began), expected, "{mishap:?} at port call {call}");
        }
    }
}

#[test]
fn whatever_befalls_any_single_port_call_the_way_back_is_taken_once() {
    let measured = broken_fleet();
    let expected = upgrade(&measured, "1.35").rolled_back("BakeFailed").began;
    let port_calls = measured.faults.calls();
    for mishap in [Mishap::DiesBefore, Mishap::DiesAfter, Mishap::FailsBefore, Mishap::FailsAfter] {
        for call in 0..port_calls {
            let fleet = broken_fleet();
            fleet.faults.at(call, mishap);
            let told = upgrade(&fleet, "1.35").rolled_back("BakeFailed");
            assert_eq!(told.began, expected, "{mishap:?} at port call {call}");
        }
    }
}

#[test]
fn a_ledger_that_goes_down_before_planning_again_interrupts_the_run_and_says_so() {
    let fleet = broken_fleet();
    let mut first = fleet.start(json!({"cluster": "prod-a", "target": "1.35"}));
    first.until_at("NextHop");
    first.until_at("Plan");
    fleet.faults.table_down(true);
    let end = first.finish();
    assert!(matches!(&end, End::Interrupted(raised) if raised.name == "LedgerUnavailable"), "{end:?}");
    assert_eq!(fleet.told.borrow().len(), 1, "somebody is told: the control plane is up already");
    fleet.faults.table_down(false);
    let told = upgrade(&fleet, "1.35").rolled_back("BakeFailed");
    assert_eq!(told.run, first.run());
}

#[test]
fn a_function_that_dies_every_time_ends_the_execution_and_the_next_one_goes_on() {
    let fleet = fleet();
    for _ in 0..200 {
        fleet.eks.twist(Resource::ControlPlane, Twist::DiesBefore);
    }
    let mut first = fleet.start(json!({"cluster": "prod-a", "target": "1.35"}));
    // Its own tries are used up.
    first.until_at("LookAgain");
    first.abort();
    fleet.eks.state().twists.clear();
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(told.run, first.run(), "the same run goes on");
    assert_eq!(sorted(told.began), undisturbed(&self::fleet()));
}

#[test]
fn without_the_ledger_eks_is_not_called() {
    let fleet = fleet();
    fleet.faults.table_down(true);
    let end = fleet.start(json!({"cluster": "prod-a", "target": "1.35"})).finish();
    assert!(matches!(&end, End::Refused(raised) if raised.name == "LedgerUnavailable"), "{end:?}");
    assert_eq!(fleet.eks.arrived(), 0);
}

#[test]
fn a_ledger_that_goes_down_on_the_way_stops_calls_and_the_run_goes_on_later() {
    let fleet = fleet();
    let mut first = fleet.start(json!({"cluster": "prod-a", "target": "1.35"}));
    first.until_at("UpgradeControlPlane");
    fleet.faults.table_down(true);
    let end = first.finish();
    assert!(matches!(&end, End::Interrupted(raised) if raised.name == "LedgerUnavailable"), "{end:?}");
    assert_eq!(fleet.eks.arrived(), 0, "no record, no effect");
    fleet.faults.table_down(false);
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(told.run, first.run());
}

#[test]
fn a_changed_ledger_is_found_and_nothing_more_is_done() {
    let fleet = fleet();
    let mut execution = fleet.start(json!({"cluster": "prod-a", "target": "1.35"}));
    execution.until_at("UpgradeControlPlane");
    let run = execution.run();
    {
        let mut kept = fleet.table.memory.kept();
        let line = &mut kept.lines.get_mut(&run).unwrap()[0];
        line.body = line.body.replace("1.35", "1.36");
    }
    let end = execution.finish();
    assert!(matches!(&end, End::Interrupted(raised) if raised.name == "LedgerBroken"), "{end:?}");
    assert_eq!(fleet.eks.arrived(), 0);
}

#[test]
fn closing_twice_is_harmless() {
    let fleet = fleet();
    let mut execution = fleet.start(json!({"cluster": "prod-a", "target": "1.35"}));
    execution.until_at("Complete");
    // The answer to this one is lost: the state machine asks again.
    fleet.invoke("${DecideFunctionArn}", execution.place().1).unwrap();
    let lines = fleet.events(&execution.run()).len();
    let told = told(&fleet, &mut execution).completed();
    assert_eq!(told.events.len(), lines);
}
