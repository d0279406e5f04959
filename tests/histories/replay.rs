//! Replays a history with the code of today: its ledger must read, and what followed from it then follows from it
//! now. What differs is told field by field.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use eks_upgrade_core::decide::{decide, next_hop};
use eks_upgrade_core::ledger::RunState;
use serde_json::Value;

use crate::history::{Asked, Decided, History};

/// A decision that is another one now.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Which history: version and name.
    pub history: String,
    /// The decision's place in it, from 1.
    pub decision: usize,
    /// What was asked, and when.
    pub asked: String,
    /// The fields that differ: what stood there, and what stands there now.
    pub fields: BTreeMap<String, (Option<Value>, Option<Value>)>,
    /// What was decided.
    pub was: Value,
    /// What is decided now.
    pub is: Value,
}

/// What is decided otherwise now; an error where the ledger does not read any more.
pub fn replay(name: &str, history: &History) -> Result<Vec<Difference>, String> {
    let states = states(name, history)?;
    let mut differences = Vec::new();
    for (decision, decided) in (1..).zip(&history.decisions) {
        let place = format!("{name}, decision {decision}");
        let state =
            states.get(&decided.after).ok_or(format!("{place}: there is no line {}", decided.after))?;
        let is = answer(state, &decided.asked).map_err(|why| format!("{place}: {why}"))?;
        let fields = fields(&decided.answer, &is);
        if !fields.is_empty() {
            let (history, asked, was) = (name.to_owned(), words(decided), decided.answer.clone());
            differences.push(Difference { history, decision, asked, fields, was, is });
        }
    }
    Ok(differences)
}

/// What the ledger adds up to after each of its lines.
fn states(name: &str, history: &History) -> Result<BTreeMap<u32, RunState>, String> {
    let mut states = BTreeMap::new();
    let mut state = None;
    for line in &history.lines {
        let next =
            RunState::extend(state.take(), &line.into()).map_err(|error| format!("{name}: {error}"))?;
        states.insert(line.seq, next.clone());
        state = Some(next);
    }
    match state {
        Some(last) if last.ended.is_some() => Ok(states),
        Some(_) => Err(format!("{name}: the run does not end: lines are missing")),
        None => Err(format!("{name}: the ledger is empty")),
    }
}

fn answer(state: &RunState, asked: &Asked) -> Result<Value, String> {
    match asked {
        Asked::NextHop => serde_json::to_value(next_hop(state).ok_or("the run has no plan")?),
        Asked::Decide { hop, now, controls, world } => {
            let hop = state.plan.as_ref().and_then(|plan| plan.hops.get(*hop));
            let hop = hop.ok_or("the plan has no such hop")?;
            serde_json::to_value(decide(state, hop, world, controls, *now))
        }
    }
    .map_err(|error| error.to_string())
}

/// The fields in which two decisions differ.
pub fn fields(was: &Value, is: &Value) -> BTreeMap<String, (Option<Value>, Option<Value>)> {
    let keys = |value: &Value| value.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
    let all: BTreeSet<String> = keys(was).into_iter().chain(keys(is)).flatten().collect();
    let pair = |key: String| {
        let pair = (was.get(&key).cloned(), is.get(&key).cloned());
        (key, pair)
    };
    all.into_iter().map(pair).filter(|(_, (was, is))| was != is).collect()
}

fn words(decided: &Decided) -> String {
    match &decided.asked {
        Asked::NextHop => format!("the next hop, after line {}", decided.after),
        Asked::Decide { hop, now, .. } => format!("hop {hop} at {now}, after line {}", decided.after),
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, decision {}: {}", self.history, self.decision, self.asked)?;
        writeln!(f, "  was {}\n  is  {}", self.was, self.is)?;
        let shown = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), Value::to_string);
        for (field, (was, is)) in &self.fields {
            writeln!(f, "  {field}:\n    - {}\n    + {}", shown(was), shown(is))?;
        }
        Ok(())
    }
}
