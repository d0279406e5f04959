//! The `detail` of each event of a campaign: what they have in common, and what each has of its own.
//!
//! A published contract, as that of runs is.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::detail::Question;
use crate::arn::ClusterArn;
use crate::ids::CampaignId;
use crate::screen::LeftAlone;

/// The `detail` of an event of a campaign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CampaignDetail<T = CampaignWhat> {
    /// Of which campaign, when, and so on.
    #[serde(flatten)]
    pub about: CampaignAbout,
    /// What happened.
    #[serde(flatten)]
    pub what: T,
}

/// What every event of a campaign has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CampaignAbout {
    /// The version of this form: `1`.
    pub version: String,
    /// The campaign and the place of its line, `CAMPAIGN/12`: the same when the same event is delivered again.
    pub id: String,
    /// The campaign.
    pub campaign: CampaignId,
    /// When it happened.
    pub at: Timestamp,
    /// Why there is a campaign.
    pub reason: String,
    /// What happened, in words.
    pub text: String,
}

/// What an event of a campaign has of its own.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum CampaignWhat {
    /// Of `EKS Upgrade Campaign Opened`.
    Opened(CampaignOpened),
    /// Of `EKS Upgrade Campaign Left Alone`.
    LeftAlone(CampaignLeftAlone),
    /// Of `EKS Upgrade Campaign Approval Wanted`.
    ApprovalWanted(CampaignApprovalWanted),
    /// Of `EKS Upgrade Campaign Paused`.
    Paused(CampaignPaused),
    /// Of `EKS Upgrade Wave Started`.
    WaveStarted(WaveStarted),
    /// Of `EKS Upgrade Wave Ended`.
    WaveEnded(WaveEnded),
    /// Of `EKS Upgrade Wave Soaked`.
    WaveSoaked(WaveSoaked),
    /// Of `EKS Upgrade Campaign Stopped`.
    Stopped(CampaignStopped),
    /// Of `EKS Upgrade Campaign Completed`.
    Completed(Counts),
}

/// A campaign was taken up for the first time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CampaignOpened {
    /// How many clusters it upgrades.
    pub clusters: usize,
    /// Its rings, in order.
    pub rings: Vec<RingSize>,
}

/// A ring, and how many clusters are in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RingSize {
    /// Its name.
    pub name: String,
    /// How many clusters are in it.
    pub clusters: usize,
}

/// Clusters were looked at and not taken: 200 at most in one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CampaignLeftAlone {
    /// The clusters, each with its reason.
    pub left_alone: Vec<LeftAlone>,
}

/// A person's yes is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CampaignApprovalWanted {
    /// The question.
    pub approval: Question,
}

/// No further cluster is begun for a while: the kill switch is thrown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CampaignPaused {}

/// A wave of clusters is begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaveStarted {
    /// Which.
    pub wave: WaveRef,
    /// Its clusters.
    pub clusters: Vec<ClusterArn>,
}

/// Every cluster of a wave is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaveEnded {
    /// Which.
    pub wave: WaveRef,
    /// What became of its clusters.
    #[serde(flatten)]
    pub counts: Counts,
}

/// The clusters that a wave upgraded were looked at again, after a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaveSoaked {
    /// Which.
    pub wave: WaveRef,
    /// Those that went bad meanwhile.
    pub unwell: Vec<UnwellCluster>,
}

/// A cluster that went bad after its upgrade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnwellCluster {
    /// The cluster.
    pub cluster: ClusterArn,
    /// How, as a name.
    pub code: String,
    /// How, in words.
    pub text: String,
}

/// A wave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaveRef {
    /// Its ring.
    pub ring: String,
    /// Its number in the ring, from 1.
    pub number: usize,
}

/// What became of clusters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Upgraded.
    pub completed: usize,
    /// Touched and not completed, or gone bad afterwards.
    pub failed: usize,
    /// Turned away, or stopped before anything was changed.
    pub untouched: usize,
}

/// The campaign stopped, and wants a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CampaignStopped {
    /// Why, as a name.
    pub code: String,
    /// Why, in words.
    pub message: String,
    /// The next safe thing to do.
    pub next_action: String,
    /// What became of its clusters so far.
    #[serde(flatten)]
    pub counts: Counts,
}
