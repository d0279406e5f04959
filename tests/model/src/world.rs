//! The world that all invocations share: the table, one cluster of EKS, the clock; and what went wrong in it.
//!
//! It is plain data that a port call turns into other data. Whatever a property needs to know of the past is noted in it
//! when it happens, so that a property looks at one world and no further.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use eks_upgrade_core::arn::{ClusterArn, Home};
use eks_upgrade_core::cluster::{Cluster, Found, NodeGroup};
use eks_upgrade_core::contract::ActRequest;
use eks_upgrade_core::guard::Call;
use eks_upgrade_core::ids::{ExecutionArn, Fence, RunId, StepId, Token};
use eks_upgrade_core::ledger::{Entry, Event, Phase, RunState, Sealed};
use eks_upgrade_core::remedy::Refusal;
use eks_upgrade_core::screen::Lease;
use eks_upgrade_pipeline::memory::{Kept, Memory};
use eks_upgrade_pipeline::ports::{CallError, LeaseChange, Ledger, Write, WriteError};
use jiff::Timestamp;

use crate::desk::{Answered, Asked, Wanted};
use crate::eks::Eks;
use crate::function::Request;

/// The account and Region of everything.
///
/// # Panics
/// Never: the ARN is one.
#[must_use]
pub fn home() -> Home {
    Home::of_arn("arn:aws:lambda:us-east-1:123456789012:function:eks-upgrade-act").unwrap()
}

/// Something that must never happen, or that is worth knowing to be possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Note {
    /// Wrong: lines were accepted from somebody whose fence was not the highest, or was somebody else's.
    OutdatedWriter,
    /// Wrong: the lines of a run do not read: a broken chain, or an event that may not follow.
    BrokenLedger,
    /// Wrong: two runs of the cluster were open.
    TwoRunsOpen,
    /// Wrong: the lease and the ledger do not say the same of the open run.
    LeaseAndLedgerDiffer,
    /// Wrong: an update began that no line had announced with its step, token and words.
    EffectBeforeIntent,
    /// Wrong: an update began for a caller that had not held the lease when it last made sure of it.
    UncheckedCall,
    /// Wrong: one token began two updates.
    TokenBeganTwo,
    /// Wrong: an update began for what another, that did not fail, had brought about or was at; the attempt it was for
    /// was open, and the lease its caller's.
    SecondUpdate,
    /// Wrong: a line says of an attempt that it started an update which another attempt's token began.
    UpdateOfAnotherAttempt,
    /// Possible: a second update too, but by a late call, whose attempt or run was closed or taken over by then.
    SecondUpdateByLateCall,
    /// Possible: an update began for a caller that had lost the lease since it last made sure of it.
    BeganAfterTakeOver,
    /// Possible: an update began for an attempt that was closed by then.
    BeganForClosedAttempt,
    /// Possible: a write was refused, as the lease was somebody else's.
    WriterFencedOff,
    /// Possible: a write was refused, as its place was taken.
    PlaceTaken,
    /// Possible: EKS answered a token that it knew with that token's update.
    TokenHonoured,
    /// Possible: EKS refused a call, as another update was under way.
    CallRefusedAsBusy,
    /// Possible: an update was adopted.
    Adopted,
    /// Possible: a run was taken over.
    TakenOver,
    /// Possible: a run was superseded.
    Superseded,
}

/// What is broken on purpose, to see that it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// Lines are taken from whoever comes.
    LeaseNotChecked,
    /// A lease is given to whoever wants it, whatever they saw before.
    LeaseGivenToAnybody,
    /// The lease that is read is the asker's own.
    LeaseReadsAsTheAskersOwn,
    /// Lines are taken at any place.
    PlaceNotChecked,
    /// Intents are acknowledged and not kept.
    IntentsNotKept,
    /// EKS takes no notice of tokens.
    TokensIgnored,
    /// EKS begins an update while another is under way.
    UpdatesAtOnce,
    /// Each invocation of the act function has tokens of its own.
    TokensOfTheirOwn,
}

/// What becomes of a port call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fate {
    /// It is answered.
    Answered,
    /// It does not arrive, and the caller sees an error.
    LostBefore,
    /// It arrives, and the caller sees an error.
    LostAfter,
    /// EKS throttles it.
    Throttled,
}

