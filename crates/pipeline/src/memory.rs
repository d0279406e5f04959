//! The ledger, the inbox and the campaigns in memory: healthy, strict about the same conditions as the table.
//!
//! For tests and simulations; nothing that ships uses it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::campaign::CampaignState;
use eks_upgrade_core::contract::CampaignInput;
use eks_upgrade_core::control::{Answered, Approval, Consent, KillSwitch, NotCounted};
use eks_upgrade_core::door::UpgradeRequest;
use eks_upgrade_core::ids::{ApprovalId, CampaignId, ConsentId, ExecutionArn, RunId, TaskToken};
use eks_upgrade_core::ledger::Sealed;
use eks_upgrade_core::screen::Lease;
use eks_upgrade_core::waits::Learned;
use jiff::Timestamp;

use crate::ports::{
    CampaignLedger, Campaigns, Claim, Durations, EksDown, Executions, Hears, Inbox, LeaseChange, Ledger,
    LedgerDown, NotKept, Said, Write, WriteError,
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
    /// The records of campaigns.
    pub records: BTreeMap<CampaignId, Vec<Sealed>>,
    /// Executions that are over; any other is taken to be running.
    pub over: BTreeSet<ExecutionArn>,
    /// The kill switch.
    pub switch: Option<KillSwitch>,
    /// Consents.
    pub consents: Vec<Consent>,
    /// Questions, each with the token of whoever waits for its answer.
    pub approvals: BTreeMap<ApprovalId, (Approval, Option<TaskToken>)>,
    /// How long steps took.
    pub learned: Learned,
    /// Executions of campaigns that were started, in order.
    pub started: Vec<CampaignInput>,
}

/// The table, in memory.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Kept>);

impl Memory {
    /// The upgrades that a campaign asks for, in the order of its rings.
    #[must_use]
    pub fn requests(&self, campaign: &CampaignId) -> Vec<UpgradeRequest> {
        let lines = self.kept().records.get(campaign).cloned().unwrap_or_default();
        let Ok(Some(state)) = CampaignState::read(&lines) else { return Vec::new() };
        let mut members: Vec<_> = state.members.values().map(|(member, _)| member).collect();
        members.sort_by_key(|member| member.ring);
        members.into_iter().map(|member| member.request(campaign)).collect()
    }

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
}

impl CampaignLedger for &Memory {
    async fn campaign_lines(&self, campaign: &CampaignId) -> Result<Vec<Sealed>, LedgerDown> {
        Ok(self.kept().records.get(campaign).cloned().unwrap_or_default())
    }

    async fn append(&self, state: &CampaignState, lines: &[Sealed]) -> Result<(), WriteError> {
        let mut kept = self.kept();
        let record = kept.records.entry(state.campaign.clone()).or_default();
        let next = record.last().map_or(0, |line| line.seq) + 1;
        if lines.first().is_none_or(|line| line.seq != next) {
            return Err(WriteError::Conflict);
        }
        record.extend_from_slice(lines);
        Ok(())
    }

    async fn open_campaigns(&self) -> Result<Vec<CampaignId>, LedgerDown> {
        let kept = self.kept();
        // As in a table, whether it is open stands beside the record, and is known of one that does not read, too.
        let open = |lines: &[Sealed]| {
            CampaignState::read(lines).map_or(true, |state| state.is_some_and(|state| state.over.is_none()))
        };
        Ok(kept.records.iter().filter(|(_, lines)| open(lines)).map(|(id, _)| id.clone()).collect())
    }

    async fn leases(&self) -> Result<Vec<(ClusterArn, Lease)>, LedgerDown> {
        Ok(self.kept().leases.iter().map(|(arn, lease)| (arn.clone(), lease.clone())).collect())
    }
}

impl Said for &Memory {
    async fn kill_switch(&self) -> Result<Option<KillSwitch>, LedgerDown> {
        Ok(self.kept().switch.clone())
    }

    async fn consents(&self, cluster: &ClusterArn) -> Result<Vec<Consent>, LedgerDown> {
        Ok(self.kept().consents.iter().filter(|consent| consent.cluster == *cluster).cloned().collect())
    }

    async fn approval(&self, id: &ApprovalId) -> Result<Option<Approval>, LedgerDown> {
        Ok(self.kept().approvals.get(id).map(|(approval, _)| approval.clone()))
    }

    async fn ask(&self, approval: &Approval, token: Option<&TaskToken>) -> Result<(), LedgerDown> {
        let mut kept = self.kept();
        let entry = kept.approvals.entry(approval.id.clone()).or_insert_with(|| (approval.clone(), None));
        if entry.0.answered.is_none() {
            entry.1 = token.cloned();
        }
        Ok(())
    }
}

impl Hears for &Memory {
    async fn open_approvals(&self, now: Timestamp) -> Result<Vec<Approval>, LedgerDown> {
        let open = |approval: &Approval| approval.answered.is_none() && now < approval.expires_at;
        Ok(self.kept().approvals.values().map(|(approval, _)| approval.clone()).filter(open).collect())
    }

    async fn answer(
        &self,
        id: &ApprovalId,
        answered: Answered,
    ) -> Result<(Approval, Option<TaskToken>), NotKept> {
        let mut kept = self.kept();
        let Some((approval, token)) = kept.approvals.get_mut(id) else {
            return Err(NotKept::NotCounted(NotCounted::Unknown(id.clone())));
        };
        *approval = approval.clone().answer(answered).map_err(NotKept::NotCounted)?;
        Ok((approval.clone(), token.clone()))
    }

    async fn consent(&self, consent: &Consent) -> Result<(), LedgerDown> {
        self.kept().consents.push(consent.clone());
        Ok(())
    }

    async fn revoke(&self, cluster: &ClusterArn, id: &ConsentId, at: Timestamp) -> Result<bool, LedgerDown> {
        let mut kept = self.kept();
        let found = kept.consents.iter_mut().find(|consent| consent.cluster == *cluster && consent.id == *id);
        Ok(found.map(|consent| consent.expires_at = at).is_some())
    }

    async fn put_switch(&self, switch: &KillSwitch) -> Result<(), LedgerDown> {
        self.kept().switch = Some(switch.clone());
        Ok(())
    }
}

impl Durations for &Memory {
    async fn learned(&self) -> Result<Learned, LedgerDown> {
        Ok(self.kept().learned.clone())
    }

    async fn learn(&self, learned: &Learned) -> Result<(), LedgerDown> {
        self.kept().learned = learned.clone();
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
        if !kept.started.iter().any(|started| started == input) {
            kept.started.push(input.clone());
        }
        Ok(())
    }
}
