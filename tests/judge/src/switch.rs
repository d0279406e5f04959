//! Nothing is called while the kill switch is thrown.

use crate::evidence::Evidence;
use crate::{Objection, Rule};

pub(crate) fn judge(evidence: &Evidence) -> Vec<Objection> {
    let calls = evidence.accepted.iter().filter(|call| evidence.is_switch_thrown(call.place));
    calls
        .map(|call| Objection {
            rule: Rule::KillSwitch,
            at_s: call.at_s,
            text: format!("{} of {} while the kill switch was thrown", call.operation, call.cluster),
        })
        .collect()
}
