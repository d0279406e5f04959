//! How long after the end of an EKS update it is known, and how many calls that takes: by the wait rule that ships,
//! and by those of the tools that people use today.
//!
//! For that nothing is simulated but time: a duration is drawn ([`durations`]), each rule says when it looks
//! ([`schedule`], [`peers`], [`ours`]), and the first look after the end is when the end is known ([`wait`]). The rule
//! that ships is called as it is; it lives in `eks_upgrade_core::waits` and is not described again.
//!
//! Whole upgrades, with all that ships, are told in the simulator: [`simulated`].

pub mod budgets;
pub mod durations;
pub mod figures;
pub mod ours;
pub mod peers;
pub mod print;
pub mod report;
pub mod schedule;
pub mod simulated;
pub mod upgrade;
pub mod wait;
