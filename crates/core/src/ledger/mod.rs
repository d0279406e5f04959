//! The ledger of a run: what was meant, what was done, what came of it. Only appended to.
//!
//! [`Entry`] is one line, chained to the one before by its hash. [`RunState`] is what the lines add up to;
//! [`RunState::apply`] is the one place that says which event may follow which, and it refuses the others. [`verify`]
//! says of a record whether it is still the one that was written.

mod apply;
mod chain;
mod entry;
mod event;
mod opened;
mod state;
mod verify;

pub use chain::{Line, Sealed};
pub use entry::{Entry, LedgerError};
pub use event::{Done, Ending, Event};
pub use opened::{Harm, Opened};
pub use state::{Foreign, InUse, Phase, Progress, RunState, Standing};
pub use verify::{Flaw, Head, verify};
