//! Where one invocation's port calls lie until somebody decides what becomes of them.
//!
//! A [`Desk`] is all ports of an invocation at once. It answers nothing by itself: each call is put down, the use case
//! stays pending, and goes on once the call's answer is put beside it. What a call does to the world is no business of
//! this module.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use eks_upgrade_core::arn::{ClusterArn, Home};
use eks_upgrade_core::calendar::Calendar;
use eks_upgrade_core::cluster::{
    Addon, Cluster, Found, Insight, InsightCategory, NodeGroup, Offer, Resource, Update,
};
use eks_upgrade_core::control::{Approval, Consent, KillSwitch};
use eks_upgrade_core::guard::Call;
use eks_upgrade_core::ids::{ApprovalId, ExecutionArn, RunId, TaskToken, Token, UpdateId};
use eks_upgrade_core::inspection::{InspectAnswer, InspectRequest};
use eks_upgrade_core::ledger::Sealed;
use eks_upgrade_core::screen::Lease;
use eks_upgrade_core::version::Minor;
use eks_upgrade_core::waits::Learned;
use eks_upgrade_pipeline::ports::inside::Inspects;
use eks_upgrade_pipeline::ports::{
    CallError, Durations, Eks, EksDown, EksWrites, Executions, InsightsRefresh, LeaseChange, Ledger,
    LedgerDown, Said, Time, Write, WriteError,
};
use jiff::Timestamp;

/// A port call.
#[derive(Clone, Debug)]
pub enum Asked {
    /// The cluster's lease.
    Lease,
    /// The lines of a run.
    Lines(RunId),
    /// Lines to be written.
    Write(Box<Wanted>),
    /// Whether an execution runs.
    IsRunning(ExecutionArn),
    /// The cluster.
    Cluster,
    /// A node group.
    NodeGroup(String),
    /// The updates of a resource.
    UpdateIds(Resource),
    /// An update of a resource.
    Update(Resource, UpdateId),
    /// The mutating call.
    Call(Call, Token),
    /// Something that nobody changes here; by the name of its operation.
    Fixed(&'static str),
}

/// A write, on its own feet.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The lease as it is to be held.
    pub lease: Lease,
    /// What happens to it.
    pub change: LeaseChange,
    /// The lines.
    pub lines: Vec<Sealed>,
}

/// What a port call is answered.
#[derive(Clone, Debug)]
pub enum Answered {
    /// To [`Asked::Lease`].
    Lease(Box<Option<Lease>>),
    /// To [`Asked::Lines`].
    Lines(Vec<Sealed>),
    /// To [`Asked::Write`].
    Written(Result<(), WriteError>),
    /// To [`Asked::IsRunning`].
    Running(bool),
    /// To [`Asked::Cluster`].
    Cluster(Box<Found<Cluster>>),
    /// To [`Asked::NodeGroup`].
    NodeGroup(Box<Found<NodeGroup>>),
    /// To [`Asked::UpdateIds`].
    UpdateIds(Vec<UpdateId>),
    /// To [`Asked::Update`].
    Update(Box<Found<Update>>),
    /// To [`Asked::Call`].
    Called(Result<UpdateId, CallError>),
    /// To [`Asked::Fixed`].
    Fixed,
    /// To anything: no answer came.
    Down,
}

impl Answered {
    /// Its content as text: two answers of the same text are the same. Lines stand for themselves by their hashes.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Lines(lines) => lines.iter().map(|line| line.hash.as_str()).collect::<Vec<_>>().join(" "),
            other => format!("{other:?}"),
        }
    }
}

/// What nobody changes while a model is explored.
#[derive(Clone, Debug)]
pub struct Fixtures {
    /// The support calendar.
    pub calendar: Calendar,
    /// The names of the node groups.
    pub node_groups: Vec<String>,
}

/// All ports of one invocation.
#[derive(Clone, Debug)]
pub struct Desk {
    fixtures: Arc<Fixtures>,
    papers: Arc<Mutex<Papers>>,
}

#[derive(Debug)]
struct Papers {
    now: Timestamp,
    asked: Vec<Asked>,
    answers: BTreeMap<usize, Answered>,
    wakers: BTreeMap<usize, Waker>,
}

