//! The ledger, the inbox and the campaigns in memory: healthy, strict about the same conditions as the table.
//!
//! For tests and simulations; nothing that ships uses it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::contract::CampaignInput;
use eks_upgrade_core::ids::{CampaignId, ExecutionArn, RunId};
use eks_upgrade_core::ledger::Sealed;
use eks_upgrade_core::screen::{Lease, LeftAlone};
use jiff::Timestamp;

use crate::ports::{
    Campaigns, Claim, EksDown, Executions, Inbox, LeaseChange, Ledger, LedgerDown, Write, WriteError,
};

/// What was kept.
#[derive(Debug, Default)]
pub struct Kept {
    /// Leases by cluster.
    pub leases: BTreeMap<ClusterArn, Lease>,
    /// Lines by run.
    pub lines: BTreeMap<RunId, Vec<Sealed>>,
    /// Claims by notice and subject: campaign, and outcome once settled.
    pub claims: BTreeMap<(String, String), (CampaignId, Option<String>)>,
    /// Refusals by what was refused: the code.
    pub refused: BTreeMap<String, String>,
    /// Campaigns recorded.
    pub campaigns: BTreeMap<CampaignId, CampaignInput>,
    /// Executions that are over; any other is taken to be running.
    pub over: BTreeSet<ExecutionArn>,
    /// Campaigns started, in order, without those started again.
    pub started: Vec<CampaignInput>,
}

/// The table, in memory.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Kept>);

impl Memory {
    /// What is kept.
    pub fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger for &Memory {
    async fn lease(&self, cluster: &ClusterArn) -> Result<Option<Lease>, LedgerDown> {
        Ok(self.kept().leases.get(cluster).cloned())
    }

    async fn lines(&self, run: &RunId) -> Result<Vec<Sealed>, LedgerDown> {
        Ok(self.kept().lines.get(run).cloned().unwrap_or_default())
    }

    async fn write(&self, write: Write<'_>) -> Result<(), WriteError> {
        let mut kept = self.kept();
        let held = kept.leases.get(write.cluster);
        let ours = held.is_some_and(|held| {
            held.run == write.lease.run && held.fence == write.lease.fence && held.ended.is_none()
        });
        let lease = match write.change {
            LeaseChange::Hold if ours => write.lease.clone(),
            LeaseChange::Release(ending) if ours => Lease { ended: Some(ending), ..write.lease.clone() },
            LeaseChange::Take { seen } if held == seen.as_ref() => write.lease.clone(),
            _ => return Err(WriteError::LeaseLost),
        };
        let lines = kept.lines.entry(write.lease.run.clone()).or_default();
        let next = lines.last().map_or(0, |line| line.seq) + 1;
        if write.lines.first().is_none_or(|line| line.seq != next) {
            return Err(WriteError::Conflict);
        }
        lines.extend_from_slice(write.lines);
        kept.leases.insert(write.cluster.clone(), lease);
        Ok(())
    }
}

impl Inbox for &Memory {
    async fn claim(
        &self,
        notice: &str,
        subject: &str,
        campaign: &CampaignId,
        _: Timestamp,
    ) -> Result<Claim, LedgerDown> {
        let mut kept = self.kept();
        let key = (notice.to_owned(), subject.to_owned());
        let (holder, outcome) = kept.claims.entry(key).or_insert_with(|| (campaign.clone(), None));
        Ok(if holder == campaign && outcome.is_none() { Claim::Ours } else { Claim::Taken })
    }

    async fn settle(
        &self,
        notice: &str,
        subject: &str,
        outcome: &str,
        _: Timestamp,
    ) -> Result<(), LedgerDown> {
        if let Some(claim) = self.kept().claims.get_mut(&(notice.to_owned(), subject.to_owned())) {
            claim.1 = Some(outcome.to_owned());
        }
        Ok(())
    }

    async fn refuse(&self, what: &str, code: &str, _: &str, _: Timestamp) -> Result<(), LedgerDown> {
        self.kept().refused.insert(what.to_owned(), code.to_owned());
        Ok(())
    }

    async fn campaign(&self, input: &CampaignInput, _: &[LeftAlone], _: Timestamp) -> Result<(), LedgerDown> {
        self.kept().campaigns.insert(input.campaign.clone(), input.clone());
        Ok(())
    }
}

impl Executions for &Memory {
    async fn is_running(&self, execution: &ExecutionArn) -> Result<bool, EksDown> {
        Ok(!self.kept().over.contains(execution))
    }
}

impl Campaigns for &Memory {
    async fn start(&self, input: &CampaignInput) -> Result<(), EksDown> {
        let mut kept = self.kept();
        if !kept.started.iter().any(|started| started.campaign == input.campaign) {
            kept.started.push(input.clone());
        }
        Ok(())
    }
}
