//! Nodes, and what brings them forth.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::version::Minor;

/// Who replaces a node when it is time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by", content = "name")]
pub enum NodeGroupOf {
    /// A managed node group of this name (label `eks.amazonaws.com/nodegroup`).
    Managed(String),
    /// Karpenter, by this node pool (label `karpenter.sh/nodepool`).
    Karpenter(String),
    /// EKS Auto Mode, by this node pool (label `eks.amazonaws.com/compute-type: auto`).
    AutoMode(String),
    /// Fargate: one node a pod (label `eks.amazonaws.com/compute-type: fargate`).
    Fargate,
    /// None of these: a group that EKS does not manage, or a machine by itself.
    SelfManaged,
}

/// A taint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value; empty where it has none.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// The kubelet's version as it reports it, such as `v1.33.5-eks-113cf36`.
    pub kubelet: String,
    /// The minor in it, where it reads.
    pub minor: Option<Minor>,
    /// The container runtime, such as `containerd://1.7.27`.
    pub runtime: String,
    /// The operating system's name, such as `Amazon Linux 2`.
    pub os_image: String,
    /// The kernel's version.
    pub kernel: String,
    /// Its zone (label `topology.kubernetes.io/zone`).
    pub zone: Option<String>,
    /// Who replaces it.
    pub group: NodeGroupOf,
    /// Its EC2 instance (from `spec.providerID`).
    pub instance: Option<String>,
    /// Whether its `Ready` condition is `True`.
    pub ready: bool,
    /// Since when that condition is what it is.
    pub ready_since: Option<Timestamp>,
    /// Whether pods may be put on it: not cordoned.
    pub schedulable: bool,
    /// Its taints.
    pub taints: Vec<Taint>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations whose keys begin with `eks-upgrade` (ours).
    pub marks: BTreeMap<String, String>,
    /// When it joined.
    pub made_at: Timestamp,
}

/// A node pool of Karpenter, or of Auto Mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// The `nodes` of its disruption budgets, such as `10%` or `0`, those that hold only for a while left out.
    pub budgets: Vec<String>,
    /// Whether it drifts by itself to a new image: false when its node class pins one.
    pub drifts: bool,
}

/// A node claim: a machine that a pool asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Its name.
    pub name: String,
    /// Its pool.
    pub pool: String,
    /// Its node, once it has joined.
    pub node: Option<String>,
    /// Whether its condition `Drifted` is `True`.
    pub drifted: bool,
    /// Whether it, or its node, carries `karpenter.sh/do-not-disrupt: "true"`.
    pub do_not_disrupt: bool,
}
