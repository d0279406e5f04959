//! What goes wrong, and what people do meanwhile.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{InsightSpec, IssueSpec, NodegroupSpec};

/// Something that goes wrong, once or more.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which calls.
    #[serde(rename = "match", default)]
    pub target: FaultTarget,
    /// The first calls that match pass.
    #[serde(default)]
    pub after: u32,
    /// So many then do not.
    #[serde(default)]
    pub times: Times,
    /// The call is refused; nothing happens.
    pub error: Option<ErrorEffect>,
    /// The update it starts fails.
    pub fail_update: Option<FailUpdate>,
    /// The update it starts never ends.
    #[serde(default)]
    pub stuck: bool,
    /// The update it starts takes that long.
    pub duration_m: Option<u32>,
    /// The update it starts ends with this status, without effect; any text.
    pub update_status: Option<String>,
    /// The answer is held that many **real** seconds; what was asked has happened.
    pub answer_after_s: Option<f64>,
    /// The connection closes without an answer; what was asked has happened.
    #[serde(default)]
    pub drop_answer: bool,
    /// Reads lag that many virtual seconds behind the start and the end of the update it starts.
    pub stale_s: Option<u32>,
    /// The upgrade it starts succeeds, and something no longer works after it.
    pub breaks: Option<Breaks>,
}

/// What no longer works after an upgrade, until a rollback.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breaks {
    /// That many minutes after the end of the upgrade.
    #[serde(default)]
    pub after_m: u32,
    /// The cluster's health shows it.
    pub health_issue: Option<IssueSpec>,
    /// It stands among the insights, in the place of one of that name.
    pub insight: Option<InsightSpec>,
    /// An add-on falls ill.
    pub addon: Option<BrokenAddon>,
}

/// How an add-on falls ill.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokenAddon {
    /// Which.
    pub name: String,
    /// Its status then.
    #[serde(default = "default_broken_status")]
    pub status: String,
    /// What its health shows.
    pub health_issue: Option<IssueSpec>,
}

/// Which calls a fault is for; what is unset matches all.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultTarget {
    /// Name of the API operation.
    pub operation: Option<String>,
    /// Cluster.
    pub cluster: Option<String>,
    /// Node group.
    pub nodegroup: Option<String>,
    /// Add-on.
    pub addon: Option<String>,
    /// The version that is asked for: `version` of the request.
    pub version: Option<String>,
}

/// How often a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Times {
    /// So many times.
    Count(u32),
    /// `always`.
    Always(Always),
}

/// The word `always`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Always {
    /// The word itself.
    Always,
}

impl Default for Times {
    fn default() -> Self {
        Self::Count(1)
    }
}

/// A refusal.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorEffect {
    /// E.g. `ThrottlingException`.
    #[serde(rename = "type")]
    pub kind: String,
    /// HTTP status; unset: the documented one of that type.
    pub status: Option<u16>,
    /// In words.
    #[serde(default = "default_fault_message")]
    pub message: String,
}

/// How an update fails.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailUpdate {
    /// `errors[].errorCode`.
    pub code: String,
    /// `errors[].errorMessage`; unset: the usual one of that code.
    pub message: Option<String>,
    /// `errors[].resourceIds`; unset: what the code is about.
    pub resource_ids: Option<Vec<String>>,
}

/// What somebody does at some time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduledAct {
    /// Minutes after the start.
    pub after_m: u32,
    /// What.
    pub act: Act,
}

/// What a person (or AWS) does to the fleet, around the product.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// Upgrades a control plane by one minor; takes its usual time.
    Upgrade {
        /// Which.
        cluster: String,
    },
    /// AWS upgrades a control plane at the end of extended support; takes its usual time.
    AutoUpgrade {
        /// Which.
        cluster: String,
    },
    /// Rolls a control plane back by one minor; takes its usual time.
    RollBack {
        /// Which.
        cluster: String,
    },
    /// Deletes a cluster, now.
    DeleteCluster {
        /// Which.
        cluster: String,
    },
    /// Deletes a node group, now.
    DeleteNodegroup {
        /// Of which cluster.
        cluster: String,
        /// Which.
        nodegroup: String,
    },
    /// Adds a node group, now.
    AddNodegroup {
        /// To which cluster.
        cluster: String,
        /// Which.
        spec: Box<NodegroupSpec>,
    },
    /// Rolls a node group to the cluster's version.
    UpdateNodegroup {
        /// Of which cluster.
        cluster: String,
        /// Which.
        nodegroup: String,
    },
    /// Updates an add-on.
    UpdateAddon {
        /// Of which cluster.
        cluster: String,
        /// Which.
        addon: String,
        /// To which version.
        version: String,
    },
    /// Sets tags of a cluster; an empty value removes one.
    Tag {
        /// Which.
        cluster: String,
        /// Tags.
        tags: BTreeMap<String, String>,
    },
}

fn default_broken_status() -> String {
    "DEGRADED".to_owned()
}

fn default_fault_message() -> String {
    "Injected by the simulator.".to_owned()
}
