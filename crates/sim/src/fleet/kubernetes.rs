//! The inside of a cluster: what its Kubernetes API server holds, and how it fares.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ClusterSpec;
use crate::minor::Minor;

/// Pods of one workload; keeps lists small enough to read.
const REPLICAS_MAX: u32 = 500;
/// Nodes of one pool of Karpenter's.
const POOL_MAX: u32 = 100;

/// The inside of a cluster.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KubernetesSpec {
    /// What runs, beside the core components.
    pub workloads: Vec<WorkloadSpec>,
    /// `PodDisruptionBudget`s.
    pub budgets: Vec<BudgetSpec>,
    /// Admission webhooks.
    pub webhooks: Vec<WebhookSpec>,
    /// What the metrics say of calls of deprecated APIs.
    pub deprecated_callers: Vec<DeprecatedCaller>,
    /// Objects that were last applied under another version of their API.
    pub stored: Vec<StoredSpec>,
    /// How kube-proxy works.
    pub kube_proxy_mode: ProxyModeSpec,
    /// What nodes say of their container runtime; unset: `containerd://1.7.27`.
    pub container_runtime: Option<String>,
    /// Core components that differ from the usual: the tag of their image, or `absent`.
    pub components: BTreeMap<ComponentName, ComponentSpec>,
    /// Cluster Autoscaler runs in `kube-system`.
    pub cluster_autoscaler: bool,
    /// Karpenter, or the node pools of Auto Mode.
    pub karpenter: Option<KarpenterSpec>,
    /// Connections to the API server are closed without an answer.
    pub unreachable: bool,
    /// What nobody may do: answered with 403.
    pub deny: Vec<Denial>,
    /// Tags of images that cannot be pulled.
    pub image_fails: BTreeSet<String>,
}

/// How kube-proxy works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyModeSpec {
    /// By iptables.
    #[default]
    Iptables,
    /// By IPVS.
    Ipvs,
    /// By nftables.
    Nftables,
}

/// A core component, by the name of its EKS add-on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComponentName {
    /// `DaemonSet` kube-proxy.
    KubeProxy,
    /// `Deployment` coredns.
    Coredns,
    /// `DaemonSet` aws-node.
    VpcCni,
}

/// What of a core component differs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum ComponentSpec {
    /// It is not there.
    Absent,
    /// Its image has this tag; an update of the EKS add-on changes it.
    Tag(String),
}

impl From<String> for ComponentSpec {
    fn from(text: String) -> Self {
        if text == "absent" { Self::Absent } else { Self::Tag(text) }
    }
}

/// What runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools, reason = "facts of a fleet file, each by itself")]
pub struct WorkloadSpec {
    /// Its name; with its kind unique in its namespace.
    pub name: String,
    /// Its namespace.
    #[serde(default = "super::default_namespace")]
    pub namespace: String,
    /// Its kind.
    #[serde(default)]
    pub kind: WorkloadKind,
    /// Its pods; 0..=500. Of no meaning for a `DaemonSet`.
    #[serde(default = "one")]
    pub replicas: u32,
    /// The node group it is bound to, managed or not; unset: any.
    pub group: Option<String>,
    /// `terminationGracePeriodSeconds`.
    #[serde(default = "default_grace_s")]
    pub grace_s: u32,
    /// Its container has a readiness probe.
    #[serde(default = "yes")]
    pub readiness: bool,
    /// It uses an `emptyDir`.
    #[serde(default)]
    pub local_storage: bool,
    /// It uses a `hostPath`.
    #[serde(default)]
    pub host_path: bool,
    /// It tolerates every taint.
    #[serde(default)]
    pub tolerates_all: bool,
    /// How a deployment brings new pods.
    #[serde(default)]
    pub strategy: StrategySpec,
    /// Labels of its pods beside `app: NAME`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Annotations of its pods.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Its container's image; unset: made up from its name.
    pub image: Option<String>,
    /// Its container crashes again and again.
    #[serde(default)]
    pub crashes: bool,
    /// Its pods run on Fargate, each on a node of its own.
    #[serde(default)]
    pub fargate: bool,
    /// Each pod of a `StatefulSet` has a volume, which only nodes of one zone can use.
    #[serde(default)]
    pub volumes: bool,
}

/// The kind of a workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum WorkloadKind {
    /// A `Deployment`.
    #[default]
    Deployment,
    /// A `StatefulSet`.
    StatefulSet,
    /// A `DaemonSet`.
    DaemonSet,
    /// Pods that nobody makes anew.
    Bare,
}

/// How a deployment brings new pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum StrategySpec {
    /// A few at a time.
    #[default]
    RollingUpdate,
    /// Old ones go first.
    Recreate,
}

/// A `PodDisruptionBudget`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetSpec {
    /// Its name.
    pub name: String,
    /// Its namespace.
    #[serde(default = "super::default_namespace")]
    pub namespace: String,
    /// The pods that it covers.
    pub selects: Selects,
    /// At least so many stay. This or `max_unavailable`.
    pub min_available: Option<Amount>,
    /// At most so many are out.
    pub max_unavailable: Option<Amount>,
    /// Pods that are not ready may always go.
    #[serde(default)]
    pub lets_unhealthy_go: bool,
}

