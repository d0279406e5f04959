//! The use cases, one a function: [`intake`], [`plan`], [`decide`] and [`campaign`], [`act`], [`kube`], [`inspect`],
//! [`notify`], [`voice`].
//!
//! Each reads through [`ports`], lets the core decide, and writes the ledger before and after every effect on a
//! cluster. Nothing here knows AWS types or Lambda; nothing here decides what the core should decide.

pub mod act;
pub mod campaign;
pub mod controls;
pub mod decide;
pub mod error;
pub mod inspect;
pub mod intake;
pub mod journal;
pub mod kube;
pub mod memory;
pub mod nodes;
pub mod notify;
pub mod observe;
pub mod plan;
pub mod ports;
pub mod question;
pub mod voice;
