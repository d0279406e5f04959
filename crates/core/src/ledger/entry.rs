//! One line of the ledger: an event, when and by whom, sealed with the hash of the line before.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Event;
use crate::ids::{ExecutionArn, Fence, RunId, digest};

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

/// A line as it is kept: its exact text, and that text's hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The line's place.
    pub seq: u32,
    /// The entry as JSON.
    pub body: String,
    /// SHA-256 over the body, in hexadecimal. The body holds the hash before it, hence the chain.
    pub hash: String,
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
    #[error("entry {seq} of run {run} does not follow from the one before: {why}")]
    Broken {
        /// The run.
        run: RunId,
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

impl Entry {
    /// Seals the line. An entry is plain data, so its JSON always exists; an error is reported all the same.
    pub fn seal(&self) -> Result<Sealed, LedgerError> {
        let body = serde_json::to_string(self)
            .map_err(|error| LedgerError::Unreadable { seq: self.seq, why: error.to_string() })?;
        let hash = digest(&[&body]);
        Ok(Sealed { seq: self.seq, body, hash })
    }
}

impl Sealed {
    /// The entry in it.
    pub fn open(&self) -> Result<Entry, LedgerError> {
        serde_json::from_str(&self.body)
            .map_err(|error| LedgerError::Unreadable { seq: self.seq, why: error.to_string() })
    }
}
