//! The fleet file: what the simulated account holds when the world starts, and what goes wrong in it.
//!
//! YAML, read strictly: an unknown field, a duplicate or an impossible version is refused with its place.
//! `docs/simulator.md` documents every field for those who write such files.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::minor::Minor;

pub(crate) mod checks;
mod incidents;
mod insights;
pub(crate) mod kubernetes;
mod self_managed;

pub use checks::FleetError;
pub use incidents::{
    Act, Always, Breaks, BrokenAddon, ErrorEffect, FailUpdate, Fault, FaultTarget, ScheduledAct, Times,
};
pub use insights::{ClientSpec, DeprecationSpec, InsightSpec};
pub use kubernetes::{
    Amount, BudgetSpec, ComponentName, ComponentSpec, Denial, DeprecatedCaller, KarpenterSpec,
    KubernetesSpec, Percent, PoolSpec, ProxyModeSpec, Selects, StoredSpec, StrategySpec, WebhookKind,
    WebhookSpec, WorkloadKind, WorkloadSpec,
};
pub use self_managed::{
    Architecture, Follow, GroupTemplateSpec, ImageFamily, LaunchFailure, SelfManagedSpec,
};

/// A whole fleet file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fleet {
    /// The account of clusters that name none; twelve digits.
    #[serde(default = "default_account")]
    pub account: String,
    /// The Region of clusters that name none.
    #[serde(default = "default_region")]
    pub region: String,
    /// Seed of all durations, ids and choices.
    #[serde(default)]
    pub seed: u64,
    /// What the clock shows at the start, unless the environment sets a clock.
    pub start: Timestamp,
    /// Without a business-level plan the Health API refuses.
    #[serde(default)]
    pub support_plan: SupportPlan,
    /// Longest time until a started update shows in reads, in seconds of virtual time; 0..=600.
    #[serde(default = "default_visibility_s")]
    pub visibility_s: u32,
    /// Client request tokens are honoured that long; unset: for ever.
    pub tokens_forgotten_after_m: Option<u32>,
    /// Replaces the built-in calendar.
    #[serde(default)]
    pub versions: Vec<VersionSpec>,
    /// Add-ons beside the built-in ones, or instead of those of the same name.
    #[serde(default)]
    pub addon_catalogue: Vec<AddonOffer>,
    /// Health events; unset: one for each minor in use whose standard support ends within 180 days.
    pub health_events: Option<Vec<HealthEventSpec>>,
    /// The clusters.
    #[serde(default)]
    pub clusters: Vec<ClusterSpec>,
    /// Roles that can be assumed.
    #[serde(default)]
    pub roles: Vec<RoleSpec>,
    /// Faults that are not of one cluster.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// What people do meanwhile.
    #[serde(default)]
    pub acts: Vec<ScheduledAct>,
}

/// A role that can be assumed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSpec {
    /// `arn:aws:iam::ACCOUNT:role/NAME`.
    pub arn: String,
    /// What its trust policy asks for; unset: nothing.
    pub external_id: Option<String>,
}

/// Whether the account may call the Health API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SupportPlan {
    /// It may.
    #[default]
    Business,
    /// It may not: `SubscriptionRequiredException`.
    None,
}

/// One minor of the support calendar.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionSpec {
    /// The minor.
    pub version: Minor,
    /// Its patch release, e.g. `1.35.3`.
    pub patch: Option<String>,
    /// First day on EKS.
    pub released: Date,
    /// Standard support ends as this day begins (UTC).
    pub end_of_standard: Date,
    /// Extended support ends as this day begins (UTC).
    pub end_of_extended: Date,
    /// The version new clusters get.
    #[serde(default)]
    pub default: bool,
}

/// An add-on on offer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddonOffer {
    /// Its name.
    pub name: String,
    /// Its type, e.g. `networking`.
    #[serde(default = "default_addon_kind", rename = "type")]
    pub kind: String,
    /// Its versions.
    pub versions: Vec<AddonVersionOffer>,
}

/// One version of an add-on on offer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddonVersionOffer {
    /// E.g. `v1.21.1-eksbuild.7`.
    pub version: String,
    /// Minors it runs on.
    pub minors: Vec<Minor>,
    /// Minors it is the default of.
    #[serde(default)]
    pub default_for: Vec<Minor>,
    /// It cannot be installed without configuration values.
    #[serde(default)]
    pub requires_configuration: bool,
}

/// A lifecycle event of AWS Health.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthEventSpec {
    /// Its ARN.
    pub arn: String,
    /// The minor whose standard support ends.
    pub version: Minor,
    /// The account that is told; unset: the fleet's.
    pub account: Option<String>,
    /// The Region it is about; unset: the fleet's.
    pub region: Option<String>,
    /// Names of the clusters it lists; unset: those at that minor when the world starts.
    pub clusters: Option<Vec<String>>,
    /// When it was last updated; unset: six minutes before the start.
    pub last_updated: Option<Timestamp>,
}

