//! What the use cases need of the world, in capability-sized pieces. AWS stands behind them in `crates/aws`,
//! `crates/ec2` and `crates/outbox`, Kubernetes in `crates/kube`, memory in [`crate::memory`].
//!
//! They live here and not in the core because they are awaited, and nothing in the core awaits.

pub mod inside;

use std::collections::BTreeMap;
use std::future::Future;

use eks_upgrade_core::arn::{ClusterArn, Home};
use eks_upgrade_core::calendar::Calendar;
use eks_upgrade_core::campaign::CampaignState;
use eks_upgrade_core::cluster::{
    Addon, Cluster, Found, Insight, InsightCategory, NodeGroup, Offer, Resource, Update,
};
use eks_upgrade_core::contract::{CampaignInput, Notification, Proof};
use eks_upgrade_core::control::{Answered, Approval, Consent, KillSwitch, NotCounted};
use eks_upgrade_core::guard::Call;
use eks_upgrade_core::ids::{
    ApprovalId, CampaignId, ConsentId, ExecutionArn, Principal, RunId, TaskToken, Token, UpdateId,
};
use eks_upgrade_core::ledger::{Ending, RunState, Sealed};
use eks_upgrade_core::news::News;
use eks_upgrade_core::remedy::Refusal;
use eks_upgrade_core::screen::Lease;
use eks_upgrade_core::version::Minor;
use eks_upgrade_core::waits::Learned;
use jiff::Timestamp;

use crate::error::Answer;

/// A read that was not answered, after the client's own retries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {why}")]
pub struct EksDown {
    /// The operation, such as `eks:DescribeCluster`.
    pub operation: &'static str,
    /// Whether it was denied: then another try is of no use.
    pub denied: bool,
    /// What the client saw.
    pub why: String,
}

/// The ledger could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LedgerDown(pub String);

type Read<T> = Result<T, EksDown>;

/// What time it is.
pub trait Time: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

impl Time for eks_upgrade_clock::Clock {
    fn now(&self) -> Timestamp {
        Self::now(self)
    }
}

/// A clock that lets time pass. Only who works inside a cluster waits in a function: for pods to leave.
pub trait Pauses: Time {
    /// Returns once so many seconds have passed.
    fn pause(&self, seconds: u32) -> impl Future<Output = ()> + Send;
}

impl Pauses for eks_upgrade_clock::Clock {
    async fn pause(&self, seconds: u32) {
        tokio::time::sleep(std::time::Duration::from_secs_f64(f64::from(seconds) / self.speed())).await;
    }
}

/// A refresh of insights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InsightsRefresh {
    /// When it began.
    pub started: Timestamp,
    /// When it was over, well or not; `None` while it goes on.
    pub ended: Option<Timestamp>,
}

/// Reads of EKS.
pub trait Eks: Send + Sync {
    /// The cluster.
    fn cluster(&self, cluster: &ClusterArn) -> impl Future<Output = Read<Found<Cluster>>> + Send;
    /// All clusters of an account in a Region.
    fn clusters(&self, place: &Home) -> impl Future<Output = Read<Vec<ClusterArn>>> + Send;
    /// The support calendar, as a place has it.
    fn calendar(&self, place: &Home) -> impl Future<Output = Read<Calendar>> + Send;
    /// The names of a cluster's managed node groups.
    fn node_group_names(&self, cluster: &ClusterArn) -> impl Future<Output = Read<Vec<String>>> + Send;
    /// One managed node group.
    fn node_group(
        &self,
        cluster: &ClusterArn,
        name: &str,
    ) -> impl Future<Output = Read<Found<NodeGroup>>> + Send;
    /// The names of a cluster's add-ons.
    fn addon_names(&self, cluster: &ClusterArn) -> impl Future<Output = Read<Vec<String>>> + Send;
    /// One add-on.
    fn addon(&self, cluster: &ClusterArn, name: &str) -> impl Future<Output = Read<Found<Addon>>> + Send;
    /// What EKS offers of an add-on in a place, by minor.
    fn offers(
        &self,
        place: &Home,
        addon: &str,
    ) -> impl Future<Output = Read<BTreeMap<Minor, Vec<Offer>>>> + Send;
    /// The names of a cluster's Fargate profiles.
    fn fargate_profiles(&self, cluster: &ClusterArn) -> impl Future<Output = Read<Vec<String>>> + Send;
    /// The insights of a category.
    fn insights(
        &self,
        cluster: &ClusterArn,
        category: InsightCategory,
    ) -> impl Future<Output = Read<Vec<Insight>>> + Send;
    /// The last refresh of a cluster's insights that somebody asked for; `None`: nobody did.
    fn insights_refresh(
        &self,
        cluster: &ClusterArn,
    ) -> impl Future<Output = Read<Option<InsightsRefresh>>> + Send;
    /// Has EKS make a cluster's insights anew. Changes nothing else.
    fn refresh_insights(&self, cluster: &ClusterArn) -> impl Future<Output = Read<()>> + Send;
    /// The ids of the updates of a resource, newest first where EKS says so; no order is promised. Of what is not there,
    /// none.
    fn update_ids(
        &self,
        cluster: &ClusterArn,
        resource: &Resource,
    ) -> impl Future<Output = Read<Vec<UpdateId>>> + Send;
    /// One update.
    fn update(
        &self,
        cluster: &ClusterArn,
        resource: &Resource,
        id: &UpdateId,
    ) -> impl Future<Output = Read<Found<Update>>> + Send;
}

