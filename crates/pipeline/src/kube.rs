//! The kube function: changes the inside of clusters, and the Auto Scaling groups behind nodes that EKS does not
//! manage. The only one that may.
//!
//! As in [`crate::act`], what is meant stands in the ledger before its effect. Unlike a call of EKS's, every effect
//! here may be repeated, so whoever follows one that died makes it again and need not ask what became of it. A roll
//! is gone on with in slices of some minutes: between them everything is decided anew.

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::cluster::{Cluster, Found};
use eks_upgrade_core::contract::{ActAnswer, ActRequest};
use eks_upgrade_core::control::{ConsentScope, Controls};
use eks_upgrade_core::decide::calls_back;
use eks_upgrade_core::guard::{self, Verdict as Guard, guard};
use eks_upgrade_core::hold::{Hold, hold};
use eks_upgrade_core::ids::{Token, UpdateId};
use eks_upgrade_core::inside::WorkloadKind;
use eks_upgrade_core::ledger::{Event, Phase, RunState};
use eks_upgrade_core::observe::World;
use eks_upgrade_core::plan::{Step, StepKind};
use eks_upgrade_core::policy::NodeStrategy;
use eks_upgrade_core::remedy::{self, Failure, Refusal, Remedy};
use eks_upgrade_core::roll::{self, Held, Move, Moved, Verdict};
use eks_upgrade_core::waits::seconds_between;
use jiff::Timestamp;

use crate::act::{consent_behind, only_if_free, only_if_meant};
use crate::controls::controls;
use crate::error::{Answer, PipelineError};
use crate::journal::Journal;
use crate::nodes::{Rolling, Wanted};
use crate::observe::look;
use crate::ports::inside::{GroupWrites, InsideWrites, Insides, Inspects, PodName};
use crate::ports::{Eks, EksDown, Ledger, Pauses, Said};

/// How long one invocation goes on with a roll, in seconds.
const SLICE_S: u32 = 120;
/// The longest pause between two looks at a roll, in seconds.
const PAUSE_S_MAX: u32 = 30;

/// The use case.
pub struct Kube<E, I, G, L, T> {
    /// EKS, to read.
    pub eks: E,
    /// The inside of clusters, to read and to write.
    pub inside: I,
    /// The groups behind nodes, to read and to write.
    pub groups: G,
    /// The ledger.
    pub ledger: L,
    /// The clock.
    pub time: T,
}

