//! What the lines of a run add up to.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::apply::illegal;
use super::{Done, Ending, Entry, Event, LedgerError, Opened, Sealed};
use crate::cluster::Resource;
use crate::decide::{ActionName, WaitFor};
use crate::health::Vitals;
use crate::ids::{ApprovalId, Principal, RunId, StepId, Token, UpdateId};
use crate::plan::{Plan, Step, StepKind};
use crate::remedy::Failure;
use crate::roll::{Paused, Roll};
use crate::waits::seconds_between;

/// Where a step stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// The call is about to be made, or was made and the answer lost.
    Intended {
        /// Its token.
        token: Token,
        /// Since when.
        since: Timestamp,
    },
    /// Its time runs.
    Baking {
        /// Since when.
        since: Timestamp,
    },
    /// What follows by itself is watched.
    Following {
        /// Since when.
        since: Timestamp,
        /// How many nodes are behind.
        behind: u32,
        /// Since when that is so.
        unmoved_since: Timestamp,
    },
    /// EKS is at it, or the cluster, or we are.
    InFlight {
        /// Its update.
        update: UpdateId,
        /// Since when: that of the intent, as nobody knows when the call arrived.
        since: Timestamp,
        /// When the update became known, which may be long after: until then the call was made again and again.
        known_at: Timestamp,
    },
    /// The last attempt did not succeed.
    Failed {
        /// Why.
        failure: Failure,
        /// When.
        at: Timestamp,
    },
    /// Over.
    Done {
        /// How.
        how: Done,
    },
}

/// That attempt after attempt found the same thing in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InUse {
    /// When it was seen so first.
    pub since: Timestamp,
    /// For how long it was seen so, in seconds; what nobody saw is not counted.
    pub seen_s: u32,
    /// When it was seen so last.
    pub at: Timestamp,
}

/// Between two looks that are farther apart, in seconds, nobody saw whether something was in use: twice the longest pause
/// between two attempts.
const UNSEEN_S: u32 = 7_200;

impl InUse {
    /// With one more attempt that found it so.
    #[must_use]
    pub fn after(before: Option<Self>, at: Timestamp) -> Self {
        let Some(before) = before else { return Self { since: at, seen_s: 0, at } };
        let more_s = Some(seconds_between(before.at, at)).filter(|more_s| *more_s <= UNSEEN_S);
        Self { seen_s: before.seen_s.saturating_add(more_s.unwrap_or(0)), at, ..before }
    }
}

/// A step's story so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The number of the last attempt; 0 before the first.
    pub attempt: u32,
    /// How many attempts failed in a way that counts.
    pub strikes: u32,
    /// Whether an attempt ended in a `PodEvictionFailure`.
    pub eviction_failed: bool,
    /// Whether an attempt ended in a `ConfigurationConflict`.
    pub conflicted: bool,
    /// Since when attempt after attempt ended in nothing but waiting.
    pub waits_since: Option<Timestamp>,
    /// How long, of that time, somebody else was seen to be changing what it is about.
    pub in_use: Option<InUse>,
    /// Which action the last attempt was.
    pub last: Option<ActionName>,
    /// How long the update that succeeded took, in seconds.
    pub took_s: Option<u32>,
    /// What was done to a group that EKS does not manage.
    pub roll: Option<Roll>,
    /// Where it stands.
    pub phase: Phase,
}

impl Progress {
    /// A step of which nothing was known before.
    #[must_use]
    pub fn new(phase: Phase) -> Self {
        Self {
            attempt: 0,
            strikes: 0,
            eviction_failed: false,
            conflicted: false,
            waits_since: None,
            in_use: None,
            last: None,
            took_s: None,
            roll: None,
            phase,
        }
    }
}

