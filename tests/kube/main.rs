//! What is true against a real Kubernetes API server ([`api_server`]), and of the harness that runs one.
//!
//! Where there is none these tests say so and are skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod api_server;
mod busy;
mod drain;
mod harness;
mod product;
mod reads;
mod writes;
