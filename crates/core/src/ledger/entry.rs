//! One line of the ledger: an event, when and by whom, sealed with the hash of the line before.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Event;
use super::chain::{Line, Sealed};
use crate::ids::{ExecutionArn, Fence, RunId};

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The run.
    pub run: RunId,
    /// Its place, from 1, without gaps.
    pub seq: u32,
    /// When it was written.
    pub at: Timestamp,
    /// Which execution wrote it.
    pub actor: ExecutionArn,
    /// That execution's fencing number.
    pub fence: Fence,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
    /// The hash of the line before; empty in the first.
    pub previous: String,
}

/// Why a ledger cannot be trusted or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// An event that may not follow the ones before.
    #[error("entry {seq}: {event} may not follow: {why}")]
    Illegal {
        /// Its place.
        seq: u32,
        /// Which event.
        event: String,
        /// Why not.
        why: String,
    },
    /// A line that was changed, dropped or moved.
    #[error("entry {seq} of {record} does not follow from the one before: {why}")]
    Broken {
        /// Of what the record is.
        record: String,
        /// The place where the chain breaks.
        seq: u32,
        /// How.
        why: String,
    },
    /// A line that does not read.
    #[error("entry {seq} does not read: {why}")]
    Unreadable {
        /// Its place.
        seq: u32,
        /// What the parser said.
        why: String,
    },
}

impl Line for Entry {
    fn record(&self) -> String {
        format!("run {}", self.run)
    }

    fn seq(&self) -> u32 {
        self.seq
    }

    fn previous(&self) -> &str {
        &self.previous
    }
}

impl Entry {
    /// Seals the line.
    pub fn seal(&self) -> Result<Sealed, LedgerError> {
        Sealed::of(self)
    }
}

impl Sealed {
    /// The entry in it.
    pub fn open(&self) -> Result<Entry, LedgerError> {
        self.read()
    }
}
