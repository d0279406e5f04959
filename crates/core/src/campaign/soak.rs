//! Looking at a wave's clusters again when it has soaked.

use std::collections::BTreeSet;

use super::event::{CampaignEvent, Unwell};
use super::state::CampaignState;
use crate::arn::ClusterArn;
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

/// What a look at a cluster came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The cluster.
    pub cluster: ClusterArn,
    /// How it went bad, if it did.
    pub unwell: Option<Unwell>,
}

/// The event that these looks at the wave that soaks are recorded as: that some of it was looked at, or that all of it
/// was. None where no wave soaks, or where they say nothing new.
#[must_use]
pub fn looked(state: &CampaignState, looks: &[Look]) -> Option<CampaignEvent> {
    let (wave, _) = state.soaking()?;
    let left: BTreeSet<&ClusterArn> = state.unlooked().map(|(cluster, _)| cluster).collect();
    let new: Vec<&Look> = looks.iter().filter(|look| left.contains(&look.cluster)).collect();
    let unwell = new.iter().filter_map(|look| look.unwell.clone());
    if new.len() == left.len() {
        return Some(CampaignEvent::Soaked {
            failures: wave.looked.values().flatten().cloned().chain(unwell).collect(),
        });
    }
    let well = new.iter().filter(|look| look.unwell.is_none()).map(|look| look.cluster.clone());
    (!new.is_empty()).then(|| CampaignEvent::Looked { well: well.collect(), unwell: unwell.collect() })
}
