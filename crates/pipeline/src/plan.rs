//! The plan function: lets a request in or turns it away, takes the cluster's lease, makes the plan. Reads
//! EKS only; until the lease is taken it writes nothing at all.

use eks_upgrade_core::arn::{ClusterArn, ClusterName, Home};
use eks_upgrade_core::calendar::{Calendar, SupportStatus};
use eks_upgrade_core::cluster::{Cluster, Found, InsightCategory, Resource, Status};
use eks_upgrade_core::contract::{PlanAgain, PlanAnswer, PlanRequest, PlanWait};
use eks_upgrade_core::control::{ConsentScope, Controls};
use eks_upgrade_core::decide::{Decision, turned};
use eks_upgrade_core::door::{DoorError, Reach, UpgradeRequest};
use eks_upgrade_core::ids::{ExecutionArn, Fence, RunId, UpdateId};
use eks_upgrade_core::ledger::{Ending, Event, Phase, RunState};
use eks_upgrade_core::observe::{NOT_VISIBLE_YET_S, Query, World, word};
use eks_upgrade_core::plan::Plan;
use eks_upgrade_core::planner::{self, Wish};
use eks_upgrade_core::policy::{NodeHops, Policy, PolicyDocument, PolicyError};
use eks_upgrade_core::preflight::Upgrade;
use eks_upgrade_core::remedy::{Failure, Remedy};
use eks_upgrade_core::screen::Lease;
use eks_upgrade_core::version::Minor;
use eks_upgrade_core::waits::{self, Learned, seconds_between};
use eks_upgrade_core::way_back::{Past, plan_back};
use jiff::Timestamp;

use crate::controls::controls;
use crate::error::{Answer, PipelineError};
use crate::journal::{Journal, read};
use crate::observe::{inventory, look, recent_updates, update_in_progress};
use crate::ports::inside::Inspects;
use crate::ports::{Durations, Eks, Executions, InsightsRefresh, Ledger, Said, Time};

/// Insights as old as this are as good as new, in seconds.
const INSIGHTS_FRESH_S: u32 = 3600;
/// How often a refresh is looked at, in seconds.
const INSIGHTS_PAUSE_S: u32 = 20;
/// A refresh that takes longer than this, in seconds, is not waited for.
const INSIGHTS_GIVEN_UP_S: u32 = 900;

/// How often EKS is asked whether it shows by now what was done, in seconds.
const NOT_SHOWN_PAUSE_S: u32 = 30;

/// The use case.
pub struct PlanRun<E, L, X, T> {
    /// EKS, to read.
    pub eks: E,
    /// The ledger.
    pub ledger: L,
    /// Executions, to see whether a lease's holder is still alive.
    pub executions: X,
    /// The clock.
    pub time: T,
    /// The deployment's policy.
    pub policy: PolicyDocument,
    /// Where it may act.
    pub home: Home,
}

/// A request that was let in.
struct Admitted {
    request: UpgradeRequest,
    cluster: Cluster,
    target: Minor,
    policy: Policy,
    calendar: Calendar,
}

/// What became of the beginning of a run.
enum Begun<'a, L, T> {
    /// It is open, or has to wait.
    Answered(PlanAnswer),
    /// An earlier try of this very step has opened it meanwhile.
    Already(Box<Journal<'a, L, T>>),
}

/// What a plan is made under besides the policy.
#[derive(Default)]
struct Known {
    controls: Controls,
    learned: Learned,
    /// Why the control plane goes back, if it does.
    back: Option<Failure>,
}

/// What needs neither ledger nor executions.
impl<E: Eks + Inspects, L, X, T: Time> PlanRun<E, L, X, T> {
    /// Makes the plan for a request and writes nothing: what `eks-upgrade plan` prints.
    pub async fn dry_run(&self, request: &serde_json::Value) -> Answer<(Plan, Calendar)> {
        let admitted = self.admit(request).await?;
        let back = admitted.request.roll_back.then(|| by_hand(&admitted));
        let plan = self.propose(&admitted, 1, &Known { back, ..Known::default() }).await?;
        Ok((plan, admitted.calendar))
    }