/// Why a mutating call has no update to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// EKS refused it: nothing began.
    Refused(Refusal),
    /// The answer was lost: it may have begun.
    Unknown(String),
}

/// The mutating calls, all of them. Only the act function has this.
pub trait EksWrites: Send + Sync {
    /// Makes the call. The same token never starts a second update.
    fn call(
        &self,
        cluster: &ClusterArn,
        call: &Call,
        token: &Token,
    ) -> impl Future<Output = Result<UpdateId, CallError>> + Send;
}

/// What Health adds to a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Affected {
    /// The ARNs or names that Health lists for the event.
    Entities(Vec<String>),
    /// The account's support plan does not include the Health API. Usual, and no error.
    NoSubscription,
}

/// The AWS Health API.
pub trait Health: Send + Sync {
    /// The entities that an event affects.
    fn affected(&self, event_arn: &str) -> impl Future<Output = Read<Affected>> + Send;
}

/// Executions of the state machines.
pub trait Executions: Send + Sync {
    /// Whether it is running.
    fn is_running(&self, execution: &ExecutionArn) -> impl Future<Output = Read<bool>> + Send;
}

/// Starting campaigns. Only the intake function has this.
pub trait Campaigns: Send + Sync {
    /// Starts an execution of the campaign, unless one of this or a later generation runs.
    fn start(&self, input: &CampaignInput) -> impl Future<Output = Read<()>> + Send;
}

/// What happens to the lease in the same transaction as the lines.
#[derive(Clone, Debug, PartialEq)]
pub enum LeaseChange {
    /// It is ours, and stays so.
    Hold,
    /// We take it, if it still is as it was seen.
    Take {
        /// As it was seen; `None` where there was none.
        seen: Option<Lease>,
    },
    /// We give it back.
    Release(Ending),
}

/// Lines for the ledger of one run, with what they need to be written.
#[derive(Clone, Debug)]
pub struct Write<'a> {
    /// The cluster.
    pub cluster: &'a ClusterArn,
    /// The lease as it is to be held.
    pub lease: &'a Lease,
    /// What happens to it.
    pub change: LeaseChange,
    /// The lines, following those that are there.
    pub lines: &'a [Sealed],
    /// The campaign of the run.
    pub campaign: Option<&'a CampaignId>,
    /// When.
    pub at: Timestamp,
}

/// Why lines were not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// Somebody else wrote that place first.
    Conflict,
    /// The lease is not as it has to be.
    LeaseLost,
    /// The ledger does not answer.
    Down(LedgerDown),
}

/// The ledger of runs, and their leases.
pub trait Ledger: Send + Sync {
    /// The lease on a cluster, read strongly.
    fn lease(&self, cluster: &ClusterArn) -> impl Future<Output = Result<Option<Lease>, LedgerDown>> + Send;
    /// All lines of a run in order, read strongly.
    fn lines(&self, run: &RunId) -> impl Future<Output = Result<Vec<Sealed>, LedgerDown>> + Send;
    /// What those lines add up to, the chain checked; `None` where there are none.
    fn state(&self, run: &RunId) -> impl Future<Output = Answer<Option<RunState>>> + Send {
        async { Ok(RunState::read(&self.lines(run).await?)?) }
    }
    /// Writes lines: all of them and the lease, or nothing.
    fn write(&self, write: Write<'_>) -> impl Future<Output = Result<(), WriteError>> + Send;
}

/// The records of campaigns, and the leases of all clusters.
pub trait CampaignLedger: Send + Sync {
    /// All lines of a campaign's record in order, read strongly.
    fn campaign_lines(
        &self,
        campaign: &CampaignId,
    ) -> impl Future<Output = Result<Vec<Sealed>, LedgerDown>> + Send;
    /// What those lines add up to, the chain checked; `None` where there are none.
    fn campaign(&self, campaign: &CampaignId) -> impl Future<Output = Answer<Option<CampaignState>>> + Send {
        async { Ok(CampaignState::read(&self.campaign_lines(campaign).await?)?) }
    }
    /// Appends lines that follow those that are there: all of them, or nothing where one's place is taken. `state` is
    /// what the record adds up to with them.
    fn append(
        &self,
        state: &CampaignState,
        lines: &[Sealed],
    ) -> impl Future<Output = Result<(), WriteError>> + Send;
    /// The campaigns that are not over. One that was opened or ended a moment ago may be missing, or still there.
    fn open_campaigns(&self) -> impl Future<Output = Result<Vec<CampaignId>, LedgerDown>> + Send;
    /// The leases of all clusters. What was written a moment ago may be missing.
    fn leases(&self) -> impl Future<Output = Result<Vec<(ClusterArn, Lease)>, LedgerDown>> + Send;
}

/// What people have said, read strongly.
pub trait Said: Send + Sync {
    /// The kill switch, if it was ever touched.
    fn kill_switch(&self) -> impl Future<Output = Result<Option<KillSwitch>, LedgerDown>> + Send;
    /// All consents for a cluster, expired ones too.
    fn consents(&self, cluster: &ClusterArn)
    -> impl Future<Output = Result<Vec<Consent>, LedgerDown>> + Send;
    /// A question, and its answer if there is one.
    fn approval(&self, id: &ApprovalId) -> impl Future<Output = Result<Option<Approval>, LedgerDown>> + Send;
    /// Asks a question, or keeps another token for one that is open. An answered one stays as it is.
    fn ask(
        &self,
        approval: &Approval,
        token: Option<&TaskToken>,
    ) -> impl Future<Output = Result<(), LedgerDown>> + Send;
}

/// Why something that a person said was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotKept {
    /// It does not count.
    NotCounted(NotCounted),
    /// The table does not answer.
    Down(LedgerDown),
}

