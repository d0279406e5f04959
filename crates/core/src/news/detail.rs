//! The `detail` of each event: what they have in common, and what each has of its own.
//!
//! A published contract: fields are added, never renamed or taken away, without another [`About::version`].

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arn::{AccountId, ClusterArn, ClusterName, Region};
use crate::cluster::Resource;
use crate::decide::WaitFor;
use crate::finding::Finding;
use crate::ids::{ApprovalId, CampaignId, RunId, StepId, UpdateId};
use crate::plan::{Step, StepKind};
use crate::remedy::Remedy;
use crate::version::Minor;

/// The `detail` of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewsDetail<T = What> {
    /// Of which run, when, and so on.
    #[serde(flatten)]
    pub about: About,
    /// What happened.
    #[serde(flatten)]
    pub what: T,
}

/// What every event has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// The version of this form: `1`.
    pub version: String,
    /// The run and the place of its line, `RUN/12`: the same when the same event is delivered again.
    pub id: String,
    /// The run.
    pub run: RunId,
    /// When it happened.
    pub at: Timestamp,
    /// The cluster.
    pub cluster: ClusterRef,
    /// The minor that the run started from.
    pub from: Minor,
    /// The minor that it goes to.
    pub target: Minor,
    /// The campaign that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<CampaignId>,
    /// What happened, in words.
    pub text: String,
}

/// A cluster, in the parts that rules match on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClusterRef {
    /// Its name.
    pub name: ClusterName,
    /// Its ARN.
    pub arn: ClusterArn,
    /// Its account.
    pub account: AccountId,
    /// Its Region.
    pub region: Region,
}

/// What an event has of its own.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum What {
    /// Of `EKS Upgrade Blocked`.
    Blocked(Blocked),
    /// Of `EKS Upgrade Planned`.
    Planned(Planned),
    /// Of `EKS Upgrade Approval Wanted`.
    ApprovalWanted(ApprovalWanted),
    /// Of `EKS Upgrade Step Done`.
    StepDone(StepDone),
    /// Of `EKS Upgrade Step Failed`.
    StepFailed(StepFailed),
    /// Of `EKS Upgrade Started`.
    Started(Started),
    /// Of `EKS Upgrade Paused`.
    Paused(Paused),
    /// Of `EKS Upgrade Overdue`.
    Overdue(Overdue),
    /// Of `EKS Upgrade Rolled Back`.
    RolledBack(RolledBack),
    /// Of `EKS Upgrade Failed`.
    Failed(Failed),
    /// Of `EKS Upgrade Completed`.
    Completed(Completed),
}

/// A plan was made that may be carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// 1 for the first plan; one more each time it was planned again.
    pub revision: u32,
    /// The control plane's minors on the way.
    pub hops: Vec<Minor>,
    /// How many steps.
    pub steps: usize,
    /// How long it usually takes, in seconds, without what it waits for.
    pub typical_s: u32,
    /// Whether it takes the control plane back.
    pub roll_back: bool,
    /// What a person should know: 50 at most.
    pub findings: Vec<Finding>,
}

/// A plan was made that may not be carried out. The run ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Blocked {
    /// 1 for the first plan; one more each time it was planned again.
    pub revision: u32,
    /// What blocks: 50 at most.
    pub blocked_by: Vec<Finding>,
}

/// A person's yes is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalWanted {
    /// The question.
    pub approval: Question,
}

/// A question to people, with how it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// Its id.
    pub id: ApprovalId,
    /// Before what the yes is wanted, in words.
    pub before: String,
    /// When it counts as a no.
    pub expires_at: Timestamp,
    /// The command that says yes.
    pub how: String,
}

/// The run's first change was accepted by EKS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Started {
    /// The step.
    pub step: StepRef,
    /// EKS's update.
    pub update: UpdateId,
}

/// A step is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepDone {
    /// The step.
    pub step: StepRef,
    /// How: `updated`, `satisfied` (it was so already), `skipped` (it is gone), `verified`, `baked`, `followed`.
    pub how: String,
    /// EKS's update, where it was ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<UpdateId>,
    /// How long that took, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<u32>,
}

/// A step's attempt did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepFailed {
    /// The step.
    pub step: StepRef,
    /// EKS's error code, or one of our own.
    pub code: String,
    /// In words.
    pub message: String,
    /// What follows.
    pub remedy: Remedy,
    /// The next safe thing for a person to do, should it not come right by itself.
    pub next_action: String,
    /// EKS's update, where one began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<UpdateId>,
    /// How long that took, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<u32>,
}