    fn reach(&self) -> Reach<'_> {
        Reach { home: &self.home, spokes: &self.policy.spokes }
    }

    /// Every check that needs no lease. Nothing is written, whatever comes in.
    async fn admit(&self, request: &serde_json::Value) -> Answer<Admitted> {
        let request = UpgradeRequest::read(request)?;
        let arn = request.cluster_at(self.reach())?;
        let stated = request.stated_target()?;
        let Found::Is(cluster) = self.eks.cluster(&arn).await? else {
            return Err(DoorError::ClusterNotFound {
                cluster: arn.name.clone(),
                region: arn.region.to_string(),
                account: arn.account.to_string(),
            }
            .into());
        };
        let calendar = self.eks.calendar(&arn.home()).await?;
        let invalid = |error: PolicyError| DoorError::InvalidPolicy(error.to_string());
        let mut policy = self.policy.for_cluster(&cluster.arn, &cluster.tags).map_err(invalid)?;
        let target = if request.roll_back {
            below(&cluster, stated)?
        } else {
            target_of(&cluster, stated, &policy, &calendar, self.time.now())?
        };
        if let Some(strategy) = request.strategy {
            // What is asked for by hand goes before what the policy says of single groups.
            policy.strategy = strategy;
            policy.node_group_strategy.clear();
        }
        if let Status::Unwell(_) | Status::Transient(_) = cluster.status {
            let status = word(&cluster.status).to_owned();
            return Err(DoorError::ClusterNotActive { cluster: arn.name, status }.into());
        }
        Ok(Admitted { request, cluster, target, policy, calendar })
    }

    async fn propose(&self, admitted: &Admitted, revision: u32, known: &Known) -> Answer<Plan> {
        let kubernetes = &admitted.policy.kubernetes;
        let upgrade = Upgrade {
            from: admitted.cluster.version,
            target: admitted.target,
            drain_limit_s: kubernetes.drain_limit_s(),
        };
        let inside = kubernetes.may_look().then_some(upgrade);
        let inventory = inventory(&self.eks, admitted.cluster.clone(), inside, self.time.now()).await?;
        let wish = Wish {
            target: admitted.target,
            policy: &admitted.policy,
            launch_templates: &admitted.request.launch_templates,
            revision,
            controls: &known.controls,
            learned: &known.learned,
            // A person who starts an upgrade by hand has seen, or can see, what could not be told.
            unattended: kubernetes.may_look() && admitted.request.campaign.is_some(),
        };
        let now = self.time.now();
        let Some(because) = known.back.clone() else { return Ok(planner::plan(&inventory, &wish, now)) };
        let arn = &admitted.cluster.arn;
        let updates = recent_updates(&self.eks, arn, &Resource::ControlPlane).await?;
        let insights = self.eks.insights(arn, InsightCategory::RollbackReadiness).await?;
        let calendar = &admitted.calendar;
        let past = Past { updates: &updates, insights: &insights, calendar, because };
        Ok(plan_back(&inventory, &past, &wish, now))
    }
}

impl<E: Eks + Inspects, L: Ledger + Said + Durations, X: Executions, T: Time> PlanRun<E, L, X, T> {
    /// Answers the upgrade state machine.
    pub async fn plan(&self, asked: &PlanRequest) -> Answer<PlanAnswer> {
        let admitted = match self.admit(&asked.request).await {
            Err(PipelineError::Door(error)) => return self.turned_away(asked, error).await,
            admitted => admitted?,
        };
        if let Some(again) = &asked.again {
            return self.plan_again(admitted, again, &asked.execution).await;
        }
        if admitted.request.dry_run {
            let back = admitted.request.roll_back.then(|| by_hand(&admitted));
            let known = self.known(&admitted.cluster.arn, back).await?;
            let plan = self.propose(&admitted, 1, &known).await?;
            return Ok(PlanAnswer::DryRun { plan: Box::new(plan) });
        }
        let journal = match self.run_of_lease(&admitted, &asked.execution).await? {
            Some(journal) => journal,
            None => match self.begin(&admitted, &asked.execution).await? {
                Begun::Answered(answer) => return Ok(answer),
                Begun::Already(journal) => *journal,
            },
        };
        self.go_on(admitted, journal).await
    }

