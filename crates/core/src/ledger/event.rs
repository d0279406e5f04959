//! What happens in a run, one event each.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::arn::ClusterArn;
use crate::cluster::Resource;
use crate::ids::{CampaignId, ExecutionArn, StepId, Token, UpdateId};
use crate::plan::Plan;
use crate::policy::Policy;
use crate::remedy::Failure;
use crate::version::Minor;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "outcome")]
pub enum Ending {
    /// Every step is done.
    Completed,
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
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "event")]
pub enum Event {
    /// A run began.
    Opened {
        /// Of this cluster.
        cluster: ClusterArn,
        /// Made then: with the ARN its identity.
        cluster_created_at: Timestamp,
        /// From this minor.
        from: Minor,
        /// To this one.
        target: Minor,
        /// Under this policy, tags and request applied.
        policy: Box<Policy>,
        /// As part of this campaign.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        campaign: Option<CampaignId>,
        /// Because somebody said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// With these launch template versions, by node group.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        launch_templates: BTreeMap<String, String>,
    },
    /// Another execution goes on with the run.
    Resumed {
        /// That execution.
        execution: ExecutionArn,
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
        /// The how manieth time.
        attempt: u32,
        /// With this token.
        token: Token,
        /// The call in words: operation and parameters.
        request: String,
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
    /// The run is over.
    Ended(Ending),
}
