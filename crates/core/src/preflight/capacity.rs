//! Room for what an upgrade adds before it takes away: addresses, and nodes in each zone.

use std::collections::{BTreeMap, BTreeSet};

use super::report::{Hit, some_of};
use super::{Look, Upgrade};
use crate::finding::Level;
use crate::inside::{Inside, Node, NodeGroupOf, Subnet, Unseen};

/// EKS wants so many free addresses in each subnet of the control plane (EKS user guide, network requirements).
const CONTROL_PLANE_MIN: u32 = 5;
/// Fewer free addresses than this in a subnet of nodes are few: a node takes one for itself, and vpc-cni takes a batch
/// for its pods.
const NODES_FEW: u32 = 16;
/// A rolling update of a managed node group adds this many nodes a zone, or `maxUnavailable` where that is more (EKS
/// user guide, update behaviour).
const SURGE_A_ZONE: u32 = 2;

/// Subnets of the control plane.
pub(super) fn control_plane(inside: &Inside, _: Upgrade) -> Look {
    let subnets = inside.capacity.subnets.get()?;
    if !subnets.iter().any(|subnet| subnet.control_plane) {
        return Err(Unseen("no subnet of the control plane was found".into()));
    }
    let short = subnets.iter().filter(|subnet| subnet.control_plane && subnet.free < CONTROL_PLANE_MIN);
    let hits = short.map(|Subnet { id, zone, free, .. }| {
        let message = format!("{free} free addresses in {zone}; EKS wants {CONTROL_PLANE_MIN}");
        Hit::new(Level::Block, id, message)
    });
    Ok(hits.collect())
}

/// Subnets of nodes alone.
pub(super) fn nodes(inside: &Inside, _: Upgrade) -> Look {
    let few = inside
        .capacity
        .subnets
        .get()?
        .iter()
        .filter(|subnet| !subnet.control_plane && subnet.free < NODES_FEW);
    let hits = few.map(|Subnet { id, zone, free, .. }| {
        Hit::new(Level::Warn, id, format!("{free} free addresses in {zone} for new nodes and their pods"))
    });
    Ok(hits.collect())
}

/// Zones of managed node groups: a rolling update puts its new nodes there before any old one goes. How many may be
/// unavailable is not known here, so that a group with a large `maxUnavailable` may need more.
pub(super) fn surge(inside: &Inside, _: Upgrade) -> Look {
    let mut free: BTreeMap<&str, u32> = BTreeMap::new();
    for subnet in inside.capacity.subnets.get()? {
        let sum = free.entry(&subnet.zone).or_default();
        *sum = sum.saturating_add(subnet.free);
    }
    let mut zones: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for node in inside.nodes.get()? {
        if let (NodeGroupOf::Managed(group), Some(zone)) = (&node.group, &node.zone) {
            zones.entry(zone).or_default().insert(group);
        }
    }
    let hits = zones.iter().filter_map(|(zone, groups)| {
        let groups = some_of(groups);
        let Some(&free) = free.get(zone) else {
            let message = format!("no subnet of it was found; nodes of {groups} are in it");
            return Some(Hit::new(Level::Unknown, *zone, message));
        };
        let (level, room) = match free {
            0 => (Level::Block, "not one new node"),
            free if free < SURGE_A_ZONE => (Level::Warn, "not both nodes that it may get"),
            _ => return None,
        };
        let message = format!("{free} free addresses: room for {room}, when {groups} is rolled");
        Some(Hit::new(level, *zone, message))
    });
    Ok(hits.collect())
}

/// Groups that EKS does not manage. Only the tag of the group shows; that of its launch template is not read.
pub(super) fn released(inside: &Inside, _: Upgrade) -> Look {
    let kept = inside.capacity.groups.get()?.iter().filter(|group| !group.released);
    let hits = kept.map(|group| {
        let nodes = group.instances.len();
        Hit::new(Level::Warn, &group.name, format!("its {nodes} nodes are not touched: it bears no such tag"))
    });
    Ok(hits.collect())
}

/// Volumes that have nowhere to go while the one node of their zone is replaced.
pub(super) fn zonal_volumes(inside: &Inside, _: Upgrade) -> Look {
    let usable = |node: &&Node| node.ready && node.schedulable && node.group != NodeGroupOf::Fargate;
    let mut nodes: BTreeMap<&str, u32> = BTreeMap::new();
    for zone in inside.nodes.get()?.iter().filter(usable).filter_map(|node| node.zone.as_deref()) {
        *nodes.entry(zone).or_default() += 1;
    }
    let mut claims: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for volume in inside.volumes.get()? {
        if let Some(claim) = &volume.claim {
            claims.entry(&volume.zone).or_default().push(claim);
        }
    }
    let hits = claims.iter().filter_map(|(zone, claims)| {
        let nodes = nodes.get(zone).copied().unwrap_or(0);
        let message = format!("{nodes} nodes for the volumes of {}", some_of(claims));
        (nodes < 2).then(|| Hit::new(Level::Warn, *zone, message))
    });
    Ok(hits.collect())
}
