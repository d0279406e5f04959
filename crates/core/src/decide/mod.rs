//! What to do now.
//!
//! [`decide`] looks at one hop: act on every step that is ready, wait, go on to the next hop, plan again, or
//! stop. [`next_hop`] says which hop that is. Both are total: every state has a decision, and a decision to
//! stop says why and what a person can safely do next.

mod waiting;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cluster::{Cluster, Found, Resource};
use crate::control::{ConsentScope, Controls};
use crate::hold::{Hold, hold, switched_off};
use crate::ids::{ApprovalId, StepId};
use crate::ledger::{Ending, Phase, Progress, RunState};
use crate::observe::{NOT_VISIBLE_YET_S, World};
use crate::plan::{Hop, Plan, Step, StepKind};
use crate::policy::{NodeHops, NodeStrategy};
use crate::remedy::{self, Failure, Remedy};
use crate::roll::Roll;
use crate::waits::{later, seconds_between};

/// The kinds of action: each is a state of the hop state machine, by this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ActionName {
    /// `UpdateClusterVersion`.
    UpgradeControlPlane,
    /// `UpdateAddon`.
    UpdateAddOn,
    /// `UpdateNodegroupVersion` without force.
    RollNodeGroup,
    /// `UpdateNodegroupVersion` with force.
    ForceNodeGroup,
    /// `UpdateAddon` with `OVERWRITE`.
    OverwriteAddOn,
    /// `UpdateClusterConfig`, support type `EXTENDED`.
    SetSupportType,
    /// `UpdateClusterVersion` to the minor below.
    RollBackControlPlane,
    /// Sets the image of a core component that is no add-on.
    UpdateCoreComponent,
    /// Goes on with the roll of a group that EKS does not manage.
    RollSelfManagedNodes,
    /// Restarts workloads on Fargate.
    RestartFargatePods,
    /// Looks at everything that the hop touched.
    Verify,
}

/// One thing to do now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Action {
    /// What.
    pub action: ActionName,
    /// On which step.
    pub step: StepId,
}

/// What a wait is for: each is a state of a state machine, `WaitFor` and this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum WaitFor {
    /// Our control-plane upgrade.
    ControlPlane,
    /// Our node groups.
    NodeGroups,
    /// Our add-ons.
    AddOns,
    /// Somebody else's update.
    OtherUpdate,
    /// The pause before another attempt, or EKS's own delay.
    NextAttempt,
    /// The next opening of a maintenance window.
    Window,
    /// The time in which nothing moves after a hop.
    Bake,
    /// The kill switch to be lifted.
    KillSwitch,
    /// Our core components.
    CoreComponents,
    /// Our restarts on Fargate.
    FargatePods,
    /// Nodes that follow by themselves.
    Following,
    /// Nodes and pods to do as well again as before the start.
    Recovery,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "next")]
pub enum Decision {
    /// Do all of these, side by side.
    Act {
        /// What to do.
        actions: Vec<Action>,
    },
    /// Look again after a while.
    Wait {
        /// What for.
        wait_for: WaitFor,
        /// How long, in seconds.
        seconds: u32,
        /// What for, in words.
        text: String,
    },
    /// Ask people, and wait for their answer, or look again after a while.
    Ask {
        /// The question.
        approval: ApprovalId,
        /// Before what, in words.
        before: String,
        /// When it counts as a no.
        expires_at: Timestamp,
        /// The same in seconds from now, with a minute on top: by then it has been looked at again.
        expires_s: u32,
        /// How long to wait before looking again, in seconds.
        seconds: u32,
        /// What for, in words.
        text: String,
    },
    /// The hop is over.
    Done,
    /// The world is no longer as the plan assumed: plan again.
    Replan {
        /// In words.
        reason: String,
        /// Whether node groups have to follow every hop from now on.
        nodes_each_hop: bool,
        /// Whether the control plane is to go back.
        roll_back: bool,
    },
    /// Stop; a person is wanted.
    Halt {
        /// Why, as a name.
        code: String,
        /// Why, in words.
        message: String,
        /// The next safe thing to do.
        next_action: String,
    },
}

