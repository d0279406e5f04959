//! The dialect that the definitions keep to, so that every engine that runs them agrees: `JSONata` only, no
//! Parallel, no wait for a point in time, no output of a Succeed state.
//!
//! What is outside of it whatever the definition is about, the reader of `support/asl` refuses; `asl/strict.rs` shows
//! that it does. Here stands what is asked of our own definitions beyond that.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::machine::{self, Machine, states_of, targets, texts};

fn placeholders(machine: &Machine) -> BTreeSet<String> {
    let named = |text: &str| {
        let parts = text.split("${").skip(1);
        parts.map(|rest| rest.split('}').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    texts(&machine.definition).into_iter().flat_map(named).collect()
}

#[test]
fn placeholders_are_exactly_those_that_the_template_fills() {
    let expected = BTreeMap::from([
        ("campaign", vec!["DecideFunctionArn", "UpgradeStateMachineArn"]),
        (
            "upgrade",
            vec!["DecideFunctionArn", "HopStateMachineArn", "NotificationTopicArn", "PlanFunctionArn"],
        ),
        ("hop", vec!["ActFunctionArn", "DecideFunctionArn", "KubeFunctionArn"]),
    ]);
    for machine in machine::all() {
        let used = placeholders(&machine);
        assert_eq!(used.iter().map(String::as_str).collect::<Vec<_>>(), expected[machine.name]);
    }
}

#[test]
fn every_target_exists_and_every_state_is_reached() {
    for machine in machine::all() {
        for level in machine.levels() {
            let all: BTreeMap<&str, &Value> = states_of(level).collect();
            let mut reached = BTreeSet::new();
            let mut open = vec![level["StartAt"].as_str().expect("StartAt")];
            while let Some(name) = open.pop() {
                let state = all.get(name);
                let state = state.unwrap_or_else(|| panic!("{}: there is no state {name}", machine.name));
                if reached.insert(name) {
                    open.extend(targets(state));
                }
            }
            let unreached: Vec<_> = all.keys().filter(|name| !reached.contains(*name)).collect();
            assert!(unreached.is_empty(), "{}: nothing leads to {unreached:?}", machine.name);
        }
    }
}

#[test]
fn every_state_goes_on_or_ends() {
    for machine in machine::all() {
        for (name, state) in machine.states() {
            let ends = state["End"] == true || state["Type"] == "Fail" || state["Type"] == "Succeed";
            let goes_on = state.get("Next").is_some() || state["Type"] == "Choice";
            assert!(ends != goes_on, "{}: {name}", machine.name);
        }
    }
}

#[test]
fn only_what_every_engine_does_alike_is_used() {
    for machine in machine::all() {
        assert_eq!(machine.definition["QueryLanguage"], "JSONata", "{}", machine.name);
        // Locally it is ignored, and on AWS it counts real time, which a scaled wait does not.
        assert!(machine.definition.get("TimeoutSeconds").is_none(), "{}", machine.name);
        for (name, state) in machine.states() {
            let place = format!("{}: {name}", machine.name);
            let kind = state["Type"].as_str().unwrap();
            assert!(
                ["Task", "Pass", "Choice", "Wait", "Map", "Fail", "Succeed"].contains(&kind),
                "{place}: {kind}"
            );
            for foreign in [
                "QueryLanguage",
                "Parameters",
                "InputPath",
                "OutputPath",
                "ResultPath",
                "ResultSelector",
                "ItemsPath",
                "Iterator",
            ] {
                assert!(state.get(foreign).is_none(), "{place} has {foreign}");
            }
            // Where no engine wakes it, only its own clock does; anything else ends by itself.
            for bound in ["HeartbeatSeconds", "TimeoutSeconds"] {
                assert_eq!(state.get(bound).is_some(), machine::asks(state), "{place}: {bound}");
            }
            if kind == "Succeed" {
                assert!(state.get("Output").is_none(), "{place} has an output, which is ignored");
            }
            if kind == "Wait" {
                let seconds = &state["Seconds"];
                assert!(seconds.is_u64() || seconds.is_string(), "{place} does not wait for seconds");
                assert!(state.get("Timestamp").is_none(), "{place}");
            }
        }
    }
}

#[test]
fn every_retry_is_bounded() {
    for machine in machine::all() {
        for (name, state) in machine.states() {
            for rule in state["Retry"].as_array().into_iter().flatten() {
                let tries = rule["MaxAttempts"].as_u64().expect("MaxAttempts");
                assert!((1..=100).contains(&tries), "{}: {name}", machine.name);
            }
        }
    }
}

/// Functions of `JSONata` that the definitions use.
const JSONATA: [&str; 8] = ["contains", "count", "exists", "merge", "parse", "string", "substring", "type"];

#[test]
fn every_variable_that_is_read_is_assigned_somewhere() {
    for machine in machine::all() {
        let mut assigned: BTreeSet<&str> = BTreeSet::from(["states"]);
        for (_, state) in machine.states() {
            let rules = ["Choices", "Catch"].into_iter().filter_map(|key| state[key].as_array()).flatten();
            for holder in rules.chain([state]) {
                assigned.extend(holder["Assign"].as_object().into_iter().flatten().map(|(k, _)| k.as_str()));
            }
        }
        for text in texts(&machine.definition).into_iter().filter(|text| text.starts_with("{%")) {
            for rest in text.split('$').skip(1).filter(|rest| !rest.starts_with('{')) {
                let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
                let local =
                    text.contains(&format!("${name} := ")) || text.contains(&format!("function(${name})"));
                let known = local || assigned.contains(name.as_str()) || JSONATA.contains(&name.as_str());
                assert!(known, "{}: ${name} in {text}", machine.name);
            }
        }
    }
}
