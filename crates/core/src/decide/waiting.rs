//! Why nothing is started now, and when to look again.

use jiff::Timestamp;

use super::{Decision, Standing, WaitFor};
use crate::cluster::Resource;
use crate::command;
use crate::control::Controls;
use crate::hold::{Hold, unapproved};
use crate::ledger::{self, Phase, Progress, RunState};
use crate::plan::{Step, StepKind};
use crate::waits::{self, later, seconds_between};

/// The wait for whatever can be looked at soonest; `None` when nothing is under way. A question to people goes
/// before the other waits, and is looked at again as soon as they would be.
pub(super) fn soonest_wait(
    state: &RunState,
    steps: &[(&Step, Standing<'_>)],
    controls: &Controls,
    now: Timestamp,
) -> Option<Decision> {
    let mut soonest: Option<(u32, WaitFor, String)> = None;
    let mut offer = |seconds: u32, on: WaitFor, text: String| {
        if soonest.as_ref().is_none_or(|(best, ..)| seconds < *best) {
            soonest = Some((seconds, on, text));
        }
    };
    for (step, standing) in steps {
        match standing {
            Standing::Busy(Progress { phase: Phase::InFlight { since, .. }, .. }) => {
                let late = if step.span.is_late(*since, now) { ", longer than it ever should" } else { "" };
                let text = format!("{}{late}", step.kind);
                offer(step.span.pause_s(*since, now), waits_on(step), text);
            }
            Standing::Baking { since } => {
                let left_s = step.span.typical_s.saturating_sub(seconds_between(*since, now));
                let pause_s = step.span.pause_s(*since, now);
                let pause_s = if left_s > 0 { pause_s.min(left_s) } else { pause_s };
                offer(pause_s, WaitFor::Bake, step.kind.to_string());
            }
            Standing::Later { at, failure } => {
                let text = format!("next attempt at {} after {}", step.kind, failure.code);
                offer(seconds_between(now, *at).max(1), WaitFor::NextAttempt, text);
            }
            Standing::Held(Hold::Until { wait_for, seconds, text }) => {
                offer(*seconds, *wait_for, format!("{}: {text}", step.kind));
            }
            Standing::Following { since } => {
                offer(step.span.pause_s(*since, now), WaitFor::Following, step.kind.to_string());
            }
            // They begin by the next look.
            Standing::Ready if matches!(step.kind, StepKind::Bake { .. }) => {
                offer(1, WaitFor::Bake, step.kind.to_string());
            }
            Standing::Ready if matches!(step.kind, StepKind::Follow { .. }) => {
                offer(60, WaitFor::Following, step.kind.to_string());
            }
            Standing::Unresolved => offer(60, waits_on(step), format!("word of {}", step.kind)),
            _ => {}
        }
    }
    for (resource, foreign) in &state.foreign {
        let pause = waits::UNKNOWN.pause_s(foreign.since, now);
        offer(pause, WaitFor::OtherUpdate, format!("somebody else's update of {resource}"));
    }
    question(state, steps, controls, soonest.as_ref().map(|(seconds, ..)| *seconds), now)
        .or_else(|| soonest.map(|(seconds, on, text)| Decision::Wait { wait_for: on, seconds, text }))
}

/// How often an open question is looked at again, in seconds, should the word of its answer be lost.
const QUESTION_PAUSE_S: u32 = 3600;

/// The question that is open to people, or to be asked; not while the kill switch is thrown.
fn question(
    state: &RunState,
    steps: &[(&Step, Standing<'_>)],
    controls: &Controls,
    soonest_s: Option<u32>,
    now: Timestamp,
) -> Option<Decision> {
    if controls.thrown().is_some() {
        return None;
    }
    let (id, before, expires) = steps.iter().find_map(|(step, standing)| {
        let open = match standing {
            Standing::Held(open @ Hold::Approval { .. }) => Some(open.clone()),
            // Nobody is awake when the window opens: the question goes out before.
            Standing::Held(Hold::Until { wait_for: WaitFor::Window, .. }) => {
                unapproved(state, step, controls, now)
            }
            _ => None,
        };
        match open {
            Some(Hold::Approval { id, before, expires }) => Some((id, before, expires)),
            _ => None,
        }
    })?;
    let expires_at = match state.approvals.get(&id) {
        Some(ledger::Standing::Asked { expires_at, .. }) => *expires_at,
        _ => later(now, u32::try_from(expires.as_secs()).unwrap_or(u32::MAX)),
    };
    let open_s = seconds_between(now, expires_at).max(1);
    let seconds = soonest_s.unwrap_or(u32::MAX).min(QUESTION_PAUSE_S).min(open_s);
    let text = format!("a yes to {before}: {}", command::approve(&id));
    let expires_s = open_s.saturating_add(60);
    Some(Decision::Ask { approval: id, before, expires_at, expires_s, seconds, text })
}

fn waits_on(step: &Step) -> WaitFor {
    match step.kind {
        StepKind::CoreComponent { .. } => return WaitFor::CoreComponents,
        StepKind::FargatePods { .. } => return WaitFor::FargatePods,
        StepKind::SelfManagedNodes { .. } => return WaitFor::NodeGroups,
        _ => {}
    }
    match step.kind.resource() {
        Some(Resource::ControlPlane) | None => WaitFor::ControlPlane,
        Some(Resource::NodeGroup(_)) => WaitFor::NodeGroups,
        Some(Resource::AddOn(_)) => WaitFor::AddOns,
    }
}
