//! What is true against a real Kubernetes API server, and of the harness that runs one.
//!
//! Where there is none these tests say so and are skipped; see `eks_upgrade_tests::kube`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod busy;
mod drain;
mod harness;
mod product;
mod reads;
mod writes;
