//! The lease and step protocol, explored exhaustively: every interleaving of several executions that want the same
//! cluster, at the granularity of port calls, with every fault at every port call, up to a number of faults.
//!
//! The use cases are the shipped ones (`plan`, `decide`, `act` of the pipeline), the table's conditions are those of
//! [`eks_upgrade_pipeline::memory`], and [stateright](https://docs.rs/stateright) walks the states breadth first. Only
//! the waiting, routing and retrying of the state machines is written down once more, in [`machine`].
//!
//! # How futures are explored
//! A future cannot be cloned, so that no state can hold one. It can be made again: [`function::Invocation`] feeds the
//! shipped future with the answers that it had, and comes to the same place. A state holds the world and, for each
//! invocation, its request and answers, both by number ([`interned`]). It is exact: nothing is abstracted from what an
//! invocation knows.
//!
//! # What may happen
//! * Any open port call of any invocation is answered, in any order.
//! * As a fault: a call is lost before or after its effect; EKS throttles; an invocation dies, with its reply in hand
//!   or without; its state machine gives it up and tries again while it lives on; an execution is stopped while its
//!   invocations live on; a stopped one is redriven; an update fails.
//! * An update ends, at any time. The clock moves by waits, and by leaps of ten minutes where a setup has some.
//!
//! A read of what nobody changes here (the calendar, consents, the kill switch and so on) and a reply are not interleaved
//! with what others do: nobody can tell. They meet their faults all the same.
//!
//! # What is not here
//! Reads of EKS that lag, people who act meanwhile, windows, approvals, bakes, add-ons, the inside of clusters,
//! campaigns. The journeys and the simulation have those.

// Only tests use this crate: a broken assumption in it has to stop the test at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

pub mod desk;
pub mod eks;
pub mod explored;
pub mod function;
pub mod interned;
pub mod machine;
pub mod properties;
pub mod protocol;
mod recovery;
pub mod setup;
pub mod world;
