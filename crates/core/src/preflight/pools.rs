//! Karpenter's pools, and Auto Mode's: what keeps their nodes from following the control plane.

use std::collections::{BTreeMap, BTreeSet};

use super::report::{Hit, some_of};
use super::versions::in_words;
use super::{Look, Upgrade};
use crate::finding::Level;
use crate::inside::{Inside, NodeGroupOf};

/// Pools with a budget of nothing.
pub(super) fn no_budget(inside: &Inside, _: Upgrade) -> Look {
    let nothing = |budget: &String| matches!(budget.trim(), "0" | "0%");
    let stuck = inside.pools.get()?.iter().filter(|pool| pool.budgets.iter().any(nothing));
    let message = "a disruption budget of 0: its nodes stay as old as they are";
    Ok(stuck.map(|pool| Hit::new(Level::Warn, &pool.name, message)).collect())
}

/// Nodes that a claim, or a pod on them, keeps from being replaced.
pub(super) fn do_not_disrupt(inside: &Inside, _: Upgrade) -> Look {
    let claims = inside.claims.get()?.iter().filter(|claim| claim.do_not_disrupt);
    let mut kept: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for claim in claims {
        kept.entry(format!("node pool {}", claim.pool)).or_default().insert(format!("claim {}", claim.name));
    }
    let follows = |group: &NodeGroupOf| matches!(group, NodeGroupOf::Karpenter(_) | NodeGroupOf::AutoMode(_));
    let nodes = inside.nodes.get()?.iter().filter(|node| follows(&node.group));
    let groups: BTreeMap<&String, &NodeGroupOf> = nodes.map(|node| (&node.name, &node.group)).collect();
    for pod in inside.pods.get()?.iter().filter(|pod| pod.do_not_disrupt) {
        if let Some(group) = pod.node.as_ref().and_then(|node| groups.get(node)) {
            kept.entry(in_words(group)).or_default().insert(format!("pod {}", pod.full_name()));
        }
    }
    let hits = kept.iter().map(|(pool, by)| {
        Hit::new(Level::Warn, pool, format!("nodes that must not be disrupted, by {}", some_of(by)))
    });
    Ok(hits.collect())
}

/// Pools whose node class pins an image.
pub(super) fn pinned(inside: &Inside, _: Upgrade) -> Look {
    let pinned = inside.pools.get()?.iter().filter(|pool| !pool.drifts);
    let message = "its image is pinned: its nodes do not follow by themselves";
    Ok(pinned.map(|pool| Hit::new(Level::Warn, &pool.name, message)).collect())
}
