//! How each step stands, and which call starts it.

use jiff::Timestamp;

use super::{Action, ActionName, Decision, WaitFor};
use crate::cluster::Resource;
use crate::control::{ConsentScope, Controls};
use crate::hold::{Hold, hold};
use crate::ledger::{InUse, Phase, Progress, RunState};
use crate::plan::{Plan, Step, StepKind};
use crate::policy::{NodeHops, NodeStrategy};
use crate::remedy::{self, Failure, Remedy};
use crate::roll::Roll;
use crate::waits::{later, seconds_between};

/// Plans of one run that answer something that went wrong; more than this and somebody has to look.
const PLANS_MAX: u32 = 10;
/// What waits again and again waits this share of the time that it has waited so far: what has lasted for hours will
/// not be over in a minute, and each try is a line in the ledger.
const WAIT_SHARE: u32 = 10;
/// The longest such wait, in seconds: an hour is soon enough for whoever mended it.
const WAIT_S_MAX: u32 = 3600;
/// What somebody else holds for this long, with no update to be seen, needs a person, in seconds: the longest updates
/// of EKS take hours, not a day.
const IN_USE_S_MAX: u32 = 24 * 3600;
/// For how much of that time it has to have been looked at, in seconds, pauses between attempts counted in: a window may
/// have been closed for days.
const IN_USE_SEEN_S_MIN: u32 = 3600;

/// How a step stands with regard to starting it.
pub(super) enum Standing<'a> {
    Done,
    NotReady,
    /// May start now.
    Ready,
    /// May start later.
    Later {
        at: Timestamp,
        failure: &'a Failure,
    },
    /// May start, but for what holds it.
    Held(Hold),
    /// Nothing is to be started; its time runs.
    Baking {
        since: Timestamp,
    },
    /// Nothing is to be started; others are at it.
    Following {
        since: Timestamp,
    },
    /// Under way, and ours to continue.
    Ours,
    /// Under way.
    Busy(&'a Progress),
    /// A call was meant and nothing is known of it: the act function looks, or calls with the same token.
    Unresolved,
    /// Will not be tried again.
    Doomed(&'a Failure),
}

impl Standing<'_> {
    pub(super) fn doomed(&self) -> Option<&Failure> {
        if let Self::Doomed(failure) = self { Some(failure) } else { None }
    }

    pub(super) fn held_for_good(&self) -> Option<Decision> {
        let Self::Held(Hold::Never { code, message, next_action }) = self else { return None };
        Some(Decision::Halt {
            code: (*code).into(),
            message: message.clone(),
            next_action: next_action.clone(),
        })
    }

    pub(super) fn wants_other_plan(&self, plan: Option<&Plan>) -> Option<Decision> {
        if let Self::Held(Hold::PlanAgain { reason }) = self {
            let reason = reason.clone();
            return Some(Decision::Replan { reason, nodes_each_hop: false, roll_back: false });
        }
        let failure = self.doomed()?;
        let plan = plan?;
        // Planning again without end helps nobody.
        if plan.revision.saturating_sub(plan.renewals) >= PLANS_MAX {
            return None;
        }
        let (nodes_each_hop, roll_back) = match failure.remedy {
            // Nor does another plan for what was tried already.
            Remedy::Replan { nodes_each_hop } if nodes_each_hop && plan.nodes == NodeHops::EachHop => {
                return None;
            }
            Remedy::Replan { nodes_each_hop } => (nodes_each_hop, false),
            Remedy::RollBack if plan.rolls_back.is_some() => return None,
            Remedy::RollBack => (false, true),
            Remedy::Retry { .. } | Remedy::Wait { .. } | Remedy::Stop => return None,
        };
        Some(Decision::Replan { reason: failure.message.clone(), nodes_each_hop, roll_back })
    }
}

/// Whether a roll may wait for what holds it, as it is.
fn rests(roll: &Roll, hold: &Hold) -> bool {
    roll.is_at_rest() && !(hold.is_long() && roll.owes().is_some())
}

