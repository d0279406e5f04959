//! Budgets, workloads, webhooks, components, and the deprecated.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::pod::Pod;

/// One line of a selector's `matchExpressions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`; another one selects nothing.
    pub operator: String,
    /// The values.
    pub values: Vec<String>,
}

/// A label selector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selector {
    /// `matchLabels`.
    pub labels: BTreeMap<String, String>,
    /// `matchExpressions`.
    pub expressions: Vec<Requirement>,
}

impl Selector {
    /// Whether it selects something with these labels. An empty selector selects everything (`policy/v1`).
    #[must_use]
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        let equal = self.labels.iter().all(|(key, value)| labels.get(key) == Some(value));
        equal && self.expressions.iter().all(|wanted| wanted.holds(labels.get(&wanted.key)))
    }
}

impl Requirement {
    fn holds(&self, value: Option<&String>) -> bool {
        match self.operator.as_str() {
            "In" => value.is_some_and(|value| self.values.contains(value)),
            "NotIn" => value.is_none_or(|value| !self.values.contains(value)),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    }
}

/// A number of pods, or a share of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CountOrShare {
    /// So many.
    Count(u32),
    /// So many in a hundred.
    Percent(u32),
}

/// What a budget asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BudgetRule {
    /// At least so many stay.
    MinAvailable(CountOrShare),
    /// At most so many are out.
    MaxUnavailable(CountOrShare),
}

impl CountOrShare {
    /// So many of `whole`; a share is rounded up, as Kubernetes rounds that of a budget, of either kind.
    #[must_use]
    pub fn of(self, whole: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(share) => {
                let hundredths = u64::from(share) * u64::from(whole);
                u32::try_from(hundredths.div_ceil(100)).unwrap_or(u32::MAX)
            }
        }
    }
}

impl std::fmt::Display for CountOrShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(share) => write!(f, "{share}%"),
        }
    }
}

impl BudgetRule {
    /// How many of so many pods have to stay.
    #[must_use]
    pub fn keeps(self, pods: u32) -> u32 {
        match self {
            Self::MinAvailable(least) => least.of(pods),
            Self::MaxUnavailable(most) => pods.saturating_sub(most.of(pods)),
        }
    }

    /// Whether it is reckoned from what controllers want, and not from the pods that there are.
    #[must_use]
    pub fn is_of_scale(self) -> bool {
        !matches!(self, Self::MinAvailable(CountOrShare::Count(_)))
    }
}

/// As the manifest spells it.
impl std::fmt::Display for BudgetRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MinAvailable(least) => write!(f, "minAvailable {least}"),
            Self::MaxUnavailable(most) => write!(f, "maxUnavailable {most}"),
        }
    }
}

/// One `PodDisruptionBudget`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Its namespace: it covers pods of this one only.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Which pods it covers; `None` where it selects none.
    pub selector: Option<Selector>,
    /// What it asks for.
    pub rule: BudgetRule,
    /// Whether pods that are not ready may always go (`unhealthyPodEvictionPolicy: AlwaysAllow`).
    pub lets_unhealthy_go: bool,
    /// `status.disruptionsAllowed`.
    pub allowed: u32,
    /// `status.currentHealthy`.
    pub healthy: u32,
    /// `status.desiredHealthy`.
    pub desired: u32,
    /// `status.expectedPods`.
    pub expected: u32,
    /// Whether the status is of the present spec (`observedGeneration`): one that is not says nothing.
    pub observed: bool,
}

impl Budget {
    /// Whether it covers a pod.
    #[must_use]
    pub fn covers(&self, pod: &Pod) -> bool {
        self.namespace == pod.namespace
            && self.selector.as_ref().is_some_and(|selector| selector.selects(&pod.labels))
    }

    /// `namespace/name`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// The kinds of workload that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WorkloadKind {
    /// A `Deployment`.
    Deployment,
    /// A `StatefulSet`.
    StatefulSet,
    /// A `DaemonSet`.
    DaemonSet,
    /// A `ReplicaSet` that no deployment owns.
    ReplicaSet,
}

