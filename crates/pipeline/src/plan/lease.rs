//! Taking the cluster's lease: the run that is open already, or a new one.

use eks_upgrade_core::arn::{ClusterArn, ClusterName};
use eks_upgrade_core::calendar::Calendar;
use eks_upgrade_core::campaign::beyond::{harm, inherited};
use eks_upgrade_core::cluster::{Cluster, Resource, Status};
use eks_upgrade_core::command;
use eks_upgrade_core::contract::{PlanAnswer, PlanRequest};
use eks_upgrade_core::control::{ConsentScope, Controls};
use eks_upgrade_core::door::{DoorError, UpgradeRequest};
use eks_upgrade_core::ids::{ExecutionArn, Fence, RunId};
use eks_upgrade_core::ledger::{Ending, Event, Harm, Opened};
use eks_upgrade_core::plan::Plan;
use eks_upgrade_core::policy::OptIn;
use eks_upgrade_core::remedy::{Failure, Remedy, SUPERSEDED};
use eks_upgrade_core::screen::Lease;
use jiff::Timestamp;

use super::admitted::Admitted;
use super::{PlanRun, by_hand, planned};
use crate::controls::controls;
use crate::error::{Answer, PipelineError};
use crate::journal::{Journal, read};
use crate::ports::inside::Inspects;
use crate::ports::{Durations, Eks, Executions, Ledger, Said, Time};

/// What became of the beginning of a run.
pub(super) enum Begun<'a, L, T> {
    /// It is open, or has to wait.
    Answered(PlanAnswer),
    /// An earlier try of this very step has opened it meanwhile.
    Already(Box<Journal<'a, L, T>>),
}

