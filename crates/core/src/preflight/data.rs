//! What Kubernetes, AWS and vendors say about versions, embedded from `crates/core/data` and read once. The sources are
//! in the data; `update.py` beside it keeps the API versions.

use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::inside::{ProxyMode, Unseen};
use crate::version::Minor;

type Table<T> = LazyLock<Result<Vec<T>, Unseen>>;

/// An API version that a minor does not serve any more (Kubernetes deprecation guide).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RemovedApi {
    /// The group; empty for the core one.
    pub group: String,
    /// The version.
    pub version: String,
    /// The resource, plural.
    pub resource: String,
    /// The kind.
    pub kind: String,
    /// The first minor that calls it deprecated, where that is known.
    #[cfg_attr(not(test), allow(dead_code))] // For people who read the table.
    pub deprecated: Option<Minor>,
    /// The first minor that does not serve it.
    pub removed: Minor,
    /// What to use instead, as `group/version Kind`.
    pub replacement: Option<String>,
    /// Where that is said.
    #[cfg_attr(not(test), allow(dead_code))]
    pub source: String,
}

/// Who is hit by a change.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "when")]
pub(super) enum Hits {
    /// The inside does not tell: everybody may be.
    Anybody,
    /// Clusters with nodes whose container runtime begins with this.
    Runtime {
        /// Such as `docker://`.
        prefix: String,
    },
    /// Clusters with nodes whose operating system's name begins with this, one that begins with `except` left out.
    OsImage {
        /// Such as `Amazon Linux 2`.
        prefix: String,
        /// Such as `Amazon Linux 2023`.
        except: String,
    },
    /// Clusters that use this API version, by a call or an applied manifest.
    Api {
        /// Its group.
        group: String,
        /// Its version.
        version: String,
        /// Its kind.
        kind: String,
        /// Its resource, plural.
        resource: String,
    },
    /// Clusters whose kube-proxy works like this.
    Proxy {
        /// Its mode.
        mode: ProxyMode,
    },
}

/// What a minor changes for its users.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// The minor that brings it.
    pub minor: Minor,
    /// In a few words.
    pub title: String,
    /// What it means, and what to do.
    pub what: String,
    /// Who is hit.
    pub hits: Hits,
    /// Where that is said.
    pub source: String,
}

/// A daemon set that many clusters run, and what its vendor says of minors.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DaemonSet {
    /// What people call it.
    pub name: String,
    /// The ends of its images' repositories, such as `cilium/cilium`.
    pub images: Vec<String>,
    /// Whether what holds for the newest minor here holds for later ones too: the vendor names minimums, not what was
    /// tested.
    pub open_ended: bool,
    /// The oldest version known to support each minor, ascending.
    pub supports: Vec<Supports>,
    /// Where that is said.
    pub source: String,
}

/// The oldest version that supports a minor.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Supports {
    /// The minor.
    pub minor: Minor,
    /// The version, such as `1.18.0`.
    pub since: String,
}

static REMOVED_APIS: Table<RemovedApi> =
    LazyLock::new(|| read("removed-apis.json", include_str!("../../data/removed-apis.json")));
static CHANGES: Table<Change> =
    LazyLock::new(|| read("changes.json", include_str!("../../data/changes.json")));
static DAEMON_SETS: Table<DaemonSet> =
    LazyLock::new(|| read("daemonsets.json", include_str!("../../data/daemonsets.json")));

fn read<T: DeserializeOwned>(name: &str, text: &str) -> Result<Vec<T>, Unseen> {
    serde_json::from_str(text).map_err(|error| Unseen(format!("the built-in {name} does not read: {error}")))
}

fn table<T>(table: &'static Table<T>) -> Result<&'static [T], Unseen> {
    table.as_ref().map(Vec::as_slice).map_err(Unseen::clone)
}

/// Every API version that was removed, or has a minor named for it.
pub(super) fn removed_apis() -> Result<&'static [RemovedApi], Unseen> {
    table(&REMOVED_APIS)
}

/// What minors change.
pub(super) fn changes() -> Result<&'static [Change], Unseen> {
    table(&CHANGES)
}

/// Daemon sets of vendors.
pub(super) fn daemon_sets() -> Result<&'static [DaemonSet], Unseen> {
    table(&DAEMON_SETS)
}