/// Who makes a port call.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// What it was invoked with.
    pub request: &'a Request,
    /// Who held the lease when it last made sure.
    pub checked: Option<Fence>,
    /// Tells invocations apart.
    pub invocation: u32,
}

/// The world.
#[derive(Clone, Debug)]
pub struct World {
    /// What the clock shows.
    pub now: Timestamp,
    /// The cluster and its updates.
    pub eks: Eks,
    /// What was noted.
    pub notes: BTreeSet<Note>,
    leases: BTreeMap<ClusterArn, Lease>,
    lines: BTreeMap<RunId, Vec<Sealed>>,
    over: BTreeSet<ExecutionArn>,
    /// The highest fence that was ever written with, and by whom.
    highest: Option<(Fence, ExecutionArn)>,
}

impl World {
    /// A world where nothing happened yet.
    #[must_use]
    pub fn new(cluster: Cluster, groups: Vec<NodeGroup>, now: Timestamp) -> Self {
        Self {
            now,
            eks: Eks::new(cluster, groups),
            notes: BTreeSet::new(),
            leases: BTreeMap::new(),
            lines: BTreeMap::new(),
            over: BTreeSet::new(),
            highest: None,
        }
    }

    /// Its content as text: two worlds of the same text are the same. Lines stand for themselves by their hashes.
    #[must_use]
    pub fn text(&self) -> String {
        let lines: Vec<(&RunId, Vec<&str>)> = self
            .lines
            .iter()
            .map(|(run, lines)| (run, lines.iter().map(|line| line.hash.as_str()).collect()))
            .collect();
        let Self { now, eks, notes, leases, over, highest, .. } = self;
        format!("{now} {eks:?} {notes:?} {leases:?} {over:?} {highest:?} {lines:?}")
    }

    /// Who holds the lease now.
    #[must_use]
    pub fn holder(&self) -> Option<Fence> {
        self.lease().filter(|lease| lease.ended.is_none()).map(|lease| lease.fence)
    }

    /// The lease as it stands, held or not.
    #[must_use]
    pub fn lease(&self) -> Option<&Lease> {
        self.leases.get(&self.eks.cluster.arn)
    }

    /// The events of all runs, run by run.
    #[must_use]
    pub fn told(&self) -> Vec<(&RunId, Event)> {
        let read = |line: &Sealed| line.read::<Entry>().ok().map(|entry| entry.event);
        self.lines
            .iter()
            .flat_map(|(run, lines)| lines.iter().filter_map(move |line| Some((run, read(line)?))))
            .collect()
    }

    /// The executions that are over, with this one or without it.
    pub fn set_over(&mut self, execution: &ExecutionArn, over: bool) {
        if over {
            self.over.insert(execution.clone());
        } else {
            self.over.remove(execution);
        }
    }

    /// What a port call comes to.
    pub fn take(&mut self, asked: &Asked, fate: Fate, caller: Caller<'_>, flaw: Option<Flaw>) -> Answered {
        if fate == Fate::LostBefore {
            return Answered::Down;
        }
        let answered = match asked {
            Asked::Fixed(_) => Answered::Fixed,
            Asked::Lease => Answered::Lease(Box::new(self.lease_for(caller, flaw))),
            Asked::Lines(run) => Answered::Lines(self.lines.get(run).cloned().unwrap_or_default()),
            Asked::IsRunning(execution) => Answered::Running(!self.over.contains(execution)),
            Asked::Cluster => Answered::Cluster(Box::new(Found::Is(self.eks.cluster.clone()))),
            Asked::NodeGroup(name) => {
                let group = self.eks.groups.get(name).cloned();
                Answered::NodeGroup(Box::new(group.map_or(Found::Gone, Found::Is)))
            }
            Asked::UpdateIds(resource) => Answered::UpdateIds(self.eks.update_ids(resource)),
            Asked::Update(_, id) => Answered::Update(Box::new(self.eks.update(id))),
            Asked::Write(wanted) => Answered::Written(self.write(wanted, flaw)),
            Asked::Call(..) if fate == Fate::Throttled => {
                let (name, message) = ("ThrottlingException".to_owned(), "Rate exceeded".to_owned());
                Answered::Called(Err(CallError::Refused(Refusal { status: 429, name, message })))
            }
            Asked::Call(call, token) => Answered::Called(self.call(call, token, caller, flaw)),
        };
        if fate == Fate::LostAfter { Answered::Down } else { answered }
    }

