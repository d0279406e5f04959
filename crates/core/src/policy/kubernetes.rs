//! What a deployment may see of, and do to, the inside of a cluster.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::roll::Way;

/// How far it may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// The EKS API only.
    #[default]
    Off,
    /// It looks, before and during an upgrade. What it cannot read keeps an automatic run from starting.
    Read,
    /// It also rolls nodes and updates components that EKS does not manage.
    Full,
}

/// The core components that are no EKS add-on, by the names of their add-ons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CoreComponentName {
    /// kube-proxy.
    KubeProxy,
    /// CoreDNS.
    Coredns,
    /// The VPC CNI.
    VpcCni,
}

impl CoreComponentName {
    /// As EKS and the cluster spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KubeProxy => "kube-proxy",
            Self::Coredns => "coredns",
            Self::VpcCni => "vpc-cni",
        }
    }
}

/// What becomes of pods on Fargate, whose kubelets stay as old as their last start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FargatePods {
    /// They are listed.
    #[default]
    Report,
    /// They are restarted through their workloads.
    Restart,
}

/// How groups that EKS does not manage are rolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct SelfManaged {
    /// In place, or by a group beside it.
    pub way: Way,
    /// How many nodes more there may be meanwhile, and how many old ones are out at a time; 1 to 50.
    #[schemars(range(min = 1, max = 50))]
    pub surge: u32,
}

impl Default for SelfManaged {
    fn default() -> Self {
        Self { way: Way::InPlace, surge: 1 }
    }
}

/// The whole section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Kubernetes {
    /// How far it may go.
    pub access: Access,
    /// How long the drain of a node may take, like `15m`; `1m` to `2h`. EKS gives its own drains 15 minutes.
    #[serde(with = "crate::length")]
    #[schemars(schema_with = "crate::length::schema")]
    pub drain_limit: SignedDuration,
    /// How groups that EKS does not manage are rolled.
    pub self_managed: SelfManaged,
    /// Which core components that are no EKS add-on are updated. Of vpc-cni only the images are: its manifest may
    /// have changed beside them, so it is left out unless somebody says otherwise.
    pub components: BTreeSet<CoreComponentName>,
    /// What becomes of pods on Fargate.
    pub fargate: FargatePods,
    /// How long nodes that follow by themselves (Karpenter, Auto Mode) may go without any progress, like `1h`.
    #[serde(with = "crate::length")]
    #[schemars(schema_with = "crate::length::schema")]
    pub stall: SignedDuration,
}

impl Default for Kubernetes {
    fn default() -> Self {
        Self {
            access: Access::Off,
            drain_limit: SignedDuration::from_mins(15),
            self_managed: SelfManaged::default(),
            components: BTreeSet::from([CoreComponentName::KubeProxy, CoreComponentName::Coredns]),
            fargate: FargatePods::Report,
            stall: SignedDuration::from_hours(1),
        }
    }
}

impl Kubernetes {
    pub(super) fn check(&self) -> Result<(), String> {
        let (least, most) = (SignedDuration::from_mins(1), SignedDuration::from_hours(2));
        if !(least..=most).contains(&self.drain_limit) {
            return Err(format!("kubernetes.drainLimit is {:#}; it may be 1m to 2h", self.drain_limit));
        }
        if !(least..=SignedDuration::from_hours(24)).contains(&self.stall) {
            return Err(format!("kubernetes.stall is {:#}; it may be 1m to 24h", self.stall));
        }
        match self.self_managed.surge {
            1..=50 => Ok(()),
            surge => Err(format!("kubernetes.selfManaged.surge is {surge}; it may be 1 to 50")),
        }
    }

    /// [`Kubernetes::drain_limit`] in seconds.
    #[must_use]
    pub fn drain_limit_s(&self) -> u32 {
        u32::try_from(self.drain_limit.as_secs()).unwrap_or(u32::MAX)
    }

    /// Whether the inside may be looked at.
    #[must_use]
    pub fn may_look(&self) -> bool {
        self.access >= Access::Read
    }

    /// Whether something in it may be changed.
    #[must_use]
    pub fn may_act(&self) -> bool {
        self.access == Access::Full
    }
}
