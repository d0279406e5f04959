//! What holds a call, one thing broken a test: everything stands in favour of it, but for what the test changes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod calls;
mod given;
mod guarding;
mod people;
mod schedules;
