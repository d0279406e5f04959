//! What a plan does and what it finds, one thing changed a test: a cluster that has everything to go up, but for that.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod addons;
mod back;
mod given;
mod hops;
mod inside;
mod nodes;
