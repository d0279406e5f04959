//! The history of one run, as a file keeps it: its ledger, and every decision with all that it followed from.
//!
//! Lines stand as the table keeps them, body and hash. What was decided stands as the JSON that the state machine
//! got, so that a decision that later code no longer knows can still be shown.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use eks_upgrade_core::control::Controls;
use eks_upgrade_core::ids::RunId;
use eks_upgrade_core::ledger::Sealed;
use eks_upgrade_core::observe::World;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// What happens in it, in words.
    pub story: String,
    /// The run.
    pub run: RunId,
    /// Its ledger.
    pub lines: Vec<Line>,
    /// What was decided, in order.
    pub decisions: Vec<Decided>,
}

/// A line of the ledger, as the table keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Its place.
    pub seq: u32,
    /// SHA-256 over the body.
    pub hash: String,
    /// The entry as JSON.
    pub body: String,
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// It followed from the ledger up to this line.
    pub after: u32,
    /// And from this.
    pub asked: Asked,
    /// The decision.
    pub answer: Value,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what", deny_unknown_fields)]
pub enum Asked {
    /// Which hop comes next?
    NextHop,
    /// What is to be done about a hop?
    Decide {
        /// The hop's place in the plan, from 0.
        hop: usize,
        /// When.
        now: Timestamp,
        /// What people had said.
        controls: Controls,
        /// What was seen.
        world: Box<World>,
    },
}

impl From<&Sealed> for Line {
    fn from(line: &Sealed) -> Self {
        Self { seq: line.seq, hash: line.hash.clone(), body: line.body.clone() }
    }
}

impl From<&Line> for Sealed {
    fn from(line: &Line) -> Self {
        Self { seq: line.seq, hash: line.hash.clone(), body: line.body.clone() }
    }
}

impl History {
    /// Its text: JSON, with one line of text for each line of the ledger and each decision, so that a difference of
    /// two histories can be read.
    pub fn text(&self) -> String {
        let mut text = String::from("{\n");
        let _ = writeln!(text, "\"story\": {},", json(&self.story));
        let _ = writeln!(text, "\"run\": {},", json(&self.run));
        let _ = writeln!(text, "\"lines\": [\n{}\n],", rows(&self.lines));
        let _ = writeln!(text, "\"decisions\": [\n{}\n]\n}}", rows(&self.decisions));
        text
    }

    /// Reads its text.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

fn rows<T: Serialize>(rows: &[T]) -> String {
    rows.iter().map(json).collect::<Vec<_>>().join(",\n")
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("it is JSON")
}

/// Where the histories of all versions are: a directory a version.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("histories")
}