    fn lease_for(&self, caller: Caller<'_>, flaw: Option<Flaw>) -> Option<Lease> {
        let lease = self.lease().cloned()?;
        match (caller.request, flaw) {
            (Request::Act(act), Some(Flaw::LeaseReadsAsTheAskersOwn)) => {
                Some(Lease { run: act.run.clone(), fence: act.fence, ended: None, ..lease })
            }
            _ => Some(lease),
        }
    }

    fn write(&mut self, wanted: &Wanted, flaw: Option<Flaw>) -> Result<(), WriteError> {
        let arn = self.eks.cluster.arn.clone();
        let intends = |line: &Sealed| {
            line.read::<Entry>().is_ok_and(|entry| matches!(entry.event, Event::Intended { .. }))
        };
        if flaw == Some(Flaw::IntentsNotKept) && wanted.lines.iter().any(intends) {
            return Ok(());
        }
        // A flaw is the condition's absence: what it would be compared with is made to fit.
        if flaw == Some(Flaw::LeaseNotChecked) && !matches!(wanted.change, LeaseChange::Take { .. }) {
            self.leases.insert(arn.clone(), Lease { ended: None, ..wanted.lease.clone() });
        }
        let change = match &wanted.change {
            LeaseChange::Take { .. } if flaw == Some(Flaw::LeaseGivenToAnybody) => {
                LeaseChange::Take { seen: self.lease().cloned() }
            }
            change => change.clone(),
        };
        let run = wanted.lease.run.clone();
        let taking = matches!(change, LeaseChange::Take { .. });
        let write = Write {
            cluster: &arn,
            lease: &wanted.lease,
            change,
            lines: &wanted.lines,
            campaign: None,
            at: self.now,
        };
        let memory = Memory::default();
        {
            let mut kept = memory.kept();
            kept.leases = std::mem::take(&mut self.leases);
            kept.lines = std::mem::take(&mut self.lines);
        }
        let mut written = at_once((&memory).write(write));
        let Kept { leases, lines, .. } = std::mem::take(&mut *memory.kept());
        (self.leases, self.lines) = (leases, lines);
        if flaw == Some(Flaw::PlaceNotChecked) && written == Err(WriteError::Conflict) {
            self.lines.entry(run).or_default().extend_from_slice(&wanted.lines);
            written = Ok(());
        }
        match &written {
            Ok(()) => self.note_written(wanted, taking),
            Err(WriteError::LeaseLost) => self.note(Note::WriterFencedOff),
            Err(WriteError::Conflict) => self.note(Note::PlaceTaken),
            Err(WriteError::Down(_)) => {}
        }
        written
    }

    fn note(&mut self, note: Note) {
        self.notes.insert(note);
    }

    fn note_written(&mut self, wanted: &Wanted, taking: bool) {
        let (fence, by) = (wanted.lease.fence, &wanted.lease.execution);
        let outdated = match &self.highest {
            None => false,
            Some((highest, _)) if taking => fence <= *highest,
            Some((highest, holder)) => fence != *highest || by != holder,
        };
        if outdated {
            self.note(Note::OutdatedWriter);
        }
        if self.highest.as_ref().is_none_or(|(highest, _)| fence >= *highest) {
            self.highest = Some((fence, by.clone()));
        }
        for line in &wanted.lines {
            match line.read::<Entry>().map(|entry| entry.event) {
                Ok(Event::Started { adopted: true, .. }) => self.note(Note::Adopted),
                Ok(Event::Started { step, attempt, update, .. }) => {
                    let token = self.token_of(&wanted.lease.run, &step, attempt);
                    if token.and_then(|token| self.eks.began(&token)) != Some(update) {
                        self.note(Note::UpdateOfAnotherAttempt);
                    }
                }
                Ok(Event::Resumed { .. }) if wanted.lease.ended.is_none() => self.note(Note::TakenOver),
                Ok(Event::Resumed { .. }) => self.note(Note::Superseded),
                _ => {}
            }
        }
        self.note_ledger();
    }

