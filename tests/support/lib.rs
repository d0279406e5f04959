//! Fakes that the tests share, and an interpreter that runs the state machines' own definitions.
//!
//! [`Fleet`] is a whole deployment in memory: EKS that behaves ([`FakeEks`]), the table, the state machines
//! ([`asl`]) with the real use cases behind their functions, one virtual clock. It is healthy by default; a test
//! breaks one thing. [`Execution`] is one execution as a test holds it; waits only move the clock, so that a day
//! takes milliseconds.

// Only tests use this crate: a broken assumption in it has to stop the test at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

pub mod asl;
mod catalogue;
mod clock;
mod cluster;
mod eks;
mod execution;
mod faults;
mod fleet;
mod functions;
mod inside;
mod people;
mod readings;
mod table;
mod update;

pub use catalogue::{calendar, catalogue};
pub use clock::VirtualClock;
pub use cluster::{Installed, installed, node_group};
pub use eks::{Called, FakeEks};
pub use execution::{End, Execution, Place, Raised};
pub use faults::{Faults, Mishap, finish};
pub use fleet::{Fleet, home};
pub use functions::{Function, died, handled, lambda, machines};
pub use inside::{FAMILY, FakeInside, empty_inside};
pub use people::ada;
pub use table::{Table, Writes};
pub use update::{Outcome, Twist};

use std::str::FromStr;

/// Reads a word of the domain; for literals in tests.
///
/// # Panics
/// When the text does not read.
#[must_use]
pub fn word<T: FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text:?} does not read"))
}
