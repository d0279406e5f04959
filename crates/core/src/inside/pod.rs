//! Pods.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a pod is in its life; those that are over are not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Waits for a node, or for its images.
    Pending,
    /// Runs.
    Running,
    /// Nobody knows: its node does not answer.
    Unknown,
}

/// The controller of a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    /// Its kind, such as `StatefulSet`. A replica set of a deployment is given as that `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// One pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // Facts, each by itself.
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid: names of a stateful set's pods come back.
    pub uid: String,
    /// Its labels: budgets select by them.
    pub labels: BTreeMap<String, String>,
    /// The node it is on.
    pub node: Option<String>,
    /// Where it is in its life.
    pub phase: Phase,
    /// Whether its `Ready` condition is `True`.
    pub ready: bool,
    /// Its controller (`ownerReferences` with `controller: true`).
    pub owner: Option<Owner>,
    /// Whether a file on the node makes it (`kubernetes.io/config.mirror`): it cannot be evicted.
    pub mirror: bool,
    /// `spec.terminationGracePeriodSeconds`.
    pub grace_s: u32,
    /// Whether it uses an `emptyDir`.
    pub local_storage: bool,
    /// Whether it has a `hostPath` volume.
    pub host_path: bool,
    /// Whether it tolerates every taint (a toleration without a key, operator `Exists`).
    pub tolerates_all: bool,
    /// Whether every container has a readiness probe.
    pub readiness_probes: bool,
    /// Names of its persistent volume claims.
    pub claims: BTreeSet<String>,
    /// How often its containers were restarted.
    pub restarts: u32,
    /// Why a container waits, such as `CrashLoopBackOff`, `ImagePullBackOff`.
    pub waiting: Option<String>,
    /// Whether it carries `karpenter.sh/do-not-disrupt: "true"`.
    pub do_not_disrupt: bool,
    /// Since when it is being deleted.
    pub deleting_since: Option<Timestamp>,
    /// When it was made.
    pub made_at: Timestamp,
}

impl Pod {
    /// `namespace/name`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Whether a daemon set owns it: it stays on its node, and no drain evicts it.
    #[must_use]
    pub fn is_daemon(&self) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.kind == "DaemonSet")
    }
}
