//! A control plane goes up only on what EKS's insights said within the last day, made anew while it was at that minor: they
//! are about the next one.

use crate::evidence::{Accepted, Evidence};
use crate::identity::second;
use crate::skew::minor;
use crate::{Objection, Rule};

/// EKS makes its insights anew once a day; an hour more for what lies between planning and calling.
const FRESH_S: i64 = 25 * 3600;

pub(crate) fn judge(evidence: &Evidence) -> Vec<Objection> {
    evidence.accepted.iter().filter(|call| goes_up(call)).filter_map(|call| of_call(evidence, call)).collect()
}

fn goes_up(call: &Accepted) -> bool {
    call.operation == "UpdateClusterVersion" && minor(&call.input["version"]) > minor(&call.truth["version"])
}

fn of_call(evidence: &Evidence, call: &Accepted) -> Option<Objection> {
    let here = |at_s: i64| minor_at(call, at_s) == minor(&call.truth["version"]);
    let last =
        evidence.looks.iter().rev().find(|look| look.place < call.place && look.cluster == call.cluster);
    let why = match last {
        None => "nobody had asked for EKS's insights",
        Some(look) if !here(look.at_s) => "EKS's insights were asked for at another minor",
        Some(look) if call.at_s - look.at_s > FRESH_S => "EKS's insights were asked for more than a day ago",
        Some(_) if !was_refreshed(evidence, call) => "EKS's insights were not made anew at this minor",
        Some(_) => return None,
    };
    let text = format!("{} goes up, and {why}", call.cluster);
    Some(Objection { rule: Rule::Readiness, at_s: call.at_s, text })
}

/// The minor where the cluster was at an instant before the call, by the simulator's word on its updates.
fn minor_at(call: &Accepted, at_s: i64) -> Option<i32> {
    let updates = call.truth["updates"].as_array().into_iter().flatten();
    let moved = updates.filter_map(|update| {
        let by = match update["type"].as_str() {
            Some("VersionUpdate") if update["nodegroup"].is_null() => 1,
            Some("VersionRollback") => -1,
            _ => return None,
        };
        let ended_s = second(&update["endedAt"]).filter(|_| update["status"] == "Successful")?;
        Some((ended_s, by, minor(&update["params"]["Version"])?))
    });
    let mut moved: Vec<(i64, i32, i32)> = moved.collect();
    moved.sort_unstable();
    match moved.iter().rev().find(|(ended_s, ..)| *ended_s <= at_s) {
        Some((.., to)) => Some(*to),
        None => moved.first().map_or_else(|| minor(&call.truth["version"]), |(_, by, to)| Some(to - by)),
    }
}

/// Whether EKS made its insights anew at this minor, or denied it.
fn was_refreshed(evidence: &Evidence, call: &Accepted) -> bool {
    let here = |at_s: &i64| minor_at(call, *at_s) == minor(&call.truth["version"]);
    let refreshes = call.truth["insightsRefreshes"].as_array().into_iter().flatten();
    let made_s = refreshes.filter_map(|refresh| second(&refresh["startedAt"]));
    let denied = evidence.denied_looks.iter();
    let denied = denied.filter(|denied| denied.cluster == call.cluster && denied.place < call.place);
    made_s.chain(denied.map(|denied| denied.at_s)).any(|at_s| here(&at_s))
}
