//! The bake: after a control-plane hop nothing moves for a while, and the policy's gates are watched, because EKS
//! can take the control plane back only as long as nodes are not newer than the minor to go back to.
//!
//! A gate judges what is new since the plan was made. What cannot be told does not hold a gate: the bake goes on
//! until it can be told, for an hour past its time at most. Nor does what has been so for less than five minutes: a
//! pod that crashes once is no reason to take a control plane back.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::cluster::{Found, InsightCategory, InsightStatus, Status};
use crate::command;
use crate::health::LASTS_S;
use crate::inside::Seen;
use crate::ledger::{Event, RunState};
use crate::observe::{Query, World, word};
use crate::plan::{Baseline, Step, StepKind};
use crate::policy::{Gate, OnFailure};
use crate::remedy::{Failure, Remedy};
use crate::waits::{UNTOLD_S, seconds_between};

/// What EKS reports settles for some minutes after an update: before, no gate is judged. A shorter bake is judged at
/// its end.
const SETTLING_S: u32 = 300;

/// What has to be looked at to judge the gates.
#[must_use]
pub fn queries(state: &RunState) -> BTreeSet<Query> {
    let gates = &state.opened.policy.bake.gates;
    let baseline = state.plan.as_ref().map(|plan| &plan.baseline);
    let addons = baseline.into_iter().flat_map(|baseline| &baseline.addons).cloned().map(Query::Addon);
    let insights = Query::Insights(InsightCategory::UpgradeReadiness);
    std::iter::once(Query::Cluster)
        .chain(addons.filter(|_| gates.contains(&Gate::AddonHealth)))
        .chain(gates.contains(&Gate::Insights).then_some(insights))
        .chain(watches_workloads(state).then_some(Query::Vitals))
        .collect()
}

fn watches_workloads(state: &RunState) -> bool {
    let policy = &state.opened.policy;
    policy.bake.gates.contains(&Gate::Workloads) && policy.kubernetes.may_look()
}

/// What the look means for a bake that began at `since`; `None` while it goes on.
#[must_use]
pub fn settle(
    state: &RunState,
    step: &Step,
    since: Timestamp,
    world: &World,
    now: Timestamp,
) -> Option<Event> {
    let StepKind::Bake { duration_s } = step.kind else { return None };
    let elapsed_s = seconds_between(since, now);
    let over = elapsed_s >= duration_s;
    if elapsed_s < SETTLING_S && !over {
        return None;
    }
    let verdict = judge(state, world, now);
    if !verdict.failed.is_empty() {
        return Some(failed(state, step, "BakeFailed", verdict.failed.join("; ")));
    }
    if !over {
        return None;
    }
    if verdict.untold.is_empty() {
        let evidence = format!("after {elapsed_s} s: {}", verdict.held.join("; "));
        return Some(Event::Baked { step: step.id.clone(), evidence });
    }
    let given_up = elapsed_s >= duration_s.saturating_add(UNTOLD_S);
    given_up.then(|| {
        let message = format!("an hour past its time it cannot be told: {}", verdict.untold.join("; "));
        failed(state, step, "BakeUntold", message)
    })
}

fn failed(state: &RunState, step: &Step, code: &str, message: String) -> Event {
    let by_policy = state.opened.policy.bake.on_failure == OnFailure::RollBack && code == "BakeFailed";
    let name = &state.opened.cluster.name;
    let failure = Failure {
        code: code.into(),
        message,
        resources: Vec::new(),
        remedy: if by_policy { Remedy::RollBack } else { Remedy::Stop },
        next_action: if by_policy {
            "find out what the newer version broke there before upgrading again".into()
        } else {
            format!(
                "look at the cluster; EKS takes its control plane back within 7 days of the upgrade \
                 ({}), or start again to go on",
                command::roll_back(name)
            )
        },
    };
    Event::GateFailed { step: step.id.clone(), failure }
}

#[derive(Default)]
struct Verdict {
    held: Vec<String>,
    failed: Vec<String>,
    untold: Vec<String>,
}

