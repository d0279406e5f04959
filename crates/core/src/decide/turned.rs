//! Whether the world is still what the run is about; what is half done is taken back where it is not.

use jiff::Timestamp;

use super::{Action, ActionName, Decision, WaitFor, halt_of};
use crate::cluster::{Cluster, Found};
use crate::control::Controls;
use crate::hold::{Hold, switched_off};
use crate::ids::StepId;
use crate::ledger::RunState;
use crate::observe::{NOT_VISIBLE_YET_S, World};
use crate::plan::{Hop, StepKind};
use crate::remedy::{Failure, Remedy};
use crate::version::Minor;
use crate::waits::seconds_between;

/// Why the run goes no further, or not now, whatever its steps are. What is half done is taken back before it halts.
pub(super) fn stopped(
    state: &RunState,
    hop: &Hop,
    world: &World,
    controls: &Controls,
    now: Timestamp,
) -> Option<Decision> {
    let turned = world_turned(state, hop, world, now);
    let is_ours = |cluster: &Cluster| cluster.created_at == state.opened.cluster_created_at;
    let reachable = world.cluster().is_none_or(is_ours) && world.cluster != Some(Found::Gone);
    let all = state.rolling().map(|(id, _)| id);
    let given_up = state.rolling().filter(|(_, roll)| roll.is_some_and(|roll| roll.given_up.is_some()));
    match (turned, &state.called_off) {
        (Some(halt @ Decision::Halt { .. }), _) if !reachable => Some(halt),
        (Some(halt @ Decision::Halt { .. }), _) => {
            Some(taken_back(state, all, controls, now).unwrap_or(halt))
        }
        (_, Some(failure)) => Some(taken_back(state, all, controls, now).unwrap_or_else(|| halt_of(failure))),
        (Some(wait), None) => {
            Some(taken_back(state, given_up.map(|(id, _)| id), controls, now).unwrap_or(wait))
        }
        (None, None) => None,
    }
}

/// Rolls under way are gone on with until all is as it was; past the kill switch that waits. `None`: there are none.
fn taken_back<'a>(
    state: &RunState,
    rolls: impl Iterator<Item = &'a StepId>,
    controls: &Controls,
    now: Timestamp,
) -> Option<Decision> {
    let back = |step: &StepId| Action { action: ActionName::RollSelfManagedNodes, step: step.clone() };
    let actions: Vec<Action> = rolls.map(back).collect();
    if actions.is_empty() {
        return None;
    }
    if let Some(Hold::Until { wait_for, seconds, text }) = switched_off(controls, now) {
        let text = format!("{} is to be taken back: {text}", state.opened.cluster.name);
        return Some(Decision::Wait { wait_for, seconds, text });
    }
    Some(Decision::Act { actions })
}

/// Why a roll that is under way is taken back, if it is: the run goes no further.
#[must_use]
pub fn calls_back(state: &RunState, cluster: &Cluster, now: Timestamp) -> Option<Failure> {
    match turned(state, cluster, now) {
        Some(Decision::Halt { code, message, next_action }) => {
            Some(Failure { code, message, resources: Vec::new(), remedy: Remedy::Stop, next_action })
        }
        _ => state.called_off.clone(),
    }
}

/// Why the run may not be planned again for `cluster`, or not yet: it is another one, or somebody took it back,
/// or on. A halt or a wait.
#[must_use]
pub fn turned(state: &RunState, cluster: &Cluster, now: Timestamp) -> Option<Decision> {
    let Some(hop) = state.plan.as_ref().and_then(|plan| plan.hops.last()) else {
        return made_anew(state, cluster).or_else(|| moved_past(state, cluster, state.opened.from));
    };
    let world = World { cluster: Some(Found::Is(cluster.clone())), ..World::default() };
    world_turned(state, hop, &world, now)
}

/// The world as a whole is not what the run is about any more.
fn world_turned(state: &RunState, hop: &Hop, world: &World, now: Timestamp) -> Option<Decision> {
    let halt = |code: &str, message: String, next: &str| {
        Some(Decision::Halt { code: code.into(), message, next_action: next.into() })
    };
    let name = &state.opened.cluster.name;
    match world.cluster.as_ref()? {
        Found::Gone => {
            halt("TargetGone", format!("cluster {name} no longer exists"), "nothing is left to do")
        }
        Found::Is(cluster) => {
            let another = made_anew(state, cluster);
            if another.is_some() {
                return another;
            }
            let reached = reached(state, hop);
            if reached.is_some_and(|reached| cluster.version < reached) {
                // EKS's reads lag behind its writes: right after an update they may show the version before.
                if seconds_between(state.updated_at, now) <= NOT_VISIBLE_YET_S {
                    return Some(Decision::Wait {
                        wait_for: WaitFor::ControlPlane,
                        seconds: 30,
                        text: format!("EKS to show the control plane at {}", hop.to),
                    });
                }
                return halt(
                    "RolledBack",
                    format!("somebody took the control plane of {name} back to {}", cluster.version),
                    "find out why before starting again; this run does not undo what a person did",
                );
            }
            // On the way back the cluster starts above where it goes.
            let start = state.plan.as_ref().filter(|plan| plan.rolls_back.is_some()).map(|plan| plan.from);
            moved_past(state, cluster, start.unwrap_or(hop.to))
        }
    }
}

/// A halt where the cluster is another one by now.
fn made_anew(state: &RunState, cluster: &Cluster) -> Option<Decision> {
    (cluster.created_at != state.opened.cluster_created_at).then(|| Decision::Halt {
        code: "AnotherCluster".into(),
        message: format!(
            "cluster {} was deleted and made anew at {}",
            state.opened.cluster.name, cluster.created_at
        ),
        next_action: "start an upgrade of the new cluster if it needs one".into(),
    })
}

/// A halt where somebody took the cluster past `highest`, which the run has seen it at or takes it to, and the target.
fn moved_past(state: &RunState, cluster: &Cluster, highest: Minor) -> Option<Decision> {
    let target = state.opened.target;
    (cluster.version > highest.max(target)).then(|| Decision::Halt {
        code: "MovedPastTarget".into(),
        message: format!(
            "somebody took {} to {}, past the target {target}",
            state.opened.cluster.name, cluster.version
        ),
        next_action: if state.opened.roll_back {
            "find out who took it there, and why, before it is taken back".into()
        } else {
            "start again with a target at or above the version it has now".into()
        },
    })
}

/// The control-plane version that the run has brought the cluster to, as far as the ledger knows.
fn reached(state: &RunState, hop: &Hop) -> Option<Minor> {
    let plan = state.plan.as_ref()?;
    // A way back that has begun may be seen to have ended before its update says so.
    let back = plan.steps().find_map(|step| match &step.kind {
        StepKind::RollBack { to, .. } if state.steps.contains_key(&step.id) => Some(*to),
        _ => None,
    });
    let done = plan.steps().filter_map(|step| match &step.kind {
        StepKind::ControlPlane { to, .. } if state.is_done(&step.id) && *to <= hop.to => Some(*to),
        _ => None,
    });
    back.or(done.max()).or(Some(plan.from))
}
