//! What fuzzing checks: everything that comes in from outside is either understood or refused in one sentence.
//!
//! One module a target, each with one function `check`, which panics where a promise does not hold. A module says
//! what it promises; nothing here decides anything. `make fuzz` runs them, `make fuzz-replay` runs one input again.

pub mod fleet;
pub mod ledger;
pub mod notice;
pub mod policy;
pub mod request;
pub mod tags;

mod calendar;
mod eks;
mod sentence;
mod settled;
