//! Node groups that EKS does not manage: Auto Scaling groups whose instances join the cluster by themselves.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Always, ClusterSpec, Times};
use crate::catalogue::image_exists;
use crate::minor::Minor;

/// Instances of one group; keeps the state small enough to print.
const SIZE_MAX: u32 = 100;
/// Versions of a launch template at the start.
const TEMPLATE_VERSIONS_MAX: u32 = 1000;
/// A day: no instance takes longer to terminate.
const TERMINATING_MAX_S: u32 = 86_400;

/// An Auto Scaling group of nodes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfManagedSpec {
    /// The group's name; unique in its account and Region.
    pub name: String,
    /// Instances at the start, all of them nodes; 0..=100.
    #[serde(default = "super::default_size")]
    pub size: u32,
    /// Least size; unset: `size`.
    pub min_size: Option<u32>,
    /// Greatest size; unset: `size`.
    pub max_size: Option<u32>,
    /// The kubelets' minor; unset: the cluster's.
    pub version: Option<Minor>,
    /// Release of AWS's image; unset: the oldest of the minor.
    pub release: Option<String>,
    /// Which of AWS's images.
    #[serde(default)]
    pub family: ImageFamily,
    /// Its processors.
    #[serde(default)]
    pub architecture: Architecture,
    /// An image of their own, one of `images`, instead of AWS's.
    pub image: Option<String>,
    /// Images of their own by id, and the kubelet in each. All groups of the cluster may use them.
    #[serde(default)]
    pub images: BTreeMap<String, Minor>,
    /// Its launch template; unset: one of the group's name, at version 1.
    pub launch_template: Option<GroupTemplateSpec>,
    /// Subnets of the cluster that it is in; empty: all of them.
    #[serde(default)]
    pub subnets: Vec<String>,
    /// Tags beside `kubernetes.io/cluster/NAME: owned`.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Tagged for Cluster Autoscaler to find it.
    #[serde(default)]
    pub cluster_autoscaler: bool,
    /// The type of its instances.
    #[serde(default = "default_instance_type")]
    pub instance_type: String,
    /// What it launches after the start never becomes a node.
    #[serde(default)]
    pub fails_to_join: bool,
    /// Launches fail.
    pub launch_fails: Option<LaunchFailure>,
    /// An instance takes that many seconds to terminate; unset: 20.
    pub terminates_slowly_s: Option<u32>,
}

/// The launch template of an Auto Scaling group. Its versions up to the one in use are all alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupTemplateSpec {
    /// E.g. `lt-0abc`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The version in use, and its newest; 1..=1000.
    #[serde(default = "default_template_version")]
    pub version: u32,
    /// The version that `$Default` means; unset: the one in use.
    pub default: Option<u32>,
    /// What the group says instead of a version's number.
    #[serde(default)]
    pub follow: Follow,
    /// What its instances run at boot, in base64; unset: made up. Empty: none, and what is launched does not join.
    pub user_data: Option<String>,
}

/// How a group names the version of its launch template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Follow {
    /// By its number.
    #[default]
    Number,
    /// `$Latest`.
    Latest,
    /// `$Default`.
    Default,
}

/// Launches that fail.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchFailure {
    /// E.g. `InsufficientInstanceCapacity`.
    pub code: String,
    /// In words.
    #[serde(default)]
    pub message: String,
    /// How many of them; the group tries again every minute until they are used up.
    #[serde(default = "always")]
    pub times: Times,
}

/// A family of AWS's node images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageFamily {
    /// Amazon Linux 2023.
    #[default]
    Al2023Standard,
    /// The same for NVIDIA's processors.
    Al2023Nvidia,
    /// The same for Trainium and Inferentia.
    Al2023Neuron,
    /// Bottlerocket.
    Bottlerocket,
}

/// The processors that an image is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// Intel's and AMD's.
    #[default]
    #[serde(rename = "x86_64")]
    X86,
    /// Graviton.
    Arm64,
}

impl SelfManagedSpec {
    /// What is impossible about it, in that cluster.
    pub(crate) fn problem(&self, cluster: &ClusterSpec) -> Option<String> {
        self.size_problem()
            .or_else(|| self.image_problem(cluster))
            .or_else(|| self.launch_template.as_ref().and_then(GroupTemplateSpec::problem))
            .or_else(|| self.subnet_problem(cluster))
            .or_else(|| self.fate_problem())
    }

    fn size_problem(&self) -> Option<String> {
        let (min, max) = (self.min_size.unwrap_or(self.size), self.max_size.unwrap_or(self.size));
        if !(min..=max).contains(&self.size) {
            return Some(format!("size {} is not between min_size {min} and max_size {max}", self.size));
        }
        (max > SIZE_MAX).then(|| format!("size and max_size are at most {SIZE_MAX}"))
    }

    fn image_problem(&self, cluster: &ClusterSpec) -> Option<String> {
        if let Some(id) = &self.image {
            if self.version.is_some() || self.release.is_some() {
                return Some("image, or version and release, not both".to_owned());
            }
            let Some(kubelet) = cluster.self_managed.iter().find_map(|group| group.images.get(id)) else {
                return Some(format!("images has no {id}"));
            };
            return newer(*kubelet, cluster.version);
        }
        if let Some(id) = self.images.keys().find(|id| !id.starts_with("ami-")) {
            return Some(format!("an image is ami-..., not {id:?}"));
        }
        let version = self.version.unwrap_or(cluster.version);
        let release = self.release.as_ref().filter(|release| !image_exists(version, release));
        let unknown = release.map(|release| format!("{version} has no image release {release}"));
        unknown.or_else(|| newer(version, cluster.version))
    }

    fn subnet_problem(&self, cluster: &ClusterSpec) -> Option<String> {
        if cluster.subnets.is_empty() {
            return Some("a group needs a subnet, and the cluster has none".to_owned());
        }
        let there = |id: &String| cluster.subnets.iter().any(|subnet| subnet.id == *id);
        let strange = self.subnets.iter().find(|id| !there(id));
        strange.map(|id| format!("the cluster has no subnet {id}"))
    }

    fn fate_problem(&self) -> Option<String> {
        if self.terminates_slowly_s.is_some_and(|seconds| seconds > TERMINATING_MAX_S) {
            return Some(format!("terminates_slowly_s is at most {TERMINATING_MAX_S}"));
        }
        let never = self.launch_fails.as_ref().is_some_and(|failure| failure.times == Times::Count(0));
        never.then(|| "times is at least 1, or `always`".to_owned())
    }
}

impl GroupTemplateSpec {
    fn problem(&self) -> Option<String> {
        if !(1..=TEMPLATE_VERSIONS_MAX).contains(&self.version) {
            return Some(format!("a launch template's version is 1..={TEMPLATE_VERSIONS_MAX}"));
        }
        let default = self.default.filter(|default| !(1..=self.version).contains(default));
        default.map(|default| format!("the launch template has no version {default}"))
    }
}

fn newer(kubelet: Minor, cluster: Minor) -> Option<String> {
    (kubelet > cluster).then(|| format!("its {kubelet} is newer than the control plane's {cluster}"))
}

fn default_instance_type() -> String {
    "m7i.large".to_owned()
}
fn default_template_version() -> u32 {
    1
}
fn always() -> Times {
    Times::Always(Always::Always)
}