    /// What is turned away leaves nothing behind: a run that this execution has open by now, as it waited for
    /// somebody else or is to plan again, is halted, so that its lease is given back. So is the run of a cluster that is
    /// gone, once nobody is at it any more.
    async fn turned_away(&self, asked: &PlanRequest, error: DoorError) -> Answer<PlanAnswer> {
        let named = UpgradeRequest::read(&asked.request).and_then(|request| request.cluster_at(self.reach()));
        let Ok(arn) = named else { return Err(error.into()) };
        let Some(lease) = self.ledger.lease(&arn).await?.filter(|lease| lease.ended.is_none()) else {
            return Err(error.into());
        };
        let gone = matches!(error, DoorError::ClusterNotFound { .. });
        let (run, fence) = if lease.execution == asked.execution {
            (lease.run, lease.fence)
        } else if gone && !self.executions.is_running(&lease.execution).await? {
            match Journal::take_over(&self.ledger, &self.time, lease, &asked.execution, None).await? {
                Some(journal) => (journal.lease.run.clone(), journal.lease.fence),
                None => return Err(error.into()),
            }
        } else {
            return Err(error.into());
        };
        let next_action = if gone {
            "nothing is left to do"
        } else {
            "look at the cluster as it is now, and start again if it needs an upgrade"
        };
        let code = if gone { "TargetGone" } else { error.name() };
        let ending =
            Ending::Halted { code: code.into(), message: error.to_string(), next_action: next_action.into() };
        Ok(PlanAnswer::Blocked { run, fence, ending })
    }

