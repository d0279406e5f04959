//! The state machines and the Rust types say the same.
//!
//! What one side names, the other side knows: payloads, actions, waits, decisions, errors. Variants are read
//! from the generated schemas, so that a new one fails here until the state machines know it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod dialect;
mod errors;
mod events;
mod machine;
mod payloads;
mod routing;
mod schema;
