//! The interpreter of the state machine definitions itself, rule by rule, on small definitions; and that it runs
//! those of the product as they are.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod errors;
mod expressions;
mod flow;
mod maps;
mod nested;
mod ours;
mod small;
mod strict;
mod tokens;