/// Where a question to people stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// Open.
    Asked {
        /// Before what, in words.
        before: String,
        /// When it counts as a no.
        expires_at: Timestamp,
    },
    /// Yes.
    Approved {
        /// Whose.
        by: Principal,
    },
    /// No.
    Rejected {
        /// Whose.
        by: Principal,
        /// Why.
        reason: String,
    },
    /// Nobody answered in time.
    Expired,
}

/// An update of somebody else's that holds a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreign {
    /// Its id.
    pub update: UpdateId,
    /// When it was first seen.
    pub since: Timestamp,
}

/// What the ledger of a run adds up to.
#[derive(Clone, Debug, PartialEq)]
pub struct RunState {
    /// The run.
    pub run: RunId,
    /// The number of its last line.
    pub seq: u32,
    /// The hash of its last line.
    pub hash: String,
    /// How it was opened.
    pub opened: Opened,
    /// When.
    pub opened_at: Timestamp,
    /// When the last line was written.
    pub updated_at: Timestamp,
    /// When the ledger last saw something of the cluster change: a step was done, or an update of somebody else's over.
    pub changed_at: Option<Timestamp>,
    /// The plan in force.
    pub plan: Option<Plan>,
    /// The steps that began.
    pub steps: BTreeMap<StepId, Progress>,
    /// Resources that somebody else is changing.
    pub foreign: BTreeMap<Resource, Foreign>,
    /// The updates that were said to be overdue.
    pub overdue: BTreeSet<UpdateId>,
    /// The questions to people.
    pub approvals: BTreeMap<ApprovalId, Standing>,
    /// What it last paused for, if nothing was started since.
    pub paused: Option<(WaitFor, Option<Timestamp>)>,
    /// How nodes and pods did when they were last looked at, and when that was.
    pub vitals: Option<(Vitals, Timestamp)>,
    /// Since when they do worse than before the start, if they do.
    pub worse_since: Option<Timestamp>,
    /// Cluster Autoscaler as it was, where a roll that is over has left it paused.
    pub left_paused: Option<Paused>,
    /// Why the run goes no further, if it was called off.
    pub called_off: Option<Failure>,
    /// Whether a mutating call was ever meant.
    pub touched: bool,
    /// How it ended, if it has.
    pub ended: Option<Ending>,
}

impl RunState {
    /// Reads a whole ledger: checks the chain, then adds it up. `None` for an empty one.
    pub fn read(lines: &[Sealed]) -> Result<Option<Self>, LedgerError> {
        let mut state: Option<Self> = None;
        for line in lines {
            state = Some(Self::extend(state, line)?);
        }
        Ok(state)
    }

    /// Adds one line to a state.
    pub fn extend(state: Option<Self>, line: &Sealed) -> Result<Self, LedgerError> {
        let (seq, hash) = state.as_ref().map_or((0, ""), |state| (state.seq, state.hash.as_str()));
        let entry: Entry = line.after(seq, hash)?;
        let mut state = match state {
            Some(mut state) => {
                state.apply(&entry)?;
                state
            }
            None => Self::open(&entry)?,
        };
        state.seq = entry.seq;
        state.hash.clone_from(&line.hash);
        state.updated_at = entry.at;
        Ok(state)
    }

    fn open(entry: &Entry) -> Result<Self, LedgerError> {
        let Event::Opened(opened) = &entry.event else {
            return Err(illegal(entry, "a run begins with opened"));
        };
        Ok(Self {
            run: entry.run.clone(),
            seq: entry.seq,
            hash: String::new(),
            opened: (**opened).clone(),
            opened_at: entry.at,
            updated_at: entry.at,
            changed_at: None,
            plan: None,
            steps: BTreeMap::new(),
            foreign: BTreeMap::new(),
            overdue: BTreeSet::new(),
            approvals: BTreeMap::new(),
            paused: None,
            vitals: None,
            worse_since: None,
            left_paused: None,
            called_off: None,
            touched: false,
            ended: None,
        })
    }