    /// The run that this request goes on with, its lease taken: this execution's own, or one whose execution
    /// has ended. Turned away when another execution is at it.
    async fn run_of_lease(
        &self,
        admitted: &Admitted,
        by: &ExecutionArn,
    ) -> Answer<Option<Journal<'_, L, T>>> {
        let arn = &admitted.cluster.arn;
        let Some(lease) = self.ledger.lease(arn).await?.filter(|lease| lease.ended.is_none()) else {
            return Ok(None);
        };
        if let Some(other) = admitted.request.resume.as_ref().filter(|run| **run != lease.run) {
            return Err(DoorError::NothingToResume(other.clone()).into());
        }
        let state = read(&self.ledger, &lease.run).await?;
        if lease.execution == *by {
            let journal = Journal::load(&self.ledger, &self.time, &lease.run, lease.fence, by).await?;
            return Ok(Some(journal));
        }
        if self.executions.is_running(&lease.execution).await? {
            return Err(held(&arn.name, &lease).into());
        }
        if admitted.goes_on_with(&state) {
            return match Journal::take_over(&self.ledger, &self.time, lease, by, None).await? {
                Some(journal) => Ok(Some(journal)),
                None => self.taken_meanwhile(arn, by).await,
            };
        }
        // Nothing of another run is ended for a request that would be turned away after all.
        self.may_go_back(admitted, &controls(&self.ledger, arn, None).await?)?;
        let message = format!("its execution ended, and another asked for {} otherwise", admitted.target);
        if state.rolling().next().is_some() && admitted.is_of(&state) {
            return self.call_off(arn, lease, message, by).await;
        }
        let ending =
            Ending::Halted { code: "Superseded".into(), message, next_action: "see the newer run".into() };
        if Journal::supersede(&self.ledger, &self.time, lease, by, ending).await? {
            Ok(None)
        } else {
            self.taken_meanwhile(arn, by).await
        }
    }

    /// A run that was rolling nodes is not left as it is: it is taken over once more, to take back what is half done.
    async fn call_off(
        &self,
        cluster: &ClusterArn,
        lease: Lease,
        message: String,
        by: &ExecutionArn,
    ) -> Answer<Option<Journal<'_, L, T>>> {
        let failure = Failure {
            code: "Superseded".into(),
            message: format!("{message}; the nodes that it was replacing are taken back first"),
            resources: Vec::new(),
            remedy: Remedy::Stop,
            next_action: "start again what was asked for".into(),
        };
        let off = Some(Event::CalledOff { failure });
        match Journal::take_over(&self.ledger, &self.time, lease, by, off).await? {
            Some(journal) => Ok(Some(journal)),
            None => self.taken_meanwhile(cluster, by).await,
        }
    }

    /// The run of whoever was faster, if that was an earlier try of this very step: Step Functions gives a function up
    /// that does not answer in time, and it may live on. Turned away where it was another execution; `None` where the
    /// lease is free by now.
    async fn taken_meanwhile(
        &self,
        cluster: &ClusterArn,
        by: &ExecutionArn,
    ) -> Answer<Option<Journal<'_, L, T>>> {
        match self.ledger.lease(cluster).await?.filter(|lease| lease.ended.is_none()) {
            Some(lease) if lease.execution == *by => {
                Journal::load(&self.ledger, &self.time, &lease.run, lease.fence, by).await.map(Some)
            }
            Some(lease) => Err(held(&cluster.name, &lease).into()),
            None => Ok(None),
        }
    }

    /// A person's consent is wanted for a way back that nothing but this request asks for.
    fn may_go_back(&self, admitted: &Admitted, controls: &Controls) -> Result<(), DoorError> {
        let consent = controls.consent(&ConsentScope::RollBack, self.time.now());
        if admitted.request.roll_back && consent.is_none() { Err(consent_wanted(admitted)) } else { Ok(()) }
    }

    /// A new run.
    async fn begin(&self, admitted: &Admitted, by: &ExecutionArn) -> Answer<Begun<'_, L, T>> {
        if let Some(run) = &admitted.request.resume {
            return Err(DoorError::NothingToResume(run.clone()).into());
        }
        let busy = admitted.cluster.status == Status::Updating;
        let back = admitted.request.roll_back.then(|| by_hand(admitted));
        let known = self.known(&admitted.cluster.arn, back).await?;
        self.may_go_back(admitted, &known.controls)?;
        if !busy && let Some(wait) = self.refresh_insights(&admitted.cluster.arn).await? {
            return Ok(Begun::Answered(wait));
        }
        let mut events = vec![opened(admitted, self.time.now())];
        if busy {
            let theirs = self.their_update(&admitted.cluster.arn).await?;
            events.extend(
                theirs.map(|update| Event::ForeignUpdate { resource: Resource::ControlPlane, update }),
            );
        } else {
            let plan = self.propose(admitted, 1, &known).await?;
            if plan.hops.is_empty() {
                return match self.taken_meanwhile(&admitted.cluster.arn, by).await? {
                    Some(journal) => Ok(Begun::Already(Box::new(journal))),
                    None => Err(nothing_to_do(admitted).into()),
                };
            }
            events.push(Event::Planned { plan: Box::new(plan) });
        }
        let arn = &admitted.cluster.arn;
        let seen = self.ledger.lease(arn).await?;
        let run = RunId::opened_by(by, &arn.name, admitted.target);
        if seen.as_ref().is_none_or(|lease| lease.ended.is_some()) {
            let lease = Lease {
                run: run.clone(),
                target: admitted.target,
                execution: by.clone(),
                fence: Fence(seen.as_ref().map_or(0, |lease| lease.fence.0) + 1),
                campaign: admitted.request.campaign.clone(),
                ring: admitted.policy.ring.clone(),
                touched: false,
                ended: None,
            };
            match Journal::open(&self.ledger, &self.time, arn, lease, seen, events).await? {
                Some(journal) if busy => return Ok(Begun::Answered(self.wait_for_them(&journal.state))),
                Some(journal) => return Ok(Begun::Answered(planned(&journal))),
                None => {}
            }
        }
        match self.taken_meanwhile(arn, by).await? {
            Some(journal) => Ok(Begun::Already(Box::new(journal))),
            None => Err(PipelineError::LedgerBusy(run)),
        }
    }

    /// Has EKS make its insights anew where they are older than an hour; the wait for that while it lasts. That they
    /// cannot be made anew is no reason not to upgrade: how old they are is a finding.
    async fn refresh_insights(&self, cluster: &ClusterArn) -> Answer<Option<PlanAnswer>> {
        let now = self.time.now();
        let wait = || PlanAnswer::Wait {
            wait_for: PlanWait::Insights,
            seconds: INSIGHTS_PAUSE_S,
            text: "EKS to make its insights anew".into(),
        };
        match self.eks.insights_refresh(cluster).await {
            Ok(Some(InsightsRefresh { ended: Some(ended), .. }))
                if seconds_between(ended, now) < INSIGHTS_FRESH_S =>
            {
                Ok(None)
            }
            Ok(Some(InsightsRefresh { started, ended: None })) => {
                Ok((seconds_between(started, now) < INSIGHTS_GIVEN_UP_S).then(wait))
            }
            Ok(_) => match self.eks.refresh_insights(cluster).await {
                Ok(()) => Ok(Some(wait())),
                Err(down) => {
                    tracing::warn!(%cluster, %down, "the insights are as old as they are");
                    Ok(None)
                }
            },
            Err(down) if down.denied => Ok(None),
            Err(down) => Err(down.into()),
        }
    }

    /// A run that is open already: resumed, or waiting for somebody else's update before its first plan.
    async fn go_on(&self, mut admitted: Admitted, mut journal: Journal<'_, L, T>) -> Answer<PlanAnswer> {
        if journal.state.plan.is_some() {
            return Ok(self.still(&journal, &admitted.cluster).unwrap_or_else(|| planned(&journal)));
        }
        admitted.stand_by(&journal.state);
        self.watch_them(&mut journal, &admitted.cluster).await?;
        if admitted.cluster.status == Status::Updating {
            return Ok(self.wait_for_them(&journal.state));
        }
        let back = journal.state.opened.roll_back.then(|| by_hand(&admitted));
        let known = self.known(&admitted.cluster.arn, back).await?;
        let plan = self.propose(&admitted, 1, &known).await?;
        // Another try of this very step may have been faster.
        let unplanned = |state: &RunState| match &state.plan {
            Some(_) => Vec::new(),
            None => vec![Event::Planned { plan: Box::new(plan.clone()) }],
        };
        journal.record(unplanned).await?;
        Ok(planned(&journal))
    }

    /// Why a run does not go on with this cluster, or not yet, if it does not: others may have changed it since. A roll
    /// under way has to be taken back before the run halts: that is decided hop by hop.
    fn still(&self, journal: &Journal<'_, L, T>, cluster: &Cluster) -> Option<PlanAnswer> {
        if journal.state.rolling().next().is_some() {
            return None;
        }
        match turned(&journal.state, cluster, self.time.now())? {
            Decision::Halt { code, message, next_action } => {
                let (run, fence) = (journal.state.run.clone(), journal.fence());
                let ending = Ending::Halted { code, message, next_action };
                Some(PlanAnswer::Blocked { run, fence, ending })
            }
            Decision::Wait { seconds, text, .. } => {
                Some(PlanAnswer::Wait { wait_for: PlanWait::ControlPlane, seconds, text })
            }
            _ => None,
        }
    }

    async fn plan_again(
        &self,
        mut admitted: Admitted,
        again: &PlanAgain,
        by: &ExecutionArn,
    ) -> Answer<PlanAnswer> {
        let state = read(&self.ledger, &again.run).await?;
        let mut journal = Journal::load(&self.ledger, &self.time, &again.run, again.fence, by).await?;
        if let Some(answer) = self.still(&journal, &admitted.cluster) {
            return Ok(answer);
        }
        admitted.stand_by(&state);
        if again.nodes_each_hop || state.plan.as_ref().is_some_and(|plan| plan.nodes == NodeHops::EachHop) {
            admitted.policy.nodes = NodeHops::EachHop;
        }
        let revision = state.plan.as_ref().map_or(0, |plan| plan.revision) + 1;
        let back = way_back(&state, again, &admitted);
        let known = self.known(&admitted.cluster.arn, back).await?;
        let plan = self.propose(&admitted, revision, &known).await?;
        if let Some(wait) = not_shown_yet(&journal.state, &plan, self.time.now()) {
            return Ok(wait);
        }
        journal
            .record(|state| {
                let current = state.plan.as_ref().map_or(0, |plan| plan.revision);
                if current >= revision {
                    Vec::new()
                } else {
                    vec![Event::Planned { plan: Box::new(plan.clone()) }]
                }
            })
            .await?;
        Ok(planned(&journal))
    }

    async fn known(&self, cluster: &ClusterArn, back: Option<Failure>) -> Answer<Known> {
        let controls = controls(&self.ledger, cluster, None).await?;
        Ok(Known { controls, learned: self.ledger.learned().await?, back })
    }

    async fn their_update(&self, cluster: &ClusterArn) -> Answer<Option<UpdateId>> {
        let update = update_in_progress(&self.eks, cluster, &Resource::ControlPlane).await?;
        Ok(update.map(|update| update.id))
    }

    /// Records which updates of others ended since, and which began.
    async fn watch_them(&self, journal: &mut Journal<'_, L, T>, cluster: &Cluster) -> Answer<()> {
        let name = &cluster.arn;
        let queries = journal
            .state
            .foreign
            .iter()
            .map(|(resource, foreign)| Query::Update(resource.clone(), foreign.update.clone()))
            .collect();
        let mut world = World::default();
        look(&self.eks, name, queries, &mut world).await?;
        journal.record(|state| eks_upgrade_core::observe::settle_foreign(state, &world)).await?;
        if cluster.status == Status::Updating
            && journal.state.foreign.is_empty()
            && let Some(update) = self.their_update(name).await?
        {
            let event = Event::ForeignUpdate { resource: Resource::ControlPlane, update };
            journal.record(|_| vec![event.clone()]).await?;
        }
        Ok(())
    }

    fn wait_for_them(&self, state: &RunState) -> PlanAnswer {
        let now = self.time.now();
        let since = state.foreign.values().map(|foreign| foreign.since).min().unwrap_or(now);
        PlanAnswer::Wait {
            wait_for: PlanWait::OtherUpdate,
            seconds: waits::UNKNOWN.pause_s(since, now),
            text: "somebody else is updating the cluster".into(),
        }
    }
}

