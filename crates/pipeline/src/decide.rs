//! The decide function: looks, records what the look shows, and answers what to do now. Reads EKS only.

use eks_upgrade_core::contract::{ActAnswer, ApprovalAsked, CloseAnswer, DecideRequest};
use eks_upgrade_core::control::{self, Approval, Controls, Subject};
use eks_upgrade_core::decide::{Decision, NextHop, WaitFor, decide, next_hop, overdue};
use eks_upgrade_core::ids::{ApprovalId, ExecutionArn, Fence, RunId, StepId, TaskToken};
use eks_upgrade_core::ledger::{Ending, Event, Phase, RunState, Standing};
use eks_upgrade_core::observe::{self, World};
use eks_upgrade_core::plan::Hop;
use eks_upgrade_core::waits::later;
use jiff::{SignedDuration, Timestamp};

use crate::controls::controls;
use crate::error::{Answer, PipelineError};
use crate::journal::Journal;
use crate::observe::look;
use crate::ports::inside::Inspects;
use crate::ports::{Durations, Eks, EksDown, Ledger, Said, Time};

/// The use case.
pub struct Decide<E, L, T> {
    /// EKS, to read.
    pub eks: E,
    /// The ledger.
    pub ledger: L,
    /// The clock.
    pub time: T,
}

/// One round of deciding: all that the decision follows from, and the decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// The number of the ledger's last line when it was decided.
    pub seq: u32,
    /// What was looked at.
    pub world: World,
    /// What people had said.
    pub controls: Controls,
    /// When it was decided.
    pub now: Timestamp,
    /// What was decided.
    pub decision: Decision,
}

/// What was answered, by what was asked; on the wire just the answer.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum Decided {
    /// To [`DecideRequest::NextHop`].
    NextHop(NextHop),
    /// To [`DecideRequest::Decide`].
    Decision(Decision),
    /// To [`DecideRequest::Ask`].
    Asked(ApprovalAsked),
    /// To [`DecideRequest::Verify`].
    Verified(ActAnswer),
    /// To [`DecideRequest::Close`].
    Closed(Box<CloseAnswer>),
}

impl<E: Eks + Inspects, L: Ledger + Said + Durations, T: Time> Decide<E, L, T> {
    /// Answers one question.
    pub async fn answer(&self, request: &DecideRequest) -> Answer<Decided> {
        match request {
            DecideRequest::NextHop { run, fence, execution } => {
                let journal = self.load(run, *fence, execution).await?;
                let next = next_hop(&journal.state).ok_or_else(|| unknown(run, "plan"))?;
                Ok(Decided::NextHop(next))
            }
            DecideRequest::Decide { run, fence, hop, execution } => {
                let round = self.round(run, *fence, *hop, execution).await?;
                Ok(Decided::Decision(round.decision))
            }
            DecideRequest::Ask { run, fence, approval, token, execution } => {
                self.ask((run, *fence, execution), approval, token).await.map(Decided::Asked)
            }
            DecideRequest::Verify { run, fence, step, execution } => {
                self.verify(run, *fence, step, execution).await.map(Decided::Verified)
            }
            DecideRequest::Close { run, fence, ending, execution } => {
                let closed = self.close(run, *fence, ending.clone(), execution).await?;
                Ok(Decided::Closed(Box::new(closed)))
            }
        }
    }