impl<E, I, G, L, T> Kube<E, I, G, L, T>
where
    E: Eks + Inspects,
    I: Insides + InsideWrites,
    G: GroupWrites,
    L: Ledger + Said,
    T: Pauses,
{
    /// Makes the step's change, or goes on with it, or records why it is not made.
    pub async fn act(&self, request: &ActRequest) -> Answer<ActAnswer> {
        let ActRequest { run, fence, step: id, execution, .. } = request;
        let mut journal = Journal::load(&self.ledger, &self.time, run, *fence, execution).await?;
        let step = journal.state.plan.as_ref().and_then(|plan| plan.step(id)).cloned();
        let step = step.filter(|step| step.kind.is_inside()).ok_or_else(|| PipelineError::UnknownWork {
            run: run.clone(),
            what: format!("step {id} for the kube function"),
        })?;
        let text = match journal.state.steps.get(id).map(|progress| &progress.phase) {
            None | Some(Phase::Failed { .. }) => self.begin(&mut journal, &step, request).await?,
            Some(Phase::Intended { token, .. }) => {
                let token = token.clone();
                self.resolve(&mut journal, &step, &token, request).await?
            }
            Some(Phase::InFlight { update, .. })
                if matches!(step.kind, StepKind::SelfManagedNodes { .. }) =>
            {
                let update = update.clone();
                self.go_on(&mut journal, &step, &update).await?
            }
            Some(_) => "nothing left to do".to_owned(),
        };
        Ok(ActAnswer { step: id.clone(), text })
    }

    /// A first try of this attempt: look, guard, write the intent, make the change.
    async fn begin(
        &self,
        journal: &mut Journal<'_, L, T>,
        step: &Step,
        request: &ActRequest,
    ) -> Answer<String> {
        let (said, controls) = self.guarded(journal, step, request).await?;
        match said {
            Guard::Inside => {}
            Guard::Record(event) => {
                journal.record(|state| only_if_free(state, &step.id, (*event).clone())).await?;
                return Ok("withheld; see the ledger".into());
            }
            Guard::Busy(resource) => {
                let held = guard::held_by_nobody_known(step, &resource);
                journal.record(|state| only_if_free(state, &step.id, held.clone())).await?;
                return Ok(format!("{resource} is being changed by somebody else"));
            }
            Guard::Call(_) => return Ok("that is the act function's".into()),
        }
        let consent = consent_behind(step, request.action, &controls, self.time.now());
        let written = journal
            .record(|state| {
                let attempt = state.steps.get(&step.id).map_or(0, |progress| progress.attempt) + 1;
                let revision = state.plan.as_ref().map_or(0, |plan| plan.revision);
                let token = Token::of(&state.run, revision, &step.id, attempt);
                let intended = Event::Intended {
                    step: step.id.clone(),
                    attempt,
                    token,
                    request: step.kind.to_string(),
                    action: request.action,
                    consent: consent.clone(),
                };
                only_if_free(state, &step.id, intended)
            })
            .await?;
        match written.first() {
            Some(Event::Intended { token, .. }) => self.make(journal, step, token).await,
            _ => Ok("another try was faster".into()),
        }
    }

    /// What the guard says now, and what people have said that it went by.
    async fn guarded(
        &self,
        journal: &Journal<'_, L, T>,
        step: &Step,
        request: &ActRequest,
    ) -> Answer<(Guard, Controls)> {
        let cluster = &journal.state.opened.cluster;
        let mut world = World::default();
        look(&self.eks, cluster, guard::queries(step, None), &mut world).await?;
        let controls = controls(&self.ledger, cluster, None).await?;
        let said = guard(&journal.state, step, request.action, &world, &controls, self.time.now());
        Ok((said, controls))
    }

    /// An attempt that was meant, and of which no more is known. Since then a window may have closed, or somebody may have
    /// moved the control plane: what may no longer be made is closed as refused.
    async fn resolve(
        &self,
        journal: &mut Journal<'_, L, T>,
        step: &Step,
        token: &Token,
        request: &ActRequest,
    ) -> Answer<String> {
        let event = match self.guarded(journal, step, request).await?.0 {
            Guard::Inside => return self.make(journal, step, token).await,
            Guard::Call(_) => return Ok("that is the act function's".into()),
            Guard::Record(event) => *event,
            Guard::Busy(resource) => guard::held_by_nobody_known(step, &resource),
        };
        if let Event::Withheld { failure, .. } = &event {
            return self.refused(journal, step, token, failure).await;
        }
        journal.record(|state| only_if_meant(state, &step.id, token, vec![event.clone()])).await?;
        Ok("satisfied already".into())
    }

    /// Makes the change that was meant.
    async fn make(&self, journal: &mut Journal<'_, L, T>, step: &Step, token: &Token) -> Answer<String> {
        let cluster = journal.state.opened.cluster.clone();
        if let Some(text) = self.stopped(journal, step, token).await? {
            return Ok(text);
        }
        tracing::info!(%cluster, step = %step.id, "changing the cluster's inside");
        let made = match &step.kind {
            StepKind::CoreComponent { name, to, .. } => self.inside.set_image(&cluster, name, to).await,
            StepKind::FargatePods { workloads, .. } => self.restart(&cluster, workloads, token).await,
            _ => Ok(()),
        };
        match made {
            Ok(()) => self.started(journal, step, token).await,
            Err(down) if down.denied => {
                self.refused(journal, step, token, &remedy::of_refusal(&denied(&down))).await
            }
            Err(down) => Err(down.into()),
        }
    }

    async fn restart(
        &self,
        cluster: &ClusterArn,
        workloads: &[String],
        token: &Token,
    ) -> Result<(), EksDown> {
        for workload in workloads {
            if let Some((kind, name)) = workload_of(workload) {
                self.inside.restart(cluster, kind, &name, token.as_str()).await?;
            }
        }
        Ok(())
    }

    /// The change is under way: from now on it is watched; a roll is gone on with at once.
    async fn started(&self, journal: &mut Journal<'_, L, T>, step: &Step, token: &Token) -> Answer<String> {
        let Some(update) = change_of(token) else { return Ok("no name for it".into()) };
        journal
            .record(|state| {
                let attempt = state.steps.get(&step.id).map_or(0, |progress| progress.attempt);
                let (step, update) = (step.id.clone(), update.clone());
                let id = step.clone();
                only_if_meant(
                    state,
                    &id,
                    token,
                    vec![Event::Started { step, attempt, update, adopted: false }],
                )
            })
            .await?;
        match step.kind {
            StepKind::SelfManagedNodes { .. } => self.go_on(journal, step, &update).await,
            _ => Ok("made; its rollout is watched".into()),
        }
    }

    /// Whether the kill switch is thrown, read strongly: then an intent is closed, and nothing is changed.
    async fn stopped(
        &self,
        journal: &mut Journal<'_, L, T>,
        step: &Step,
        token: &Token,
    ) -> Answer<Option<String>> {
        let Some(switch) = self.ledger.kill_switch().await?.filter(|switch| switch.thrown) else {
            // An intent may have been written by a holder of the lease that has lost it since.
            journal.confirm().await?;
            return Ok(None);
        };
        let message = format!("not changed: the kill switch, thrown by {} ({})", switch.by, switch.reason);
        let refusal = Refusal { status: 409, name: "KillSwitch".into(), message };
        self.refused(journal, step, token, &remedy::of_refusal(&refusal)).await.map(Some)
    }

    async fn refused(
        &self,
        journal: &mut Journal<'_, L, T>,
        step: &Step,
        token: &Token,
        failure: &Failure,
    ) -> Answer<String> {
        let text = format!("refused: {}", failure.message);
        journal
            .record(|state| {
                let attempt = state.steps.get(&step.id).map_or(0, |progress| progress.attempt);
                let refused = Event::Refused { step: step.id.clone(), attempt, failure: failure.clone() };
                only_if_meant(state, &step.id, token, vec![refused])
            })
            .await?;
        Ok(text)
    }

    /// One slice of a roll.
    async fn go_on(&self, journal: &mut Journal<'_, L, T>, step: &Step, update: &UpdateId) -> Answer<String> {
        let began = self.time.now();
        loop {
            let slice = self.pass(journal, step, update, began).await;
            let slice = slice.map_err(|error| error.with_paused(journal.state.paused_autoscaler()))?;
            let left_s = SLICE_S.saturating_sub(seconds_between(began, self.time.now()));
            match slice {
                Slice::Over(text) => return Ok(text),
                Slice::Again(text) if left_s == 0 => return Ok(text),
                Slice::Again(_) => {}
                Slice::Pause { seconds, text } => {
                    self.time.pause(seconds.clamp(1, PAUSE_S_MAX).min(left_s.max(1))).await;
                    if left_s <= seconds {
                        return Ok(text);
                    }
                }
            }
        }
    }

    /// One look, and what follows from it.
    async fn pass(
        &self,
        journal: &mut Journal<'_, L, T>,
        step: &Step,
        update: &UpdateId,
        began: Timestamp,
    ) -> Answer<Slice> {
        let arn = journal.state.opened.cluster.clone();
        let controls = controls(&self.ledger, &arn, None).await?;
        if let Some(switch) = controls.thrown() {
            return Ok(Slice::Over(format!("the kill switch, thrown by {} ({})", switch.by, switch.reason)));
        }
        let now = self.time.now();
        let Found::Is(cluster) = self.eks.cluster(&arn).await? else {
            return Ok(Slice::Over("the cluster is gone".into()));
        };
        if cluster.created_at != journal.state.opened.cluster_created_at {
            return Ok(Slice::Over("the cluster is another one by now".into()));
        }
        let Some(wanted) = wanted(&journal.state, step, &cluster, &controls, now) else {
            return Ok(Slice::Over("nothing is rolled".into()));
        };
        let holds = hold(&journal.state, step, &controls, now);
        let long = holds.as_ref().is_some_and(Hold::is_long);
        let (held, never) = match holds {
            None => (None, None),
            Some(Hold::Until { text, .. } | Hold::PlanAgain { reason: text }) => (Some(text), None),
            Some(Hold::Approval { before, .. }) => (Some(format!("a yes to {before}")), None),
            Some(Hold::Never { code, message, next_action }) => {
                let (code, resources, remedy) = (code.into(), Vec::new(), Remedy::Stop);
                (None, Some(Failure { code, message, resources, remedy, next_action }))
            }
        };
        if let Some(failure) = calls_back(&journal.state, &cluster, now).or(never)
            && let Some(text) = give_up(journal, step, update, &failure).await?
        {
            let under_way = in_flight_s(&journal.state, step, now).is_some();
            return Ok(if under_way { Slice::Again(text) } else { Slice::Over(text) });
        }
        let held = held.as_deref().map(|why| Held { why, long });
        let roll = journal.state.steps.get(&step.id).and_then(|progress| progress.roll.clone());
        let rolling = Rolling { inside: &self.inside, groups: &self.groups };
        match rolling.pass(&arn, &wanted, roll.as_ref(), held, now).await {
            Verdict::Do(moves) => self.make_moves(journal, step, &wanted, moves).await,
            Verdict::Wait { seconds, text } => Ok(Slice::Pause { seconds, text }),
            Verdict::Done => {
                let duration_s = in_flight_s(&journal.state, step, self.time.now())
                    .unwrap_or_else(|| seconds_between(began, now));
                let (step, update) = (step.id.clone(), update.clone());
                let over = Event::Succeeded { step, update, duration_s };
                end(journal, &over, "every node is replaced".into()).await
            }
            Verdict::Failed(failure) => {
                let duration_s = in_flight_s(&journal.state, step, self.time.now()).unwrap_or(0);
                let text = failure.message.clone();
                let (step, update) = (step.id.clone(), update.clone());
                let over = Event::Failed { step, update, duration_s, failure };
                end(journal, &over, text).await
            }
        }
    }

    /// Makes the moves in their order, each after its line; the kill switch and the lease are asked before each.
    async fn make_moves(
        &self,
        journal: &mut Journal<'_, L, T>,
        step: &Step,
        wanted: &Wanted,
        moves: Vec<Move>,
    ) -> Answer<Slice> {
        let arn = journal.state.opened.cluster.clone();
        let rolling = Rolling { inside: &self.inside, groups: &self.groups };
        let mut pause = roll::pause_after(&moves);
        for one in moves {
            if self.ledger.kill_switch().await?.is_some_and(|switch| switch.thrown) {
                return Ok(Slice::Over("the kill switch is thrown".into()));
            }
            match one {
                Move::Do(meant) => {
                    let line = Event::Rolled { step: step.id.clone(), moved: meant.clone() };
                    journal.record(|_| vec![line.clone()]).await?;
                    let roll = journal.state.steps.get(&step.id).and_then(|progress| progress.roll.clone());
                    let Some(roll) = roll else { return Ok(Slice::Over("the roll is over".into())) };
                    let learned = rolling.make(&arn, wanted, &meant, &roll).await?;
                    if learned.is_none() && matches!(meant, Moved::Meant { .. }) {
                        // Denied, and not to be given up: somebody may give the permission.
                        pause = Some(PAUSE_S_MAX);
                        break;
                    }
                    if let Some(moved) = learned {
                        let line = Event::Rolled { step: step.id.clone(), moved };
                        journal.record(|_| vec![line.clone()]).await?;
                    }
                }
                Move::Evict { namespace, name, uid } => {
                    journal.confirm().await?;
                    let pod = PodName { namespace, name, uid: Some(uid).filter(|uid| !uid.is_empty()) };
                    if let Some(moved) = rolling.evict(&arn, &pod).await? {
                        let line = Event::Rolled { step: step.id.clone(), moved };
                        journal.record(|_| vec![line.clone()]).await?;
                    }
                }
            }
        }
        let text = "under way".to_owned();
        Ok(pause.map_or_else(
            || Slice::Again(text.clone()),
            |seconds| Slice::Pause { seconds, text: text.clone() },
        ))
    }
}

