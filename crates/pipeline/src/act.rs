//! The act function: makes the one mutating call of one step, with a line in the ledger before and after.
//!
//! It may die anywhere. What it meant stands in the ledger; the next try first looks whether the update
//! began, and only then calls, with the same token.

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::cluster::{Found, Resource, Update, UpdateStatus};
use eks_upgrade_core::contract::{ActAnswer, ActRequest};
use eks_upgrade_core::control::{ConsentScope, Controls};
use eks_upgrade_core::decide::ActionName;
use eks_upgrade_core::guard::{self, Call, Verdict, guard};
use eks_upgrade_core::ids::{ConsentId, RunId, StepId, Token, UpdateId};
use eks_upgrade_core::ledger::{Event, Phase, RunState};
use eks_upgrade_core::observe::World;
use eks_upgrade_core::plan::{Step, StepKind};
use eks_upgrade_core::remedy::{self, Refusal};
use jiff::{SignedDuration, Timestamp};

use crate::controls::controls;
use crate::error::{Answer, PipelineError};
use crate::journal::Journal;
use crate::observe::{look, recent_updates, update_in_progress};
use crate::ports::inside::Inspects;
use crate::ports::{CallError, Eks, EksWrites, Ledger, Said, Time};

/// How much earlier than our own line an update of ours may seem to have begun: clocks differ.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(30);

/// The use case.
pub struct Act<E, L, T> {
    /// EKS, to read and to write.
    pub eks: E,
    /// The ledger.
    pub ledger: L,
    /// The clock.
    pub time: T,
}

impl<E: Eks + Inspects + EksWrites, L: Ledger + Said, T: Time> Act<E, L, T> {
    /// Makes the step's call, or records why it is not made.
    pub async fn act(&self, request: &ActRequest) -> Answer<ActAnswer> {
        let ActRequest { run, fence, step: id, execution, .. } = request;
        let mut journal = Journal::load(&self.ledger, &self.time, run, *fence, execution).await?;
        let step = journal.state.plan.as_ref().and_then(|plan| plan.step(id)).cloned();
        let step =
            step.ok_or_else(|| PipelineError::UnknownWork { run: run.clone(), what: format!("step {id}") })?;
        if step.kind.is_inside() {
            return Err(not_ours(&step, run));
        }
        let name = journal.state.opened.cluster.clone();

        let text = match journal.state.steps.get(id).map(|progress| &progress.phase) {
            Some(
                Phase::Done { .. } | Phase::InFlight { .. } | Phase::Baking { .. } | Phase::Following { .. },
            ) => "nothing left to do".to_owned(),
            Some(Phase::Intended { token, since }) => {
                let (token, since) = (token.clone(), *since);
                self.resolve(&mut journal, &name, &step, request, &token, since).await?
            }
            None | Some(Phase::Failed { .. }) => self.begin(&mut journal, &name, &step, request).await?,
        };
        Ok(ActAnswer { step: id.clone(), text })
    }

    /// A first try of this attempt: look, guard, write the intent, call.
    async fn begin(
        &self,
        journal: &mut Journal<'_, L, T>,
        cluster: &ClusterArn,
        step: &Step,
        request: &ActRequest,
    ) -> Answer<String> {
        let world = self.look_for(cluster, step).await?;
        let controls = controls(&self.ledger, cluster, None).await?;
        match guard(&journal.state, step, request.action, &world, &controls, self.time.now()) {
            Verdict::Record(event) => {
                journal.record(|state| only_if_free(state, &step.id, (*event).clone())).await?;
                Ok("withheld; see the ledger".into())
            }
            Verdict::Busy(resource) => self.stand_back(journal, cluster, step, &resource).await,
            Verdict::Inside => Err(not_ours(step, &journal.state.run)),
            Verdict::Call(call) => {
                let text = call.to_string();
                let action = request.action;
                let consent = consent_behind(step, action, &controls, self.time.now());
                let written = journal
                    .record(|state| {
                        let attempt = state.steps.get(&step.id).map_or(0, |progress| progress.attempt) + 1;
                        let revision = state.plan.as_ref().map_or(0, |plan| plan.revision);
                        let token = Token::of(&state.run, revision, &step.id, attempt);
                        let intended = Event::Intended {
                            step: step.id.clone(),
                            attempt,
                            token,
                            request: text.clone(),
                            action,
                            consent: consent.clone(),
                        };
                        only_if_free(state, &step.id, intended)
                    })
                    .await?;
                match written.first() {
                    Some(Event::Intended { token, .. }) => {
                        let since = self.time.now();
                        self.call(journal, cluster, step, &call, token, since).await
                    }
                    _ => Ok("another try was faster".into()),
                }
            }
        }
    }

