//! Insights that a fleet file tells of, beside those that follow from a cluster's state.

use serde::Deserialize;

use crate::minor::Minor;

/// An insight.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InsightSpec {
    /// Its name; one of the same name that the simulator would derive is left out.
    pub name: String,
    /// `PASSING`, `WARNING`, `ERROR` or `UNKNOWN`.
    pub status: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// Unset: `ROLLBACK_READINESS` for the name of such an insight, else `UPGRADE_READINESS`.
    pub category: Option<String>,
    /// The minor it is about; unset: the next, or the one before for a rollback.
    pub kubernetes_version: Option<Minor>,
    /// Deprecated APIs in use.
    #[serde(default)]
    pub deprecations: Vec<DeprecationSpec>,
}

/// A deprecated API in use.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeprecationSpec {
    /// The API, e.g. `/apis/flowcontrol.apiserver.k8s.io/v1beta3/flowschemas`.
    pub usage: String,
    /// What replaces it.
    pub replaced_with: String,
    /// The first minor without it.
    pub stop_serving: Minor,
    /// Who calls it.
    #[serde(default)]
    pub clients: Vec<ClientSpec>,
}

/// A caller of a deprecated API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSpec {
    /// Its user agent.
    pub user_agent: String,
    /// Requests in the last 30 days.
    pub requests: u32,
    /// Its last call, days before the start.
    #[serde(default)]
    pub last_request_days_ago: u32,
}
