//! Fakes that the tests share, and a driver that walks an upgrade as the state machines do.
//!
//! [`Fleet`] is a whole deployment in memory: EKS that behaves ([`FakeEks`]), the table, executions, one
//! virtual clock. It is healthy by default; a test breaks one thing. [`Execution`] walks one upgrade through
//! the real use cases, advancing the clock at waits, so that a day takes milliseconds.

// Only tests use this crate: a broken assumption in it has to stop the test at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

mod catalogue;
mod clock;
mod cluster;
mod eks;
mod faults;
mod fleet;
mod table;
mod update;
mod walk;

pub use catalogue::{calendar, catalogue};
pub use clock::VirtualClock;
pub use cluster::{Installed, installed, node_group};
pub use eks::{Called, FakeEks};
pub use faults::{Faults, Mishap, finish};
pub use fleet::{Fleet, home};
pub use table::Table;
pub use update::{Outcome, Twist};
pub use walk::{End, Execution, Place, Raised};

use std::str::FromStr;

/// Reads a word of the domain; for literals in tests.
///
/// # Panics
/// When the text does not read.
#[must_use]
pub fn word<T: FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text:?} does not read"))
}
