//! Insights about the way back to the minor before the last upgrade.

use super::{Insight, ROLLBACK, addon_compatibility, verdict};
use crate::minor::Minor;
use crate::state::Cluster;
use crate::world::World;

const API_USAGE: &str = "Incompatible API usage";
const KUBELETS: &str = "Kubelet version rollback compatibility";
const ADDONS: &str = "EKS add-on version rollback compatibility";

/// The names of these insights.
pub(super) const NAMES: [&str; 3] = [API_USAGE, KUBELETS, ADDONS];

/// What follows from the cluster's state for a rollback to `before`.
pub(super) fn derived(world: &World, cluster: &Cluster, before: Minor) -> Vec<Insight> {
    let newer = cluster
        .groups_newer_than(before)
        .into_iter()
        .map(|group| (group.arn.clone(), format!("{} has nodes newer than {before}", group.spec.name)));
    let insights = [
        verdict(API_USAGE, before, Vec::new(), "ERROR"),
        verdict(KUBELETS, before, newer.collect(), "ERROR"),
        addon_compatibility(ADDONS, world, cluster, before),
    ];
    insights.map(|insight| Insight { category: ROLLBACK.to_owned(), ..insight }).to_vec()
}
