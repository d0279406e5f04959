//! What the planner found that a person should know: each with a code, a level, and what to do about it.

mod about;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use about::About;

use crate::ids::ConsentId;
use crate::preflight;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Looked at, and fine; said because it explains the plan.
    Pass,
    /// Goes ahead; somebody has to do something afterwards.
    Warn,
    /// Could not be told. Never the same as fine.
    Unknown,
    /// Does not go ahead.
    Block,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// An Amazon Linux 2 group: EKS publishes no image past 1.32.
    AmazonLinux2,
    /// A group with an image of its owner's.
    CustomAmi,
    /// A group that a launch template drives; the template's version is kept.
    LaunchTemplate,
    /// EKS Auto Mode replaces these nodes itself.
    AutoMode,
    /// Pods on Fargate keep their kubelet until they are restarted.
    Fargate,
    /// No nodes are visible through the EKS API.
    NodesNotSeen,
    /// Nodes would be further behind the control plane than Kubernetes supports.
    SkewExceeded,
    /// A node group that EKS reports as unwell.
    NodeGroupUnwell,
    /// A node group that somebody is changing.
    NodeGroupBusy,
    /// EKS reports health issues of the cluster.
    ClusterUnwell,
    /// An add-on has no version for a minor on the way.
    AddonNoVersion,
    /// vpc-cni cannot climb one minor at a time.
    CniGap,
    /// An add-on that EKS reports as unwell.
    AddonUnwell,
    /// A step takes longer than the policy's windows are open.
    WindowTooShort,
    /// The next hop gives up the way back from the one before.
    WayBackGivenUp,
    /// EKS takes a control plane back for 7 days after its upgrade.
    RollBackTooLate,
    /// There is no upgrade to take back.
    NothingToRollBack,
    /// Nodes are newer than the minor to go back to.
    NodesNewer,
    /// EKS's own insights on the way back are against it, or cannot tell.
    RollBackInsight,
    /// EKS no longer supports the minor to go back to.
    SupportType,
    /// Something inside the cluster could not be read.
    InsideUnread,
    /// What draining the nodes would come to.
    DrainForecast,
    /// Pods that would not leave their node.
    DrainBlocked,
    /// A node group that EKS does not manage.
    SelfManagedNodes,
    /// A core component that is no EKS add-on.
    SelfManagedComponent,
    /// Nodes that follow the control plane by themselves.
    NodesFollow,
    /// Pods on Fargate with an older kubelet.
    FargatePods,
    /// An insight of EKS's that is `ERROR`.
    InsightError,
    /// An insight of EKS's that is `WARNING`.
    InsightWarning,
    /// Insights that are older than a day.
    InsightsStale,
    /// Somebody calls an API that the target does not serve any more.
    DeprecatedApiCalled,
    /// Nodes and pods do worse than before the start.
    WorkloadsWorse,
    /// A kubelet too far from the versions on the way.
    KubeletSkew,
    /// A kube-proxy too far from the API server, or from the kubelet beside it.
    KubeProxySkew,
    /// Nodes that run Amazon Linux 2.
    AmazonLinux2Nodes,
    /// Nodes on which the kubelet of 1.35 does not start: they use cgroup v1.
    CgroupV1,
    /// Nodes with containerd 1.x, which 1.35 supports last.
    ContainerdOld,
    /// kube-proxy in IPVS mode, which is on its way out.
    KubeProxyIpvs,
    /// The API server was called through an API that the target does not serve.
    RemovedApiCalled,
    /// Live objects were last applied through an API that the target does not serve.
    RemovedApiApplied,
    /// A disruption budget that lets no pod go.
    BudgetNeverAllows,
    /// Several disruption budgets cover one pod: no eviction of it is possible.
    BudgetsOverlap,
    /// A disruption budget whose status is not of its present spec.
    BudgetStale,
    /// Pods that nothing makes again.
    BarePods,
    /// A workload of one pod: each move of it is an outage.
    SingleReplica,
    /// A deployment that stops all its pods before it starts new ones.
    RecreateStrategy,
    /// Pods that keep data on their node.
    LocalStorage,
    /// Pods that are killed at once, or take longer to end than a drain may.
    GracePeriod,
    /// Pods that tolerate every taint: a drained node gets them back.
    ToleratesEverything,
    /// Pods that count as ready before they are.
    NoReadinessProbe,
    /// A webhook that fails closed and has nobody behind it.
    WebhookUnanswered,
    /// A webhook that is asked about evictions.
    WebhookOnEvictions,
    /// A daemon set of somebody else whose support of the target is not known.
    DaemonSetSupport,
    /// What a minor on the way changes for its users.
    BreakingChange,
    /// A subnet of the control plane without the addresses that EKS needs.
    ControlPlaneAddresses,
    /// A subnet of nodes with few addresses left.
    NodeAddresses,
    /// A zone that has no room for the node that a rolling update adds first.
    SurgeRoom,
    /// A group that EKS does not manage, and whose owner does not let it be rolled.
    GroupNotReleased,
    /// Volumes of a zone that has one node or none.
    ZonalVolumes,
    /// A node pool whose disruption budget is nothing.
    PoolBudgetZero,
    /// Nodes of a pool that must not be disrupted.
    DoNotDisrupt,
    /// A node pool that does not follow a new version.
    PoolNotDrifting,
}

