//! Deterministic simulation: whole upgrades in one thread and on a virtual clock, by the million.
//!
//! A [`story::Story`] is drawn from a seed: a fleet, a policy, triggers, people who interfere, and faults. [`run::run`]
//! tells it with the shipped use cases and adapters (AWS, and in some stories Kubernetes), the real state machine files,
//! and the simulator of EKS in process; `eks_upgrade_judge` reads the [`trace::Trace`] and says which rules were broken. The same seed gives the
//! same trace, to the hash.
//!
//! [`lie`]s told to the product show that the judge can object. Nothing here decides anything about an upgrade.

// Only tests and the proof use this crate: a broken assumption in it has to stop them at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

pub mod alarms;
pub mod chance;
pub mod coverage;
pub mod deployment;
pub mod inside;
pub mod lie;
pub mod phrasebook;
pub mod retries;
pub mod run;
pub mod story;
mod tape;
pub mod throttle;
pub mod trace;
pub mod wire;
