//! Whole upgrades as short stories: a healthy fleet, one thing changed, and what came of it.
//!
//! The real use cases run against fakes that behave, and the real definitions of the state machines run them.
//! Every story ends with the checks of [`story::Told`]: no node out of skew, no step begun twice, and a ledger
//! that reads.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod addons;
mod approvals;
mod autoscaler;
mod bakes;
mod campaigns;
mod consents;
mod crashes;
mod doors;
mod eks;
mod hops;
mod inside;
mod kill_switch;
mod lease;
mod nodes;
mod outdated;
mod people;
mod rolls;
mod story;
mod way_back;
mod windows;
