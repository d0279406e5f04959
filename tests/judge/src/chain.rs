//! The hash chain of every ledger holds.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::evidence::Evidence;
use crate::ledger::Entry;
use crate::{Objection, Rule};

/// A line's hash is the SHA-256 over the length of its text (eight bytes, the highest first) and the text; the text
/// names the hash before it; places count from 1.
pub(crate) fn judge(evidence: &Evidence) -> Vec<Objection> {
    evidence.ledgers.values().flat_map(|lines| broken(lines)).collect()
}

fn broken(lines: &[Entry]) -> Vec<Objection> {
    let mut objections = Vec::new();
    let mut before = "";
    for (at, line) in (1_u32..).zip(lines) {
        let text = |why: &str| format!("line {} of {}: {why}", line.seq, line.run);
        let why = if line.seq != at || line.value["seq"].as_u64() != Some(at.into()) {
            Some("its number is not the next")
        } else if line.text("previous") != before {
            Some("it names another predecessor")
        } else if sha256(&line.body) != line.hash {
            Some("its text and its hash differ")
        } else if line.text("run") != line.run {
            Some("it is of another run")
        } else {
            None
        };
        objections.extend(why.map(|why| Objection { rule: Rule::Chain, at_s: line.at_s, text: text(why) }));
        before = &line.hash;
    }
    objections
}

fn sha256(text: &str) -> String {
    let length = (text.len() as u64).to_be_bytes();
    let digest = Sha256::new().chain_update(length).chain_update(text.as_bytes()).finalize();
    digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