pub(super) fn standing<'a>(
    state: &'a RunState,
    step: &Step,
    controls: &Controls,
    now: Timestamp,
) -> Standing<'a> {
    match progress_of(state, step, controls, now) {
        Standing::Ready => hold(state, step, controls, now).map_or(Standing::Ready, Standing::Held),
        other => other,
    }
}

/// The same without what may hold it.
fn progress_of<'a>(state: &'a RunState, step: &Step, controls: &Controls, now: Timestamp) -> Standing<'a> {
    let Some(progress) = state.steps.get(&step.id) else {
        return if state.is_ready(step) { Standing::Ready } else { Standing::NotReady };
    };
    match &progress.phase {
        Phase::Done { .. } => Standing::Done,
        Phase::InFlight { .. } if matches!(step.kind, StepKind::SelfManagedNodes { .. }) => {
            match hold(state, step, controls, now) {
                // Past the kill switch nothing is done at all.
                Some(hold @ Hold::Until { wait_for: WaitFor::KillSwitch, .. }) => Standing::Held(hold),
                // What holds it for good has it taken back, Cluster Autoscaler and all, before the run may stop.
                Some(Hold::Never { .. }) => Standing::Ours,
                // Nodes that are begun are ended, whatever holds the next one; and Cluster Autoscaler is put back for
                // the time of a long rest.
                Some(hold) if progress.roll.as_ref().is_none_or(|roll| rests(roll, &hold)) => {
                    Standing::Held(hold)
                }
                _ => Standing::Ours,
            }
        }
        Phase::InFlight { .. } => Standing::Busy(progress),
        Phase::Following { since, .. } => Standing::Following { since: *since },
        Phase::Intended { .. } => Standing::Unresolved,
        Phase::Baking { since } => Standing::Baking { since: *since },
        Phase::Failed { failure, at } => {
            let due = |after_s| {
                let at = later(*at, after_s);
                if at <= now { Standing::Ready } else { Standing::Later { at, failure } }
            };
            match failure.remedy {
                // What comes next is another call: the failed one was the wait.
                Remedy::Retry { .. } | Remedy::Stop if escalates(state, step, progress, controls, now) => {
                    Standing::Ready
                }
                Remedy::Stop | Remedy::Replan { .. } | Remedy::RollBack => Standing::Doomed(failure),
                Remedy::Retry { .. } if progress.strikes >= attempts_max(state, step, progress) => {
                    Standing::Doomed(failure)
                }
                Remedy::Retry { after_s } => due(after_s),
                Remedy::Wait { after_s } => {
                    let waited_s = progress.waits_since.map_or(0, |since| seconds_between(since, *at));
                    if failure.code == remedy::RESOURCE_IN_USE && progress.in_use.is_some_and(too_long) {
                        return Standing::Doomed(failure);
                    }
                    due((waited_s / WAIT_SHARE).clamp(after_s, WAIT_S_MAX.max(after_s)))
                }
            }
        }
    }
}

/// Whether what is in use is so for too long: two looks that are far apart do not say so.
fn too_long(in_use: InUse) -> bool {
    seconds_between(in_use.since, in_use.at) > IN_USE_S_MAX && in_use.seen_s >= IN_USE_SEEN_S_MIN
}

fn attempts_max(state: &RunState, step: &Step, progress: &Progress) -> u32 {
    let policy = u32::from(state.opened.policy.attempts);
    let forced = progress.last == Some(ActionName::ForceNodeGroup);
    match step.kind {
        // The rolling attempt that force answers does not use up one of the forced ones.
        StepKind::NodeGroup { strategy: NodeStrategy::Rolling | NodeStrategy::RollingThenForce, .. }
            if forced =>
        {
            policy + 1
        }
        // Looking costs nothing, and health catches up slowly after a change.
        StepKind::Verify => 10,
        _ => policy,
    }
}

/// Whether the last attempt failed for what the next one is allowed to go over, and none has yet.
fn escalates(
    state: &RunState,
    step: &Step,
    progress: &Progress,
    controls: &Controls,
    now: Timestamp,
) -> bool {
    let next = action_for(state, step, controls, now);
    matches!(next, ActionName::ForceNodeGroup | ActionName::OverwriteAddOn) && progress.last != Some(next)
}

