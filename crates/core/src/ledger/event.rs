//! What happens in a run, one event each.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::opened::Opened;
use crate::cluster::Resource;
use crate::control::Answered;
use crate::decide::{ActionName, WaitFor};
use crate::health::Vitals;
use crate::ids::{ApprovalId, ConsentId, ExecutionArn, StepId, Token, UpdateId};
use crate::plan::Plan;
use crate::remedy::Failure;
use crate::roll::{Moved, Paused};
use crate::version::Minor;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "outcome")]
pub enum Ending {
    /// Every step is done.
    Completed,
    /// The control plane was taken back, and a person is wanted.
    RolledBack {
        /// To this minor.
        to: Minor,
        /// Why, as a name.
        code: String,
        /// Why, in words.
        message: String,
        /// The next safe thing to do.
        next_action: String,
    },
    /// It stopped and wants a person.
    Halted {
        /// Why, as a name.
        code: String,
        /// Why, in words.
        message: String,
        /// The next safe thing to do.
        next_action: String,
    },
}

impl Ending {
    /// The same of a run that leaves Cluster Autoscaler paused: it says so, and how a person puts it back.
    #[must_use]
    pub fn with_paused(mut self, paused: Option<&Paused>) -> Self {
        let (
            Some(paused),
            Self::Halted { message, next_action, .. } | Self::RolledBack { message, next_action, .. },
        ) = (paused, &mut self)
        else {
            return self;
        };
        *message = format!("{message}; {}", paused.in_words());
        *next_action = format!("put it back ({}), then: {next_action}", paused.restore_command());
        self
    }
}

/// How a step came to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "how")]
pub enum Done {
    /// By our update.
    Updated,
    /// The world was already as the step wants it: somebody else did it, or an earlier attempt.
    Satisfied,
    /// There was nothing left to do it to.
    Skipped,
    /// Looked at, and in order.
    Verified,
    /// Its time went by, and every gate held.
    Baked,
    /// What follows by itself has followed.
    Followed,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "event")]
pub enum Event {
    /// A run began.
    Opened(Box<Opened>),
    /// Another execution goes on with the run.
    Resumed {
        /// That execution.
        execution: ExecutionArn,
    },
    /// It goes no further: what is half done is taken back, and it ends.
    CalledOff {
        /// Why.
        failure: Failure,
    },
    /// It was planned, or planned again.
    Planned {
        /// The plan.
        plan: Box<Plan>,
    },
    /// A mutating call is about to be made.
    Intended {
        /// For this step.
        step: StepId,
        /// The number of the attempt, from 1.
        attempt: u32,
        /// With this token.
        token: Token,
        /// The call in words: operation and parameters.
        request: String,
        /// As this action.
        action: ActionName,
        /// By this consent, where it takes one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        consent: Option<ConsentId>,
    },
    /// EKS accepted it.
    Started {
        /// The step.
        step: StepId,
        /// The attempt.
        attempt: u32,
        /// EKS's update.
        update: UpdateId,
        /// Whether the update was found rather than answered: the answer to an earlier call was lost.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        adopted: bool,
    },
    /// The call was not made: what stands now does not allow it, or not yet.
    Withheld {
        /// The step.
        step: StepId,
        /// Why.
        failure: Failure,
    },
    /// EKS refused it, so that nothing began.
    Refused {
        /// The step.
        step: StepId,
        /// The attempt.
        attempt: u32,
        /// Why.
        failure: Failure,
    },
    /// The update ended well.
    Succeeded {
        /// The step.
        step: StepId,
        /// EKS's update.
        update: UpdateId,
        /// How long it took, in seconds.
        duration_s: u32,
    },
    /// The update ended otherwise.
    Failed {
        /// The step.
        step: StepId,
        /// EKS's update.
        update: UpdateId,
        /// How long it took, in seconds.
        duration_s: u32,
        /// Why.
        failure: Failure,
    },
    /// Nothing had to be done for the step.
    Satisfied {
        /// The step.
        step: StepId,
        /// What shows it.
        evidence: String,
    },
    /// What the step was for is gone.
    Skipped {
        /// The step.
        step: StepId,
        /// What shows it.
        evidence: String,
    },
    /// What the hop touched was looked at and found in order.
    Verified {
        /// The step.
        step: StepId,
        /// What was looked at.
        evidence: String,
    },
    /// It was looked at and not found in order.
    NotVerified {
        /// The step.
        step: StepId,
        /// Why not.
        failure: Failure,
    },
    /// A hop's bake began: nothing moves, and the gates are watched.
    BakeBegan {
        /// The step.
        step: StepId,
    },
    /// It is over, and every gate held.
    Baked {
        /// The step.
        step: StepId,
        /// What was looked at.
        evidence: String,
    },
    /// A gate failed.
    GateFailed {
        /// The step.
        step: StepId,
        /// Why.
        failure: Failure,
    },
    /// One thing that is about to be done to a group that EKS does not manage, or was seen to be done.
    Rolled {
        /// The step.
        step: StepId,
        /// What.
        moved: Moved,
    },
    /// Nodes that follow by themselves are watched from now on.
    FollowBegan {
        /// The step.
        step: StepId,
        /// How many of them are behind.
        behind: u32,
    },
    /// Some of them moved.
    FollowSeen {
        /// The step.
        step: StepId,
        /// How many of them are behind.
        behind: u32,
    },
    /// None is behind.
    Followed {
        /// The step.
        step: StepId,
        /// What was looked at.
        evidence: String,
    },
    /// For too long none moved.
    Stalled {
        /// The step.
        step: StepId,
        /// Why.
        failure: Failure,
    },
    /// Nodes and pods do otherwise than when they were last looked at.
    VitalsSeen {
        /// How.
        vitals: Vitals,
    },
    /// A person's yes is wanted.
    ApprovalAsked {
        /// The question.
        approval: ApprovalId,
        /// Before what, in words.
        before: String,
        /// When it counts as a no.
        expires_at: Timestamp,
    },
    /// Somebody answered.
    ApprovalAnswered {
        /// The question.
        approval: ApprovalId,
        /// Before what, in words.
        before: String,
        /// Yes or no, by whom, why.
        answered: Answered,
    },
    /// Nobody did, in time.
    ApprovalExpired {
        /// The question.
        approval: ApprovalId,
        /// Before what, in words.
        before: String,
    },
    /// Nothing is started for a while.
    Paused {
        /// What it waits for.
        wait_for: WaitFor,
        /// In words.
        text: String,
        /// Until when, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// Somebody else's update holds a resource.
    ForeignUpdate {
        /// The resource.
        resource: Resource,
        /// Their update.
        update: UpdateId,
    },
    /// It is over.
    ForeignUpdateEnded {
        /// The resource.
        resource: Resource,
        /// Their update.
        update: UpdateId,
        /// How it ended.
        status: String,
    },
    /// An update takes longer than it ever should. It is watched on.
    Overdue {
        /// The step whose update it is; none where it is somebody else's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepId>,
        /// What it changes.
        resource: Resource,
        /// The update.
        update: UpdateId,
        /// Since when it is known.
        since: Timestamp,
    },
    /// The run is over.
    Ended(Ending),
}
