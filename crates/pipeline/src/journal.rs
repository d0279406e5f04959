//! Writing a run's ledger: load, add, write; on a conflict load again and think again.

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::ids::{ExecutionArn, Fence, RunId};
use eks_upgrade_core::ledger::{Ending, Entry, Event, RunState, Sealed};
use eks_upgrade_core::screen::Lease;
use jiff::Timestamp;

use crate::error::{Answer, PipelineError};
use crate::ports::{LeaseChange, Ledger, Time, Write, WriteError};

/// How often a write is tried against others who write the same run: parallel actions of one hop.
const CONFLICTS_MAX: usize = 50;

/// The ledger of one run, for one holder of its lease.
pub struct Journal<'a, L, T> {
    ledger: &'a L,
    time: &'a T,
    /// The lease, as it is held.
    pub lease: Lease,
    /// What the lines add up to.
    pub state: RunState,
}

impl<'a, L: Ledger, T: Time> Journal<'a, L, T> {
    /// Opens the ledger of a run whose lease should be held with `fence`.
    pub async fn load(
        ledger: &'a L,
        time: &'a T,
        run: &RunId,
        fence: Fence,
        execution: &ExecutionArn,
    ) -> Answer<Self> {
        let state = read(ledger, run).await?;
        let lease = Lease::of(run.clone(), &state.opened, execution.clone(), fence);
        let lease = Lease { touched: state.touched, ..lease };
        Ok(Self { ledger, time, lease, state })
    }

    /// Takes the lease of a new run, and writes its first lines. `None` when somebody was faster.
    pub async fn open(
        ledger: &'a L,
        time: &'a T,
        cluster: &ClusterArn,
        lease: Lease,
        seen: Option<Lease>,
        events: Vec<Event>,
    ) -> Answer<Option<Self>> {
        let at = time.now();
        let (lines, state) = seal(&lease, None, at, events)?;
        let Some(state) = state else { return Ok(None) };
        let change = LeaseChange::Take { seen };
        let campaign = state.opened.campaign.clone();
        let write = Write { cluster, lease: &lease, change, lines: &lines, campaign: campaign.as_ref(), at };
        match ledger.write(write).await {
            Ok(()) => Ok(Some(Self { ledger, time, lease, state })),
            Err(WriteError::Conflict | WriteError::LeaseLost) => Ok(None),
            Err(WriteError::Down(down)) => Err(down.into()),
        }
    }

    /// Takes over the lease of a run whose execution has ended, and records that and what else follows from it in one
    /// go. `None` when somebody was faster.
    pub async fn take_over(
        ledger: &'a L,
        time: &'a T,
        seen: Lease,
        by: &ExecutionArn,
        also: Option<Event>,
    ) -> Answer<Option<Self>> {
        let state = read(ledger, &seen.run).await?;
        if state.ended.is_some() {
            return Ok(None);
        }
        let lease = Lease { execution: by.clone(), fence: Fence(seen.fence.0 + 1), ..seen.clone() };
        let mut journal = Self { ledger, time, lease, state };
        let resumed = Event::Resumed { execution: by.clone() };
        let events = std::iter::once(resumed).chain(also).collect();
        match journal.write(events, LeaseChange::Take { seen: Some(seen) }).await {
            Ok(()) => Ok(Some(journal)),
            Err(Failed::Conflict | Failed::For(PipelineError::LeaseLost(_))) => Ok(None),
            Err(Failed::For(error)) => Err(error),
        }
    }

    /// Ends a run whose execution has ended and that nobody wants to go on with; its lease is free then.
    /// `false` when somebody was faster.
    pub async fn supersede(
        ledger: &'a L,
        time: &'a T,
        seen: Lease,
        by: &ExecutionArn,
        ending: Ending,
    ) -> Answer<bool> {
        let state = read(ledger, &seen.run).await?;
        if state.ended.is_some() {
            return Ok(false);
        }
        let fence = Fence(seen.fence.0 + 1);
        let ending = ending.with_paused(state.paused_autoscaler());
        let lease = Lease { execution: by.clone(), fence, ended: Some(ending.clone()), ..seen.clone() };
        let mut journal = Self { ledger, time, lease, state };
        let events = vec![Event::Resumed { execution: by.clone() }, Event::Ended(ending)];
        match journal.write(events, LeaseChange::Take { seen: Some(seen) }).await {
            Ok(()) => Ok(true),
            Err(Failed::Conflict | Failed::For(PipelineError::LeaseLost(_))) => Ok(false),
            Err(Failed::For(error)) => Err(error),
        }
    }

    /// The lease's fencing number.
    #[must_use]
    pub fn fence(&self) -> Fence {
        self.lease.fence
    }