/// Nothing is started for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Paused {
    /// What it waits for.
    pub wait_for: WaitFor,
    /// Until when, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What the wait costs, where it passes the end of support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// An update takes longer than it ever should; the run watches it on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overdue {
    /// The step whose update it is; none where it is somebody else's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepRef>,
    /// What it changes.
    pub resource: Resource,
    /// EKS's update.
    pub update: UpdateId,
    /// Since when it is known.
    pub since: Timestamp,
    /// How long that is, in seconds.
    pub elapsed_s: u32,
}

/// What waiting past the end of support costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// When support of the cluster's minor ends.
    pub support_ends: Timestamp,
    /// US dollars until the wait is over, in whole ones.
    pub usd: f64,
    /// US dollars a day.
    pub usd_per_day: f64,
}

/// The run stopped and wants a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    /// Why, as a name.
    pub code: String,
    /// Why, in words.
    pub message: String,
    /// The next safe thing to do.
    pub next_action: String,
    /// How long the run took, in seconds.
    pub duration_s: u32,
}

/// Every step is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Completed {
    /// How long the run took, in seconds.
    pub duration_s: u32,
    /// The way back, where one is open as far as the ledger shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roll_back: Option<WayBack>,
}

/// The control plane can be taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WayBack {
    /// To this minor.
    pub to: Minor,
    /// Until when.
    pub until: Timestamp,
    /// The command.
    pub how: String,
}

/// The control plane was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolledBack {
    /// To this minor.
    pub back_to: Minor,
    /// Why, as a name.
    pub code: String,
    /// Why, in words.
    pub message: String,
    /// The next safe thing to do.
    pub next_action: String,
    /// How long the run took, in seconds.
    pub duration_s: u32,
}

/// What a step does, as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WorkName {
    /// One minor up.
    ControlPlane,
    /// One add-on.
    AddOn,
    /// One managed node group.
    NodeGroup,
    /// The time in which nothing moves after a hop.
    Bake,
    /// The cluster's support type.
    SupportType,
    /// One minor down.
    RollBack,
    /// One core component that is no add-on.
    CoreComponent,
    /// One node group that EKS does not manage.
    SelfManagedNodes,
    /// Pods on Fargate.
    FargatePods,
    /// Nodes that follow by themselves.
    Follow,
    /// A look at everything that the hop touched.
    Verify,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepRef {
    /// Its name in the ledger.
    pub id: StepId,
    /// What it does.
    pub kind: WorkName,
    /// The add-on's or node group's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// In words, with the versions.
    pub text: String,
}

impl StepRef {
    /// The step, as an event names it.
    #[must_use]
    pub fn of(step: &Step) -> Self {
        let kind = match step.kind {
            StepKind::ControlPlane { .. } => WorkName::ControlPlane,
            StepKind::AddOn { .. } => WorkName::AddOn,
            StepKind::NodeGroup { .. } => WorkName::NodeGroup,
            StepKind::Bake { .. } => WorkName::Bake,
            StepKind::SupportType {} => WorkName::SupportType,
            StepKind::RollBack { .. } => WorkName::RollBack,
            StepKind::CoreComponent { .. } => WorkName::CoreComponent,
            StepKind::SelfManagedNodes { .. } => WorkName::SelfManagedNodes,
            StepKind::FargatePods { .. } => WorkName::FargatePods,
            StepKind::Follow { .. } => WorkName::Follow,
            StepKind::Verify => WorkName::Verify,
        };
        let name = match &step.kind {
            StepKind::AddOn { name, .. }
            | StepKind::NodeGroup { name, .. }
            | StepKind::CoreComponent { name, .. }
            | StepKind::SelfManagedNodes { name, .. } => Some(name.clone()),
            _ => None,
        };
        Self { id: step.id.clone(), kind, name, text: step.kind.to_string() }
    }
}

impl ClusterRef {
    /// The cluster of this ARN.
    #[must_use]
    pub fn of(arn: &ClusterArn) -> Self {
        Self {
            name: arn.name.clone(),
            arn: arn.clone(),
            account: arn.account.clone(),
            region: arn.region.clone(),
        }
    }
}