impl std::fmt::Display for WorkloadKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

/// One workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The labels of its pods.
    pub labels: BTreeMap<String, String>,
    /// How many pods it wants: `spec.replicas`, or `status.desiredNumberScheduled`.
    pub wants: u32,
    /// How many of them are ready.
    pub ready: u32,
    /// Whether all pods go before any comes (`strategy: Recreate`).
    pub recreate: bool,
    /// Its containers' images.
    pub images: Vec<String>,
    /// Whether it is of AWS or of Kubernetes itself: in `kube-system`, `kube-node-lease` or `amazon-*`.
    pub system: bool,
}

impl Workload {
    /// `Kind namespace/name`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// Who answers for a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "at")]
pub enum Backend {
    /// A service of the cluster.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// How many ready endpoints it has; `None` where that could not be read.
        ready_endpoints: Option<u32>,
    },
    /// A URL, which nobody here can look at.
    Url,
}

/// One webhook of an admission configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // Facts, each by itself.
pub struct Webhook {
    /// The configuration's name.
    pub configuration: String,
    /// The webhook's name.
    pub name: String,
    /// Whether what it should judge fails when it does not answer (`failurePolicy: Fail`, the default).
    pub fails_closed: bool,
    /// Whether it is asked about evictions (`pods/eviction`, `CREATE`), in whatever namespaces.
    pub on_evictions: bool,
    /// Whether it is asked about new pods (`pods`, `CREATE`): replacements need its yes.
    pub on_pods: bool,
    /// Whether it is asked about nodes (`nodes`, `UPDATE` or `CREATE`).
    pub on_nodes: bool,
    /// The namespaces that its selector leaves out by name (`kubernetes.io/metadata.name` `NotIn`).
    pub not_in: Vec<String>,
    /// Who answers for it.
    pub backend: Backend,
}

impl Webhook {
    /// Whether its selector reaches a namespace, as far as names go.
    #[must_use]
    pub fn reaches(&self, namespace: &str) -> bool {
        !self.not_in.iter().any(|left_out| left_out == namespace)
    }
}

/// A deprecated API that was called since the API server started.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Called {
    /// The group; empty for the core one.
    pub group: String,
    /// The version.
    pub version: String,
    /// The resource, plural.
    pub resource: String,
    /// The minor that serves it no more, as the API server says, such as `1.32`; empty where it does not.
    pub removed: String,
}

/// A live object whose `kubectl.kubernetes.io/last-applied-configuration` names another version of its API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Applied {
    /// The `apiVersion` it was applied under.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace; empty for one of the cluster's.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A persistent volume that only nodes of one zone can use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// The zone.
    pub zone: String,
    /// The claim that it is bound to: `namespace/name`.
    pub claim: Option<String>,
}

/// How kube-proxy works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyMode {
    /// The default.
    Iptables,
    /// Deprecated since 1.35.
    Ipvs,
    /// The successor.
    Nftables,
}

/// How a rollout of a component stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// The object's generation.
    pub generation: i64,
    /// The generation that its controller has seen.
    pub observed: i64,
    /// How many pods it wants.
    pub wants: u32,
    /// How many run the present template.
    pub updated: u32,
    /// How many of those are available.
    pub available: u32,
}

impl Rollout {
    /// Whether every pod runs the present template and is available.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.observed >= self.generation && self.updated >= self.wants && self.available >= self.wants
    }
}

/// kube-proxy, CoreDNS or vpc-cni, as it runs in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// The name of its EKS add-on: `kube-proxy`, `coredns` or `vpc-cni`.
    pub name: String,
    /// The image of its main container, such as `602401143452.dkr.ecr.us-east-1.amazonaws.com/eks/kube-proxy:v1.33.0-eksbuild.2`.
    pub image: String,
    /// How its rollout stands.
    pub rollout: Rollout,
}
