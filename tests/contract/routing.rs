//! Every decision has its way through the graph, under its own name.

use std::collections::BTreeSet;

use crate::machine::{self, conditions, quoted, read};
use crate::schema::{self, variants};

fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

fn action_names() -> BTreeSet<String> {
    variants(&schema::definition("act-request", "ActionName"), None)
}

#[test]
fn the_states_of_the_map_are_the_actions() {
    let hop = read("hop");
    let map = &hop.state("Act")["ItemProcessor"];
    let states = machine::states_of(map).filter(|(_, state)| state["Type"] == "Task");
    assert_eq!(set(states.map(|(name, _)| name)), action_names());
}

#[test]
fn every_action_is_routed_to_the_state_of_its_name() {
    let hop = read("hop");
    let mut routed = BTreeSet::new();
    for (condition, next) in conditions(hop.state("WhichAction")) {
        assert_eq!(quoted(condition), [next], "{condition}");
        routed.insert(next.to_owned());
    }
    assert_eq!(routed, action_names());
}

#[test]
fn act_changes_eks_and_kube_the_inside_and_verify_only_looks() {
    let hop = read("hop");
    for (name, _, function) in hop.invocations() {
        let expected = match name {
            "Decide" | "Verify" | "WaitForApproval" => "${DecideFunctionArn}",
            "UpdateCoreComponent" | "RollSelfManagedNodes" | "RestartFargatePods" => "${KubeFunctionArn}",
            _ => "${ActFunctionArn}",
        };
        assert_eq!(function, expected, "{name}");
    }
    for (name, _, function) in read("upgrade").invocations() {
        assert!(!["${ActFunctionArn}", "${KubeFunctionArn}"].contains(&function), "upgrade: {name}");
    }
}

/// That each of these waits has a state of its name, and is routed to it.
fn waits_by_name(machine: &machine::Machine, names: &BTreeSet<String>) {
    let waits = machine::states_of(&machine.definition).filter(|(_, state)| state["Type"] == "Wait");
    let expected: BTreeSet<String> = names.iter().map(|name| format!("WaitFor{name}")).collect();
    assert_eq!(set(waits.map(|(name, _)| name)), expected);

    let mut routed = BTreeSet::new();
    // The cut that keeps a history short goes before all others and says nothing about what is waited for.
    let by_decision = |(condition, _): &(&str, &str)| !condition.contains("$rounds");
    for (condition, next) in conditions(machine.state("WhatNow")).into_iter().filter(by_decision) {
        // One that lists several decisions is about something else than what is waited for.
        if let (false, ["wait", what]) = (condition.contains(" in ["), &quoted(condition)[..]) {
            assert_eq!(next, format!("WaitFor{what}"), "{condition}");
            routed.insert(next.to_owned());
        }
    }
    assert_eq!(routed, expected);
}

#[test]
fn every_wait_is_a_state_of_its_name() {
    waits_by_name(&read("hop"), &variants(&schema::definition("decision", "WaitFor"), None));
    let of_campaigns = variants(&schema::definition("campaign-decision", "CampaignWait"), None);
    waits_by_name(&read("campaign"), &of_campaigns);
}

#[test]
fn every_decision_has_its_way() {
    let tested = |machine: &str, state: &str| -> BTreeSet<String> {
        let machine = machine::all().into_iter().find(|one| one.name == machine).expect("a machine");
        let rules = conditions(machine.state(state));
        set(rules.into_iter().flat_map(|(condition, _)| {
            let words = quoted(condition);
            // In `next = 'wait' and waitFor = 'X'` only the first word is the decision's.
            if condition.contains(" in [") { words } else { words.into_iter().take(1).collect() }
        }))
    };
    let decisions = variants(&schema::of("decision"), Some("next"));
    assert_eq!(tested("hop", "WhatNow"), decisions);
    assert_eq!(tested("campaign", "WhatNow"), variants(&schema::of("campaign-decision"), Some("next")));
    let endings: BTreeSet<String> = &decisions - &set(["act", "ask", "wait"]);
    assert_eq!(tested("upgrade", "HowDidTheHopEnd"), endings, "what ends a hop is read by the upgrade");
    assert_eq!(tested("upgrade", "IsAnotherHop"), variants(&schema::of("next-hop"), Some("next")));
    assert_eq!(tested("upgrade", "IsPlanned"), variants(&schema::of("plan-answer"), Some("outcome")));
}

#[test]
fn what_no_rule_knows_stops_and_is_never_guessed() {
    for machine in machine::all() {
        for (name, state) in machine.states() {
            if state["Type"] == "Choice" {
                let default = state["Default"].as_str().expect("a Choice has a default");
                assert_eq!(machine.state(default)["Type"], "Fail", "{}: {name}", machine.name);
            }
        }
    }
}
