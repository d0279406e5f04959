//! Looking at a wave's clusters again when it has soaked.

use crate::cluster::{Cluster, Found, Status};
use crate::observe::word;
use crate::version::Minor;

/// How an upgraded cluster went bad, as a name and in words; `None` when it did not. `baseline` are the health
/// issues that it had before its upgrade. One that somebody deleted, or is changing, is none.
#[must_use]
pub fn unwell(
    version: Option<Minor>,
    seen: &Found<Cluster>,
    baseline: &[String],
) -> Option<(&'static str, String)> {
    let Found::Is(cluster) = seen else { return None };
    if let Status::Unwell(_) = cluster.status {
        return Some(("NotActiveAfterwards", format!("the cluster is {}", word(&cluster.status))));
    }
    if let Some(brought) = version.filter(|brought| cluster.version < *brought) {
        return Some(("VersionWentBack", format!("it is at {}, and was at {brought}", cluster.version)));
    }
    let new: Vec<&str> =
        cluster.health_issues.iter().filter(|issue| !baseline.contains(issue)).map(String::as_str).collect();
    (!new.is_empty()).then(|| ("UnwellAfterwards", new.join("; ")))
}