/// What one look came to.
enum Slice {
    /// Nothing more to do in this invocation.
    Over(String),
    /// Look again at once.
    Again(String),
    /// Look again after a while.
    Pause { seconds: u32, text: String },
}

fn wanted(
    state: &RunState,
    step: &Step,
    cluster: &Cluster,
    controls: &Controls,
    now: Timestamp,
) -> Option<Wanted> {
    let StepKind::SelfManagedNodes { name, to, way, strategy, surge, family, .. } = &step.kind else {
        return None;
    };
    let scope = ConsentScope::Force { node_group: name.clone() };
    Some(Wanted {
        group: name.clone(),
        to: *to,
        control_plane: cluster.version,
        way: *way,
        surge: *surge,
        family: family.clone(),
        drain_limit_s: state.opened.policy.kubernetes.drain_limit_s(),
        may_force: *strategy != NodeStrategy::Rolling || controls.consent(&scope, now).is_some(),
        paused_elsewhere: state.paused_elsewhere(&step.id).cloned(),
        needed_elsewhere: state.needed_elsewhere(&step.id).is_some(),
        since: in_flight_since(state, step).unwrap_or(now),
        token: Token::of(&state.run, state.plan.as_ref().map_or(0, |plan| plan.revision), &step.id, 0),
    })
}

