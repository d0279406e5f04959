//! What ledgers came to when they were last read, so that reading goes on from there.
//!
//! Reading is a fold: what the lines so far come to, and then each further line, checked against the one before. A
//! table in memory gives the same lines each time; what they came to need not be found out again.

use std::collections::BTreeMap;

use eks_upgrade_core::campaign::CampaignState;
use eks_upgrade_core::ids::{CampaignId, RunId};
use eks_upgrade_core::ledger::{LedgerError, RunState, Sealed};

/// The last reading of each ledger.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    runs: BTreeMap<RunId, RunState>,
    campaigns: BTreeMap<CampaignId, CampaignState>,
}

impl Readings {
    /// What the lines of a run come to.
    pub(crate) fn run(&mut self, run: &RunId, lines: &[Sealed]) -> Result<Option<RunState>, LedgerError> {
        go_on(&mut self.runs, run, lines)
    }

    /// What the lines of a campaign come to.
    pub(crate) fn campaign(
        &mut self,
        campaign: &CampaignId,
        lines: &[Sealed],
    ) -> Result<Option<CampaignState>, LedgerError> {
        go_on(&mut self.campaigns, campaign, lines)
    }
}

/// What lines of a ledger come to.
trait Reading: Clone {
    /// The place and the hash of the last line.
    fn last(&self) -> (u32, &str);
    /// What it comes to with one more line.
    fn extend(before: Option<Self>, line: &Sealed) -> Result<Self, LedgerError>;
}

impl Reading for RunState {
    fn last(&self) -> (u32, &str) {
        (self.seq, &self.hash)
    }

    fn extend(before: Option<Self>, line: &Sealed) -> Result<Self, LedgerError> {
        Self::extend(before, line)
    }
}

impl Reading for CampaignState {
    fn last(&self) -> (u32, &str) {
        (self.seq, &self.hash)
    }

    fn extend(before: Option<Self>, line: &Sealed) -> Result<Self, LedgerError> {
        Self::extend(before, line)
    }
}

/// Reads on from the last reading; from the first line where that ended with another line than there is now.
fn go_on<K: Ord + Clone, R: Reading>(
    readings: &mut BTreeMap<K, R>,
    key: &K,
    lines: &[Sealed],
) -> Result<Option<R>, LedgerError> {
    let known = readings.get(key).filter(|reading| {
        let (seq, hash) = reading.last();
        lines.iter().rev().find(|line| line.seq == seq).is_some_and(|line| line.hash == hash)
    });
    let read = known.map_or(0, |reading| reading.last().0);
    let mut reading = known.cloned();
    let mut more = lines.iter().filter(|line| line.seq > read).peekable();
    if more.peek().is_some() {
        for line in more {
            reading = Some(R::extend(reading, line)?);
        }
        readings.extend(reading.clone().map(|reading| (key.clone(), reading)));
    }
    Ok(reading)
}
