//! What only the cluster itself can tell: nodes, pods, budgets, webhooks, who calls what. Facts in our words, as they
//! were read through the Kubernetes API, and nothing inferred.
//!
//! The reading is `crates/kube`; what to make of the facts is [`crate::preflight`], [`crate::drain`] and
//! [`crate::health`]. Whatever could not be read is [`Seen::Not`], with the reason: nothing may take it for an empty
//! list.

mod capacity;
mod node;
mod objects;
mod pod;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use capacity::{AutoScalingGroup, Capacity, Subnet, Template};
pub use node::{Claim, Node, NodeGroupOf, Pool, Taint};
pub use objects::{
    Applied, Backend, Budget, BudgetRule, Called, Component, CountOrShare, ProxyMode, Requirement, Rollout,
    Selector, Volume, Webhook, Workload, WorkloadKind,
};
pub use pod::{Owner, Phase, Pod};

use crate::version::Minor;

/// What was read, or why it was not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seen<T> {
    /// It was read, to its end.
    Is(T),
    /// It was not, for this reason. Never the same as nothing being there.
    Not(String),
}

impl<T> Seen<T> {
    /// What was read; the reason why not as the error.
    pub fn get(&self) -> Result<&T, Unseen> {
        match self {
            Self::Is(seen) => Ok(seen),
            Self::Not(why) => Err(Unseen(why.clone())),
        }
    }
}

/// Why something cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unseen(pub String);

/// The inside of one cluster, at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inside {
    /// When it was read.
    pub at: Timestamp,
    /// The API server's own version.
    pub server: Seen<Minor>,
    /// All nodes.
    pub nodes: Seen<Vec<Node>>,
    /// All pods that are not over (`Succeeded` and `Failed` left out).
    pub pods: Seen<Vec<Pod>>,
    /// All `PodDisruptionBudget`s.
    pub budgets: Seen<Vec<Budget>>,
    /// Deployments, stateful sets, daemon sets, and replica sets that no deployment owns.
    pub workloads: Seen<Vec<Workload>>,
    /// Admission webhooks, each with its backend.
    pub webhooks: Seen<Vec<Webhook>>,
    /// What the API server's metrics say was called since it started: `apiserver_requested_deprecated_apis`.
    pub called: Seen<Vec<Called>>,
    /// Live objects that were last applied under a version that is deprecated or removed somewhere.
    pub applied: Seen<Vec<Applied>>,
    /// Persistent volumes that are pinned to a zone.
    pub volumes: Seen<Vec<Volume>>,
    /// How kube-proxy works, where there is a kube-proxy.
    pub proxy_mode: Seen<Option<ProxyMode>>,
    /// kube-proxy, CoreDNS and vpc-cni as they run, whoever installed them.
    pub components: Seen<Vec<Component>>,
    /// Karpenter's node pools; empty where there is no Karpenter.
    pub pools: Seen<Vec<Pool>>,
    /// Karpenter's (and Auto Mode's) node claims.
    pub claims: Seen<Vec<Claim>>,
    /// What AWS says of subnets and Auto Scaling groups behind the nodes.
    pub capacity: Capacity,
}

impl Inside {
    /// An inside of which nothing could be read, for this reason.
    #[must_use]
    pub fn unread(at: Timestamp, why: &str) -> Self {
        fn not<T>(why: &str) -> Seen<T> {
            Seen::Not(why.to_owned())
        }
        Self {
            at,
            server: not(why),
            nodes: not(why),
            pods: not(why),
            budgets: not(why),
            workloads: not(why),
            webhooks: not(why),
            called: not(why),
            applied: not(why),
            volumes: not(why),
            proxy_mode: not(why),
            components: not(why),
            pools: not(why),
            claims: not(why),
            capacity: Capacity { subnets: not(why), groups: not(why) },
        }
    }
}
