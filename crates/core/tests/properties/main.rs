//! What always holds: of every plan, of every ledger, of every decision, whatever the cluster and whatever
//! happened.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod campaigns;
mod deciding;
mod given;
mod inside;
mod ledgers;
mod planning;
mod rolling;
mod waiting;
mod windows;
