//! What each code is about: the one table that people read, in the terminal and in `docs/preflight.md`.

use super::{Code, Level};
use crate::version::Minor;

/// What a code is about, whatever the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// What is wrong where it is found, in a few words.
    pub title: &'static str,
    /// The level that it usually has.
    pub level: Level,
    /// The first target that it matters for; `None` for any.
    pub from: Option<Minor>,
    /// The last target that it matters for; `None` for any.
    pub until: Option<Minor>,
    /// What to do about it.
    pub remediation: &'static str,
    /// Where Kubernetes, AWS or the project in question says so.
    pub source: &'static str,
}

impl About {
    /// Whether it matters for an upgrade to `target`.
    #[must_use]
    pub fn matters_for(&self, target: Minor) -> bool {
        self.from.is_none_or(|from| target >= from) && self.until.is_none_or(|until| target <= until)
    }

    const fn since(self, minor: u8) -> Self {
        Self { from: Minor::new(minor), ..self }
    }
}

const fn about(level: Level, title: &'static str, remediation: &'static str, source: &'static str) -> About {
    About { title, level, from: None, until: None, remediation, source }
}

const ACCESS: &str = "https://docs.aws.amazon.com/eks/latest/userguide/access-entries.html";
const ADD_ONS: &str = "https://docs.aws.amazon.com/eks/latest/userguide/updating-an-add-on.html";
const AMAZON_LINUX_2: &str = "https://docs.aws.amazon.com/eks/latest/userguide/eks-ami-deprecation-faqs.html";
const AUTO_MODE: &str = "https://docs.aws.amazon.com/eks/latest/userguide/auto-upgrade.html";
const CNI: &str = "https://docs.aws.amazon.com/eks/latest/userguide/managing-vpc-cni.html";
const DEPRECATIONS: &str = "https://kubernetes.io/docs/reference/using-api/deprecation-guide/";
const DISRUPTION: &str = "https://karpenter.sh/docs/concepts/disruption/";
const DISRUPTIONS: &str = "https://kubernetes.io/docs/concepts/workloads/pods/disruptions/";
const DRAIN: &str = "https://kubernetes.io/docs/tasks/administer-cluster/safely-drain-node/";
const EVICTION: &str = "https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/";
const FARGATE: &str = "https://docs.aws.amazon.com/eks/latest/userguide/fargate-pod-patching.html";
const INSIGHTS: &str = "https://docs.aws.amazon.com/eks/latest/userguide/cluster-insights.html";
const NETWORK: &str = "https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html";
const NODE_GROUPS: &str =
    "https://docs.aws.amazon.com/eks/latest/userguide/managed-node-update-behavior.html";
const SELF_MANAGED: &str = "https://docs.aws.amazon.com/eks/latest/userguide/update-workers.html";
const SKEW: &str = "https://kubernetes.io/releases/version-skew-policy/";
const TEMPLATES: &str = "https://docs.aws.amazon.com/eks/latest/userguide/launch-templates.html";
const UPGRADE: &str = "https://docs.aws.amazon.com/eks/latest/userguide/update-cluster.html";
const VERSIONS: &str = "https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions-standard.html";
const WEBHOOKS: &str =
    "https://kubernetes.io/docs/concepts/cluster-administration/admission-webhooks-good-practices/";

const BUDGETS: &str = "https://kubernetes.io/docs/tasks/run-application/configure-pdb/";
const DEPLOYMENTS: &str = "https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#strategy";
const DRIFT: &str = "https://karpenter.sh/docs/concepts/disruption/#drift";
const IPVS: &str = "https://github.com/kubernetes/enhancements/issues/5495";
const PROBES: &str =
    "https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/";
const TAINTS: &str = "https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/";
const TERMINATION: &str = "https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination";
const ZONAL: &str =
    "https://kubernetes.io/docs/setup/best-practices/multiple-zones/#storage-access-for-zones";