/// A cluster.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterSpec {
    /// Its name.
    pub name: String,
    /// Its control plane's minor.
    pub version: Minor,
    /// Twelve digits; unset: the fleet's.
    pub account: Option<String>,
    /// Unset: the fleet's.
    pub region: Option<String>,
    /// Tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// `ACTIVE` unless said; any text, to see what callers make of unknown ones.
    #[serde(default = "default_status")]
    pub status: String,
    /// `upgradePolicy.supportType`.
    #[serde(default)]
    pub support_type: SupportType,
    /// EKS Auto Mode.
    #[serde(default)]
    pub auto_mode: bool,
    /// Creation instant; unset: some 400 days before the start.
    pub created_at: Option<Timestamp>,
    /// Who can reach the API server.
    #[serde(default)]
    pub endpoint: EndpointSpec,
    /// `accessConfig.authenticationMode`.
    #[serde(default)]
    pub authentication_mode: AuthenticationMode,
    /// Subnets of the control plane; unset: three with plenty of addresses.
    #[serde(default = "default_subnets")]
    pub subnets: Vec<SubnetSpec>,
    /// `health.issues`.
    #[serde(default)]
    pub health_issues: Vec<IssueSpec>,
    /// Refuse a control-plane upgrade while a node group is not at the cluster's version.
    #[serde(default)]
    pub strict_node_match: bool,
    /// Fargate profiles.
    #[serde(default)]
    pub fargate_profiles: Vec<FargateSpec>,
    /// Managed node groups.
    #[serde(default)]
    pub nodegroups: Vec<NodegroupSpec>,
    /// Auto Scaling groups of nodes that EKS does not manage.
    #[serde(default)]
    pub self_managed: Vec<SelfManagedSpec>,
    /// EKS add-ons.
    #[serde(default)]
    pub addons: Vec<AddonSpec>,
    /// Insights beside, or instead of, those that follow from the cluster's state.
    #[serde(default)]
    pub insights: Vec<InsightSpec>,
    /// Insights stay as they were at the last refresh that was asked for (or at the start).
    #[serde(default)]
    pub insights_frozen: bool,
    /// Updates that somebody else started before the world did.
    #[serde(default)]
    pub updates: Vec<UpdateSpec>,
    /// Faults of this cluster.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// Deleted that many minutes after the start.
    pub deleted_after_m: Option<u32>,
    /// Created again under the same name that many minutes after the start.
    pub recreated_after_m: Option<u32>,
    /// What is inside it; unset: it has no Kubernetes API.
    pub kubernetes: Option<KubernetesSpec>,
    /// What a judge should expect of it. Handed out by `/_sim/state`, never looked at.
    #[serde(default)]
    pub expect: Option<BTreeMap<String, Value>>,
}

/// `upgradePolicy.supportType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SupportType {
    /// Upgraded by AWS at the end of standard support.
    Standard,
    /// Upgraded by AWS at the end of extended support.
    #[default]
    Extended,
}

/// `accessConfig.authenticationMode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AuthenticationMode {
    /// Access entries only.
    Api,
    /// Both.
    #[default]
    ApiAndConfigMap,
    /// The `aws-auth` config map only.
    ConfigMap,
}

/// Who can reach the API server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EndpointSpec {
    /// From the internet.
    pub public: bool,
    /// From the VPC.
    pub private: bool,
    /// Where from, when public.
    pub public_cidrs: Vec<String>,
    /// The URL; unset: made up.
    pub url: Option<String>,
    /// Base64 of the certificate authority; unset: made up.
    pub certificate_authority: Option<String>,
}

impl Default for EndpointSpec {
    fn default() -> Self {
        let public_cidrs = vec!["0.0.0.0/0".to_owned()];
        Self { public: true, private: true, public_cidrs, url: None, certificate_authority: None }
    }
}

/// A subnet of the control plane.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubnetSpec {
    /// E.g. `subnet-0a1b`.
    pub id: String,
    /// Free addresses; an upgrade needs 5.
    #[serde(default = "default_free_addresses")]
    pub free_addresses: u32,
}

/// A health issue of a cluster, node group or add-on.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IssueSpec {
    /// E.g. `AsgInstanceLaunchFailures`.
    pub code: String,
    /// In words.
    #[serde(default)]
    pub message: String,
    /// What it is about.
    #[serde(default, rename(serialize = "resourceIds"))]
    pub resource_ids: Vec<String>,
}

/// A Fargate profile.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FargateSpec {
    /// Its name.
    pub name: String,
    /// The namespace whose pods it runs.
    #[serde(default = "default_namespace")]
    pub namespace: String,
}

