//! What the planner found that a person should know: each with a code, a level, and what to do about it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// The minor to go back to is in extended support, and the cluster is not to be.
    SupportType,
}

impl Code {
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
        )
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
