//! The ledger has the intent before EKS has the call, with a token of its own, and EKS accepts one call a step.

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::{Accepted, Evidence};
use crate::{Objection, Rule};

pub(crate) fn judge(evidence: &Evidence) -> Vec<Objection> {
    let mut objections = Vec::new();
    let mut by_step: BTreeMap<(&str, &str), &Accepted> = BTreeMap::new();
    for call in &evidence.accepted {
        let object = |rule, why: String| Objection { rule, at_s: call.at_s, text: why };
        let Some(intent) = evidence.intent(&call.token, call.place) else {
            let why = format!("{} of {}: no intent has its token", call.operation, call.cluster);
            objections.push(object(Rule::IntentBeforeEffect, why));
            continue;
        };
        let step = (intent.run.as_str(), intent.text("step"));
        if let Some(earlier) = by_step.insert(step, call)
            && !ended_otherwise(evidence, earlier, call.place)
        {
            let why = format!(
                "{} of {}: step {} of {} had a call already that has not failed",
                call.operation, call.cluster, step.1, step.0
            );
            objections.push(object(Rule::OneCallAStep, why));
        }
    }
    objections.extend(twice(evidence));
    objections
}

/// A token stands for one attempt: with another's, EKS would take the second call for a copy of the first.
fn twice(evidence: &Evidence) -> impl Iterator<Item = Objection> {
    let mut meant: BTreeSet<&str> = BTreeSet::new();
    let intents = evidence.entries().filter(|entry| entry.event() == "intended");
    intents.filter(move |entry| !meant.insert(entry.text("token"))).map(|entry| Objection {
        rule: Rule::IntentBeforeEffect,
        at_s: entry.at_s,
        text: format!(
            "line {} of {} means {} with a token that was used",
            entry.seq,
            entry.run,
            entry.text("step")
        ),
    })
}

/// Whether EKS had said, by then, that an update ended otherwise than well, or its cluster or group was made anew.
fn ended_otherwise(evidence: &Evidence, call: &Accepted, before: usize) -> bool {
    let last = evidence.told.iter().rev().find(|told| told.update == call.update && told.place < before);
    last.is_some_and(|told| told.status != "InProgress" && told.status != "Successful")
}
