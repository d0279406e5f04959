//! The table of the pipeline's own memory fake, with mishaps.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::campaign::CampaignState;
use eks_upgrade_core::contract::CampaignInput;
use eks_upgrade_core::control::{Approval, Consent, KillSwitch};
use eks_upgrade_core::ids::{ApprovalId, CampaignId, ExecutionArn, RunId, TaskToken};
use eks_upgrade_core::ledger::{RunState, Sealed};
use eks_upgrade_core::screen::Lease;
use eks_upgrade_core::waits::Learned;
use eks_upgrade_pipeline::error::Answer;
use eks_upgrade_pipeline::memory::Memory;
use eks_upgrade_pipeline::ports::{
    CampaignLedger, Campaigns, Claim, Durations, EksDown, Executions, Inbox, Ledger, LedgerDown, Said, Write,
    WriteError,
};
use jiff::Timestamp;

use crate::faults::{Faults, finish};
use crate::readings::Readings;

/// The table; also where campaigns are started.
#[derive(Debug)]
pub struct Table {
    /// What is in it.
    pub memory: Memory,
    pub(crate) faults: Arc<Faults>,
    writes: AtomicU32,
    items_written: AtomicU32,
    /// Runs whose ledgers were written to, until somebody asks.
    fresh: Mutex<BTreeSet<RunId>>,
    /// Where ledgers are read on from; without, each reading begins with the first line.
    readings: Option<Mutex<Readings>>,
}

/// What was written to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writes {
    /// Calls: a transaction is one.
    pub calls: u32,
    /// Items in them.
    pub items: u32,
}

fn down() -> LedgerDown {
    LedgerDown("connection reset".into())
}

/// The memory answers at once.
fn now<F: Future>(future: F) -> F::Output {
    finish(future).expect("memory does not wait")
}

impl Table {
    /// An empty table that suffers these faults.
    #[must_use]
    pub fn new(faults: Arc<Faults>) -> Self {
        Self {
            memory: Memory::default(),
            faults,
            writes: AtomicU32::new(0),
            items_written: AtomicU32::new(0),
            fresh: Mutex::default(),
            readings: None,
        }
    }

    /// The same, where a ledger that was read is read on from there. Nobody may alter lines that are written.
    #[must_use]
    pub fn reading_on(self) -> Self {
        Self { readings: Some(Mutex::default()), ..self }
    }

    /// What was written so far, whether it was taken or not.
    #[must_use]
    pub fn writes(&self) -> Writes {
        let read = |count: &AtomicU32| count.load(Ordering::Relaxed);
        Writes { calls: read(&self.writes), items: read(&self.items_written) }
    }

    /// The runs whose ledgers were written to since this was last asked, in order.
    #[must_use]
    pub fn take_fresh(&self) -> BTreeSet<RunId> {
        std::mem::take(&mut *self.fresh.lock().unwrap())
    }

    /// The same as [`Self::try_it`], of a call that writes so many items.
    async fn put<T>(&self, items: usize, effect: impl FnOnce() -> T) -> Result<T, LedgerDown> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.items_written.fetch_add(u32::try_from(items).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.try_it(effect).await
    }

    async fn try_it<T>(&self, effect: impl FnOnce() -> T) -> Result<T, LedgerDown> {
        if self.faults.is_table_down() {
            return Err(down());
        }
        self.faults.around(effect).await.map_err(|_| down())
    }
}

impl Ledger for &Table {
    async fn lease(&self, cluster: &ClusterArn) -> Result<Option<Lease>, LedgerDown> {
        self.try_it(|| now((&self.memory).lease(cluster))).await?
    }

    async fn lines(&self, run: &RunId) -> Result<Vec<Sealed>, LedgerDown> {
        self.try_it(|| now((&self.memory).lines(run))).await?
    }

    async fn state(&self, run: &RunId) -> Answer<Option<RunState>> {
        let Some(readings) = &self.readings else { return Ok(RunState::read(&self.lines(run).await?)?) };
        let read = || {
            let kept = self.memory.kept();
            let lines = kept.lines.get(run).map(Vec::as_slice).unwrap_or_default();
            readings.lock().unwrap().run(run, lines)
        };
        Ok(self.try_it(read).await??)
    }

    async fn write(&self, write: Write<'_>) -> Result<(), WriteError> {
        // With the lines, the lease and the run's head.
        let items = write.lines.len() + 2;
        let effect = || {
            let run = write.lease.run.clone();
            let written = now((&self.memory).write(write));
            if written.is_ok() {
                self.fresh.lock().unwrap().insert(run);
            }
            written
        };
        self.put(items, effect).await.map_err(WriteError::Down)?
    }
}

