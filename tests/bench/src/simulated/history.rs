//! What an execution of Step Functions leaves in its history, by the states that it entered.
//!
//! Counted as the Step Functions developer guide lists the types of history events: a state is entered and exited; a
//! task besides is scheduled, started and succeeds, and one that waits for another execution is submitted as well; a
//! Map starts and succeeds, and so does each of its items. An execution starts and ends.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Unmeasured;

/// The most events that a history holds (Step Functions quotas).
pub const EVENTS_MAX: u32 = 25_000;

/// `ExecutionStarted`, and `ExecutionSucceeded` or another end.
const AN_EXECUTION: u32 = 2;
/// `MapIterationStarted`, `MapIterationSucceeded`.
const AN_ITEM: u32 = 2;

const DEFINITIONS: [&str; 3] = [
    include_str!("../../../../statemachine/campaign.asl.json"),
    include_str!("../../../../statemachine/upgrade.asl.json"),
    include_str!("../../../../statemachine/hop.asl.json"),
];

/// The state machines, as far as their histories go.
#[derive(Debug)]
pub struct Histories(Vec<BTreeMap<String, u32>>);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Level {
    start_at: String,
    states: BTreeMap<String, State>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    r#type: Kind,
    #[serde(default)]
    resource: String,
    item_processor: Option<Level>,
}

#[derive(Clone, Copy, Deserialize)]
enum Kind {
    Task,
    Map,
    Pass,
    Choice,
    Wait,
    Succeed,
    Fail,
}

impl State {
    /// The events of one visit, without those of a Map's items.
    fn events(&self) -> u32 {
        match self.r#type {
            Kind::Task
                if self.resource.ends_with(".sync:2") || self.resource.ends_with(".waitForTaskToken") =>
            {
                6
            }
            Kind::Task => 5,
            Kind::Map => 4,
            Kind::Pass | Kind::Choice | Kind::Wait | Kind::Succeed => 2,
            Kind::Fail => 1,
        }
    }
}

impl Level {
    fn collect(&self, into: &mut BTreeMap<String, u32>) {
        for (name, state) in &self.states {
            into.insert(name.clone(), state.events());
            if let Some(items) = &state.item_processor {
                items.collect(into);
                if let Some(first) = into.get_mut(&items.start_at) {
                    *first += AN_ITEM;
                }
            }
        }
    }
}

/// The events of each state of a definition.
fn read(definition: &str) -> Result<BTreeMap<String, u32>, Unmeasured> {
    let level: Level = serde_json::from_str(definition)?;
    let mut events = BTreeMap::new();
    level.collect(&mut events);
    Ok(events)
}

impl Histories {
    /// Those of the product.
    pub fn read() -> Result<Self, Unmeasured> {
        DEFINITIONS.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// How many events an execution leaves that entered these states, and tried none of them again.
    pub fn events(&self, entered: &[String]) -> Result<u32, Unmeasured> {
        let events = |machine: &BTreeMap<String, u32>| {
            entered.iter().map(|state| machine.get(state).copied()).sum::<Option<u32>>()
        };
        let found = self.0.iter().find_map(events);
        found.map(|events| events + AN_EXECUTION).ok_or_else(|| Unmeasured::Machine(entered.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(entered: &[&str]) -> Result<u32, Unmeasured> {
        let entered: Vec<String> = entered.iter().map(|state| (*state).to_owned()).collect();
        Histories::read().unwrap().events(&entered)
    }

    #[test]
    fn a_round_of_a_hop_is_counted_as_the_guide_lists_its_events() {
        // A look that finds nothing new: a function, a choice, a wait.
        let look = ["Decide", "WhatNow", "WaitForControlPlane"];
        assert_eq!(events(&look).unwrap(), 2 + 5 + 2 + 2);
        // Two actions side by side: the Map, and an item, a choice and a function each.
        let act = ["Act", "WhichAction", "WhichAction", "RollNodeGroup", "UpdateAddOn"];
        assert_eq!(events(&act).unwrap(), 2 + 4 + 2 * (2 + 2 + 5));
    }

    #[test]
    fn an_execution_is_told_by_its_states() {
        // Whoever waits for another execution has one event more.
        assert_eq!(events(&["NextHop", "UpgradeHop"]).unwrap(), 2 + 5 + 6);
        assert!(matches!(events(&["NextHop", "Decide"]), Err(Unmeasured::Machine(_))));
    }
}