    /// An earlier try died after its intent: find out what became of the call before making it again.
    async fn resolve(
        &self,
        journal: &mut Journal<'_, L, T>,
        cluster: &ClusterArn,
        step: &Step,
        request: &ActRequest,
        token: &Token,
        since: Timestamp,
    ) -> Answer<String> {
        let meant = journal.state.steps.get(&step.id).and_then(|progress| progress.last);
        let meant = meant.unwrap_or(request.action);
        if let Some(call) = guard::call_of(step, meant, &World::default()) {
            let updates = recent_updates(&self.eks, cluster, &call.resource()).await?;
            if let Some(ours) = updates.iter().find(|update| is_ours(&call, update, since)) {
                return started(journal, &step.id, token, &ours.id, true).await;
            }
        }
        if meant != request.action {
            // A token stands for one call: what is due by now gets an attempt, and a line, of its own.
            let refusal = Refusal {
                status: 409,
                name: "AnotherAction".into(),
                message: format!("{meant} was meant and did not begin; {} is due by now", request.action),
            };
            return self.record_refusal(journal, (step, token), &refusal, None).await;
        }
        let world = self.look_for(cluster, step).await?;
        let controls = controls(&self.ledger, cluster, None).await?;
        match guard(&journal.state, step, request.action, &world, &controls, self.time.now()) {
            Verdict::Call(call) => {
                // The intent was written by a holder of the lease that may have lost it since.
                journal.confirm().await?;
                self.call(journal, cluster, step, &call, token, since).await
            }
            Verdict::Inside => Err(not_ours(step, &journal.state.run)),
            Verdict::Busy(resource) => {
                let refusal = Refusal {
                    status: 409,
                    name: "ResourceInUse".into(),
                    message: format!("{resource} is being changed by somebody else"),
                };
                let call = guard::call_of(step, request.action, &world);
                self.refused(journal, cluster, (step, token), (call.as_ref(), since), &resource, &refusal)
                    .await
            }
            Verdict::Record(event) => match *event {
                Event::Withheld { failure, .. } => {
                    let refuse = |state: &RunState| {
                        let attempt = state.steps.get(&step.id).map_or(0, |progress| progress.attempt);
                        let refused =
                            Event::Refused { step: step.id.clone(), attempt, failure: failure.clone() };
                        only_if_meant(state, &step.id, token, vec![refused])
                    };
                    journal.record(refuse).await?;
                    Ok("withheld; see the ledger".into())
                }
                event => {
                    journal
                        .record(|state| only_if_meant(state, &step.id, token, vec![event.clone()]))
                        .await?;
                    Ok("satisfied already".into())
                }
            },
        }
    }

    async fn call(
        &self,
        journal: &mut Journal<'_, L, T>,
        cluster: &ClusterArn,
        step: &Step,
        call: &Call,
        token: &Token,
        since: Timestamp,
    ) -> Answer<String> {
        // The last thing before the call, whatever was read before.
        if let Some(switch) = self.ledger.kill_switch().await?.filter(|switch| switch.thrown) {
            let refusal = Refusal {
                status: 409,
                name: "KillSwitch".into(),
                message: format!("not called: the kill switch, thrown by {} ({})", switch.by, switch.reason),
            };
            return self.record_refusal(journal, (step, token), &refusal, None).await;
        }
        tracing::info!(%cluster, step = %step.id, %call, "calling EKS");
        match self.eks.call(cluster, call, token).await {
            Ok(update) => started(journal, &step.id, token, &update, false).await,
            Err(CallError::Unknown(why)) => Err(PipelineError::FateUnknown { call: call.to_string(), why }),
            Err(CallError::Refused(refusal)) => {
                let resource = call.resource();
                self.refused(journal, cluster, (step, token), (Some(call), since), &resource, &refusal).await
            }
        }
    }

    /// The call was refused. Where something else is under way, it may be this very call's update after all,
    /// its answer lost on an earlier try: then it is adopted, and never asked for again.
    async fn refused(
        &self,
        journal: &mut Journal<'_, L, T>,
        cluster: &ClusterArn,
        (step, token): (&Step, &Token),
        (call, since): (Option<&Call>, Timestamp),
        resource: &Resource,
        refusal: &Refusal,
    ) -> Answer<String> {
        let under_way =
            if refusal.status == 409 { self.update_behind(cluster, resource, refusal).await? } else { None };
        if let (Some(call), Some(update)) = (call, &under_way)
            && is_ours(call, update, since)
        {
            return started(journal, &step.id, token, &update.id, true).await;
        }
        let theirs = under_way.map(|update| (resource, update.id));
        self.record_refusal(journal, (step, token), refusal, theirs.as_ref().map(|(on, id)| (*on, id))).await
    }

    /// Nothing began: the intent is closed, and whoever holds the resource is on record.
    async fn record_refusal(
        &self,
        journal: &mut Journal<'_, L, T>,
        (step, token): (&Step, &Token),
        refusal: &Refusal,
        theirs: Option<(&Resource, &UpdateId)>,
    ) -> Answer<String> {
        let failure = remedy::of_refusal(refusal);
        let text = format!("refused: {}", failure.message);
        journal
            .record(|state| {
                let attempt = state.steps.get(&step.id).map_or(0, |progress| progress.attempt);
                let refused = Event::Refused { step: step.id.clone(), attempt, failure: failure.clone() };
                let theirs = theirs.and_then(|(resource, update)| foreign(state, resource, Some(update)));
                let events = std::iter::once(refused).chain(theirs);
                only_if_meant(state, &step.id, token, events.collect())
            })
            .await?;
        Ok(text)
    }