    /// What holds of the whole table after each write.
    fn note_ledger(&mut self) {
        let mut open = Vec::new();
        let mut broken = false;
        for (run, lines) in &self.lines {
            match RunState::read(lines) {
                Ok(Some(state)) if state.ended.is_none() => open.push(run.clone()),
                Ok(_) => {}
                Err(_) => broken = true,
            }
        }
        let held: Vec<RunId> = self
            .lease()
            .filter(|lease| lease.ended.is_none())
            .map(|lease| lease.run.clone())
            .into_iter()
            .collect();
        if broken {
            self.note(Note::BrokenLedger);
        } else if open.len() > 1 {
            self.note(Note::TwoRunsOpen);
        } else if open != held {
            self.note(Note::LeaseAndLedgerDiffer);
        }
    }

    fn call(
        &mut self,
        call: &Call,
        token: &Token,
        caller: Caller<'_>,
        flaw: Option<Flaw>,
    ) -> Result<eks_upgrade_core::ids::UpdateId, CallError> {
        let Request::Act(act) = caller.request else { panic!("only the act function calls EKS") };
        let sent = match flaw {
            Some(Flaw::TokensOfTheirOwn) => Token::of(&act.run, caller.invocation, &act.step, 0),
            _ => token.clone(),
        };
        let known = self.eks.began(&sent);
        if let Some(id) = known.filter(|_| flaw != Some(Flaw::TokensIgnored)) {
            self.note(Note::TokenHonoured);
            return Ok(id);
        }
        if flaw != Some(Flaw::UpdatesAtOnce)
            && let Some(refusal) = self.eks.busy(call)
        {
            self.note(Note::CallRefusedAsBusy);
            return Err(CallError::Refused(refusal));
        }
        if let Some(refusal) = self.eks.refused(call) {
            return Err(CallError::Refused(refusal));
        }
        self.note_begun(call, &sent, act, caller.checked);
        Ok(self.eks.begin(call, sent, self.now))
    }

    /// What holds in the moment in which an update begins.
    fn note_begun(&mut self, call: &Call, token: &Token, act: &ActRequest, checked: Option<Fence>) {
        let meant = |(run, event): &(&RunId, Event)| {
            matches!(event, Event::Intended { step, token: meant, request, .. }
                if **run == act.run && *step == act.step && meant == token && *request == call.to_string())
        };
        if !self.told().iter().any(meant) {
            self.note(Note::EffectBeforeIntent);
        }
        if checked != Some(act.fence) {
            self.note(Note::UncheckedCall);
        }
        let lost = self.holder() != Some(act.fence);
        if lost {
            self.note(Note::BeganAfterTakeOver);
        }
        let closed = !self.is_open(act, token);
        if closed {
            self.note(Note::BeganForClosedAttempt);
        }
        if self.eks.began(token).is_some() {
            self.note(Note::TokenBeganTwo);
        }
        if self.eks.is_done_or_under_way(call) {
            self.note(if lost || closed { Note::SecondUpdateByLateCall } else { Note::SecondUpdate });
        }
    }

    /// The token that an attempt was announced with.
    fn token_of(&self, of: &RunId, which: &StepId, number: u32) -> Option<Token> {
        self.told().into_iter().find_map(|(run, event)| match event {
            Event::Intended { step, attempt, token, .. }
                if run == of && step == *which && attempt == number =>
            {
                Some(token)
            }
            _ => None,
        })
    }

    /// Whether the attempt with this token is the step's open one.
    fn is_open(&self, act: &ActRequest, token: &Token) -> bool {
        let state = self.lines.get(&act.run).and_then(|lines| RunState::read(lines).ok().flatten());
        state.filter(|state| state.ended.is_none()).is_some_and(|state| {
            state.steps.get(&act.step).is_some_and(
                |progress| matches!(&progress.phase, Phase::Intended { token: open, .. } if open == token),
            )
        })
    }
}

/// The output of a future that never waits.
///
/// # Panics
/// When it does.
fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("memory never waits"),
    }
}