impl Admitted {
    /// Whether the run is one of this cluster, and not of an earlier one of its name.
    fn is_of(&self, state: &RunState) -> bool {
        state.opened.cluster_created_at == self.cluster.created_at
    }

    /// Whether the request means the run that is open: by its name, or the same cluster, to the same target, in
    /// the same way.
    /// Whoever stops a forced upgrade and asks for a rolling one must not get the forced one back.
    fn goes_on_with(&self, state: &RunState) -> bool {
        if self.request.resume.is_some() {
            return true;
        }
        let opened = &state.opened;
        let same_cluster = self.is_of(state);
        // Without a stated target, going on is what is meant.
        let same_target = self.request.target.is_none() || opened.target == self.target;
        let same_templates = opened.launch_templates == self.request.launch_templates;
        let same_way = opened.roll_back == self.request.roll_back;
        same_cluster && same_target && same_templates && same_way && opened.policy == self.policy
    }

    /// What the run was opened with holds for all its plans, whatever rule or tag says by now.
    fn stand_by(&mut self, state: &RunState) {
        self.policy = state.opened.policy.clone();
        self.target = state.opened.target;
        self.request.launch_templates = state.opened.launch_templates.clone();
    }
}

/// Why the control plane goes back when a person asks for it.
fn by_hand(admitted: &Admitted) -> Failure {
    Failure {
        code: "RolledBackByHand".into(),
        message: admitted.request.reason.clone().unwrap_or_else(|| "a person asked for it".into()),
        resources: Vec::new(),
        remedy: Remedy::Stop,
        next_action: "find out what the newer version broke before upgrading again".into(),
    }
}