impl Inbox for &Table {
    async fn claim(
        &self,
        notice: &str,
        subject: &str,
        campaign: &CampaignId,
        at: Timestamp,
    ) -> Result<Claim, LedgerDown> {
        // DynamoDB refuses an empty key, and one that is too long (2048 bytes for the first part, 1024 for
        // the second).
        if subject.is_empty() || subject.len() > 1_024 || notice.len() > 2_000 {
            return Err(LedgerDown(format!("ValidationException: no key: {subject:?}")));
        }
        self.put(1, || now((&self.memory).claim(notice, subject, campaign, at))).await?
    }

    async fn settle(
        &self,
        notice: &str,
        subject: &str,
        outcome: &str,
        at: Timestamp,
    ) -> Result<(), LedgerDown> {
        self.put(1, || now((&self.memory).settle(notice, subject, outcome, at))).await?
    }

    async fn refuse(&self, what: &str, code: &str, message: &str, at: Timestamp) -> Result<(), LedgerDown> {
        self.put(1, || now((&self.memory).refuse(what, code, message, at))).await?
    }
}

impl CampaignLedger for &Table {
    async fn campaign_lines(&self, campaign: &CampaignId) -> Result<Vec<Sealed>, LedgerDown> {
        self.try_it(|| now((&self.memory).campaign_lines(campaign))).await?
    }

    async fn campaign(&self, campaign: &CampaignId) -> Answer<Option<CampaignState>> {
        let Some(readings) = &self.readings else {
            return Ok(CampaignState::read(&self.campaign_lines(campaign).await?)?);
        };
        let read = || {
            let kept = self.memory.kept();
            let lines = kept.records.get(campaign).map(Vec::as_slice).unwrap_or_default();
            readings.lock().unwrap().campaign(campaign, lines)
        };
        Ok(self.try_it(read).await??)
    }

    async fn append(&self, state: &CampaignState, lines: &[Sealed]) -> Result<(), WriteError> {
        // With the lines, the campaign's head.
        let items = lines.len() + 1;
        self.put(items, || now((&self.memory).append(state, lines))).await.map_err(WriteError::Down)?
    }

    async fn open_campaigns(&self) -> Result<Vec<CampaignId>, LedgerDown> {
        let Some(readings) = &self.readings else {
            return self.try_it(|| now((&self.memory).open_campaigns())).await?;
        };
        let open = || {
            let (kept, mut readings) = (self.memory.kept(), readings.lock().unwrap());
            let mut is_open = |id: &CampaignId, lines: &[Sealed]| {
                let read = readings.campaign(id, lines);
                read.map_or(true, |state| state.is_some_and(|state| state.over.is_none()))
            };
            kept.records.iter().filter(|(id, lines)| is_open(id, lines)).map(|(id, _)| id.clone()).collect()
        };
        self.try_it(open).await
    }

    async fn leases(&self) -> Result<Vec<(ClusterArn, Lease)>, LedgerDown> {
        self.try_it(|| now((&self.memory).leases())).await?
    }
}

impl Said for &Table {
    async fn kill_switch(&self) -> Result<Option<KillSwitch>, LedgerDown> {
        self.try_it(|| now((&self.memory).kill_switch())).await?
    }

    async fn consents(&self, cluster: &ClusterArn) -> Result<Vec<Consent>, LedgerDown> {
        self.try_it(|| now((&self.memory).consents(cluster))).await?
    }

    async fn approval(&self, id: &ApprovalId) -> Result<Option<Approval>, LedgerDown> {
        self.try_it(|| now((&self.memory).approval(id))).await?
    }

    async fn ask(&self, approval: &Approval, token: Option<&TaskToken>) -> Result<(), LedgerDown> {
        self.put(1, || now((&self.memory).ask(approval, token))).await?
    }
}

impl Durations for &Table {
    async fn learned(&self) -> Result<Learned, LedgerDown> {
        self.try_it(|| now((&self.memory).learned())).await?
    }

    async fn learn(&self, learned: &Learned) -> Result<(), LedgerDown> {
        self.put(1, || now((&self.memory).learn(learned))).await?
    }
}

impl Campaigns for &Table {
    async fn start(&self, input: &CampaignInput) -> Result<(), EksDown> {
        let start = || now((&self.memory).start(input));
        let operation = "states:StartExecution";
        self.faults.around(start).await.map_err(|_| EksDown {
            operation,
            denied: false,
            why: "connection reset".into(),
        })?
    }
}

impl Executions for &Table {
    async fn is_running(&self, execution: &ExecutionArn) -> Result<bool, EksDown> {
        let down =
            EksDown { operation: "states:DescribeExecution", denied: false, why: "connection reset".into() };
        self.faults.around(|| now((&self.memory).is_running(execution))).await.map_err(|_| down)?
    }
}
