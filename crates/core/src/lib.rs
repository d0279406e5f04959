//! What an EKS upgrade is, and what to do next.
//!
//! Everything here is pure: data and `now` go in, a decision comes out. There is no async, no clock, no AWS
//! and no Kubernetes client in this crate, and none may enter; reading and acting live in `pipeline` and in
//! the adapters. Start with [`plan`] (what will be done), [`ledger`] (what was done) and [`decide`] (what
//! to do now).

pub mod arn;
pub mod bake;
pub mod calendar;
pub mod campaign;
pub mod cluster;
pub mod command;
pub mod component;
pub mod contract;
pub mod control;
pub mod decide;
pub mod door;
pub mod drain;
pub mod finding;
pub mod guard;
pub mod health;
pub mod hold;
pub mod ids;
pub mod inside;
pub mod inspection;
pub mod ledger;
pub mod length;
pub mod news;
pub mod notice;
pub mod observe;
pub mod plan;
pub mod planner;
pub mod policy;
pub mod preflight;
pub mod remedy;
pub mod report;
pub mod roll;
pub mod screen;
pub mod text;
pub mod version;
pub mod waits;
pub mod way_back;
pub mod window;
