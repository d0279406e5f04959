//! The decide function: looks, records what the look shows, and answers what to do now. Reads EKS only.

use eks_upgrade_core::contract::{ActAnswer, CloseAnswer, DecideRequest};
use eks_upgrade_core::decide::{Decision, NextHop, decide, next_hop};
use eks_upgrade_core::ids::{ExecutionArn, Fence, RunId, StepId};
use eks_upgrade_core::ledger::{Ending, Phase, RunState};
use eks_upgrade_core::observe::{self, World};
use eks_upgrade_core::plan::Hop;
use eks_upgrade_core::report;

use crate::error::{Answer, PipelineError};
use crate::journal::Journal;
use crate::observe::look;
use crate::ports::{Eks, EksDown, Ledger, Time};

/// The use case.
pub struct Decide<E, L, T> {
    /// EKS, to read.
    pub eks: E,
    /// The ledger.
    pub ledger: L,
    /// The clock.
    pub time: T,
}

/// What was answered, by what was asked; on the wire just the answer.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum Decided {
    /// To [`DecideRequest::NextHop`].
    NextHop(NextHop),
    /// To [`DecideRequest::Decide`].
    Decision(Decision),
    /// To [`DecideRequest::Verify`].
    Verified(ActAnswer),
    /// To [`DecideRequest::Close`].
    Closed(Box<CloseAnswer>),
}

impl<E: Eks, L: Ledger, T: Time> Decide<E, L, T> {
    /// Answers one question.
    pub async fn answer(&self, request: &DecideRequest) -> Answer<Decided> {
        match request {
            DecideRequest::NextHop { run, fence, execution } => {
                let journal = self.load(run, *fence, execution).await?;
                let next = next_hop(&journal.state).ok_or_else(|| unknown(run, "plan"))?;
                Ok(Decided::NextHop(next))
            }
            DecideRequest::Decide { run, fence, hop, execution } => {
                self.decide(run, *fence, *hop, execution).await.map(Decided::Decision)
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

    async fn decide(&self, run: &RunId, fence: Fence, at: usize, by: &ExecutionArn) -> Answer<Decision> {
        let mut journal = self.load(run, fence, by).await?;
        let hop = hop_at(&journal.state, at)?.clone();
        let name = journal.state.opened.cluster.name.clone();
        let mut world = World::default();
        // Each look may end an update and so make further steps ready, which then want a look of their own.
        loop {
            let open: std::collections::BTreeSet<_> = observe::queries(&journal.state, &hop)
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
        let decision = decide(&journal.state, &hop, &world, self.time.now());
        tracing::info!(%run, hop = at, ?decision, "decided");
        Ok(decision)
    }

    async fn verify(&self, run: &RunId, fence: Fence, id: &StepId, by: &ExecutionArn) -> Answer<ActAnswer> {
        let mut journal = self.load(run, fence, by).await?;
        let hop = hop_of(&journal.state, id).ok_or_else(|| unknown(run, &format!("step {id}")))?.clone();
        let step = hop.steps.iter().find(|step| step.id == *id).cloned();
        let step = step.ok_or_else(|| unknown(run, &format!("step {id}")))?;
        let name = journal.state.opened.cluster.name.clone();
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
        journal.close(ending).await?;
        let ending = journal.state.ended.clone().unwrap_or(Ending::Completed);
        let notification = report::of_end(&journal.state, &ending);
        Ok(CloseAnswer { run: run.clone(), ending, notification })
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