/// Ends a roll, unless another slice has meanwhile. Of two that end at once the second puts Cluster Autoscaler back.
async fn end<L: Ledger, T: Pauses>(
    journal: &mut Journal<'_, L, T>,
    over: &Event,
    text: String,
) -> Answer<Slice> {
    let written = journal.record(|state| only_in_flight(state, over)).await?;
    let (Event::Succeeded { step, .. } | Event::Failed { step, .. }) = over else {
        return Ok(Slice::Over(text));
    };
    let again = written.is_empty() && journal.state.would_leave_paused(step);
    Ok(if again { Slice::Again(text) } else { Slice::Over(text) })
}

/// A roll that is held for good is taken back, and one that was never begun is over; `None` where it is being taken
/// back already.
async fn give_up<L: Ledger, T: Pauses>(
    journal: &mut Journal<'_, L, T>,
    step: &Step,
    update: &UpdateId,
    failure: &Failure,
) -> Answer<Option<String>> {
    let written = journal
        .record(|state| match state.steps.get(&step.id).and_then(|progress| progress.roll.as_ref()) {
            Some(roll) if roll.given_up.is_none() => {
                let moved = Moved::GivenUp { failure: failure.clone(), denied: false };
                vec![Event::Rolled { step: step.id.clone(), moved }]
            }
            Some(_) => Vec::new(),
            None => {
                let (step, update) = (step.id.clone(), update.clone());
                let over = Event::Failed { step, update, duration_s: 0, failure: failure.clone() };
                only_in_flight(state, &over)
            }
        })
        .await?;
    Ok((!written.is_empty()).then(|| failure.message.clone()))
}

