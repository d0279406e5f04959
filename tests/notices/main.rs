//! Notices: a hint, never authority. Whatever comes in, nothing crashes, and nothing starts that EKS's own
//! data does not call for; however often it comes in, the work is done once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod copies;
mod judge;
mod large;
mod mutate;
mod mutations;
mod places;
mod random;
mod sweep;
