//! How a run was opened: what its first line says.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::arn::ClusterArn;
use crate::ids::{CampaignId, RunId};
use crate::policy::Policy;
use crate::version::Minor;

/// How a run was opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    /// The cluster.
    pub cluster: ClusterArn,
    /// When that cluster was made: with the ARN its identity.
    pub cluster_created_at: Timestamp,
    /// The minor it started from.
    pub from: Minor,
    /// The minor it goes to.
    pub target: Minor,
    /// The policy it runs under, tags and request applied.
    pub policy: Policy,
    /// The campaign it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<CampaignId>,
    /// Why, in the words of whoever started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When support of `from` ends: standard support, or extended where the cluster is in that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub support_ends: Option<Timestamp>,
    /// Whether it takes the control plane back instead of up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub roll_back: bool,
    /// Launch template versions, by node group.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub launch_templates: BTreeMap<String, String>,
    /// What an earlier run did to the cluster and what stands until this one, or a later one, completes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harm: Option<Harm>,
}

/// The harm that a run did to its cluster: it stopped after it had touched it, or the cluster went bad or back after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Harm {
    /// The run.
    pub run: RunId,
    /// Why, as a name.
    pub code: String,
    /// Where it was to go.
    pub target: Minor,
}
