//! Where the policy wants a yes before a run or a step, somebody has said it before the call, to a question that named it.

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
    let mut wanted = rules.iter().filter_map(|rule| wanted(evidence, call, run, rule));
    let missing = wanted.find(|question| {
        let mut answers = evidence.answers.iter().filter(|answer| answer.place < call.place);
        !answers.any(|answer| answer.yes && answer.run == *run && question.is(&answer.before))
    })?;
    let text = format!("{} of {} without the yes to {}", call.operation, call.cluster, missing.begins);
    Some(Objection { rule: Rule::Approval, at_s: call.at_s, text })
}

/// What people are asked about a call, as far as it can be told from the call.
struct Question {
    begins: String,
    /// The version that it names as the one after.
    to: Option<String>,
}

impl Question {
    fn is(&self, asked: &str) -> bool {
        let names = |to: &String| asked.contains(&format!("→ {to} of "));
        asked.starts_with(&self.begins) && self.to.as_ref().is_none_or(names)
    }
}

/// The question that this rule of the policy wants answered before the call; `None` where it wants none.
fn wanted(evidence: &Evidence, call: &Accepted, run: &str, rule: &Value) -> Option<Question> {
    match rule["before"].as_str()? {
        "run" => {
            // Whoever consents to the way back has said the run's yes with it.
            let consented = |scope: &Value| scope["to"] == "roll-back";
            let said = is_way_back(call) && evidence.consented(run, call.place, call.at_s, consented);
            (!said).then(|| Question { begins: format!("upgrade of {} ", call.cluster), to: None })
        }
        "step" => {
            let (name, question) = step(call)?;
            let steps = rule["steps"].as_array().filter(|steps| !steps.is_empty());
            steps.is_none_or(|steps| steps.iter().any(|step| step == name)).then_some(question)
        }
        _ => None,
    }
}

/// The step behind a call as policies name it, and the question about it.
fn step(call: &Accepted) -> Option<(&'static str, Question)> {
    let to = |field: &str| call.input[field].as_str().map(str::to_owned);
    let named =
        |what: &str, name: &Option<String>| format!("{what} {} ", name.as_deref().unwrap_or_default());
    match call.operation.as_str() {
        "UpdateClusterVersion" => {
            let (name, begins) = if is_way_back(call) {
                ("roll-back", "control plane back ")
            } else {
                ("control-plane", "control plane ")
            };
            Some((name, Question { begins: begins.into(), to: to("version") }))
        }
        "UpdateNodegroupVersion" => {
            let begins = named("node group", &call.nodegroup);
            Some(("node-group", Question { begins, to: to("version") }))
        }
        "UpdateAddon" => {
            let begins = named("add-on", &call.addon);
            Some(("add-on", Question { begins, to: to("addonVersion") }))
        }
        _ => None,
    }
}

fn is_way_back(call: &Accepted) -> bool {
    let down = || minor(&call.input["version"]) < minor(&call.truth["version"]);
    call.operation == "UpdateClusterConfig" || call.operation == "UpdateClusterVersion" && down()
}