    /// The update that stands in the way: the one that the refusal names, else whichever is in progress.
    async fn update_behind(
        &self,
        cluster: &ClusterArn,
        resource: &Resource,
        refusal: &Refusal,
    ) -> Answer<Option<Update>> {
        if let Some(id) = remedy::update_in_progress(&refusal.message)
            && let Found::Is(update) = self.eks.update(cluster, resource, &id).await?
        {
            return Ok(Some(update));
        }
        Ok(update_in_progress(&self.eks, cluster, resource).await?)
    }

    /// Somebody else is changing the resource: record it, and come back when they are done.
    async fn stand_back(
        &self,
        journal: &mut Journal<'_, L, T>,
        cluster: &ClusterArn,
        step: &Step,
        resource: &Resource,
    ) -> Answer<String> {
        let theirs = update_in_progress(&self.eks, cluster, resource).await?.map(|update| update.id);
        journal
            .record(|state| {
                let mut events = only_if_free(state, &step.id, guard::held_by_nobody_known(step, resource));
                events.extend(foreign(state, resource, theirs.as_ref()));
                events
            })
            .await?;
        Ok(format!("{resource} is being changed by somebody else"))
    }

    async fn look_for(&self, cluster: &ClusterArn, step: &Step) -> Answer<World> {
        let mut world = World::default();
        look(&self.eks, cluster, guard::queries(step, None), &mut world).await?;
        if let Some(names) = world.node_group_names.clone() {
            look(&self.eks, cluster, guard::queries(step, Some(&names)), &mut world).await?;
        }
        Ok(world)
    }
}

/// What changes the inside of a cluster is the kube function's.
fn not_ours(step: &Step, run: &RunId) -> PipelineError {
    PipelineError::UnknownWork { run: run.clone(), what: format!("step {} for the act function", step.id) }
}

/// The consent that this action takes, where it takes one.
pub(crate) fn consent_behind(
    step: &Step,
    action: ActionName,
    controls: &Controls,
    now: Timestamp,
) -> Option<ConsentId> {
    let scope = match (&step.kind, action) {
        (StepKind::NodeGroup { name, .. }, ActionName::ForceNodeGroup)
        | (StepKind::SelfManagedNodes { name, .. }, _) => ConsentScope::Force { node_group: name.clone() },
        (StepKind::AddOn { name, .. }, ActionName::OverwriteAddOn) => {
            ConsentScope::Overwrite { addon: name.clone() }
        }
        (_, ActionName::RollBackControlPlane | ActionName::SetSupportType) => ConsentScope::RollBack,
        _ => return None,
    };
    controls.consent(&scope, now).map(|consent| consent.id.clone())
}

fn is_ours(call: &Call, update: &Update, since: Timestamp) -> bool {
    let earliest = since.checked_sub(CLOCKS_DIFFER).unwrap_or(since);
    call.matches(update) && update.created_at >= earliest && update.status != UpdateStatus::Cancelled
}

async fn started<L: Ledger, T: Time>(
    journal: &mut Journal<'_, L, T>,
    step: &StepId,
    token: &Token,
    update: &UpdateId,
    adopted: bool,
) -> Answer<String> {
    journal
        .record(|state| {
            let attempt = state.steps.get(step).map_or(0, |progress| progress.attempt);
            let started = Event::Started { step: step.clone(), attempt, update: update.clone(), adopted };
            only_if_meant(state, step, token, vec![started])
        })
        .await?;
    Ok(format!("{} update {update}", if adopted { "adopted" } else { "started" }))
}

fn foreign(state: &RunState, resource: &Resource, theirs: Option<&UpdateId>) -> Option<Event> {
    let known = state.foreign.get(resource).map(|foreign| &foreign.update);
    theirs.filter(|theirs| known != Some(theirs)).map(|theirs| guard::held_by(resource, theirs))
}

/// The event, unless another try has moved the step on meanwhile.
pub(crate) fn only_if_free(state: &RunState, step: &StepId, event: Event) -> Vec<Event> {
    match state.steps.get(step).map(|progress| &progress.phase) {
        None | Some(Phase::Failed { .. }) => vec![event],
        Some(_) => Vec::new(),
    }
}

/// The events, unless another try has moved the step on meanwhile. Whoever was given up for dead and comes back speaks
/// of the attempt with its own token, and never of a later one.
pub(crate) fn only_if_meant(
    state: &RunState,
    step: &StepId,
    token: &Token,
    events: Vec<Event>,
) -> Vec<Event> {
    match state.steps.get(step).map(|progress| &progress.phase) {
        Some(Phase::Intended { token: meant, .. }) if meant == token => events,
        _ => Vec::new(),
    }
}