/// A managed node group.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodegroupSpec {
    /// Its name.
    pub name: String,
    /// Its minor; unset: the cluster's.
    pub version: Option<Minor>,
    /// Its image release; unset: the oldest of its minor.
    pub release_version: Option<String>,
    /// `amiType`.
    #[serde(default = "default_ami_type")]
    pub ami_type: String,
    /// Nodes; 0..=100.
    #[serde(default = "default_size")]
    pub size: u32,
    /// Nodes that may be out at once; at least 1.
    pub max_unavailable: Option<u32>,
    /// The same as a share of the nodes, 1..=100; not both.
    pub max_unavailable_percentage: Option<u32>,
    /// Surge, or never above the configured size.
    #[serde(default)]
    pub update_strategy: UpdateStrategy,
    /// Its launch template, if it was made from one.
    pub launch_template: Option<LaunchTemplateSpec>,
    /// `ACTIVE` unless said; any text.
    #[serde(default = "default_status")]
    pub status: String,
    /// `health.issues`.
    #[serde(default)]
    pub health_issues: Vec<IssueSpec>,
    /// What the PDBs of its pods say to a drain.
    #[serde(default)]
    pub pdb: Pdb,
    /// They stop saying no that many minutes after the start.
    pub pdb_clears_after_m: Option<u32>,
    /// Kubernetes labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// `ON_DEMAND` or `SPOT`.
    #[serde(default = "default_capacity")]
    pub capacity_type: String,
    /// Instance types.
    #[serde(default = "default_instance_types")]
    pub instance_types: Vec<String>,
    /// Appears that many minutes after the start.
    pub appears_after_m: Option<u32>,
    /// Deleted that many minutes after the start.
    pub deleted_after_m: Option<u32>,
}

/// What PDBs say to a drain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pdb {
    /// Yes.
    #[default]
    Allows,
    /// No, for the pods of one node; force gets through.
    Blocks,
    /// No, and even force fails: crash-looping pods.
    BlocksEvenForce,
}

/// `updateConfig.updateStrategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum UpdateStrategy {
    /// New nodes first.
    #[default]
    Default,
    /// Old nodes go first.
    Minimal,
}

/// The launch template of a node group.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchTemplateSpec {
    /// E.g. `lt-0abc`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The version in use.
    pub version: u32,
    /// Its newest version; unset: the one in use.
    pub latest: Option<u32>,
    /// For custom images: the kubelet of each template version.
    #[serde(default)]
    pub kubelets: BTreeMap<u32, Minor>,
}

/// An EKS add-on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddonSpec {
    /// Its name.
    pub name: String,
    /// Its version; unset: the default of the cluster's minor.
    pub version: Option<String>,
    /// `ACTIVE` unless said; any text.
    #[serde(default = "default_status")]
    pub status: String,
    /// `health.issues`.
    #[serde(default)]
    pub health_issues: Vec<IssueSpec>,
    /// Fields somebody changed, e.g. `DaemonSet.apps aws-node - .spec.template.spec.tolerations`.
    #[serde(default)]
    pub conflicts: Vec<String>,
    /// Configuration values, JSON text.
    pub configuration_values: Option<String>,
    /// `serviceAccountRoleArn`.
    pub role: Option<String>,
    /// ARNs of its pod identity associations.
    #[serde(default)]
    pub pod_identity_associations: Vec<String>,
    /// Tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// An update that somebody else started before the world did.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateSpec {
    /// `VersionUpdate` of the cluster, unless a node group or an add-on is named.
    #[serde(default = "default_update_type", rename = "type")]
    pub kind: String,
    /// The version it goes to.
    pub to: String,
    /// Started that many minutes before the start.
    pub started_ago_m: u32,
    /// Takes that long in all.
    pub duration_m: Option<u32>,
    /// Of this node group.
    pub nodegroup: Option<String>,
    /// Of this add-on.
    pub addon: Option<String>,
    /// Ended already with that status, without effect: history.
    pub status: Option<String>,
    /// What went wrong in it; with `status: Failed`.
    pub error: Option<IssueSpec>,
}

fn default_account() -> String {
    "123456789012".to_owned()
}
fn default_region() -> String {
    "us-east-1".to_owned()
}
fn default_visibility_s() -> u32 {
    3
}
fn default_addon_kind() -> String {
    "other".to_owned()
}
fn default_status() -> String {
    "ACTIVE".to_owned()
}
fn default_free_addresses() -> u32 {
    200
}
fn default_namespace() -> String {
    "default".to_owned()
}
fn default_ami_type() -> String {
    "AL2023_x86_64_STANDARD".to_owned()
}
fn default_size() -> u32 {
    3
}
fn default_capacity() -> String {
    "ON_DEMAND".to_owned()
}
fn default_instance_types() -> Vec<String> {
    vec!["m7i.large".to_owned()]
}
fn default_update_type() -> String {
    "VersionUpdate".to_owned()
}
fn default_subnets() -> Vec<SubnetSpec> {
    ["subnet-0a11", "subnet-0b22", "subnet-0c33"]
        .map(|id| SubnetSpec { id: id.to_owned(), free_addresses: default_free_addresses() })
        .to_vec()
}
