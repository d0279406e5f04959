//! Force, overwriting and the way back take the policy's word, the cluster's tag, the request's, or a consent.

use serde_json::Value;

use crate::evidence::{Accepted, Evidence};
use crate::skew::minor;
use crate::{Objection, Rule};

pub(crate) fn judge(evidence: &Evidence) -> Vec<Objection> {
    evidence.accepted.iter().filter_map(|call| of_call(evidence, call)).collect()
}

fn of_call(evidence: &Evidence, call: &Accepted) -> Option<Objection> {
    let run = &evidence.intent(&call.token, call.place)?.run;
    let policy = evidence.policy_of(run)?;
    let consented = |to: &dyn Fn(&Value) -> bool| evidence.consented(run, call.place, call.at_s, to);
    let what = match call.operation.as_str() {
        "UpdateNodegroupVersion" if call.input["force"] == true => {
            let group = call.nodegroup.as_deref().unwrap_or_default();
            let force = |scope: &Value| scope["to"] == "force" && scope["nodeGroup"] == group;
            let allowed = consented(&force) || strategies(evidence, policy, call, group).any(forces);
            (!allowed).then(|| format!("force on {group}"))
        }
        "UpdateAddon" if call.input["resolveConflicts"] == "OVERWRITE" => {
            let addon = call.addon.as_deref().unwrap_or_default();
            let overwrite = |scope: &Value| scope["to"] == "overwrite" && scope["addon"] == addon;
            let listed =
                policy["overwriteAddons"].as_array().is_some_and(|all| all.iter().any(|name| name == addon));
            (!listed && !consented(&overwrite)).then(|| format!("overwriting {addon}"))
        }
        "UpdateClusterVersion" if minor(&call.input["version"]) < minor(&call.truth["version"]) => {
            let back = |scope: &Value| scope["to"] == "roll-back";
            let by_policy = policy["bake"]["onFailure"] == "roll-back";
            (!by_policy && !consented(&back)).then(|| "the way back".to_owned())
        }
        _ => None,
    };
    what.map(|what| Objection {
        rule: Rule::Consent,
        at_s: call.at_s,
        text: format!("{what} of {} without a yes", call.cluster),
    })
}

fn forces(strategy: &str) -> bool {
    matches!(strategy, "force" | "rolling-then-force")
}

/// Every strategy that somebody wished for: in the policy, for the group, by the cluster's tag, in a request.
fn strategies<'a>(
    evidence: &'a Evidence,
    policy: &'a Value,
    call: &'a Accepted,
    group: &'a str,
) -> impl Iterator<Item = &'a str> {
    let requests = evidence.requests.iter().filter(|(place, request)| {
        *place < call.place && request["cluster"].as_str().is_some_and(|named| named.ends_with(&call.cluster))
    });
    let wished = [
        &policy["strategy"],
        &policy["nodeGroupStrategy"][group],
        &call.truth["tags"]["eks-upgrade:strategy"],
    ];
    wished.into_iter().chain(requests.map(|(_, request)| &request["strategy"])).filter_map(Value::as_str)
}
