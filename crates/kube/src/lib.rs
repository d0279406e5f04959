//! The Kubernetes API of EKS clusters, behind the ports of `pipeline::ports::inside`.
//!
//! [`KubeReads`] looks, [`KubeWrites`] changes too: which of the two a function is given decides what it can do, and
//! `infra/kubernetes/` holds the roles of the cluster that say the same. Translation only: objects of Kubernetes
//! become our facts here and nowhere else, and nothing is judged.
//!
//! - `access`: from a cluster's ARN to a [`link`](crate::link) with its API server, and who we are there;
//! - `link`: one call, with its patience, its pages and its words when it fails;
//! - `reads`: one part of an inside a file; `writes`: one change a file.

mod access;
mod clusters;
mod component;
mod eviction;
mod failed;
mod link;
mod reads;
mod role;
mod token;
mod writes;

pub use access::Finds;
pub use clusters::AwsClusters;
pub use reads::KubeReads;
pub use role::Role;
pub use writes::KubeWrites;
