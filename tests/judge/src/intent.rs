//! The ledger has the intent before EKS has the call, and EKS accepts one call a step.

use std::collections::BTreeMap;

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
    objections
}

/// Whether EKS had said, by then, that an update ended otherwise than well, or its cluster or group was made anew.
fn ended_otherwise(evidence: &Evidence, call: &Accepted, before: usize) -> bool {
    let last = evidence.told.iter().rev().find(|told| told.update == call.update && told.place < before);
    last.is_some_and(|told| told.status != "InProgress" && told.status != "Successful")
}
