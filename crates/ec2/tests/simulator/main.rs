//! The ports as the simulator answers: the real SDKs, with the simulated world in place of the network.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cloud;
mod reads;
mod writes;
