//! A run that is open already: gone on with, waiting for somebody else, or planned anew.

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::cluster::{Cluster, Resource, Status};
use eks_upgrade_core::contract::{PlanAgain, PlanAnswer, PlanWait};
use eks_upgrade_core::decide::{Decision, WaitFor, overdue, turned};
use eks_upgrade_core::ids::{ExecutionArn, UpdateId};
use eks_upgrade_core::ledger::{Ending, Event, Phase, RunState};
use eks_upgrade_core::observe::{NOT_VISIBLE_YET_S, Query, World};
use eks_upgrade_core::plan::Plan;
use eks_upgrade_core::policy::NodeHops;
use eks_upgrade_core::remedy::{Failure, Remedy};
use eks_upgrade_core::waits::{self, seconds_between};
use jiff::Timestamp;

use super::admitted::Admitted;
use super::lease::nothing_to_do;
use super::{PlanRun, by_hand, planned};
use crate::error::Answer;
use crate::journal::Journal;
use crate::observe::{look, update_in_progress};
use crate::ports::inside::Inspects;
use crate::ports::{Durations, Eks, Executions, Ledger, Said, Time};

/// How often EKS is asked whether it shows by now what was done, in seconds.
const NOT_SHOWN_PAUSE_S: u32 = 30;

/// For how long it is waited for that what stands against going on passes by itself, in seconds, and how often it is looked
/// at.
const MAY_PASS_S: u32 = 3600;
const MAY_PASS_PAUSE_S: u32 = 300;

impl<E: Eks + Inspects, L: Ledger + Said + Durations, X: Executions, T: Time> PlanRun<E, L, X, T> {
    /// A run that is open already: resumed, or waiting for somebody else's update before its first plan.
    pub(super) async fn go_on(
        &self,
        mut admitted: Admitted,
        mut journal: Journal<'_, L, T>,
    ) -> Answer<PlanAnswer> {
        if journal.state.plan.is_some() {
            return Ok(self.still(&journal, &admitted.cluster).unwrap_or_else(|| planned(&journal)));
        }
        admitted.stand_by(&journal.state);
        self.watch_them(&mut journal, &admitted.cluster).await?;
        if admitted.cluster.status == Status::Updating {
            return Ok(self.wait_for_them(&journal.state));
        }
        if let Some(answer) = self.still(&journal, &admitted.cluster) {
            return Ok(answer);
        }
        let back = journal.state.opened.roll_back.then(|| by_hand(&admitted));
        if back.is_none()
            && let Some(wait) = self.refresh_insights(&admitted.cluster.arn, journal.state.changed_at).await?
        {
            return Ok(wait);
        }
        let known = self.known(&admitted.cluster.arn, back).await?;
        let plan = self.propose(&admitted, 1, &known).await?;
        if plan.hops.is_empty()
            && let Some(harm) = &journal.state.opened.harm
            && let Some(why) = nothing_to_do(&admitted, &plan, Some(harm))
        {
            let ending = Ending::Halted {
                code: why.name().into(),
                message: why.to_string(),
                next_action: format!(
                    "put right what is named, and see the failure of run {}; then start again",
                    harm.run
                ),
            };
            return Ok(PlanAnswer::Blocked {
                run: journal.state.run.clone(),
                fence: journal.fence(),
                ending,
            });
        }
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

    pub(super) async fn plan_again(
        &self,
        mut admitted: Admitted,
        again: &PlanAgain,
        by: &ExecutionArn,
    ) -> Answer<PlanAnswer> {
        let mut journal = Journal::load(&self.ledger, &self.time, &again.run, again.fence, by).await?;
        let state = journal.state.clone();
        if let Some(answer) = self.still(&journal, &admitted.cluster) {
            return Ok(answer);
        }
        admitted.stand_by(&state);
        if again.nodes_each_hop || state.plan.as_ref().is_some_and(|plan| plan.nodes == NodeHops::EachHop) {
            admitted.policy.nodes = NodeHops::EachHop;
        }
        let revision = state.plan.as_ref().map_or(0, |plan| plan.revision) + 1;
        let back = way_back(&state, again, &admitted);
        // Whatever it is that is answered, the control plane goes up on the new plan's findings alone.
        if back.is_none()
            && admitted.cluster.version < admitted.target
            && let Some(wait) = self.refresh_insights(&admitted.cluster.arn, state.changed_at).await?
        {
            return Ok(wait);
        }
        let known = self.known(&admitted.cluster.arn, back).await?;
        let mut plan = self.propose(&admitted, revision, &known).await?;
        plan.renewals = renewals(&state);
        if let Some(first) = state.plan.as_ref().filter(|_| plan.rolls_back.is_none()) {
            // What went wrong since the start of the run is not forgiven by planning again.
            plan.baseline = first.baseline.kept(plan.baseline);
        }
        if let Some(wait) = not_shown_yet(&journal.state, &plan, self.time.now()) {
            return Ok(wait);
        }
        if let Some(wait) = self.may_pass(&mut journal, &plan).await? {
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

    /// What stands against going on may pass by itself: a server that cannot be reached just now, a budget without room. A run
    /// that has begun is not ended for it before an hour is over; the ledger has when that hour began.
    async fn may_pass(&self, journal: &mut Journal<'_, L, T>, plan: &Plan) -> Answer<Option<PlanAnswer>> {
        let Some(first) = plan.blocks().next().filter(|_| plan.rolls_back.is_none()) else { return Ok(None) };
        let text = format!("what stands against the plan to pass: {} {}", first.code, first.subject);
        let waits = |state: &RunState| matches!(state.paused, Some((WaitFor::Recovery, _)));
        let paused = Event::Paused { wait_for: WaitFor::Recovery, text: text.clone(), until: None };
        journal.record(|state| if waits(state) { Vec::new() } else { vec![paused.clone()] }).await?;
        let waited_s = seconds_between(journal.state.updated_at, self.time.now());
        Ok((waited_s < MAY_PASS_S).then_some(PlanAnswer::Wait {
            wait_for: PlanWait::Findings,
            seconds: MAY_PASS_PAUSE_S,
            text,
        }))
    }

    pub(super) async fn their_update(&self, cluster: &ClusterArn) -> Answer<Option<UpdateId>> {
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
        let now = self.time.now();
        journal.record(|state| overdue(state, now)).await?;
        if cluster.status == Status::Updating
            && journal.state.foreign.is_empty()
            && let Some(update) = self.their_update(name).await?
        {
            let event = Event::ForeignUpdate { resource: Resource::ControlPlane, update };
            journal.record(|_| vec![event.clone()]).await?;
        }
        Ok(())
    }

    pub(super) fn wait_for_them(&self, state: &RunState) -> PlanAnswer {
        let now = self.time.now();
        let since = state.foreign.values().map(|foreign| foreign.since).min().unwrap_or(now);
        PlanAnswer::Wait {
            wait_for: PlanWait::OtherUpdate,
            seconds: waits::UNKNOWN.pause_s(since, now),
            text: "somebody else is updating the cluster".into(),
        }
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

/// How many plans of the run were made anew for their age alone, with the one that is made now: no step asks for it.
fn renewals(state: &RunState) -> u32 {
    let asks = |phase: &Phase| match phase {
        Phase::Failed { failure, .. } => {
            matches!(failure.remedy, Remedy::Replan { .. } | Remedy::RollBack)
        }
        _ => false,
    };
    let before = state.plan.as_ref().map_or(0, |plan| plan.renewals);
    before + u32::from(!state.steps.values().any(|progress| asks(&progress.phase)))
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
