//! What holds a call and what ends a run, one thing broken a test: everything stands in favour of it, but for what the
//! test changes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attempts;
mod calls;
mod given;
mod guarding;
mod looks;
mod outdated;
mod overdue;
mod people;
mod rolls;
mod room;
mod schedules;
mod turns;
mod waits;
