//! The lines of a ledger, as the table keeps them: bodies, each with its hash.
//!
//! Each line of an input is the body of a line. They are numbered, chained and sealed here, so that what varies is
//! what the lines say and not whether the chain holds. Such a ledger is refused in one sentence, or it reads; then
//! it is total (every question has an answer), each line reads as it was written, and changed in any way it no
//! longer reads.

use eks_upgrade_core::control::Controls;
use eks_upgrade_core::decide::{decide, next_hop};
use eks_upgrade_core::ids::digest;
use eks_upgrade_core::ledger::{LedgerError, RunState, Sealed};
use eks_upgrade_core::news;
use eks_upgrade_core::observe::{World, queries, settle};
use jiff::SignedDuration;
use serde_json::Value;

use crate::{sentence, settled};

/// Longest ledger that is tried: enough for a run of one hop.
const LINES_MAX: usize = 60;

/// Checks one input.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut lines = sealed(text);
    loop {
        match RunState::read(&lines) {
            Ok(None) => return,
            Ok(Some(state)) => {
                answers(&state, &lines);
                lines.iter().for_each(as_written);
                altered(&lines, input);
                return;
            }
            Err(error) => {
                sentence::check(&error.to_string());
                // Up to the line that is refused it is a ledger.
                let before = usize::try_from(place_of(&error)).unwrap_or(0).saturating_sub(1);
                assert!(before < lines.len(), "{error}: it has {} lines", lines.len());
                lines.truncate(before);
            }
        }
    }
}

fn sealed(text: &str) -> Vec<Sealed> {
    let mut lines: Vec<Sealed> = Vec::new();
    for (seq, line) in (1_u32..).zip(text.lines().take(LINES_MAX)) {
        let previous = lines.last().map_or("", |line| line.hash.as_str());
        let body = match serde_json::from_str::<Value>(line) {
            Ok(Value::Object(mut fields)) => {
                fields.insert("seq".into(), seq.into());
                fields.insert("previous".into(), previous.into());
                Value::Object(fields).to_string()
            }
            _ => line.to_owned(),
        };
        let hash = digest(&[&body]);
        lines.push(Sealed { seq, body, hash });
    }
    lines
}

fn place_of(error: &LedgerError) -> u32 {
    match error {
        LedgerError::Illegal { seq, .. }
        | LedgerError::Broken { seq, .. }
        | LedgerError::Unreadable { seq, .. } => *seq,
    }
}

fn answers(state: &RunState, lines: &[Sealed]) {
    let _ = next_hop(state);
    let (world, controls) = (World::default(), Controls::default());
    for (hop, after_s) in
        state.plan.iter().flat_map(|plan| &plan.hops).zip([0, 3_600, 90_000].into_iter().cycle())
    {
        let Ok(now) = state.updated_at.checked_add(SignedDuration::from_secs(after_s)) else { return };
        let _ = queries(state, hop, &world, now);
        let _ = settle(state, hop, &world, now);
        settled::check(&decide(state, hop, &world, &controls, now));
    }
    for news in news::of_run(lines).expect("it reads") {
        if let Some(told) = news.tell {
            assert!(told.subject.chars().count() <= 100, "SNS takes no such subject: {}", told.subject);
        }
    }
}

fn as_written(line: &Sealed) {
    let entry = line.open().expect("it reads");
    settled::check(&entry);
    let again = entry.seal().expect("it seals");
    assert_eq!(again.open().as_ref(), Ok(&entry));
}

/// Changes, drops and moves lines, each time another one by what the input is.
fn altered(lines: &[Sealed], input: &[u8]) {
    let random = usize::from_str_radix(&digest(&[&String::from_utf8_lossy(input)])[..8], 16).unwrap_or(0);
    let at = random % lines.len();
    let body = &lines[at].body;
    if let Some((place, old)) = body.char_indices().nth(random % body.chars().count().max(1)) {
        let mut changed = lines.to_vec();
        let new = if old == 'x' { "y" } else { "x" };
        changed[at].body.replace_range(place..place + old.len_utf8(), new);
        assert!(RunState::read(&changed).is_err(), "line {} was changed at byte {place}", at + 1);
    }
    if lines.len() > 1 {
        let mut dropped = lines.to_vec();
        dropped.remove(random % (lines.len() - 1));
        assert!(RunState::read(&dropped).is_err(), "a line was dropped");
        let mut moved = lines.to_vec();
        moved.swap(random % (lines.len() - 1), lines.len() - 1);
        assert!(RunState::read(&moved).is_err(), "two lines changed places");
    }
}
