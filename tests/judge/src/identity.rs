//! Nothing is called on a cluster that was made anew under the name of the one that a run was opened for.

use jiff::Timestamp;
use serde_json::Value;

use crate::evidence::{Accepted, Evidence};
use crate::{Objection, Rule};

pub(crate) fn judge(evidence: &Evidence) -> Vec<Objection> {
    evidence.accepted.iter().filter_map(|call| of_call(evidence, call)).collect()
}

fn of_call(evidence: &Evidence, call: &Accepted) -> Option<Objection> {
    let run = &evidence.intent(&call.token, call.place)?.run;
    let planned = second(&evidence.opened(run)?.value["clusterCreatedAt"])?;
    let is = second(&call.truth["createdAt"])?;
    let text = format!("{} of {} for run {run}, opened for an earlier one", call.operation, call.cluster);
    (is != planned).then_some(Objection { rule: Rule::SameCluster, at_s: call.at_s, text })
}

/// An instant, in seconds since 1970.
pub(crate) fn second(instant: &Value) -> Option<i64> {
    Some(instant.as_str()?.parse::<Timestamp>().ok()?.as_second())
}
