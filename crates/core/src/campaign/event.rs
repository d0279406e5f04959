//! What happens in a campaign, one event each, and the line that holds it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::outcome::ClusterEnd;
use crate::arn::ClusterArn;
use crate::contract::Notification;
use crate::control::Answered;
use crate::door::UpgradeRequest;
use crate::ids::{ApprovalId, CampaignId, ExecutionArn, RunId};
use crate::ledger::{LedgerError, Line, Sealed};
use crate::policy::{ApprovalRule, Ring};
use crate::screen::LeftAlone;
use crate::version::Minor;

/// Clusters that one line lists: an item of the table holds 400 KB.
pub const LISTED_MAX: usize = 200;

/// A cluster that a campaign upgrades.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The cluster.
    pub cluster: ClusterArn,
    /// Its ring's place.
    pub ring: usize,
    /// When it was made: one that was made anew under its name was not taken in. None for a run that is gone on with, which
    /// knows its cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Where it goes; none for a run that is gone on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Minor>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The run that is gone on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<RunId>,
}

impl Member {
    /// What its upgrade is started with.
    #[must_use]
    pub fn request(&self, campaign: &CampaignId) -> UpgradeRequest {
        UpgradeRequest {
            cluster: self.cluster.to_string(),
            target: self.target.map(|target| target.to_string()),
            strategy: None,
            launch_templates: std::collections::BTreeMap::new(),
            dry_run: false,
            roll_back: false,
            reason: self.reason.clone(),
            resume: self.resume.clone(),
            campaign: Some(campaign.clone()),
            cluster_created_at: self.created_at,
        }
    }
}

/// A cluster that went bad while its wave soaked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unwell {
    /// The cluster.
    pub cluster: ClusterArn,
    /// How, as a name.
    pub code: String,
    /// How, in words.
    pub text: String,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "event")]
pub enum CampaignEvent {
    /// A campaign began.
    Opened {
        /// By this trigger, in words.
        reason: String,
        /// In these rings, as the policy had them; the last takes what is in no other.
        rings: Vec<Ring>,
        /// With these approvals wanted.
        approvals: Vec<ApprovalRule>,
        /// So many upgrades of a wave at once.
        clusters_at_once: u8,
    },
    /// Clusters were taken in.
    Enrolled {
        /// Up to [`LISTED_MAX`].
        members: Vec<Member>,
    },
    /// Clusters were looked at and not taken.
    LeftAlone {
        /// Up to [`LISTED_MAX`].
        clusters: Vec<LeftAlone>,
        /// What people are told about them, and about those of the lines that follow; once for the same news.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        notification: Option<Notification>,
    },
    /// An execution goes on with the campaign, and no other may from here on.
    TakenUp {
        /// That execution.
        execution: ExecutionArn,
        /// Its number among those of this campaign, from 1.
        generation: u32,
    },
    /// Nothing is started for a while.
    Paused {
        /// Why.
        text: String,
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
    /// A wave began.
    WaveStarted {
        /// Of the ring of this place.
        ring: usize,
        /// With this number in its ring, from 0.
        wave: usize,
        /// With these clusters.
        members: Vec<ClusterArn>,
    },
    /// Some clusters of the wave are over, others run on.
    Counted {
        /// What became of them.
        outcomes: Vec<ClusterEnd>,
    },
    /// All clusters of the wave are over.
    WaveEnded {
        /// Of the ring of this place.
        ring: usize,
        /// With this number.
        wave: usize,
        /// What became of those that were not counted before.
        outcomes: Vec<ClusterEnd>,
    },
    /// Some of the wave's clusters were looked at again, after a while; the others could not be, yet.
    Looked {
        /// Those that are well.
        well: Vec<ClusterArn>,
        /// Those that went bad meanwhile: failures once all were looked at.
        unwell: Vec<Unwell>,
    },
    /// All of the wave's clusters were looked at again.
    Soaked {
        /// Those that went bad meanwhile: failures too.
        failures: Vec<Unwell>,
    },
    /// Nothing further is started, and a person is wanted.
    Stopped {
        /// Why, as a name.
        code: String,
        /// Why, in words.
        message: String,
        /// The next safe thing to do.
        next_action: String,
    },
    /// Every cluster was seen to.
    Ended {
        /// Upgraded.
        completed: usize,
        /// Harmed, within what the rule tolerates.
        failed: usize,
        /// Not touched.
        untouched: usize,
    },
}

/// One line of a campaign's record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CampaignEntry {
    /// The campaign.
    pub campaign: CampaignId,
    /// Its place, from 1, without gaps.
    pub seq: u32,
    /// When it was written.
    pub at: Timestamp,
    /// Which execution wrote it; none for intake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<ExecutionArn>,
    /// What happened.
    #[serde(flatten)]
    pub event: CampaignEvent,
    /// The hash of the line before; empty in the first.
    pub previous: String,
}

impl Line for CampaignEntry {
    fn record(&self) -> String {
        format!("campaign {}", self.campaign)
    }

    fn seq(&self) -> u32 {
        self.seq
    }

    fn previous(&self) -> &str {
        &self.previous
    }
}

impl CampaignEntry {
    /// Seals the line.
    pub fn seal(&self) -> Result<Sealed, LedgerError> {
        Sealed::of(self)
    }
}
