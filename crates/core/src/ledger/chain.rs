//! The chain of a record: each line is sealed with the hash of the line before, so that none can be changed,
//! dropped or moved unseen. Runs and campaigns keep their records so.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::LedgerError;
use crate::ids::digest;
use crate::text::quoted;

/// A line as it is kept: its exact text, and that text's hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The line's place.
    pub seq: u32,
    /// The entry as JSON.
    pub body: String,
    /// SHA-256 over the body's length in bytes (eight bytes, the highest first) and the body, in hexadecimal. The body
    /// holds the hash before it, hence the chain.
    pub hash: String,
}

/// What can stand in a chain.
pub trait Line: Serialize + DeserializeOwned {
    /// What the record is of, in words: `run prod-a-1.35-5f0c2a91`.
    fn record(&self) -> String;
    /// Its place, from 1, without gaps.
    fn seq(&self) -> u32;
    /// The hash of the line before; empty in the first.
    fn previous(&self) -> &str;
}

impl Sealed {
    /// Seals a line. A line is plain data, so its JSON always exists; an error is reported all the same.
    pub fn of<L: Line>(line: &L) -> Result<Self, LedgerError> {
        let seq = line.seq();
        let body = serde_json::to_string(line)
            .map_err(|error| LedgerError::Unreadable { seq, why: error.to_string() })?;
        let hash = digest(&[&body]);
        Ok(Self { seq, body, hash })
    }

    /// The line in it.
    pub fn read<L: Line>(&self) -> Result<L, LedgerError> {
        serde_json::from_str(&self.body)
            .map_err(|error| LedgerError::Unreadable { seq: self.seq, why: quoted(&error.to_string()) })
    }

    /// The line in it, if it follows the one with this place and hash.
    pub fn after<L: Line>(&self, seq: u32, hash: &str) -> Result<L, LedgerError> {
        let line: L = self.read()?;
        let broken =
            |why: &str| LedgerError::Broken { record: line.record(), seq: self.seq, why: why.into() };
        if line.seq() != seq + 1 || self.seq != line.seq() {
            return Err(broken("its number is not the next"));
        }
        if line.previous() != hash {
            return Err(broken("it names another predecessor"));
        }
        if digest(&[&self.body]) != self.hash {
            return Err(broken("its text and its hash differ"));
        }
        Ok(line)
    }
}