/// Which hop of a run comes next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "next")]
pub enum NextHop {
    /// This one.
    Hop {
        /// Its place in the plan, from 0.
        hop: usize,
        /// In words.
        text: String,
    },
    /// None: every step is done, and the run ends so.
    Complete {
        /// How it ends.
        ending: Ending,
    },
}

/// A call that was meant, with no line in the ledger for this long after it, is a person's business.
const FATE_UNKNOWN_S: u32 = 24 * 3600;

/// Plans of one run. Each answers something that changed meanwhile; more than this and somebody has to look.
const PLANS_MAX: u32 = 10;

/// Which hop comes next; `None` while there is no plan.
#[must_use]
pub fn next_hop(state: &RunState) -> Option<NextHop> {
    let plan = state.plan.as_ref()?;
    let open = |hop: &Hop| hop.steps.iter().any(|step| !state.is_done(&step.id));
    let next = plan.hops.iter().enumerate().find(|(_, hop)| open(hop));
    Some(next.map_or_else(
        || NextHop::Complete { ending: ending_of(plan) },
        |(hop, stage)| NextHop::Hop {
            hop,
            text: format!("to {} ({} of {})", stage.to, hop + 1, plan.hops.len()),
        },
    ))
}

/// How a run ends whose plan is through.
fn ending_of(plan: &Plan) -> Ending {
    match &plan.rolls_back {
        None => Ending::Completed,
        Some(failure) => Ending::RolledBack {
            to: plan.target,
            code: failure.code.clone(),
            message: failure.message.clone(),
            next_action: failure.next_action.clone(),
        },
    }
}

