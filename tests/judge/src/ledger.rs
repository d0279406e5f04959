//! A line of a run's ledger as the judge reads it: only the fields that a rule asks for.

use serde_json::Value;

/// One line.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where it stands among everything that was recorded.
    pub place: usize,
    /// When it was written, in seconds since 1970.
    pub at_s: i64,
    /// The run.
    pub run: String,
    /// Its place in the ledger as the table has it.
    pub seq: u32,
    /// Its text.
    pub body: String,
    /// Its hash as the table has it.
    pub hash: String,
    /// Its text, read.
    pub value: Value,
}

impl Entry {
    /// The name of its event.
    #[must_use]
    pub fn event(&self) -> &str {
        self.text("event")
    }

    /// A field of text; empty where there is none.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        self.value[field].as_str().unwrap_or_default()
    }

    /// The fencing number of who wrote it.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.value["fence"].as_u64().unwrap_or_default()
    }
}
