//! What the world is told of runs and campaigns: an event for machines, and for people a message where one is wanted.
//!
//! News are read off the ledger and nowhere else: [`Teller`] takes the lines of a run one by one,
//! [`CampaignTeller`] those of a campaign, and each makes at most one of each. The same lines give the same news with the same ids, so that whoever receives one twice can tell.

mod campaign_detail;
mod campaign_teller;
mod detail;
mod teller;
#[cfg(test)]
mod tests;

pub use campaign_detail::{
    CampaignAbout, CampaignApprovalWanted, CampaignDetail, CampaignLeftAlone, CampaignOpened, CampaignPaused,
    CampaignStopped, CampaignWhat, Counts, RingSize, UnwellCluster, WaveEnded, WaveRef, WaveSoaked,
    WaveStarted,
};
pub use campaign_teller::CampaignTeller;
pub use detail::{
    About, ApprovalWanted, Blocked, ClusterRef, Completed, Cost, Failed, NewsDetail, Overdue, Paused,
    Planned, Question, RolledBack, Started, StepDone, StepFailed, StepRef, WayBack, What, WorkName,
};
pub use teller::{Teller, of_run};

use schemars::{Schema, schema_for};
use serde::Serialize;

use crate::arn::ClusterArn;
use crate::contract::Notification;

/// The `source` of our events.
pub const SOURCE: &str = "eks-upgrade";

/// Findings that an event and a message list at most: nobody reads further, and the ledger has them all.
pub const FINDINGS_LISTED_MAX: usize = 50;

/// One piece of news.
#[derive(Clone, Debug, PartialEq)]
pub struct News {
    /// What kind.
    pub kind: NewsKind,
    /// The event's `detail`.
    pub detail: Detail,
    /// What people are told, if they are.
    pub tell: Option<Notification>,
}

/// The `detail` of an event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Detail {
    /// Of a run.
    Run(Box<NewsDetail>),
    /// Of a campaign.
    Campaign(Box<CampaignDetail>),
}

impl Detail {
    /// The same when the same event is delivered again.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Run(detail) => &detail.about.id,
            Self::Campaign(detail) => &detail.about.id,
        }
    }

    /// The cluster that it is about, if it is about one.
    #[must_use]
    pub fn cluster(&self) -> Option<&ClusterArn> {
        match self {
            Self::Run(detail) => Some(&detail.about.cluster.arn),
            Self::Campaign(_) => None,
        }
    }
}

/// The kinds of news, each a `detail-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NewsKind {
    /// There is a plan, or another one.
    Planned,
    /// The plan may not be carried out.
    Blocked,
    /// A person's yes is wanted.
    ApprovalWanted,
    /// The first change was begun.
    Started,
    /// A step is done.
    StepDone,
    /// Nothing is started for a while.
    Paused,
    /// An update takes longer than it ever should.
    Overdue,
    /// A step's attempt did not succeed; it may be tried again.
    StepFailed,
    /// The run stopped and wants a person.
    Failed,
    /// Every step is done.
    Completed,
    /// The control plane was taken back.
    RolledBack,
    /// A campaign was taken up for the first time.
    CampaignOpened,
    /// Clusters were looked at and not taken.
    CampaignLeftAlone,
    /// A person's yes is wanted before a campaign or a ring.
    CampaignApprovalWanted,
    /// No further cluster is begun for a while.
    CampaignPaused,
    /// A wave of clusters is begun.
    WaveStarted,
    /// Every cluster of a wave is over.
    WaveEnded,
    /// The clusters that a wave upgraded were looked at again, after a while.
    WaveSoaked,
    /// A campaign stopped and wants a person.
    CampaignStopped,
    /// A campaign saw to every cluster.
    CampaignCompleted,
}