/// Why the control plane goes back from here on: it was on its way already, or a gate failed that asks for it.
fn way_back(state: &RunState, again: &PlanAgain, admitted: &Admitted) -> Option<Failure> {
    let on_its_way = state.plan.as_ref().and_then(|plan| plan.rolls_back.clone());
    let failed = || {
        state.steps.values().find_map(|progress| match &progress.phase {
            Phase::Failed { failure, .. } if failure.remedy == Remedy::RollBack => Some(failure.clone()),
            _ => None,
        })
    };
    on_its_way.or_else(|| again.roll_back.then(failed)?).or_else(|| {
        let asked = again.roll_back || state.opened.roll_back;
        asked.then(|| by_hand(admitted))
    })
}

/// A plan that wants once more what the run has just done was made of reads that lag behind: it is made anew until they
/// have caught up. What they still show after that, somebody has undone.
fn not_shown_yet(state: &RunState, plan: &Plan, now: Timestamp) -> Option<PlanAnswer> {
    let again = plan.steps().find(|step| step.kind.resource().is_some() && state.is_done(&step.id))?;
    (seconds_between(state.updated_at, now) <= NOT_VISIBLE_YET_S).then(|| PlanAnswer::Wait {
        wait_for: PlanWait::ControlPlane,
        seconds: NOT_SHOWN_PAUSE_S,
        text: format!("EKS to show what is done: {}", again.id),
    })
}