impl Code {
    /// What it is about.
    #[must_use]
    #[allow(clippy::too_many_lines)] // A table: a row per code.
    pub const fn about(self) -> About {
        match self {
            Self::AmazonLinux2 => about(
                Level::Warn,
                "a node group on Amazon Linux 2, which stays at 1.32",
                "make a group with Amazon Linux 2023 or Bottlerocket, move the pods there, delete the old one",
                AMAZON_LINUX_2,
            ).since(33),
            Self::CustomAmi => about(
                Level::Warn,
                "a node group with an image of its owner's",
                "add a launch template version with an image for the target, and name it in launchTemplates",
                TEMPLATES,
            ),
            Self::LaunchTemplate => about(
                Level::Pass,
                "a launch template drives the node group; its version is kept",
                "nothing; change the template's version if nodes are to change more than their image",
                TEMPLATES,
            ),
            Self::AutoMode => about(
                Level::Pass,
                "EKS Auto Mode replaces its nodes itself",
                "nothing; their budgets say how fast",
                AUTO_MODE,
            ),
            Self::Fargate => about(
                Level::Warn,
                "pods on Fargate keep their kubelet until they are restarted",
                "restart their workloads after the upgrade: kubectl rollout restart",
                FARGATE,
            ),
            Self::NodesNotSeen => about(
                Level::Unknown,
                "no nodes are visible through the EKS API",
                "check that no node is more than three minors behind the target, or let the inside of the cluster be read",
                SKEW,
            ),
            Self::SkewExceeded => about(
                Level::Block,
                "nodes would be further behind the control plane than Kubernetes supports",
                "bring them to a newer version first, or choose a lower target",
                SKEW,
            ),
            Self::NodeGroupUnwell => about(
                Level::Block,
                "a node group that EKS reports as unwell",
                "resolve its health issues, then start again",
                NODE_GROUPS,
            ),
            Self::NodeGroupBusy => about(
                Level::Warn,
                "a node group that somebody is changing",
                "nothing; the run watches that to its end first",
                NODE_GROUPS,
            ),
            Self::ClusterUnwell => about(
                Level::Block,
                "EKS reports health issues of the cluster",
                "resolve them, then start again",
                UPGRADE,
            ),
            Self::AddonNoVersion => about(
                Level::Block,
                "an add-on without a version for a minor on the way",
                "ask its vendor for one, remove it, or choose a lower target",
                ADD_ONS,
            ),
            Self::CniGap => about(
                Level::Block,
                "vpc-cni cannot climb one minor at a time",
                "update vpc-cni by hand, one minor at a time",
                CNI,
            ),
            Self::AddonUnwell => about(
                Level::Warn,
                "an add-on that EKS reports as unwell",
                "look at its pods",
                ADD_ONS,
            ),
            Self::WindowTooShort => about(
                Level::Block,
                "a step takes longer than the windows are open",
                "widen the windows in the policy, or roll more nodes at a time",
                UPGRADE,
            ),
            Self::WayBackGivenUp => about(
                Level::Pass,
                "the next hop gives up the way back from the one before",
                "nothing; upgrade one minor a run to keep each way back for its seven days",
                UPGRADE,
            ),
            Self::RollBackTooLate => about(
                Level::Block,
                "the upgrade is more than seven days ago",
                "go on at this version, or move the workloads to a new cluster",
                UPGRADE,
            ),
            Self::NothingToRollBack => about(
                Level::Block,
                "there is no upgrade to take back",
                "move the workloads to a new cluster at the version that is needed",
                UPGRADE,
            ),
            Self::NodesNewer => about(
                Level::Block,
                "nodes are newer than the minor to go back to",
                "bring the nodes to that minor first",
                UPGRADE,
            ),
            Self::RollBackInsight => about(
                Level::Block,
                "EKS's insights are against the way back, or cannot tell",
                "resolve what the insight names",
                INSIGHTS,
            ),
            Self::SupportType => about(
                Level::Block,
                "EKS no longer supports the minor to go back to",
                "go on at this version, or move the workloads to a new cluster",
                UPGRADE,
            ),
            Self::InsideUnread => about(
                Level::Unknown,
                "something inside the cluster could not be read",
                "give the inspect function's role its access entry and a way to the API endpoint",
                ACCESS,
            ),
            Self::DrainForecast => about(
                Level::Pass,
                "what draining the nodes would come to",
                "nothing",
                DRAIN,
            ),
            Self::DrainBlocked => about(
                Level::Block,
                "pods that would not leave their node",
                "mend what holds each of them, as its line says",
                DRAIN,
            ),
            Self::SelfManagedNodes => about(
                Level::Pass,
                "nodes that EKS does not manage",
                "replace them after the control plane, or let the policy do it",
                SELF_MANAGED,
            ),
            Self::SelfManagedComponent => about(
                Level::Pass,
                "a core component that is no EKS add-on",
                "update it after the control plane, or make it an EKS add-on",
                ADD_ONS,
            ),
            Self::NodesFollow => about(
                Level::Pass,
                "nodes that follow the control plane by themselves",
                "nothing; the run watches that they do",
                DISRUPTION,
            ),
            Self::FargatePods => about(
                Level::Warn,
                "pods on Fargate with an older kubelet",
                "restart their workloads: kubectl rollout restart",
                FARGATE,
            ),
            Self::InsightError => about(
                Level::Block,
                "an upgrade insight of EKS's is ERROR",
                "resolve what the insight names, then have the insights refreshed",
                INSIGHTS,
            ),
            Self::InsightWarning => about(
                Level::Warn,
                "an upgrade insight of EKS's is WARNING, or is judged otherwise",
                "look at what the insight names",
                INSIGHTS,
            ),
            Self::InsightsStale => about(
                Level::Warn,
                "EKS's upgrade insights are older than a day",
                "have them refreshed: aws eks start-insights-refresh",
                INSIGHTS,
            ),
            Self::DeprecatedApiCalled => about(
                Level::Block,
                "EKS saw calls of an API that the target does not serve",
                "update the client that is named, then wait until its last call is a week old",
                DEPRECATIONS,
            ),
            Self::WorkloadsWorse => about(
                Level::Block,
                "nodes and pods do worse than before the start",
                "look at the pods that are named",
                DISRUPTIONS,
            ),
            Self::KubeletSkew => about(
                Level::Block,
                "a kubelet too far from the versions on the way",
                "replace these nodes with ones at the control plane's version first",
                SKEW,
            ),
            Self::KubeProxySkew => about(
                Level::Warn,
                "a kube-proxy too far from the API server or the kubelets",
                "bring kube-proxy to the control plane's version first",
                SKEW,
            ),
            Self::AmazonLinux2Nodes => about(
                Level::Warn,
                "nodes on Amazon Linux 2, for which there is no image past 1.32",
                "move the pods to nodes with Amazon Linux 2023 or Bottlerocket",
                AMAZON_LINUX_2,
            ).since(33),
            Self::CgroupV1 => about(
                Level::Warn,
                "nodes with cgroup v1, on which the kubelet of 1.35 does not start",
                "use an image with cgroup v2; look by hand: stat -fc %T /sys/fs/cgroup says cgroup2fs",
                VERSIONS,
            ).since(35),
            Self::ContainerdOld => about(
                Level::Warn,
                "nodes with containerd 1.x, which 1.35 supports last",
                "use an image with containerd 2",
                VERSIONS,
            ).since(35),
            Self::KubeProxyIpvs => about(
                Level::Warn,
                "kube-proxy in IPVS mode, deprecated since 1.35",
                "set kube-proxy's mode to nftables or iptables",
                IPVS,
            ).since(35),
            Self::RemovedApiCalled => about(
                Level::Block,
                "an API was called that the target does not serve",
                "find the client in the audit log and update it",
                DEPRECATIONS,
            ),
            Self::RemovedApiApplied => about(
                Level::Warn,
                "objects were last applied through an API that the target does not serve",
                "change the manifests; the objects themselves are converted",
                DEPRECATIONS,
            ),
            Self::BudgetNeverAllows => about(
                Level::Warn,
                "a disruption budget that lets no pod go",
                "raise the replicas, or lower what the budget asks for",
                BUDGETS,
            ),
            Self::BudgetsOverlap => about(
                Level::Warn,
                "several disruption budgets cover one pod, so that no eviction of it is possible",
                "let one budget cover each pod",
                EVICTION,
            ),
            Self::BudgetStale => about(
                Level::Unknown,
                "a disruption budget whose status is not of its present spec",
                "look at kube-controller-manager, which keeps that status, and look again",
                BUDGETS,
            ),
            Self::BarePods => about(
                Level::Warn,
                "pods that nothing makes again",
                "let a controller make them, or be ready to make them again by hand",
                DRAIN,
            ),
            Self::SingleReplica => about(
                Level::Warn,
                "a workload of one pod, so that each move of it is an outage",
                "run two replicas or more, or plan for the outage",
                DISRUPTIONS,
            ),
            Self::RecreateStrategy => about(
                Level::Warn,
                "a deployment that stops all its pods before it starts new ones",
                "use the strategy RollingUpdate, or plan for the outage",
                DEPLOYMENTS,
            ),
            Self::LocalStorage => about(
                Level::Warn,
                "pods with an emptyDir, which is lost with the node",
                "keep what must last in a persistent volume",
                DRAIN,
            ),
            Self::GracePeriod => about(
                Level::Warn,
                "pods that are killed at once, or take longer to end than a drain may",
                "set terminationGracePeriodSeconds to what the pod needs, or raise drainLimit in the policy",
                TERMINATION,
            ),
            Self::ToleratesEverything => about(
                Level::Warn,
                "pods that tolerate every taint, so that a drained node gets them back",
                "tolerate by key, or make it a daemon set",
                TAINTS,
            ),
            Self::NoReadinessProbe => about(
                Level::Warn,
                "pods that count as ready before they are",
                "give each container a readiness probe",
                PROBES,
            ),
            Self::WebhookUnanswered => about(
                Level::Block,
                "a webhook that fails closed and has nobody behind it",
                "bring its pods back, or remove the webhook configuration",
                WEBHOOKS,
            ),
            Self::WebhookOnEvictions => about(
                Level::Warn,
                "a webhook that is asked about evictions",
                "see that it lets evictions through while nodes are drained",
                WEBHOOKS,
            ),
            Self::DaemonSetSupport => about(
                Level::Warn,
                "a daemon set of somebody else whose support of the target is not known",
                "ask its vendor, and update it first",
                SKEW,
            ),
            Self::BreakingChange => about(
                Level::Warn,
                "what a minor on the way changes for its users",
                "read the release notes of that minor",
                VERSIONS,
            ),
            Self::ControlPlaneAddresses => about(
                Level::Block,
                "a subnet of the control plane with fewer than five free addresses",
                "free addresses in it, or give the cluster another subnet in its zone",
                NETWORK,
            ),
            Self::NodeAddresses => about(
                Level::Warn,
                "a subnet of nodes with few addresses left",
                "free addresses in it, or give the nodes another subnet",
                NETWORK,
            ),
            Self::SurgeRoom => about(
                Level::Block,
                "a zone without room for the nodes that a rolling update adds first",
                "free addresses in the zone, or use the update strategy MINIMAL",
                NODE_GROUPS,
            ),
            Self::GroupNotReleased => about(
                Level::Warn,
                "a group that EKS does not manage, without the tag `eks-upgrade:managed`",
                "tag the group and its launch template `eks-upgrade:managed=true` (docs/kubernetes.md), or replace its \
                 nodes by hand",
                SELF_MANAGED,
            ),
            Self::ZonalVolumes => about(
                Level::Warn,
                "volumes of a zone that has one node or none",
                "have two nodes in that zone while nodes are replaced",
                ZONAL,
            ),
            Self::PoolBudgetZero => about(
                Level::Warn,
                "a node pool whose disruption budget is nothing",
                "allow some disruption, at least for the time of the upgrade",
                DISRUPTION,
            ),
            Self::DoNotDisrupt => about(
                Level::Warn,
                "nodes that must not be disrupted, and so stay as they are",
                "take karpenter.sh/do-not-disrupt off, or replace them by hand",
                DISRUPTION,
            ),
            Self::PoolNotDrifting => about(
                Level::Warn,
                "a node pool whose image is pinned, so that it does not follow",
                "let the node class select its image by alias, or name a new one",
                DRIFT,
            ),
        }
    }
}