impl Desk {
    /// An empty desk at this time.
    #[must_use]
    pub fn new(fixtures: Arc<Fixtures>, now: Timestamp) -> Self {
        let papers = Papers { now, asked: Vec::new(), answers: BTreeMap::new(), wakers: BTreeMap::new() };
        Self { fixtures, papers: Arc::new(Mutex::new(papers)) }
    }

    /// The calls that wait for an answer, by their places.
    #[must_use]
    pub fn open(&self) -> Vec<(usize, Asked)> {
        let papers = self.papers();
        papers.wakers.keys().filter_map(|place| Some((*place, papers.asked.get(*place)?.clone()))).collect()
    }

    /// Answers the call at a place; the clock shows `now` from here on. `false` when none is open there.
    #[must_use]
    pub fn answer(&self, place: usize, answered: Answered, now: Timestamp) -> bool {
        let mut papers = self.papers();
        let Some(waker) = papers.wakers.remove(&place) else { return false };
        papers.now = now;
        papers.answers.insert(place, answered);
        drop(papers);
        waker.wake();
        true
    }

    fn papers(&self) -> MutexGuard<'_, Papers> {
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, asked: Asked) -> Answered {
        let place = {
            let mut papers = self.papers();
            papers.asked.push(asked);
            papers.asked.len() - 1
        };
        poll_fn(|context| {
            let mut papers = self.papers();
            if let Some(answered) = papers.answers.remove(&place) {
                return Poll::Ready(answered);
            }
            papers.wakers.insert(place, context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// A read of EKS; any answer that is not `take`n is none.
    async fn read<T>(
        &self,
        operation: &'static str,
        asked: Asked,
        take: impl FnOnce(Answered) -> Option<T>,
    ) -> Result<T, EksDown> {
        let answered = self.ask(asked).await;
        take(answered).ok_or_else(|| EksDown { operation, denied: false, why: "connection reset".into() })
    }

    async fn fixed<T>(&self, operation: &'static str, value: T) -> Result<T, EksDown> {
        let take = |answered| matches!(answered, Answered::Fixed).then_some(value);
        self.read(operation, Asked::Fixed(operation), take).await
    }

    async fn kept<T>(&self, asked: Asked, take: impl FnOnce(Answered) -> Option<T>) -> Result<T, LedgerDown> {
        take(self.ask(asked).await).ok_or_else(|| LedgerDown("connection reset".into()))
    }

    async fn said<T>(&self, operation: &'static str, value: T) -> Result<T, LedgerDown> {
        let take = |answered| matches!(answered, Answered::Fixed).then_some(value);
        self.kept(Asked::Fixed(operation), take).await
    }
}

impl Time for Desk {
    fn now(&self) -> Timestamp {
        self.papers().now
    }
}

impl Ledger for Desk {
    async fn lease(&self, _: &ClusterArn) -> Result<Option<Lease>, LedgerDown> {
        let take = |answered| if let Answered::Lease(lease) = answered { Some(*lease) } else { None };
        self.kept(Asked::Lease, take).await
    }

    async fn lines(&self, run: &RunId) -> Result<Vec<Sealed>, LedgerDown> {
        let take = |answered| if let Answered::Lines(lines) = answered { Some(lines) } else { None };
        self.kept(Asked::Lines(run.clone()), take).await
    }

    async fn write(&self, write: Write<'_>) -> Result<(), WriteError> {
        let wanted = Wanted { lease: write.lease.clone(), change: write.change, lines: write.lines.to_vec() };
        match self.ask(Asked::Write(Box::new(wanted))).await {
            Answered::Written(written) => written,
            _ => Err(WriteError::Down(LedgerDown("connection reset".into()))),
        }
    }
}

impl Said for Desk {
    async fn kill_switch(&self) -> Result<Option<KillSwitch>, LedgerDown> {
        self.said("kill-switch", None).await
    }

    async fn consents(&self, _: &ClusterArn) -> Result<Vec<Consent>, LedgerDown> {
        self.said("consents", Vec::new()).await
    }

    async fn approval(&self, _: &ApprovalId) -> Result<Option<Approval>, LedgerDown> {
        self.said("approval", None).await
    }

    async fn ask(&self, _: &Approval, _: Option<&TaskToken>) -> Result<(), LedgerDown> {
        self.said("ask", ()).await
    }
}

impl Durations for Desk {
    async fn learned(&self) -> Result<Learned, LedgerDown> {
        self.said("learned", Learned::default()).await
    }

    async fn learn(&self, _: &Learned) -> Result<(), LedgerDown> {
        self.said("learn", ()).await
    }
}

impl Executions for Desk {
    async fn is_running(&self, execution: &ExecutionArn) -> Result<bool, EksDown> {
        let take = |answered| if let Answered::Running(running) = answered { Some(running) } else { None };
        self.read("states:DescribeExecution", Asked::IsRunning(execution.clone()), take).await
    }
}

impl Inspects for Desk {
    async fn inspect(&self, _: &InspectRequest) -> InspectAnswer {
        InspectAnswer::Unseen("nothing inside is modelled".into())
    }
}

impl Eks for Desk {
    async fn cluster(&self, _: &ClusterArn) -> Result<Found<Cluster>, EksDown> {
        let take = |answered| if let Answered::Cluster(found) = answered { Some(*found) } else { None };
        self.read("eks:DescribeCluster", Asked::Cluster, take).await
    }

    async fn clusters(&self, _: &Home) -> Result<Vec<ClusterArn>, EksDown> {
        self.fixed("eks:ListClusters", Vec::new()).await
    }

    async fn calendar(&self, _: &Home) -> Result<Calendar, EksDown> {
        self.fixed("eks:DescribeClusterVersions", self.fixtures.calendar.clone()).await
    }

    async fn node_group_names(&self, _: &ClusterArn) -> Result<Vec<String>, EksDown> {
        self.fixed("eks:ListNodegroups", self.fixtures.node_groups.clone()).await
    }

    async fn node_group(&self, _: &ClusterArn, name: &str) -> Result<Found<NodeGroup>, EksDown> {
        let take = |answered| if let Answered::NodeGroup(found) = answered { Some(*found) } else { None };
        self.read("eks:DescribeNodegroup", Asked::NodeGroup(name.to_owned()), take).await
    }

    async fn addon_names(&self, _: &ClusterArn) -> Result<Vec<String>, EksDown> {
        self.fixed("eks:ListAddons", Vec::new()).await
    }

    async fn addon(&self, _: &ClusterArn, _: &str) -> Result<Found<Addon>, EksDown> {
        self.fixed("eks:DescribeAddon", Found::Gone).await
    }

    async fn offers(&self, _: &Home, _: &str) -> Result<BTreeMap<Minor, Vec<Offer>>, EksDown> {
        self.fixed("eks:DescribeAddonVersions", BTreeMap::new()).await
    }

    async fn fargate_profiles(&self, _: &ClusterArn) -> Result<Vec<String>, EksDown> {
        self.fixed("eks:ListFargateProfiles", Vec::new()).await
    }

    async fn insights(&self, _: &ClusterArn, _: InsightCategory) -> Result<Vec<Insight>, EksDown> {
        self.fixed("eks:ListInsights", Vec::new()).await
    }

    async fn insights_refresh(&self, _: &ClusterArn) -> Result<Option<InsightsRefresh>, EksDown> {
        // Always just over.
        let over = InsightsRefresh { started: Timestamp::MAX, ended: Some(Timestamp::MAX) };
        self.fixed("eks:DescribeInsightsRefresh", Some(over)).await
    }

    async fn refresh_insights(&self, _: &ClusterArn) -> Result<(), EksDown> {
        self.fixed("eks:StartInsightsRefresh", ()).await
    }

    async fn update_ids(&self, _: &ClusterArn, resource: &Resource) -> Result<Vec<UpdateId>, EksDown> {
        let take = |answered| if let Answered::UpdateIds(ids) = answered { Some(ids) } else { None };
        self.read("eks:ListUpdates", Asked::UpdateIds(resource.clone()), take).await
    }

    async fn update(
        &self,
        _: &ClusterArn,
        resource: &Resource,
        id: &UpdateId,
    ) -> Result<Found<Update>, EksDown> {
        let take = |answered| if let Answered::Update(found) = answered { Some(*found) } else { None };
        self.read("eks:DescribeUpdate", Asked::Update(resource.clone(), id.clone()), take).await
    }
}

impl EksWrites for Desk {
    async fn call(&self, _: &ClusterArn, call: &Call, token: &Token) -> Result<UpdateId, CallError> {
        match self.ask(Asked::Call(call.clone(), token.clone())).await {
            Answered::Called(called) => called,
            _ => Err(CallError::Unknown("connection reset".into())),
        }
    }
}