/// The pods that a budget covers.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Selects {
    /// Those of a workload of this name: label `app`.
    Workload(String),
    /// Those with these labels; all of the namespace when there are none.
    Labels(BTreeMap<String, String>),
}

/// A number of pods, or a share of them: `2` or `"25%"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Amount {
    /// So many.
    Count(u32),
    /// So many in a hundred.
    Percent(Percent),
}

/// A share in percent, written `"25%"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Percent(u32);

impl Amount {
    /// How many of `total` that is; shares are rounded up.
    #[must_use]
    pub fn of(self, total: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(Percent(percent)) => total.saturating_mul(percent).div_ceil(100),
        }
    }

    /// How many of `total` that is; shares are rounded down.
    #[must_use]
    pub fn of_rounded_down(self, total: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(Percent(percent)) => total.saturating_mul(percent) / 100,
        }
    }
}

impl TryFrom<String> for Percent {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let percent = text.strip_suffix('%').and_then(|digits| digits.parse().ok());
        percent
            .filter(|percent| *percent <= 100)
            .map(Self)
            .ok_or_else(|| format!("a share reads like \"25%\", not {text:?}"))
    }
}

impl From<Percent> for String {
    fn from(percent: Percent) -> Self {
        format!("{}%", percent.0)
    }
}

/// An admission webhook.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSpec {
    /// The name of its configuration.
    pub name: String,
    /// Whether it may change what it sees.
    #[serde(default)]
    pub kind: WebhookKind,
    /// What it is asked about: resources such as `pods`, `pods/eviction`, `nodes`, `*`.
    #[serde(default = "default_webhook_resources")]
    pub on: BTreeSet<String>,
    /// What it does not answer about fails.
    #[serde(default = "yes")]
    pub fails_closed: bool,
    /// Who answers, `NAMESPACE/NAME`; unset: a URL.
    pub service: Option<String>,
    /// Ready endpoints of that service.
    #[serde(default = "one")]
    pub endpoints: u32,
    /// Namespaces that it leaves out.
    #[serde(default)]
    pub not_in: BTreeSet<String>,
}

/// The kind of a webhook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookKind {
    /// It says yes or no.
    #[default]
    Validating,
    /// It may change what it sees.
    Mutating,
}

/// Somebody who calls a deprecated API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeprecatedCaller {
    /// The group; empty for the core one.
    #[serde(default)]
    pub group: String,
    /// The version.
    pub version: String,
    /// The resource, plural.
    pub resource: String,
    /// The subresource.
    #[serde(default)]
    pub subresource: String,
    /// The minor that serves it no more.
    pub removed_release: Minor,
    /// Who calls. The metrics do not tell.
    pub user_agent: Option<String>,
}

/// An object that was last applied under another version of its API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredSpec {
    /// Its kind, one that the simulator has.
    pub kind: String,
    /// Its name. A workload, budget or webhook of the fleet file gets the annotation; else it is made.
    pub name: String,
    /// Its namespace, if it has one.
    #[serde(default = "super::default_namespace")]
    pub namespace: String,
    /// The `apiVersion` that it was applied under.
    pub applied_as: String,
}

/// Karpenter, or the node pools of Auto Mode.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KarpenterSpec {
    /// Its node pools.
    #[serde(default)]
    pub pools: Vec<PoolSpec>,
}

/// A node pool.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolSpec {
    /// Its name.
    pub name: String,
    /// Its nodes; 0..=100.
    #[serde(default = "super::default_size")]
    pub size: u32,
    /// Their kubelets' minor; unset: the cluster's.
    pub version: Option<Minor>,
    /// The `nodes` of its disruption budgets.
    #[serde(default = "default_pool_budgets")]
    pub budgets: Vec<String>,
    /// Its nodes follow the control plane by themselves.
    #[serde(default = "yes")]
    pub drifts: bool,
    /// A drifted node is replaced every so many minutes.
    #[serde(default = "default_drift_m")]
    pub drift_m: u32,
}

/// Something that nobody may do: `RESOURCE` or `VERB RESOURCE`, as in a `ClusterRole`; `/metrics` and the like too.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Denial {
    /// The verb; unset: every one.
    pub verb: Option<String>,
    /// The resource with its subresource, or a path.
    pub resource: String,
}

impl FromStr for Denial {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            [resource] => Ok(Self { verb: None, resource: (*resource).to_owned() }),
            [verb, resource] => Ok(Self { verb: Some((*verb).to_owned()), resource: (*resource).to_owned() }),
            _ => Err(format!("what is denied reads like \"nodes\" or \"list nodes\", not {text:?}")),
        }
    }
}

