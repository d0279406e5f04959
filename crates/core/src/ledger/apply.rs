//! Which event may follow which, and what it makes of a run.

use jiff::Timestamp;

use super::state::{Foreign, InUse, Phase, Progress, RunState, Standing};
use super::{Done, Ending, Entry, Event, LedgerError};
use crate::control::Answer;
use crate::health::Vitals;
use crate::ids::{ApprovalId, StepId, UpdateId};
use crate::plan::{Plan, StepKind};
use crate::remedy::{Failure, Remedy};
use crate::roll::{Moved, Roll};

impl RunState {
    /// Takes one event in, or says why it may not follow. Total; changes nothing when it refuses.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        if self.ended.is_some() {
            return Err(illegal(entry, "the run is over"));
        }
        self.apply_event(entry)?;
        if changes_the_cluster(&entry.event) {
            self.changed_at = Some(entry.at);
        }
        Ok(())
    }

    fn apply_event(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        let at = entry.at;
        match &entry.event {
            Event::Opened(_) => return Err(illegal(entry, "the run is open already")),
            Event::Resumed { .. } => {}
            Event::CalledOff { failure } => self.call_off(failure),
            Event::Planned { plan } => self.take_plan(entry, plan)?,
            Event::Intended { step, attempt, token, action, .. } => {
                self.require_free(entry, step)?;
                self.require_kind(entry, step, "no call", StepKind::changes)?;
                self.keep_paused(step);
                let last = self.steps.get(step);
                if *attempt != last.map_or(0, |progress| progress.attempt) + 1 {
                    return Err(illegal(entry, "attempts are numbered without gaps"));
                }
                let phase = Phase::Intended { token: token.clone(), since: at };
                let progress = self.progress(step, phase);
                progress.attempt = *attempt;
                progress.last = Some(*action);
                // Another attempt begins with the group as it is by now.
                progress.roll = None;
                self.paused = None;
                self.touched = true;
            }
            Event::Started { step, attempt, update, .. } => self.start(entry, step, *attempt, update)?,
            Event::Withheld { step, failure } => {
                self.require_free(entry, step)?;
                self.fail(step, failure, at);
            }
            Event::Refused { step, attempt, failure } => match self.steps.get(step) {
                Some(progress)
                    if progress.attempt == *attempt && matches!(progress.phase, Phase::Intended { .. }) =>
                {
                    self.fail(step, failure, at);
                }
                _ => return Err(illegal(entry, "that attempt was not intended")),
            },
            Event::Succeeded { step, update, duration_s } => {
                self.require_in_flight(entry, step, update)?;
                self.progress(step, Phase::Done { how: Done::Updated }).took_s = Some(*duration_s);
            }
            Event::Failed { step, update, failure, .. } => {
                self.require_in_flight(entry, step, update)?;
                self.fail(step, failure, at);
            }
            Event::Satisfied { step, .. } | Event::Skipped { step, .. } => {
                let how = if matches!(entry.event, Event::Skipped { .. }) {
                    Done::Skipped
                } else {
                    Done::Satisfied
                };
                self.require_kind(entry, step, "no call", StepKind::changes)?;
                self.finish(entry, step, how)?;
            }
            Event::Verified { .. } | Event::NotVerified { .. } => self.apply_verification(entry)?,
            Event::BakeBegan { .. } | Event::Baked { .. } | Event::GateFailed { .. } => {
                self.apply_bake(entry)?;
            }
            Event::Rolled { step, moved } => self.apply_roll(entry, step, moved)?,
            Event::FollowBegan { .. }
            | Event::FollowSeen { .. }
            | Event::Followed { .. }
            | Event::Stalled { .. } => self.apply_follow(entry)?,
            Event::VitalsSeen { vitals } => self.see(vitals, at),
            Event::ApprovalAsked { .. } | Event::ApprovalAnswered { .. } | Event::ApprovalExpired { .. } => {
                self.apply_question(entry)?;
            }
            Event::Paused { wait_for, until, .. } => self.paused = Some((*wait_for, *until)),
            Event::ForeignUpdate { resource, update } => {
                self.foreign.insert(resource.clone(), Foreign { update: update.clone(), since: at });
            }
            Event::ForeignUpdateEnded { resource, update, .. } => {
                if self.foreign.get(resource).is_none_or(|foreign| foreign.update != *update) {
                    return Err(illegal(entry, "no such update was being watched"));
                }
                self.foreign.remove(resource);
            }
            Event::Overdue { update, .. } => {
                let theirs = self.foreign.values().any(|foreign| foreign.update == *update);
                let ours = self.steps.values().any(
                    |progress| matches!(&progress.phase, Phase::InFlight { update: ours, .. } if ours == update),
                );
                if !(ours || theirs) || !self.overdue.insert(update.clone()) {
                    return Err(illegal(entry, "no such update is awaited, or it was said before"));
                }
            }
            Event::Ended(ending) => {
                let through = matches!(ending, Ending::Completed | Ending::RolledBack { .. });
                if through && !self.all_done() {
                    return Err(illegal(entry, "not every step is done"));
                }
                let back = self.plan.as_ref().is_some_and(|plan| plan.rolls_back.is_some());
                if through && back != matches!(ending, Ending::RolledBack { .. }) {
                    return Err(illegal(entry, "the plan goes the other way"));
                }
                self.ended = Some(ending.clone());
            }
        }
        Ok(())
    }

    /// EKS, or the cluster, has taken the call in.
    fn start(
        &mut self,
        entry: &Entry,
        step: &StepId,
        attempt: u32,
        update: &UpdateId,
    ) -> Result<(), LedgerError> {
        let intended = self.steps.get_mut(step).filter(|progress| progress.attempt == attempt);
        let Some(progress) = intended else { return Err(illegal(entry, "that attempt was not intended")) };
        let Phase::Intended { since, .. } = &progress.phase else {
            return Err(illegal(entry, "nothing was intended"));
        };
        let (update, since) = (update.clone(), *since);
        progress.phase = Phase::InFlight { update, since, known_at: entry.at };
        (progress.waits_since, progress.in_use) = (None, None);
        Ok(())
    }

    /// The first reason stands.
    fn call_off(&mut self, failure: &Failure) {
        self.called_off.get_or_insert_with(|| failure.clone());
    }

    fn apply_verification(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        let verifies = |kind: &StepKind| *kind == StepKind::Verify;
        match &entry.event {
            Event::Verified { step, .. } => {
                self.require_kind(entry, step, "no verification", verifies)?;
                self.finish(entry, step, Done::Verified)?;
            }
            Event::NotVerified { step, failure } => {
                self.require_free(entry, step)?;
                self.require_kind(entry, step, "no verification", verifies)?;
                self.fail(step, failure, entry.at).attempt += 1;
            }
            _ => {}
        }
        Ok(())
    }

    fn apply_bake(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        let at = entry.at;
        match &entry.event {
            Event::BakeBegan { step } => {
                self.require_free(entry, step)?;
                self.require_kind(entry, step, "no bake", |kind| matches!(kind, StepKind::Bake { .. }))?;
                self.progress(step, Phase::Baking { since: at });
            }
            Event::Baked { step, .. } => {
                self.require_baking(entry, step)?;
                self.progress(step, Phase::Done { how: Done::Baked });
            }
            Event::GateFailed { step, failure } => {
                self.require_baking(entry, step)?;
                self.fail(step, failure, at);
            }
            _ => {}
        }
        Ok(())
    }

    fn apply_roll(&mut self, entry: &Entry, id: &StepId, moved: &Moved) -> Result<(), LedgerError> {
        let rolls = |kind: &StepKind| matches!(kind, StepKind::SelfManagedNodes { .. });
        self.require_kind(entry, id, "no roll", rolls)?;
        let Some(progress) = self.steps.get_mut(id) else {
            return Err(illegal(entry, "the step has not begun"));
        };
        let before = progress.roll.clone();
        let was_paused = before.as_ref().is_some_and(|roll| roll.paused.is_some());
        let roll = Roll::after(before, moved, entry.at);
        let roll = roll.ok_or_else(|| illegal(entry, "that may not follow in a roll"))?;
        let is_paused = roll.paused.is_some();
        progress.roll = Some(roll);
        match (was_paused, is_paused) {
            (true, false) => self.autoscaler_runs(),
            // What an earlier attempt has left paused is this one's to put back.
            (false, true) => self.left_paused = None,
            _ => {}
        }
        Ok(())
    }

    /// Cluster Autoscaler runs again: a roll that ended while it was paused need not put it back any more.
    fn autoscaler_runs(&mut self) {
        self.left_paused = None;
        let over = |progress: &&mut Progress| !matches!(progress.phase, Phase::InFlight { .. });
        for roll in self.steps.values_mut().filter(over).filter_map(|progress| progress.roll.as_mut()) {
            roll.paused = None;
        }
    }

    /// A roll is forgotten; that it has left Cluster Autoscaler paused is not.
    fn keep_paused(&mut self, id: &StepId) {
        let roll = self.steps.get(id).and_then(|progress| progress.roll.as_ref());
        if let Some(paused) = roll.and_then(|roll| roll.paused.clone()) {
            self.left_paused.get_or_insert(paused);
        }
    }

    fn see(&mut self, vitals: &Vitals, at: Timestamp) {
        let before = self.plan.as_ref().and_then(|plan| plan.baseline.vitals.as_ref());
        let worse = before.is_some_and(|before| !vitals.worse_than(before).is_empty());
        self.worse_since = worse.then(|| self.worse_since.unwrap_or(at));
        self.vitals = Some((vitals.clone(), at));
    }

    fn apply_follow(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        let at = entry.at;
        let follows = |kind: &StepKind| matches!(kind, StepKind::Follow { .. });
        match &entry.event {
            Event::FollowBegan { step, behind } => {
                self.require_free(entry, step)?;
                self.require_kind(entry, step, "no watch", follows)?;
                let phase = Phase::Following { since: at, behind: *behind, unmoved_since: at };
                self.progress(step, phase);
            }
            Event::FollowSeen { step, behind } => {
                let since = self.require_following(entry, step)?;
                self.progress(step, Phase::Following { since, behind: *behind, unmoved_since: at });
            }
            Event::Followed { step, .. } => {
                self.require_following(entry, step)?;
                self.progress(step, Phase::Done { how: Done::Followed });
            }
            Event::Stalled { step, failure } => {
                self.require_following(entry, step)?;
                self.fail(step, failure, at);
            }
            _ => {}
        }
        Ok(())
    }

    fn require_following(&self, entry: &Entry, id: &StepId) -> Result<Timestamp, LedgerError> {
        match self.steps.get(id).map(|progress| &progress.phase) {
            Some(Phase::Following { since, .. }) => Ok(*since),
            _ => Err(illegal(entry, "nothing of it is being watched")),
        }
    }

    fn apply_question(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        match &entry.event {
            Event::ApprovalAsked { approval, before, expires_at } => {
                if self.approvals.contains_key(approval) {
                    return Err(illegal(entry, "it was asked before"));
                }
                let asked = Standing::Asked { before: before.clone(), expires_at: *expires_at };
                self.approvals.insert(approval.clone(), asked);
            }
            Event::ApprovalAnswered { approval, answered, .. } => {
                let by = answered.by.clone();
                let standing = match answered.answer {
                    Answer::Approve => Standing::Approved { by },
                    Answer::Reject => Standing::Rejected { by, reason: answered.reason.clone() },
                };
                self.close_question(entry, approval, standing)?;
            }
            Event::ApprovalExpired { approval, .. } => {
                self.close_question(entry, approval, Standing::Expired)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn close_question(
        &mut self,
        entry: &Entry,
        approval: &ApprovalId,
        standing: Standing,
    ) -> Result<(), LedgerError> {
        match self.approvals.get_mut(approval) {
            Some(open @ Standing::Asked { .. }) => *open = standing,
            _ => return Err(illegal(entry, "no such question is open")),
        }
        Ok(())
    }

    fn require_kind(
        &self,
        entry: &Entry,
        id: &StepId,
        what: &str,
        is: impl Fn(&StepKind) -> bool,
    ) -> Result<(), LedgerError> {
        let step = self.plan.as_ref().and_then(|plan| plan.step(id));
        if step.is_some_and(|step| is(&step.kind)) {
            Ok(())
        } else {
            Err(illegal(entry, &format!("the step makes {what}")))
        }
    }

    fn require_baking(&self, entry: &Entry, id: &StepId) -> Result<(), LedgerError> {
        match self.steps.get(id).map(|progress| &progress.phase) {
            Some(Phase::Baking { .. }) => Ok(()),
            _ => Err(illegal(entry, "the step is not baking")),
        }
    }

    fn take_plan(&mut self, entry: &Entry, plan: &Plan) -> Result<(), LedgerError> {
        if plan.revision != self.plan.as_ref().map_or(0, |plan| plan.revision) + 1 {
            return Err(illegal(entry, "plans are numbered without gaps"));
        }
        if !plan.ids_are_unique() {
            return Err(illegal(entry, "two of its steps have one id"));
        }
        if self.in_flight().next().is_some() {
            return Err(illegal(entry, "a step is in flight"));
        }
        let forgotten: Vec<StepId> = self.steps.keys().cloned().collect();
        for id in &forgotten {
            self.keep_paused(id);
        }
        // A step that stands in the new plan is to be done, whatever the old plan made of it; its tokens
        // differ from the old ones by the revision.
        self.steps
            .retain(|id, progress| matches!(progress.phase, Phase::Done { .. }) && plan.step(id).is_none());
        self.plan = Some(plan.clone());
        Ok(())
    }

    /// The step exists, is not busy or done, and all it depends on is done.
    fn require_free(&self, entry: &Entry, id: &StepId) -> Result<(), LedgerError> {
        let Some(step) = self.plan.as_ref().and_then(|plan| plan.step(id)) else {
            return Err(illegal(entry, "the plan has no such step"));
        };
        match self.steps.get(id).map(|progress| &progress.phase) {
            None | Some(Phase::Failed { .. }) => {}
            Some(Phase::Done { .. }) => return Err(illegal(entry, "the step is done")),
            Some(_) => return Err(illegal(entry, "the step is under way")),
        }
        if self.is_ready(step) { Ok(()) } else { Err(illegal(entry, "a step before it is not done")) }
    }

    fn require_in_flight(&self, entry: &Entry, id: &StepId, update: &UpdateId) -> Result<(), LedgerError> {
        match self.steps.get(id).map(|progress| &progress.phase) {
            Some(Phase::InFlight { update: ours, .. }) if ours == update => Ok(()),
            _ => Err(illegal(entry, "that update is not in flight")),
        }
    }

    fn finish(&mut self, entry: &Entry, id: &StepId, how: Done) -> Result<(), LedgerError> {
        // A call that was intended and never came through leaves a step that somebody else may satisfy.
        let intended = matches!(self.steps.get(id), Some(Progress { phase: Phase::Intended { .. }, .. }));
        if !intended {
            self.require_free(entry, id)?;
        }
        self.progress(id, Phase::Done { how });
        Ok(())
    }

    fn progress(&mut self, id: &StepId, phase: Phase) -> &mut Progress {
        let progress = self.steps.entry(id.clone()).or_insert_with(|| Progress::new(phase.clone()));
        progress.phase = phase;
        progress
    }

    fn fail(&mut self, id: &StepId, failure: &Failure, at: Timestamp) -> &mut Progress {
        let progress = self.progress(id, Phase::Failed { failure: failure.clone(), at });
        if matches!(failure.remedy, Remedy::Retry { .. } | Remedy::Stop) {
            progress.strikes += 1;
        }
        let waits = matches!(failure.remedy, Remedy::Wait { .. });
        progress.waits_since = waits.then(|| progress.waits_since.unwrap_or(at));
        progress.in_use = match failure.code.as_str() {
            crate::remedy::RESOURCE_IN_USE if waits => Some(InUse::after(progress.in_use, at)),
            _ if waits => progress.in_use,
            _ => None,
        };
        progress.eviction_failed |= failure.code == crate::remedy::POD_EVICTION_FAILURE;
        progress.conflicted |= failure.code == crate::remedy::CONFIGURATION_CONFLICT;
        progress
    }
}

/// Whether EKS may see the cluster otherwise after it.
fn changes_the_cluster(event: &Event) -> bool {
    matches!(
        event,
        Event::Succeeded { .. }
            | Event::Failed { .. }
            | Event::Satisfied { .. }
            | Event::Followed { .. }
            | Event::ForeignUpdateEnded { .. }
    )
}

pub(super) fn illegal(entry: &Entry, why: &str) -> LedgerError {
    let event = serde_json::to_value(&entry.event).ok();
    let name = event.as_ref().and_then(|event| event.get("event")).and_then(serde_json::Value::as_str);
    LedgerError::Illegal { seq: entry.seq, event: name.unwrap_or("event").to_owned(), why: why.to_owned() }
}