/// Keeping what people say. Only the voice function has this.
pub trait Hears: Said {
    /// The questions that are open at `now`.
    fn open_approvals(
        &self,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Approval>, LedgerDown>> + Send;
    /// Keeps an answer, once; gives the question and the token to wake its asker with. Said again by the same person,
    /// it is the first that stands, and its asker is woken again.
    fn answer(
        &self,
        id: &ApprovalId,
        answered: Answered,
    ) -> impl Future<Output = Result<(Approval, Option<TaskToken>), NotKept>> + Send;
    /// Keeps a consent.
    fn consent(&self, consent: &Consent) -> impl Future<Output = Result<(), LedgerDown>> + Send;
    /// Lets a consent expire at once; whether there was one.
    fn revoke(
        &self,
        cluster: &ClusterArn,
        id: &ConsentId,
        at: Timestamp,
    ) -> impl Future<Output = Result<bool, LedgerDown>> + Send;
    /// Puts the kill switch.
    fn put_switch(&self, switch: &KillSwitch) -> impl Future<Output = Result<(), LedgerDown>> + Send;
}

/// Waking an execution that waits for an answer. A wake that is lost costs time, nothing else.
pub trait Wakes: Send + Sync {
    /// Wakes it.
    fn wake(&self, token: &TaskToken, answered: &Answered) -> impl Future<Output = Read<()>> + Send;
}

/// Why it is not known who speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// The proof is none, or not of this.
    Refused(String),
    /// Who could tell does not answer.
    Down(EksDown),
}

/// Telling who speaks.
pub trait Identifies: Send + Sync {
    /// Whose proof it is that they say exactly this to the voice function with this ARN.
    fn verify(
        &self,
        proof: &Proof,
        to: &str,
        said: &str,
    ) -> impl Future<Output = Result<Principal, Unproven>> + Send;
}

/// How long steps took here.
pub trait Durations: Send + Sync {
    /// What was learned so far.
    fn learned(&self) -> impl Future<Output = Result<Learned, LedgerDown>> + Send;
    /// Keeps what was learned.
    fn learn(&self, learned: &Learned) -> impl Future<Output = Result<(), LedgerDown>> + Send;
}

/// Whose a claim is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Ours to work on: new, or begun by an earlier try of the same delivery.
    Ours,
    /// Settled before, or another delivery's.
    Taken,
}

/// The record of what came in.
pub trait Inbox: Send + Sync {
    /// Claims a subject of a notice for a campaign.
    fn claim(
        &self,
        notice: &str,
        subject: &str,
        campaign: &CampaignId,
        at: Timestamp,
    ) -> impl Future<Output = Result<Claim, LedgerDown>> + Send;
    /// Settles a claim: what came of it. It is never worked on again.
    fn settle(
        &self,
        notice: &str,
        subject: &str,
        outcome: &str,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), LedgerDown>> + Send;
    /// Records something that was refused.
    fn refuse(
        &self,
        what: &str,
        code: &str,
        message: &str,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), LedgerDown>> + Send;
}

/// News that could not be given out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOut {
    /// Another try may cure it.
    #[error("{0}")]
    Down(String),
    /// No other try will: they are not taken as they are.
    #[error("{0}")]
    Refused(String),
}

/// Where events go. Only the notify function has this.
pub trait Events: Send + Sync {
    /// Puts all of them, or some and an error: whoever receives one twice tells by its id.
    fn put(&self, news: &[News]) -> impl Future<Output = Result<(), NotOut>> + Send;
}

/// Where people are told. Only the notify function has this.
pub trait Topic: Send + Sync {
    /// Tells them.
    fn publish(&self, notification: &Notification) -> impl Future<Output = Result<(), NotOut>> + Send;
}