fn consent_wanted(admitted: &Admitted) -> DoorError {
    let cluster = admitted.cluster.arn.name.clone();
    let how = format!("eks-upgrade roll-back {cluster} --reason WHY gives the consent and starts it");
    DoorError::ConsentWanted { cluster, what: ConsentScope::RollBack.to_string(), how }
}

/// The minor to go back to.
fn below(cluster: &Cluster, stated: Option<Minor>) -> Result<Minor, DoorError> {
    let below = cluster.version.number().checked_sub(1).and_then(Minor::new);
    match (below, stated) {
        (Some(below), None) => Ok(below),
        (Some(below), Some(stated)) if below == stated => Ok(below),
        (_, stated) => Err(DoorError::UnknownTarget {
            target: stated.map_or_else(String::new, |stated| stated.to_string()),
            newest: format!("; a control plane at {} goes back one minor, and no further", cluster.version),
        }),
    }
}

/// When support of the cluster's minor ends: the standard one, or the extended one where it is in that already.
fn support_ends(cluster: &Cluster, calendar: &Calendar, now: Timestamp) -> Option<Timestamp> {
    let release = calendar.get(cluster.version)?;
    release.standard_until.filter(|until| *until > now).or(release.extended_until)
}

fn opened(admitted: &Admitted, now: Timestamp) -> Event {
    let Admitted { request, cluster, target, policy, calendar } = admitted;
    Event::Opened {
        cluster: cluster.arn.clone(),
        cluster_created_at: cluster.created_at,
        from: cluster.version,
        target: *target,
        policy: Box::new(policy.clone()),
        campaign: request.campaign.clone(),
        reason: request.reason.clone(),
        support_ends: support_ends(cluster, calendar, now),
        roll_back: request.roll_back,
        launch_templates: request.launch_templates.clone(),
    }
}

fn planned<L: Ledger, T: Time>(journal: &Journal<'_, L, T>) -> PlanAnswer {
    let (run, fence) = (journal.state.run.clone(), journal.fence());
    let blocks: Vec<_> = journal.state.plan.iter().flat_map(Plan::blocks).collect();
    if let Some(first) = blocks.first() {
        let message =
            blocks.iter().map(|b| format!("{} {}: {}", b.code, b.subject, b.message)).collect::<Vec<_>>();
        let back = journal.state.plan.as_ref().is_some_and(|plan| plan.rolls_back.is_some());
        let ending = Ending::Halted {
            code: if back { "RollBackBlocked" } else { "Blocked" }.into(),
            message: message.join("; "),
            next_action: first.next_action.clone(),
        };
        return PlanAnswer::Blocked { run, fence, ending };
    }
    let opened = &journal.state.opened;
    let text = format!("{} from {} to {}", opened.cluster.name, opened.from, opened.target);
    PlanAnswer::Planned { run, fence, text }
}

fn held(cluster: &ClusterName, lease: &Lease) -> DoorError {
    DoorError::LeaseHeld {
        cluster: cluster.clone(),
        run: lease.run.clone(),
        execution: lease.execution.to_string(),
    }
}

fn nothing_to_do(admitted: &Admitted) -> DoorError {
    DoorError::TargetNotNewer {
        cluster: admitted.cluster.arn.name.clone(),
        current: admitted.cluster.version,
        target: admitted.target,
        why: ", and neither node groups nor add-ons are behind: there is nothing to do".into(),
    }
}

/// Where the request goes, checked against what EKS offers.
fn target_of(
    cluster: &Cluster,
    stated: Option<Minor>,
    policy: &Policy,
    calendar: &Calendar,
    now: Timestamp,
) -> Result<Minor, DoorError> {
    let current = cluster.version;
    let target = match stated {
        Some(target) => target,
        // A cluster that is where the rule would take it may still have nodes that lag behind.
        None => policy.target(current, calendar, now).unwrap_or(current),
    };
    if target < current {
        return Err(DoorError::TargetNotNewer {
            cluster: cluster.arn.name.clone(),
            current,
            target,
            why: ": a control plane does not go down here".into(),
        });
    }
    let offered =
        |minor| calendar.get(minor).is_some_and(|release| release.status != SupportStatus::Unsupported);
    if target > current && !current.hops_to(target).all(offered) {
        let newest = calendar.newest().map_or(String::new(), |newest| format!("; the newest is {newest}"));
        return Err(DoorError::UnknownTarget { target: target.to_string(), newest });
    }
    Ok(target)
}
