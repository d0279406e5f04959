//! Where the policy wants a yes before a run or a step, somebody has said it before the call.

use serde_json::Value;

use crate::evidence::{Accepted, Evidence};
use crate::skew::minor;
use crate::{Objection, Rule};

pub(crate) fn judge(evidence: &Evidence) -> Vec<Objection> {
    evidence.accepted.iter().filter_map(|call| of_call(evidence, call)).collect()
}

fn of_call(evidence: &Evidence, call: &Accepted) -> Option<Objection> {
    let run = &evidence.intent(&call.token, call.place)?.run;
    let rules = evidence.policy_of(run)?["approvals"].as_array()?;
    let missing = rules.iter().find_map(|rule| missing(evidence, call, run, rule))?;
    let text = format!("{} of {} without the yes to {missing}", call.operation, call.cluster);
    Some(Objection { rule: Rule::Approval, at_s: call.at_s, text })
}

/// What this rule of the policy wants a yes to that nobody has said; `None` where it wants none of this call.
fn missing(evidence: &Evidence, call: &Accepted, run: &str, rule: &Value) -> Option<String> {
    let about = match rule["before"].as_str() {
        Some("run") => {
            // Whoever consents to the way back has said the run's yes with it.
            let consented = |scope: &Value| scope["to"] == "roll-back";
            if is_way_back(call) && evidence.consented(run, call.place, call.at_s, consented) {
                return None;
            }
            format!("upgrade of {}", call.cluster)
        }
        Some("step") => {
            let (name, about) = step(call)?;
            let steps = rule["steps"].as_array().filter(|steps| !steps.is_empty());
            if steps.is_some_and(|steps| steps.iter().all(|step| step != name)) {
                return None;
            }
            about
        }
        _ => return None,
    };
    let said = evidence.answers.iter().any(|answer| {
        answer.place < call.place && answer.yes && answer.run == run && answer.before.starts_with(&about)
    });
    (!said).then_some(about)
}

/// The step behind a call as policies name it, and how the question about it begins.
fn step(call: &Accepted) -> Option<(&'static str, String)> {
    match call.operation.as_str() {
        "UpdateClusterVersion" if is_way_back(call) => Some(("roll-back", "control plane back ".into())),
        "UpdateClusterVersion" => Some(("control-plane", "control plane ".into())),
        "UpdateNodegroupVersion" => {
            Some(("node-group", format!("node group {} ", call.nodegroup.as_deref().unwrap_or_default())))
        }
        "UpdateAddon" => Some(("add-on", format!("add-on {} ", call.addon.as_deref().unwrap_or_default()))),
        _ => None,
    }
}

fn is_way_back(call: &Accepted) -> bool {
    call.operation == "UpdateClusterConfig"
        || call.operation == "UpdateClusterVersion"
            && minor(&call.input["version"]) < minor(&call.truth["version"])
}