/// What to do about `hop` now, given the ledger, what people said, and a look at the world.
#[must_use]
pub fn decide(state: &RunState, hop: &Hop, world: &World, controls: &Controls, now: Timestamp) -> Decision {
    if let Some(ending) = &state.ended {
        return of_ending(ending);
    }
    if let Some(stop) = stopped(state, hop, world, controls, now) {
        return stop;
    }
    let steps: Vec<(&Step, Standing<'_>)> =
        hop.steps.iter().map(|step| (step, standing(state, step, controls, now))).collect();

    let unresolved = steps.iter().find(|(_, standing)| matches!(standing, Standing::Unresolved));
    if let Some((step, _)) = unresolved
        && state.rolling().next().is_none()
        && seconds_between(state.updated_at, now) > FATE_UNKNOWN_S
    {
        return Decision::Halt {
            code: "FateUnknown".into(),
            message: format!("{}: a call was meant a day ago, and nothing is known of it", step.kind),
            next_action: "see in the EKS console whether an update began, then start again".into(),
        };
    }
    if let Some(replan) =
        steps.iter().find_map(|(_, standing)| standing.wants_other_plan(state.plan.as_ref()))
    {
        // Another plan cannot be made while something is in flight; it is waited out first, and what became of a
        // call that was meant is found out.
        if state.in_flight().next().is_none() {
            return replan;
        }
        let mut actions = startable(state, &steps, controls, now);
        let unresolved = |action: &Action| {
            steps
                .iter()
                .any(|(step, standing)| step.id == action.step && matches!(standing, Standing::Unresolved))
        };
        actions.retain(unresolved);
        if !actions.is_empty() {
            return Decision::Act { actions };
        }
    } else {
        let actions = startable(state, &steps, controls, now);
        if !actions.is_empty() {
            return Decision::Act { actions };
        }
    }
    if let Some(wait) = waiting::longest_needed(state, &steps, controls, now) {
        return wait;
    }
    if let Some(halt) = steps.iter().find_map(|(_, standing)| standing.held_for_good()) {
        return halt;
    }
    match steps.iter().find_map(|(step, standing)| standing.doomed().map(|failure| (step, failure))) {
        Some((step, failure)) => halt_for(step, failure),
        None => Decision::Done,
    }
}

/// Why the run goes no further, or not now, whatever its steps are. What is half done is taken back before it halts.
fn stopped(
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

fn halt_of(failure: &Failure) -> Decision {
    let Failure { code, message, next_action, .. } = failure.clone();
    Decision::Halt { code, message, next_action }
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

fn of_ending(ending: &Ending) -> Decision {
    match ending.clone() {
        Ending::Completed => Decision::Done,
        Ending::Halted { code, message, next_action }
        | Ending::RolledBack { code, message, next_action, .. } => {
            Decision::Halt { code, message, next_action }
        }
    }
}

/// Why the run may not be planned again for `cluster`, or not yet: it is another one, or somebody took it back,
/// or on. A halt or a wait.
#[must_use]
pub fn turned(state: &RunState, cluster: &Cluster, now: Timestamp) -> Option<Decision> {
    let hop = state.plan.as_ref()?.hops.last()?;
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
        Found::Is(cluster) if cluster.created_at != state.opened.cluster_created_at => halt(
            "AnotherCluster",
            format!("cluster {name} was deleted and made anew at {}", cluster.created_at),
            "start an upgrade of the new cluster if it needs one",
        ),
        Found::Is(cluster) => {
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
            let highest = start.unwrap_or(hop.to).max(state.opened.target);
            if cluster.version > highest {
                return halt(
                    "MovedPastTarget",
                    format!(
                        "somebody took {name} to {}, past the target {}",
                        cluster.version, state.opened.target
                    ),
                    "start again with a target at or above the version it has now",
                );
            }
            None
        }
    }
}

/// The control-plane version that the run has brought the cluster to, as far as the ledger knows.
fn reached(state: &RunState, hop: &Hop) -> Option<crate::version::Minor> {
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

/// How a step stands with regard to starting it.
enum Standing<'a> {
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
    /// Under way, and it is us who have to go on.
    Ours,
    /// Under way.
    Busy(&'a Progress),
    /// A call was meant and nothing is known of it: the act function looks, or calls with the same token.
    Unresolved,
    /// Will not be tried again.
    Doomed(&'a Failure),
}

impl Standing<'_> {
    fn doomed(&self) -> Option<&Failure> {
        if let Self::Doomed(failure) = self { Some(failure) } else { None }
    }

    fn held_for_good(&self) -> Option<Decision> {
        let Self::Held(Hold::Never { code, message, next_action }) = self else { return None };
        Some(Decision::Halt {
            code: (*code).into(),
            message: message.clone(),
            next_action: next_action.clone(),
        })
    }

    fn wants_other_plan(&self, plan: Option<&Plan>) -> Option<Decision> {
        let failure = self.doomed()?;
        let plan = plan?;
        // Over and over, another plan is no answer.
        if plan.revision >= PLANS_MAX {
            return None;
        }
        let (nodes_each_hop, roll_back) = match failure.remedy {
            // Nor is one for what was tried already.
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

fn standing<'a>(state: &'a RunState, step: &Step, controls: &Controls, now: Timestamp) -> Standing<'a> {
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
                    if failure.code == remedy::RESOURCE_IN_USE && waited_s > IN_USE_S_MAX {
                        return Standing::Doomed(failure);
                    }
                    due((waited_s / WAIT_SHARE).clamp(after_s, WAIT_S_MAX.max(after_s)))
                }
            }
        }
    }
}

/// What waits again and again waits this share of the time that it has waited so far: what has lasted for hours will
/// not be over in a minute, and each try is a line in the ledger.
const WAIT_SHARE: u32 = 10;
/// The longest such wait, in seconds: an hour is soon enough for whoever mended it.
const WAIT_S_MAX: u32 = 3600;
/// What somebody else holds for this long, with no update to be seen, needs a person, in seconds: the longest updates
/// of EKS take hours, not a day.
const IN_USE_S_MAX: u32 = 24 * 3600;

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
fn startable(
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

fn halt_for(step: &Step, failure: &Failure) -> Decision {
    let on = if failure.resources.is_empty() {
        String::new()
    } else {
        format!(" ({})", failure.resources.join(", "))
    };
    let next_action = if failure.next_action.is_empty() {
        // It was waited for, and is no longer.
        "see in the EKS console what holds it, and start again when it is over".to_owned()
    } else {
        failure.next_action.clone()
    };
    let message = format!("{}: {}{on}", step.kind, failure.message);
    Decision::Halt { code: failure.code.clone(), message, next_action }
}
