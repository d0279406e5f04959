//! Whether a run's record is whole: each line against the one before it, and the last one against the head.
//!
//! The chain alone cannot show that its last line is gone. The head can: it is written in one transaction with the
//! last line, and says which that is. Where the two are kept is not known here.

use serde::Serialize;

use super::chain::Line;
use super::{Entry, LedgerError, RunState, Sealed};
use crate::ids::{RunId, digest};

/// Where a record ends, as it is kept beside the lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The place of the last line.
    pub seq: u32,
    /// The hash of the last line.
    pub hash: String,
}

/// What is wrong with a record, told by the first line that shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "flaw")]
pub enum Flaw {
    /// A place without a line: one was dropped there.
    #[error("line {line} is missing")]
    Missing {
        /// Its place.
        line: u32,
    },
    /// A place with more than one line.
    #[error("line {line} stands there twice")]
    Repeated {
        /// Its place.
        line: u32,
    },
    /// A line whose text or hash is another than when it was sealed.
    #[error("line {line} was altered: its text and its hash differ")]
    Altered {
        /// Its place.
        line: u32,
    },
    /// A line that was sealed as it is, and is none that this version knows.
    #[error("line {line} does not read: {why}")]
    Unreadable {
        /// Its place.
        line: u32,
        /// What the parser said.
        why: String,
    },
    /// A line of another run.
    #[error("line {line} is one of {record}")]
    Foreign {
        /// Its place.
        line: u32,
        /// Of what it is a line.
        record: String,
    },
    /// A line that was written for another place.
    #[error("line {line} was moved: it was written as line {written}")]
    Moved {
        /// The place where it stands.
        line: u32,
        /// The place that it was written for.
        written: u32,
    },
    /// Two lines of which one was put in the place of another, with a hash to match.
    #[error("line {line} does not follow from the one before: one of the two was written anew")]
    Unchained {
        /// The place of the second.
        line: u32,
    },
    /// A chain that holds, of events that cannot have happened so.
    #[error("line {line}, {event}, may not follow: {why}")]
    Illegal {
        /// Its place.
        line: u32,
        /// Which event.
        event: String,
        /// Why not.
        why: String,
    },
    /// A last line in the place of another, with a hash to match.
    #[error("line {line} is not the one that the head names: it was written anew")]
    NotInHead {
        /// Its place.
        line: u32,
    },
    /// A line after the last one.
    #[error("line {line} was added: the head names line {last} as the last")]
    Added {
        /// Its place.
        line: u32,
        /// The last line by the head.
        last: u32,
    },
    /// Lines without a head.
    #[error("the head, which says where the record ends, is missing")]
    Headless,
    /// Something that is kept beside a line's text, for people who look, and says something else.
    #[error("line {line}: what is kept as `{attribute}` is not what its text says")]
    Miscopied {
        /// Its place.
        line: u32,
        /// What it is kept as.
        attribute: String,
    },
    /// The same of the head.
    #[error("the head: what is kept as `{attribute}` is not what the lines say")]
    MiscopiedHead {
        /// What it is kept as.
        attribute: String,
    },
}

/// Checks the whole record of a run. What it adds up to, or the first flaw.
pub fn verify(run: &RunId, lines: &[Sealed], head: Option<&Head>) -> Result<RunState, Flaw> {
    let mut state: Option<RunState> = None;
    for line in lines {
        state = Some(follow(run, state, line)?);
    }
    let head = head.ok_or(Flaw::Headless)?;
    let state = state.ok_or(Flaw::Missing { line: 1 })?;
    match (state.seq, head.seq) {
        (last, named) if last < named => Err(Flaw::Missing { line: last + 1 }),
        (last, named) if last > named => Err(Flaw::Added { line: named + 1, last: named }),
        (last, _) if state.hash != head.hash => Err(Flaw::NotInHead { line: last }),
        _ => Ok(state),
    }
}

/// One more line. What can be said of it alone comes first, so that an altered line is not called a moved one.
fn follow(run: &RunId, state: Option<RunState>, sealed: &Sealed) -> Result<RunState, Flaw> {
    let (place, before) = (sealed.seq, state.as_ref());
    let next = before.map_or(1, |state| state.seq + 1);
    if place != next {
        return Err(if place > next { Flaw::Missing { line: next } } else { Flaw::Repeated { line: place } });
    }
    if digest(&[&sealed.body]) != sealed.hash {
        return Err(Flaw::Altered { line: place });
    }
    let entry: Entry = sealed.open().map_err(|error| flaw(place, error))?;
    if entry.run != *run {
        return Err(Flaw::Foreign { line: place, record: entry.record() });
    }
    if entry.seq != place {
        return Err(Flaw::Moved { line: place, written: entry.seq });
    }
    if entry.previous != before.map_or("", |state| state.hash.as_str()) {
        return Err(Flaw::Unchained { line: place });
    }
    RunState::extend(state, sealed).map_err(|error| flaw(place, error))
}

fn flaw(line: u32, error: LedgerError) -> Flaw {
    match error {
        LedgerError::Illegal { event, why, .. } => Flaw::Illegal { line, event, why },
        LedgerError::Broken { why, .. } | LedgerError::Unreadable { why, .. } => {
            Flaw::Unreadable { line, why }
        }
    }
}