fn judge(state: &RunState, world: &World, now: Timestamp) -> Verdict {
    let nothing = Baseline::default();
    let baseline = state.plan.as_ref().map_or(&nothing, |plan| &plan.baseline);
    let mut verdict = Verdict::default();
    for gate in &state.opened.policy.bake.gates {
        match gate {
            Gate::ClusterHealth => cluster_health(world, baseline, &mut verdict),
            Gate::AddonHealth => addon_health(world, baseline, &mut verdict),
            Gate::Insights => insights(world, baseline, &mut verdict),
            Gate::Workloads if watches_workloads(state) => {
                let lasts = state.worse_since.is_some_and(|since| seconds_between(since, now) >= LASTS_S);
                workloads(world, baseline, lasts, &mut verdict);
            }
            Gate::Workloads => {}
        }
    }
    verdict
}

fn cluster_health(world: &World, baseline: &Baseline, verdict: &mut Verdict) {
    let Some(cluster) = world.cluster() else {
        return verdict.untold.push("the cluster could not be looked at".into());
    };
    if cluster.status != Status::Active {
        verdict.untold.push(format!("the cluster is {}", word(&cluster.status)));
    }
    let new: Vec<&String> =
        cluster.health_issues.iter().filter(|issue| !baseline.health_issues.contains(issue)).collect();
    if new.is_empty() {
        verdict.held.push("the cluster has no new health issue".into());
    }
    verdict.failed.extend(new.into_iter().map(|issue| format!("the cluster: {issue}")));
}

fn addon_health(world: &World, baseline: &Baseline, verdict: &mut Verdict) {
    let watched = baseline.addons.iter().filter(|name| !baseline.addons_unwell.contains(name));
    for name in watched {
        match world.addons.get(name) {
            None => verdict.untold.push(format!("add-on {name} could not be looked at")),
            Some(Found::Gone) => {}
            Some(Found::Is(addon)) => match &addon.status {
                Status::Active => verdict.held.push(format!("add-on {name} is ACTIVE")),
                Status::Updating | Status::Transient(_) => {
                    verdict.untold.push(format!("add-on {name} is {}", word(&addon.status)));
                }
                Status::Unwell(status) => {
                    let issues = addon.health_issues.join("; ");
                    verdict.failed.push(format!("add-on {name} is {status} {issues}").trim_end().to_owned());
                }
            },
        }
    }
}

/// `lasts` says whether nodes and pods have done worse than before for a while.
fn workloads(world: &World, baseline: &Baseline, lasts: bool, verdict: &mut Verdict) {
    let untold = |why: &str| format!("nodes and pods could not be looked at: {why}");
    match (&world.inside.vitals, &baseline.vitals) {
        (None, _) => verdict.untold.push(untold("nobody did")),
        (Some(Seen::Not(why)), _) => verdict.untold.push(untold(why)),
        (Some(Seen::Is(_)), None) => {
            verdict
                .held
                .push("nodes and pods were not seen before the start: nothing to compare with".into());
        }
        (Some(Seen::Is(vitals)), Some(before)) => {
            let worse = vitals.worse_than(before);
            if worse.is_empty() {
                verdict.held.push("nodes and pods do as before the start".into());
            } else if lasts {
                verdict.failed.extend(worse);
            } else {
                verdict.untold.push(format!("whether this lasts: {}", worse.join("; ")));
            }
        }
    }
}

/// Only what is about the minor that the cluster has: of the next one there is time to think.
fn insights(world: &World, baseline: &Baseline, verdict: &mut Verdict) {
    let (Some(cluster), Some(seen)) =
        (world.cluster(), world.insights.get(&InsightCategory::UpgradeReadiness))
    else {
        return verdict.untold.push("the insights could not be looked at".into());
    };
    let of_status = |status| {
        let these = seen.iter().filter(move |insight| {
            insight.about.is_none_or(|about| about == cluster.version)
                && insight.status == status
                && !baseline.insights.contains(&insight.name)
        });
        these.map(|insight| format!("insight {}: {}", insight.name, insight.reason)).collect::<Vec<_>>()
    };
    let new = of_status(InsightStatus::Error);
    if new.is_empty() {
        verdict.held.push(format!("no insight on {} is new and ERROR", cluster.version));
    }
    verdict.failed.extend(new);
    verdict.untold.extend(of_status(InsightStatus::Unknown));
}