    async fn load(&self, run: &RunId, fence: Fence, by: &ExecutionArn) -> Answer<Journal<'_, L, T>> {
        Journal::load(&self.ledger, &self.time, run, fence, by).await
    }

    /// Looks at the hop at this place of the plan, records what the look shows, and decides.
    pub async fn round(&self, run: &RunId, fence: Fence, at: usize, by: &ExecutionArn) -> Answer<Round> {
        let mut journal = self.load(run, fence, by).await?;
        let decided = self.decide_of(&mut journal, at).await;
        decided.map_err(|error| error.with_paused(journal.state.paused_autoscaler()))
    }

    async fn decide_of(&self, journal: &mut Journal<'_, L, T>, at: usize) -> Answer<Round> {
        let run = journal.state.run.clone();
        let hop = hop_at(&journal.state, at)?.clone();
        let name = journal.state.opened.cluster.clone();
        let controls = controls(&self.ledger, &name, Some(&journal.state)).await?;
        let now = self.time.now();
        journal.record(|state| control::settle(state, &controls, now)).await?;
        let mut world = World::default();
        // Each look may end an update and so make further steps ready, which then want a look of their own.
        loop {
            let open: std::collections::BTreeSet<_> =
                observe::queries(&journal.state, &hop, &world, self.time.now())
                    .into_iter()
                    .filter(|query| !world.answers(query))
                    .collect();
            if open.is_empty() {
                break;
            }
            look(&self.eks, &name, open, &mut world).await?;
            let now = self.time.now();
            journal.record(|state| observe::settle(state, &hop, &world, now)).await?;
        }
        let now = self.time.now();
        journal.record(|state| overdue(state, now)).await?;
        let seq = journal.state.seq;
        let decision = decide(&journal.state, &hop, &world, &controls, now);
        journal.record(|state| said_of(state, &decision, now)).await?;
        if matches!(decision, Decision::Replan { .. }) {
            // The next plan does not have the steps that are done.
            self.learn(&journal.state).await;
        }
        tracing::info!(%run, hop = at, ?decision, "decided");
        Ok(Round { seq, world, controls, now, decision })
    }

    async fn ask(
        &self,
        (run, fence, by): (&RunId, Fence, &ExecutionArn),
        id: &ApprovalId,
        token: &TaskToken,
    ) -> Answer<ApprovalAsked> {
        let journal = self.load(run, fence, by).await?;
        journal.confirm().await?;
        let state = &journal.state;
        let Some(Standing::Asked { before, expires_at }) = state.approvals.get(id) else {
            return Err(unknown(run, &format!("open question {id}")));
        };
        let approval = Approval {
            id: id.clone(),
            subject: Subject::Run { run: run.clone(), cluster: state.opened.cluster.clone() },
            before: before.clone(),
            asked_at: self.time.now(),
            expires_at: *expires_at,
            answered: None,
        };
        self.ledger.ask(&approval, Some(token)).await?;
        Ok(ApprovalAsked { approval: id.clone() })
    }

    async fn verify(&self, run: &RunId, fence: Fence, id: &StepId, by: &ExecutionArn) -> Answer<ActAnswer> {
        let mut journal = self.load(run, fence, by).await?;
        let hop = hop_of(&journal.state, id).ok_or_else(|| unknown(run, &format!("step {id}")))?.clone();
        let step = hop.steps.iter().find(|step| step.id == *id).cloned();
        let step = step.ok_or_else(|| unknown(run, &format!("step {id}")))?;
        let name = journal.state.opened.cluster.clone();
        let mut world = World::default();
        look(&self.eks, &name, observe::queries_to_verify(&journal.state, &hop), &mut world).await?;
        if observe::verify(&journal.state, &hop, &step, &world).is_none() {
            let why = "something that the hop touched could not be looked at".to_owned();
            return Err(EksDown { operation: "verify", denied: false, why }.into());
        }
        let written = journal
            .record(|state| match state.steps.get(id).map(|progress| &progress.phase) {
                None | Some(Phase::Failed { .. }) => {
                    observe::verify(state, &hop, &step, &world).into_iter().collect()
                }
                Some(_) => Vec::new(),
            })
            .await?;
        let text = if written.is_empty() { "verified before" } else { "looked at; see the ledger" };
        Ok(ActAnswer { step: id.clone(), text: text.into() })
    }

    async fn close(
        &self,
        run: &RunId,
        fence: Fence,
        ending: Ending,
        by: &ExecutionArn,
    ) -> Answer<CloseAnswer> {
        let mut journal = self.load(run, fence, by).await?;
        let first = journal.state.ended.is_none();
        let ending = ending.with_paused(journal.state.paused_autoscaler());
        let ending = journal.close(ending).await?;
        if first {
            self.learn(&journal.state).await;
        }
        Ok(CloseAnswer { run: run.clone(), ending })
    }

    /// Takes in how long this run's steps took. What is lost here costs precision, nothing else.
    async fn learn(&self, state: &RunState) {
        let Ok(mut learned) = self.ledger.learned().await else { return };
        let Some(plan) = &state.plan else { return };
        let before = learned.clone();
        for step in plan.steps() {
            if let Some(took_s) = state.steps.get(&step.id).and_then(|progress| progress.took_s) {
                learned.learn(&step.kind, took_s);
            }
        }
        if learned != before
            && let Err(down) = self.ledger.learn(&learned).await
        {
            tracing::warn!(%down, "what was learned is lost");
        }
    }
}

/// What a decision not to act yet says to people, once.
fn said_of(state: &RunState, decision: &Decision, now: Timestamp) -> Vec<Event> {
    match decision {
        Decision::Ask { approval, before, expires_at, .. } if !state.approvals.contains_key(approval) => {
            let (approval, before) = (approval.clone(), before.clone());
            vec![Event::ApprovalAsked { approval, before, expires_at: *expires_at }]
        }
        Decision::Wait { wait_for, seconds, text }
            if matches!(wait_for, WaitFor::Window | WaitFor::KillSwitch | WaitFor::Recovery) =>
        {
            let until = (*wait_for == WaitFor::Window).then(|| later(now, *seconds));
            // A window's opening does not move; the seconds to it are counted anew each time.
            let same = state.paused.is_some_and(|(before, end)| {
                before == *wait_for
                    && end
                        .zip(until)
                        .is_none_or(|(a, b)| a.duration_since(b).abs() < SignedDuration::from_mins(5))
            });
            if same {
                Vec::new()
            } else {
                vec![Event::Paused { wait_for: *wait_for, text: text.clone(), until }]
            }
        }
        _ => Vec::new(),
    }
}

fn hop_at(state: &RunState, at: usize) -> Answer<&Hop> {
    let hop = state.plan.as_ref().and_then(|plan| plan.hops.get(at));
    hop.ok_or_else(|| unknown(&state.run, &format!("hop {at}")))
}

fn hop_of<'a>(state: &'a RunState, id: &StepId) -> Option<&'a Hop> {
    state.plan.as_ref()?.hops.iter().find(|hop| hop.steps.iter().any(|step| step.id == *id))
}

fn unknown(run: &RunId, what: &str) -> PipelineError {
    PipelineError::UnknownWork { run: run.clone(), what: what.to_owned() }
}