fn in_flight_since(state: &RunState, step: &Step) -> Option<Timestamp> {
    match state.steps.get(&step.id).map(|progress| &progress.phase) {
        Some(Phase::InFlight { since, .. }) => Some(*since),
        _ => None,
    }
}

fn in_flight_s(state: &RunState, step: &Step, now: Timestamp) -> Option<u32> {
    in_flight_since(state, step).map(|since| seconds_between(since, now))
}

/// The end of a roll, unless another slice has written it meanwhile.
fn only_in_flight(state: &RunState, over: &Event) -> Vec<Event> {
    let (Event::Succeeded { step, .. } | Event::Failed { step, .. }) = over else { return Vec::new() };
    match state.steps.get(step).map(|progress| &progress.phase) {
        Some(Phase::InFlight { .. }) if !state.would_leave_paused(step) => vec![over.clone()],
        _ => Vec::new(),
    }
}

/// What stands for EKS's update id where we make the change ourselves.
fn change_of(token: &Token) -> Option<UpdateId> {
    let short: String = token.as_str().chars().take(16).collect();
    format!("inside-{short}").parse().ok()
}

fn denied(down: &EksDown) -> Refusal {
    Refusal { status: 403, name: "AccessDenied".into(), message: format!("{}: {}", down.operation, down.why) }
}

/// A workload from its full name: `Deployment shop/web`.
fn workload_of(full: &str) -> Option<(WorkloadKind, PodName)> {
    let (kind, name) = full.split_once(' ')?;
    let (namespace, name) = name.split_once('/')?;
    let kind = match kind {
        "Deployment" => WorkloadKind::Deployment,
        "StatefulSet" => WorkloadKind::StatefulSet,
        _ => return None,
    };
    Some((kind, PodName { namespace: namespace.to_owned(), name: name.to_owned(), uid: None }))
}