impl TryFrom<String> for Denial {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl KubernetesSpec {
    /// What is impossible about it, in that cluster.
    pub(crate) fn problem(&self, cluster: &ClusterSpec) -> Option<String> {
        self.workload_problem(cluster)
            .or_else(|| self.budget_problem())
            .or_else(|| self.stored_problem())
            .or_else(|| self.webhook_problem())
            .or_else(|| self.pool_problem(cluster))
    }

    fn workload_problem(&self, cluster: &ClusterSpec) -> Option<String> {
        let managed = cluster.nodegroups.iter().map(|group| &group.name);
        let groups: Vec<&String> =
            managed.chain(cluster.self_managed.iter().map(|group| &group.name)).collect();
        let mut names = BTreeSet::new();
        self.workloads.iter().find_map(|workload| {
            let of = |problem: String| Some(format!("workload {}: {problem}", workload.name));
            if !names.insert((&workload.namespace, workload.kind, &workload.name)) {
                return of("stands there twice".to_owned());
            }
            if !is_dns_name(&workload.name) || !is_dns_name(&workload.namespace) {
                return of("names have up to 63 small letters, digits and -".to_owned());
            }
            if workload.replicas > REPLICAS_MAX {
                return of(format!("replicas is at most {REPLICAS_MAX}"));
            }
            if workload.volumes && workload.kind != WorkloadKind::StatefulSet {
                return of("only a StatefulSet has volumes".to_owned());
            }
            if workload.fargate && (workload.kind == WorkloadKind::DaemonSet || workload.group.is_some()) {
                return of("on Fargate there are neither daemon sets nor node groups".to_owned());
            }
            let group = workload.group.as_ref().filter(|group| !groups.contains(group))?;
            of(format!("there is no node group {group}"))
        })
    }

    fn budget_problem(&self) -> Option<String> {
        let mut names = BTreeSet::new();
        self.budgets.iter().find_map(|budget| {
            let of = |problem: &str| Some(format!("budget {}: {problem}", budget.name));
            if !names.insert((&budget.namespace, &budget.name)) {
                return of("stands there twice");
            }
            if budget.min_available.is_some() == budget.max_unavailable.is_some() {
                return of("min_available or max_unavailable, one of them");
            }
            match &budget.selects {
                Selects::Workload(name) if !self.has_workload(&budget.namespace, name) => {
                    of("there is no workload of that name in its namespace")
                }
                _ => None,
            }
        })
    }

    fn has_workload(&self, namespace: &str, name: &str) -> bool {
        self.workloads.iter().any(|workload| workload.namespace == namespace && workload.name == name)
    }

    fn stored_problem(&self) -> Option<String> {
        let unknown = self.stored.iter().find(|stored| !crate::kube::has_kind(&stored.kind))?;
        Some(format!("stored: the simulator has no kind {}", unknown.kind))
    }

    fn webhook_problem(&self) -> Option<String> {
        let odd = |webhook: &&WebhookSpec| {
            webhook.service.as_ref().is_some_and(|service| service.split('/').count() != 2)
        };
        let odd = self.webhooks.iter().find(odd)?;
        Some(format!("webhook {}: a service is NAMESPACE/NAME", odd.name))
    }

    fn pool_problem(&self, cluster: &ClusterSpec) -> Option<String> {
        let pools = self.karpenter.iter().flat_map(|karpenter| &karpenter.pools);
        pools.into_iter().find_map(|pool| {
            if pool.size > POOL_MAX {
                return Some(format!("pool {}: size is at most {POOL_MAX}", pool.name));
            }
            let newer = pool.version.filter(|version| *version > cluster.version)?;
            Some(format!("pool {}: its {newer} is newer than the control plane's", pool.name))
        })
    }
}

/// A label of DNS (RFC 1123).
fn is_dns_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= 63 && text.bytes().all(fits) && !text.starts_with('-')
}

fn one() -> u32 {
    1
}
fn yes() -> bool {
    true
}
fn default_grace_s() -> u32 {
    30
}
fn default_drift_m() -> u32 {
    3
}
fn default_pool_budgets() -> Vec<String> {
    vec!["10%".to_owned()]
}
fn default_webhook_resources() -> BTreeSet<String> {
    BTreeSet::from(["pods".to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_as_the_api_server_rounds_them() {
        let quarter = Amount::Percent(Percent(25));
        assert_eq!((quarter.of(5), quarter.of_rounded_down(5)), (2, 1));
        assert_eq!((Amount::Count(2).of(5), Amount::Count(2).of_rounded_down(5)), (2, 2));
    }

    #[test]
    fn amounts_and_denials_are_read_as_they_are_written() {
        let amounts: Vec<Amount> = serde_json::from_str(r#"[2, "25%"]"#).unwrap();
        assert_eq!(amounts, [Amount::Count(2), Amount::Percent(Percent(25))]);
        assert!(serde_json::from_str::<Amount>(r#""250%""#).is_err());
        let denial: Denial = "list pods".parse().unwrap();
        assert_eq!(denial, Denial { verb: Some("list".to_owned()), resource: "pods".to_owned() });
        assert!("list the pods".parse::<Denial>().is_err());
    }
}