/// Which action the next attempt at a step is. Force and overwriting come only after the softer call failed for
/// exactly that, and only where policy or a consent that holds at `now` allows them.
#[must_use]
pub fn action_for(state: &RunState, step: &Step, controls: &Controls, now: Timestamp) -> ActionName {
    let progress = state.steps.get(&step.id);
    match &step.kind {
        StepKind::ControlPlane { .. } => ActionName::UpgradeControlPlane,
        StepKind::RollBack { .. } => ActionName::RollBackControlPlane,
        StepKind::SupportType {} => ActionName::SetSupportType,
        StepKind::CoreComponent { .. } => ActionName::UpdateCoreComponent,
        StepKind::SelfManagedNodes { .. } => ActionName::RollSelfManagedNodes,
        StepKind::FargatePods { .. } => ActionName::RestartFargatePods,
        StepKind::Verify | StepKind::Bake { .. } | StepKind::Follow { .. } => ActionName::Verify,
        StepKind::AddOn { name, .. } => {
            let conflicted = progress.is_some_and(|progress| progress.conflicted);
            let by_policy = state.opened.policy.overwrite_addons.contains(name);
            let scope = ConsentScope::Overwrite { addon: name.clone() };
            if conflicted && (by_policy || controls.consent(&scope, now).is_some()) {
                ActionName::OverwriteAddOn
            } else {
                ActionName::UpdateAddOn
            }
        }
        StepKind::NodeGroup { name, strategy, .. } => {
            let evicted = progress.is_some_and(|progress| progress.eviction_failed);
            let scope = ConsentScope::Force { node_group: name.clone() };
            let allowed =
                *strategy == NodeStrategy::RollingThenForce || controls.consent(&scope, now).is_some();
            if *strategy == NodeStrategy::Force || (evicted && allowed) {
                ActionName::ForceNodeGroup
            } else {
                ActionName::RollNodeGroup
            }
        }
    }
}

/// The actions that may start now, within the bounds on how much of a kind runs at once.
pub(super) fn startable(
    state: &RunState,
    steps: &[(&Step, Standing<'_>)],
    controls: &Controls,
    now: Timestamp,
) -> Vec<Action> {
    let busy = |wanted: fn(&StepKind) -> bool| {
        let count = |(step, standing): &&(&Step, Standing<'_>)| {
            wanted(&step.kind)
                && matches!(standing, Standing::Busy(_) | Standing::Ours | Standing::Unresolved)
        };
        steps.iter().filter(count).count()
    };
    let policy = &state.opened.policy;
    let is_group =
        |kind: &StepKind| matches!(kind, StepKind::NodeGroup { .. } | StepKind::SelfManagedNodes { .. });
    let is_addon = |kind: &StepKind| matches!(kind, StepKind::AddOn { .. });
    let mut groups_free = usize::from(policy.node_groups_at_once).saturating_sub(busy(is_group));
    let mut addons_free = usize::from(policy.addons_at_once).saturating_sub(busy(is_addon));
    let mut actions = Vec::new();
    for (step, standing) in steps {
        let unresolved = matches!(standing, Standing::Unresolved | Standing::Ours);
        // A control plane that is being changed lets nothing else of the cluster begin.
        let held = state.foreign.contains_key(&Resource::ControlPlane)
            || step.kind.resource().is_some_and(|resource| state.foreign.contains_key(&resource));
        // A bake begins and ends by looking, and so does what follows by itself.
        let acts = !matches!(step.kind, StepKind::Bake { .. } | StepKind::Follow { .. });
        if !(unresolved || (matches!(standing, Standing::Ready) && acts && !held)) {
            continue;
        }
        let free = match step.kind {
            StepKind::NodeGroup { .. } | StepKind::SelfManagedNodes { .. } => &mut groups_free,
            StepKind::AddOn { .. } => &mut addons_free,
            _ => &mut 1,
        };
        if !unresolved {
            if *free == 0 {
                continue;
            }
            *free -= 1;
        }
        actions.push(Action { action: action_for(state, step, controls, now), step: step.id.clone() });
    }
    actions
}
