//! What to do now.
//!
//! [`decide`] looks at one hop: act on every step that is ready, wait, go on to the next hop, plan again, or
//! stop. [`next_hop`] says which hop that is. Both are total: every state has a decision, and a decision to
//! stop says why and what a person can safely do next.

mod overdue;
mod standing;
mod turned;
mod waiting;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::standing::{Standing, standing, startable};
use self::turned::stopped;
use crate::control::Controls;
use crate::ids::{ApprovalId, StepId};
use crate::ledger::{Ending, RunState};
use crate::observe::World;
use crate::plan::{Hop, Plan, Step};
use crate::remedy::Failure;
use crate::waits::seconds_between;

pub use overdue::overdue;
pub use standing::action_for;
pub use turned::{calls_back, turned};

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

impl std::fmt::Display for ActionName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The serde name is the action's only spelling.
        self.serialize(f)
    }
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

/// Which hop comes next; `None` while there is no plan.
#[must_use]
pub fn next_hop(state: &RunState) -> Option<NextHop> {
    let plan = state.plan.as_ref()?;
    let open = |hop: &Hop| hop.steps.iter().any(|step| !state.is_done(&step.id));
    let next = plan.hops.iter().enumerate().find(|(_, hop)| open(hop));
    Some(next.map_or_else(
        || NextHop::Complete { ending: ending_of(plan) },
        |(at, hop)| NextHop::Hop {
            hop: at,
            text: format!("to {} ({} of {})", hop.to, at + 1, plan.hops.len()),
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
    if let Some(wait) = waiting::soonest_wait(state, &steps, controls, now) {
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

fn halt_of(failure: &Failure) -> Decision {
    let Failure { code, message, next_action, .. } = failure.clone();
    Decision::Halt { code, message, next_action }
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
