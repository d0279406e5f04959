//! What the world is told of a run: an event for machines, and for people a message where one is wanted.
//!
//! News are read off the ledger and nowhere else: [`Teller`] takes its lines one by one and makes at most one of
//! each. The same lines give the same news with the same ids, so that whoever receives one twice can tell.

mod detail;
mod teller;
#[cfg(test)]
mod tests;

pub use detail::{
    About, ApprovalWanted, Blocked, ClusterRef, Completed, Cost, Failed, NewsDetail, Paused, Planned,
    Question, RolledBack, Started, StepDone, StepFailed, StepRef, WayBack, What, WorkName,
};
pub use teller::{Teller, of_run};

use schemars::Schema;

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
    pub detail: NewsDetail,
    /// What people are told, if they are.
    pub tell: Option<Notification>,
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
    /// A step's attempt did not succeed; it may be tried again.
    StepFailed,
    /// The run stopped and wants a person.
    Failed,
    /// Every step is done.
    Completed,
    /// The control plane was taken back.
    RolledBack,
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
            Self::StepFailed => "EKS Upgrade Step Failed",
            Self::Failed => "EKS Upgrade Failed",
            Self::Completed => "EKS Upgrade Completed",
            Self::RolledBack => "EKS Upgrade Rolled Back",
        }
    }
}

/// The schema of each kind's `detail`, by the name of its file.
#[must_use]
pub fn schemas() -> Vec<(&'static str, Schema)> {
    use schemars::schema_for;
    vec![
        ("event-planned", titled(NewsKind::Planned, schema_for!(NewsDetail<Planned>))),
        ("event-blocked", titled(NewsKind::Blocked, schema_for!(NewsDetail<Blocked>))),
        ("event-approval-wanted", titled(NewsKind::ApprovalWanted, schema_for!(NewsDetail<ApprovalWanted>))),
        ("event-started", titled(NewsKind::Started, schema_for!(NewsDetail<Started>))),
        ("event-step-done", titled(NewsKind::StepDone, schema_for!(NewsDetail<StepDone>))),
        ("event-paused", titled(NewsKind::Paused, schema_for!(NewsDetail<Paused>))),
        ("event-step-failed", titled(NewsKind::StepFailed, schema_for!(NewsDetail<StepFailed>))),
        ("event-failed", titled(NewsKind::Failed, schema_for!(NewsDetail<Failed>))),
        ("event-completed", titled(NewsKind::Completed, schema_for!(NewsDetail<Completed>))),
        ("event-rolled-back", titled(NewsKind::RolledBack, schema_for!(NewsDetail<RolledBack>))),
    ]
}

fn titled(kind: NewsKind, mut schema: Schema) -> Schema {
    schema.insert("title".into(), kind.detail_type().into());
    schema
}
