//! Self-managed node groups: Auto Scaling groups whose instances are nodes of a cluster, and what of EC2 Auto
//! Scaling, EC2 and SSM it takes to move them to another image.
//!
//! A group belongs to the cluster that its tag `kubernetes.io/cluster/NAME` names. [`group`], [`instance`] and
//! [`template`] are the things, [`image`] what they start from, [`course`] what happens to them by themselves;
//! [`api`] is what callers may ask of them, and [`machine`] what the cluster sees of them.

mod api;
mod course;
mod group;
mod image;
mod instance;
mod machine;
mod state;
mod template;

pub(crate) use api::{locate, operation, perform, takes, targeted};
pub(crate) use group::AutoScalingGroup;
pub(crate) use machine::Machine;
pub(crate) use template::LaunchTemplate;