impl<E: Eks + Inspects, L: Ledger + Said + Durations, X: Executions, T: Time> PlanRun<E, L, X, T> {
    /// What is turned away leaves nothing behind: a run that this execution has open by now, as it waited for
    /// somebody else or is to plan again, is halted, so that its lease is given back. So is the run of a cluster that is
    /// gone, once nobody is at it any more.
    pub(super) async fn turned_away(&self, asked: &PlanRequest, error: DoorError) -> Answer<PlanAnswer> {
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
    pub(super) async fn run_of_lease(
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
        if admitted.request.resume.is_none() {
            self.is_opted_in(admitted)?;
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
            Ending::Halted { code: SUPERSEDED.into(), message, next_action: "see the newer run".into() };
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
            code: SUPERSEDED.into(),
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

    /// Automation works on what carries the tag by now, whatever it carried when its campaign took it in.
    fn is_opted_in(&self, admitted: &Admitted) -> Result<(), DoorError> {
        let Admitted { request, cluster, .. } = admitted;
        if request.campaign.is_none() || self.policy.opted_in(&cluster.tags) {
            return Ok(());
        }
        let OptIn { key, value } = &self.policy.opt_in;
        Err(DoorError::NotOptedIn { cluster: cluster.arn.name.clone(), tag: format!("{key}={value}") })
    }

    /// A new run.
    pub(super) async fn begin(&self, admitted: &Admitted, by: &ExecutionArn) -> Answer<Begun<'_, L, T>> {
        if let Some(run) = &admitted.request.resume {
            return Err(DoorError::NothingToResume(run.clone()).into());
        }
        self.is_opted_in(admitted)?;
        let busy = admitted.cluster.status == Status::Updating;
        let back = admitted.request.roll_back.then(|| by_hand(admitted));
        let known = self.known(&admitted.cluster.arn, back).await?;
        self.may_go_back(admitted, &known.controls)?;
        if !busy && let Some(wait) = self.refresh_insights(&admitted.cluster.arn, None).await? {
            return Ok(Begun::Answered(wait));
        }
        let arn = &admitted.cluster.arn;
        let seen = self.ledger.lease(arn).await?;
        let stands = seen.as_ref().and_then(|last| harm(last, Some(&admitted.cluster)));
        let harm = seen.as_ref().and_then(|last| inherited(last, &admitted.cluster));
        let opened = opened(admitted, harm, self.time.now());
        let mut events = vec![Event::Opened(Box::new(opened.clone()))];
        if busy {
            let theirs = self.their_update(&admitted.cluster.arn).await?;
            events.extend(
                theirs.map(|update| Event::ForeignUpdate { resource: Resource::ControlPlane, update }),
            );
        } else {
            let plan = self.propose(admitted, 1, &known).await?;
            if plan.hops.is_empty()
                && let Some(why) = nothing_to_do(admitted, &plan, stands.as_ref())
            {
                return match self.taken_meanwhile(arn, by).await? {
                    Some(journal) => Ok(Begun::Already(Box::new(journal))),
                    None => Err(why.into()),
                };
            }
            events.push(Event::Planned { plan: Box::new(plan) });
        }
        let run = RunId::opened_by(by, &arn.name, admitted.target);
        if seen.as_ref().is_none_or(|lease| lease.ended.is_some()) {
            let fence = Fence(seen.as_ref().map_or(0, |lease| lease.fence.0) + 1);
            let lease = Lease::of(run.clone(), &opened, by.clone(), fence);
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
}

/// Why there is no run of a plan without steps. There is one where a failure stands, the cluster is as far as the run
/// that failed was to take it, and nothing is unwell any more: somebody put right what that run stopped at, and the end
/// of this one says that the failure does not stand.
pub(super) fn nothing_to_do(admitted: &Admitted, plan: &Plan, stands: Option<&Harm>) -> Option<DoorError> {
    let nothing = "neither node groups nor add-ons are behind";
    let Some(Harm { run, target, .. }) = stands else {
        return Some(not_newer(admitted, format!("{nothing}, and there is nothing to do")));
    };
    if *target > admitted.cluster.version {
        let why = format!("{nothing}; the failure of run {run} stands until the cluster is at {target}");
        return Some(not_newer(admitted, why));
    }
    let blocks = plan.blocks().map(|finding| finding.message.clone());
    let unwell: Vec<String> = plan.baseline.unwell().map(str::to_owned).chain(blocks).collect();
    let why = || {
        let unwell = unwell.join("; ");
        format!("{nothing}; the failure of run {run} stands while this is unwell: {unwell}")
    };
    (!unwell.is_empty()).then(|| not_newer(admitted, why()))
}

fn opened(admitted: &Admitted, harm: Option<Harm>, now: Timestamp) -> Opened {
    let Admitted { request, cluster, target, policy, calendar } = admitted;
    Opened {
        cluster: cluster.arn.clone(),
        cluster_created_at: cluster.created_at,
        from: cluster.version,
        target: *target,
        policy: policy.clone(),
        campaign: request.campaign.clone(),
        reason: request.reason.clone(),
        support_ends: support_ends(cluster, calendar, now),
        roll_back: request.roll_back,
        launch_templates: request.launch_templates.clone(),
        harm,
    }
}

/// When support of the cluster's minor ends: the standard one, or the extended one where it is in that already.
fn support_ends(cluster: &Cluster, calendar: &Calendar, now: Timestamp) -> Option<Timestamp> {
    let release = calendar.get(cluster.version)?;
    release.standard_until.filter(|until| *until > now).or(release.extended_until)
}

fn held(cluster: &ClusterName, lease: &Lease) -> DoorError {
    DoorError::LeaseHeld {
        cluster: cluster.clone(),
        run: lease.run.clone(),
        execution: lease.execution.to_string(),
    }
}

fn not_newer(admitted: &Admitted, why: String) -> DoorError {
    DoorError::TargetNotNewer {
        cluster: admitted.cluster.arn.name.clone(),
        current: admitted.cluster.version,
        target: admitted.target,
        why,
    }
}

fn consent_wanted(admitted: &Admitted) -> DoorError {
    let cluster = admitted.cluster.arn.name.clone();
    let how = format!("{} gives the consent and starts it", command::roll_back(&cluster));
    DoorError::ConsentWanted { cluster, what: ConsentScope::RollBack.to_string(), how }
}