    /// Makes sure, by a strong read, that the lease is ours: for an effect that no line of ours directly precedes.
    pub async fn confirm(&self) -> Answer<()> {
        let held = self.ledger.lease(&self.state.opened.cluster).await?;
        let ours = |held: Lease| {
            held.run == self.lease.run && held.fence == self.lease.fence && held.ended.is_none()
        };
        if held.is_some_and(ours) { Ok(()) } else { Err(PipelineError::LeaseLost(self.lease.run.clone())) }
    }

    /// Records what `think` makes of the state; thinks again when others wrote meanwhile. Gives the events
    /// that were written. Nothing is added to a run that is over: whoever ended it has the lease no more.
    pub async fn record(&mut self, think: impl Fn(&RunState) -> Vec<Event> + Send) -> Answer<Vec<Event>> {
        for _ in 0..CONFLICTS_MAX {
            let events = think(&self.state);
            if events.is_empty() {
                return Ok(events);
            }
            if self.state.ended.is_some() {
                return Err(PipelineError::LeaseLost(self.lease.run.clone()));
            }
            match self.write(events.clone(), LeaseChange::Hold).await {
                Ok(()) => return Ok(events),
                Err(Failed::Conflict) => self.reload().await?,
                Err(Failed::For(error)) => return Err(error),
            }
        }
        Err(PipelineError::LedgerBusy(self.lease.run.clone()))
    }

    /// Records the run's end and gives the lease back, in one go. A run that has ended stays as it ended.
    pub async fn close(&mut self, ending: Ending) -> Answer<Ending> {
        for _ in 0..CONFLICTS_MAX {
            if let Some(stands) = &self.state.ended {
                return Ok(stands.clone());
            }
            let change = LeaseChange::Release(ending.clone());
            match self.write(vec![Event::Ended(ending.clone())], change).await {
                Ok(()) => return Ok(ending),
                Err(Failed::Conflict) => self.reload().await?,
                Err(Failed::For(PipelineError::LeaseLost(run))) => {
                    // Our own earlier try may have closed it, its answer lost.
                    self.reload().await?;
                    if self.state.ended.is_none() {
                        return Err(PipelineError::LeaseLost(run));
                    }
                }
                Err(Failed::For(error)) => return Err(error),
            }
        }
        Err(PipelineError::LedgerBusy(self.lease.run.clone()))
    }

    async fn reload(&mut self) -> Answer<()> {
        self.state = read(self.ledger, &self.lease.run).await?;
        Ok(())
    }

    async fn write(&mut self, events: Vec<Event>, change: LeaseChange) -> Result<(), Failed> {
        let at = self.time.now();
        let (lines, state) = seal(&self.lease, Some(self.state.clone()), at, events).map_err(Failed::For)?;
        self.lease.touched = state.as_ref().is_some_and(|state| state.touched);
        let cluster = self.state.opened.cluster.clone();
        let campaign = self.state.opened.campaign.as_ref();
        let write = Write { cluster: &cluster, lease: &self.lease, change, lines: &lines, campaign, at };
        match self.ledger.write(write).await {
            Ok(()) => {
                self.state = state.unwrap_or_else(|| self.state.clone());
                Ok(())
            }
            Err(WriteError::Conflict) => Err(Failed::Conflict),
            Err(WriteError::LeaseLost) => Err(Failed::For(PipelineError::LeaseLost(self.lease.run.clone()))),
            Err(WriteError::Down(down)) => Err(Failed::For(down.into())),
        }
    }
}

enum Failed {
    Conflict,
    For(PipelineError),
}

/// Reads a run.
pub async fn read<L: Ledger>(ledger: &L, run: &RunId) -> Answer<RunState> {
    let unread = |error: &_| tracing::warn!(%run, %error, "the ledger of a run cannot be read");
    let state = ledger.state(run).await.inspect_err(unread)?;
    state.ok_or_else(|| PipelineError::UnknownWork { run: run.clone(), what: "ledger".into() })
}

fn seal(
    lease: &Lease,
    mut state: Option<RunState>,
    at: Timestamp,
    events: Vec<Event>,
) -> Answer<(Vec<Sealed>, Option<RunState>)> {
    let mut lines = Vec::with_capacity(events.len());
    for event in events {
        let (seq, previous) = state.as_ref().map_or((0, String::new()), |s| (s.seq, s.hash.clone()));
        let entry = Entry {
            run: lease.run.clone(),
            seq: seq + 1,
            at,
            actor: lease.execution.clone(),
            fence: lease.fence,
            event,
            previous,
        };
        let line = entry.seal()?;
        state = Some(RunState::extend(state, &line)?);
        lines.push(line);
    }
    Ok((lines, state))
}