impl NewsKind {
    /// The event's `detail-type`.
    #[must_use]
    pub fn detail_type(self) -> &'static str {
        match self {
            Self::Planned => "EKS Upgrade Planned",
            Self::Blocked => "EKS Upgrade Blocked",
            Self::ApprovalWanted => "EKS Upgrade Approval Wanted",
            Self::Started => "EKS Upgrade Started",
            Self::StepDone => "EKS Upgrade Step Done",
            Self::Paused => "EKS Upgrade Paused",
            Self::Overdue => "EKS Upgrade Overdue",
            Self::StepFailed => "EKS Upgrade Step Failed",
            Self::Failed => "EKS Upgrade Failed",
            Self::Completed => "EKS Upgrade Completed",
            Self::RolledBack => "EKS Upgrade Rolled Back",
            Self::CampaignOpened => "EKS Upgrade Campaign Opened",
            Self::CampaignLeftAlone => "EKS Upgrade Campaign Left Alone",
            Self::CampaignApprovalWanted => "EKS Upgrade Campaign Approval Wanted",
            Self::CampaignPaused => "EKS Upgrade Campaign Paused",
            Self::WaveStarted => "EKS Upgrade Wave Started",
            Self::WaveEnded => "EKS Upgrade Wave Ended",
            Self::WaveSoaked => "EKS Upgrade Wave Soaked",
            Self::CampaignStopped => "EKS Upgrade Campaign Stopped",
            Self::CampaignCompleted => "EKS Upgrade Campaign Completed",
        }
    }
}

/// The schema of each kind's `detail`, by the name of its file.
#[must_use]
pub fn schemas() -> Vec<(&'static str, Schema)> {
    let all = [
        ("event-planned", NewsKind::Planned, schema_for!(NewsDetail<Planned>)),
        ("event-blocked", NewsKind::Blocked, schema_for!(NewsDetail<Blocked>)),
        ("event-approval-wanted", NewsKind::ApprovalWanted, schema_for!(NewsDetail<ApprovalWanted>)),
        ("event-started", NewsKind::Started, schema_for!(NewsDetail<Started>)),
        ("event-step-done", NewsKind::StepDone, schema_for!(NewsDetail<StepDone>)),
        ("event-paused", NewsKind::Paused, schema_for!(NewsDetail<Paused>)),
        ("event-overdue", NewsKind::Overdue, schema_for!(NewsDetail<Overdue>)),
        ("event-step-failed", NewsKind::StepFailed, schema_for!(NewsDetail<StepFailed>)),
        ("event-failed", NewsKind::Failed, schema_for!(NewsDetail<Failed>)),
        ("event-completed", NewsKind::Completed, schema_for!(NewsDetail<Completed>)),
        ("event-rolled-back", NewsKind::RolledBack, schema_for!(NewsDetail<RolledBack>)),
    ];
    all.into_iter()
        .chain(campaign_schemas())
        .map(|(file, kind, schema)| (file, titled(kind, schema)))
        .collect()
}

fn campaign_schemas() -> [(&'static str, NewsKind, Schema); 9] {
    let asked = schema_for!(CampaignDetail<CampaignApprovalWanted>);
    [
        ("event-campaign-opened", NewsKind::CampaignOpened, schema_for!(CampaignDetail<CampaignOpened>)),
        (
            "event-campaign-left-alone",
            NewsKind::CampaignLeftAlone,
            schema_for!(CampaignDetail<CampaignLeftAlone>),
        ),
        ("event-campaign-approval-wanted", NewsKind::CampaignApprovalWanted, asked),
        ("event-campaign-paused", NewsKind::CampaignPaused, schema_for!(CampaignDetail<CampaignPaused>)),
        ("event-wave-started", NewsKind::WaveStarted, schema_for!(CampaignDetail<WaveStarted>)),
        ("event-wave-ended", NewsKind::WaveEnded, schema_for!(CampaignDetail<WaveEnded>)),
        ("event-wave-soaked", NewsKind::WaveSoaked, schema_for!(CampaignDetail<WaveSoaked>)),
        ("event-campaign-stopped", NewsKind::CampaignStopped, schema_for!(CampaignDetail<CampaignStopped>)),
        ("event-campaign-completed", NewsKind::CampaignCompleted, schema_for!(CampaignDetail<Counts>)),
    ]
}

fn titled(kind: NewsKind, mut schema: Schema) -> Schema {
    schema.insert("title".into(), kind.detail_type().into());
    schema
}