impl Code {
    /// Every code, in the order of this file.
    pub const ALL: &[Self] = &[
        Self::AmazonLinux2,
        Self::CustomAmi,
        Self::LaunchTemplate,
        Self::AutoMode,
        Self::Fargate,
        Self::NodesNotSeen,
        Self::SkewExceeded,
        Self::NodeGroupUnwell,
        Self::NodeGroupBusy,
        Self::ClusterUnwell,
        Self::AddonNoVersion,
        Self::CniGap,
        Self::AddonUnwell,
        Self::WindowTooShort,
        Self::WayBackGivenUp,
        Self::RollBackTooLate,
        Self::NothingToRollBack,
        Self::NodesNewer,
        Self::RollBackInsight,
        Self::SupportType,
        Self::InsideUnread,
        Self::DrainForecast,
        Self::DrainBlocked,
        Self::SelfManagedNodes,
        Self::SelfManagedComponent,
        Self::NodesFollow,
        Self::FargatePods,
        Self::InsightError,
        Self::InsightWarning,
        Self::InsightsStale,
        Self::DeprecatedApiCalled,
        Self::WorkloadsWorse,
        Self::KubeletSkew,
        Self::KubeProxySkew,
        Self::AmazonLinux2Nodes,
        Self::CgroupV1,
        Self::ContainerdOld,
        Self::KubeProxyIpvs,
        Self::RemovedApiCalled,
        Self::RemovedApiApplied,
        Self::BudgetNeverAllows,
        Self::BudgetsOverlap,
        Self::BudgetStale,
        Self::BarePods,
        Self::SingleReplica,
        Self::RecreateStrategy,
        Self::LocalStorage,
        Self::GracePeriod,
        Self::ToleratesEverything,
        Self::NoReadinessProbe,
        Self::WebhookUnanswered,
        Self::WebhookOnEvictions,
        Self::DaemonSetSupport,
        Self::BreakingChange,
        Self::ControlPlaneAddresses,
        Self::NodeAddresses,
        Self::SurgeRoom,
        Self::GroupNotReleased,
        Self::ZonalVolumes,
        Self::PoolBudgetZero,
        Self::DoNotDisrupt,
        Self::PoolNotDrifting,
    ];

    /// Whether a consent may override a finding of this code. What EKS or Kubernetes itself refuses may not be.
    #[must_use]
    pub fn may_be_overridden(self) -> bool {
        matches!(
            self,
            Self::ClusterUnwell
                | Self::NodeGroupUnwell
                | Self::AddonNoVersion
                | Self::Fargate
                | Self::RollBackInsight
                | Self::InsideUnread
                | Self::DrainBlocked
                | Self::InsightError
                | Self::DeprecatedApiCalled
                | Self::WorkloadsWorse
                | Self::KubeProxySkew
                | Self::CgroupV1
                | Self::ContainerdOld
                | Self::KubeProxyIpvs
                | Self::RemovedApiCalled
                | Self::WebhookUnanswered
                | Self::SurgeRoom
        )
    }
}

impl Code {
    /// Whether a consent may let a finding of this code pass at some level: what blocks where that may be overridden,
    /// and what could not be told always.
    #[must_use]
    pub fn may_be_judged(self) -> bool {
        let may_be_unknown = matches!(
            self,
            Self::NodesNotSeen | Self::SelfManagedNodes | Self::DrainForecast | Self::InsightsStale
        );
        self.may_be_overridden() || may_be_unknown || preflight::looks_for(self)
    }
}

impl std::str::FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|_| {
            format!("{text:?} is no finding's code; `eks-upgrade plan` prints those of a cluster")
        })
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What was found.
    pub code: Code,
    /// How much it weighs.
    pub level: Level,
    /// On what.
    pub subject: String,
    /// In words.
    pub message: String,
    /// The next safe thing to do; empty when there is nothing to do.
    pub next_action: String,
    /// The consent that lets it pass, where it would stand against the plan otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overridden_by: Option<ConsentId>,
}

/// Names of the add-ons without which a cluster does not work: trouble with one stops the run.
pub const CORE_ADDONS: [&str; 3] = ["vpc-cni", "coredns", "kube-proxy"];

impl Finding {
    pub(crate) fn new(
        code: Code,
        level: Level,
        subject: &str,
        message: impl Into<String>,
        next_action: impl Into<String>,
    ) -> Self {
        Self {
            code,
            level,
            subject: subject.to_owned(),
            message: message.into(),
            next_action: next_action.into(),
            overridden_by: None,
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The serde name is the code's only spelling.
        let text = serde_json::to_value(self).ok();
        f.write_str(text.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default())
    }
}
