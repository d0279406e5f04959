//! What was observed of a cluster: facts as EKS states them, in our words, and nothing inferred.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::arn::ClusterArn;
use crate::ids::UpdateId;
use crate::inspection::Inspection;
use crate::version::{AddonVersion, Minor};

/// The state of a cluster, node group or add-on, as far as it matters for acting on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// At rest. Says nothing about the last update: ask that.
    Active,
    /// Something is changing it.
    Updating,
    /// EKS says that it is unwell, or that its last change failed.
    Unwell(String),
    /// On its way into or out of existence.
    Transient(String),
}

/// One cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its ARN; with `created_at` its identity.
    pub arn: ClusterArn,
    /// When it was made: tells it from a later one of the same name.
    pub created_at: Timestamp,
    /// The control plane's minor.
    pub version: Minor,
    /// Its state.
    pub status: Status,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Whether EKS Auto Mode runs its nodes.
    pub auto_mode: bool,
    /// Whether the cluster is to go into extended support (`upgradePolicy.supportType` is `EXTENDED`).
    pub extended_support: bool,
    /// Health issues that EKS reports: `CODE: message`.
    pub health_issues: Vec<String>,
}

/// What kind of machine image a node group runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AmiFamily {
    /// Amazon Linux 2; EKS publishes none past 1.32.
    AmazonLinux2,
    /// One that EKS publishes for every minor: Amazon Linux 2023, Bottlerocket, Windows.
    Published,
    /// The owner's own image, named in the launch template.
    Custom,
}

/// The launch template of a node group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LaunchTemplate {
    /// Its id.
    pub id: String,
    /// Its version, a number or `$Latest`, `$Default`.
    pub version: String,
}

/// One managed node group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeGroup {
    /// Its name.
    pub name: String,
    /// The minor of its configuration; single nodes may differ after a failed update.
    pub version: Minor,
    /// The release of its image, such as `1.33.5-20251103`.
    pub release: Option<String>,
    /// What kind of image.
    pub ami: AmiFamily,
    /// The launch template that drives it, if one does.
    pub launch_template: Option<LaunchTemplate>,
    /// Its state.
    pub status: Status,
    /// How many nodes it wants.
    pub size: u32,
    /// How many may be unavailable at a time.
    pub max_unavailable: u32,
    /// Health issues that EKS reports: `CODE: message`.
    pub health_issues: Vec<String>,
}

/// One EKS add-on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Addon {
    /// Its name, such as `vpc-cni`.
    pub name: String,
    /// The version installed.
    pub version: AddonVersion,
    /// Its state.
    pub status: Status,
    /// The IAM role of its service account, if it has one.
    pub role: Option<String>,
    /// Its configuration values, as its owner set them.
    pub configuration: Option<String>,
    /// Health issues that EKS reports: `CODE: message`.
    pub health_issues: Vec<String>,
}

/// A version of an add-on that EKS offers for one minor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The version.
    pub version: AddonVersion,
    /// Whether it is EKS's default for that minor.
    pub is_default: bool,
}

/// What EKS offers: add-on name, then minor, then versions in any order.
pub type Catalogue = BTreeMap<String, BTreeMap<Minor, Vec<Offer>>>;

/// Where an update belongs. Also names which update EKS is asked about.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "name")]
pub enum Resource {
    /// The cluster itself.
    ControlPlane,
    /// One managed node group.
    NodeGroup(String),
    /// One add-on.
    AddOn(String),
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ControlPlane => f.write_str("the control plane"),
            Self::NodeGroup(name) => write!(f, "node group {name}"),
            Self::AddOn(name) => write!(f, "add-on {name}"),
        }
    }
}

/// How an update stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateStatus {
    /// Going on.
    InProgress,
    /// Ended well.
    Successful,
    /// Ended badly; EKS takes a control plane back by itself.
    Failed,
    /// Taken back.
    Cancelled,
    /// A status that this code does not know; never taken for success.
    Unknown(String),
}

/// An error that ended an update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateError {
    /// EKS's code, such as `PodEvictionFailure`.
    pub code: String,
    /// EKS's words.
    pub message: String,
    /// What it concerns, such as node names.
    pub resources: Vec<String>,
}

/// One update of EKS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// Its id.
    pub id: UpdateId,
    /// EKS's `type`, such as `VersionUpdate`.
    pub kind: String,
    /// How it stands.
    pub status: UpdateStatus,
    /// When it began.
    pub created_at: Timestamp,
    /// The `Version`, `ReleaseVersion` or `AddonVersion` parameter, whichever it has.
    pub to: Option<String>,
    /// What ended it, if it failed.
    pub errors: Vec<UpdateError>,
}

impl Update {
    /// One that EKS lists and does not describe, as its reads lag behind: as good as under way. When it began is not told.
    #[must_use]
    pub fn undescribed(id: UpdateId) -> Self {
        Self {
            id,
            kind: String::new(),
            status: UpdateStatus::InProgress,
            created_at: Timestamp::UNIX_EPOCH,
            to: None,
            errors: Vec::new(),
        }
    }
}

/// What an insight is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InsightCategory {
    /// The next upgrade, and the health of what is.
    UpgradeReadiness,
    /// The way back.
    RollbackReadiness,
}

/// What EKS makes of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InsightStatus {
    /// Fine.
    Passing,
    /// Somebody should look at it.
    Warning,
    /// In the way.
    Error,
    /// EKS cannot tell, or says something that this code does not know.
    Unknown,
}

/// One insight of EKS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Insight {
    /// Its name, such as `Kubelet version skew`.
    pub name: String,
    /// What it is about.
    pub category: InsightCategory,
    /// What EKS makes of it.
    pub status: InsightStatus,
    /// The minor that it is about, if it is about one.
    pub about: Option<Minor>,
    /// EKS's words.
    pub reason: String,
    /// When EKS last looked; `None` where it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refreshed_at: Option<Timestamp>,
    /// Who used which deprecated API, a row a client. Only an insight on deprecated APIs has any, and only where its
    /// details were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deprecated: Vec<DeprecatedUse>,
}

/// The use of one deprecated API by one client, from EKS's audit logs of the last 30 days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeprecatedUse {
    /// The API's path, such as `/apis/flowcontrol.apiserver.k8s.io/v1beta3/flowschemas`.
    pub usage: String,
    /// What to use instead; empty where EKS names nothing.
    pub replaced_with: String,
    /// The first minor that does not serve it.
    pub stops_serving: Option<Minor>,
    /// The client's user agent.
    pub client: String,
    /// How many requests it made in 30 days.
    pub requests_30d: u32,
    /// When it made the last one.
    pub last: Option<Timestamp>,
}

/// What was found where something was looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found<T> {
    /// It is there.
    Is(T),
    /// EKS says that there is no such thing.
    Gone,
}

impl<T> Found<T> {
    /// What is there, if it is.
    #[must_use]
    pub fn is(&self) -> Option<&T> {
        match self {
            Self::Is(there) => Some(there),
            Self::Gone => None,
        }
    }
}

/// Everything that a plan is made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// The cluster.
    pub cluster: Cluster,
    /// Its managed node groups.
    pub node_groups: Vec<NodeGroup>,
    /// Its EKS add-ons.
    pub addons: Vec<Addon>,
    /// Names of its Fargate profiles.
    pub fargate_profiles: Vec<String>,
    /// What EKS offers of each installed add-on.
    pub catalogue: Catalogue,
    /// Its upgrade insights.
    pub insights: Vec<Insight>,
    /// Its inside; `None` where the policy does not let it be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<Inspection>,
}
