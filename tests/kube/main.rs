//! What is true against a real Kubernetes API server, and of the harness that runs one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;