    /// Whether the step is done.
    #[must_use]
    pub fn is_done(&self, id: &StepId) -> bool {
        matches!(self.steps.get(id), Some(Progress { phase: Phase::Done { .. }, .. }))
    }

    /// Whether all that a step depends on is done: the steps it names, and every hop before its own.
    #[must_use]
    pub fn is_ready(&self, step: &Step) -> bool {
        let earlier_hops_done = self.plan.as_ref().is_some_and(|plan| {
            plan.hops
                .iter()
                .take_while(|hop| !hop.steps.iter().any(|other| other.id == step.id))
                .all(|hop| hop.steps.iter().all(|other| self.is_done(&other.id)))
        });
        earlier_hops_done && step.after.iter().all(|id| self.is_done(id))
    }

    /// Whether there is a plan and every step of it is done.
    #[must_use]
    pub fn all_done(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.steps().all(|step| self.is_done(&step.id)))
    }

    /// How many steps are done, and how many there are with those that are not. What was done by an earlier plan counts:
    /// each hop has a plan of its own.
    #[must_use]
    pub fn steps_done(&self) -> (usize, usize) {
        let done = |progress: &&Progress| matches!(progress.phase, Phase::Done { .. });
        let done = self.steps.values().filter(done).count();
        let steps = self.plan.iter().flat_map(Plan::steps);
        (done, done + steps.filter(|step| !self.is_done(&step.id)).count())
    }

    /// How many control-plane upgrades the run has behind it and before it, those that others made meanwhile counted.
    #[must_use]
    pub fn upgrades(&self) -> usize {
        let Some(plan) = &self.plan else { return 0 };
        plan.upgrades() + usize::from(plan.from.above(self.opened.from))
    }

    /// Cluster Autoscaler as it was before the run paused it, from the line before that until it runs again.
    #[must_use]
    pub fn paused_autoscaler(&self) -> Option<&Paused> {
        let of_rolls = self.steps.values().find_map(|progress| progress.roll.as_ref()?.paused.as_ref());
        of_rolls.or(self.left_paused.as_ref())
    }

    /// The same, where another roll than that of `id` has paused it, or an earlier attempt.
    #[must_use]
    pub fn paused_elsewhere(&self, id: &StepId) -> Option<&Paused> {
        self.needed_elsewhere(id).or(self.left_paused.as_ref())
    }

    /// The same, where another roll that is under way needs it paused, and will put it back.
    #[must_use]
    pub fn needed_elsewhere(&self, id: &StepId) -> Option<&Paused> {
        self.rolling().filter(|(other, _)| *other != id).find_map(|(_, roll)| roll?.owes())
    }

    /// Whether Cluster Autoscaler would stay paused if this roll ended now, and could be put back.
    #[must_use]
    pub fn would_leave_paused(&self, id: &StepId) -> bool {
        let roll = self.steps.get(id).and_then(|progress| progress.roll.as_ref());
        roll.is_some_and(|roll| roll.owes().is_some()) && self.needed_elsewhere(id).is_none()
    }

    /// The groups that EKS does not manage whose roll is under way, with what was done to them so far.
    pub fn rolling(&self) -> impl Iterator<Item = (&StepId, Option<&Roll>)> {
        let rolls = |id: &StepId| {
            let step = self.plan.as_ref().and_then(|plan| plan.step(id));
            step.is_some_and(|step| matches!(step.kind, StepKind::SelfManagedNodes { .. }))
        };
        self.steps
            .iter()
            .filter(move |(id, progress)| matches!(progress.phase, Phase::InFlight { .. }) && rolls(id))
            .map(|(id, progress)| (id, progress.roll.as_ref()))
    }

    /// The steps that a call was meant or made for and that have not ended.
    pub fn in_flight(&self) -> impl Iterator<Item = (&StepId, &Progress)> {
        self.steps
            .iter()
            .filter(|(_, progress)| matches!(progress.phase, Phase::Intended { .. } | Phase::InFlight { .. }))
    }
}
