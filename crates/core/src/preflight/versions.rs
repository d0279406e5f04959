//! Kubelets and kube-proxies against the versions on the way.

use std::collections::{BTreeMap, BTreeSet};

use super::report::{Hit, some_of};
use super::{Look, Upgrade};
use crate::finding::Level;
use crate::inside::{Inside, Node, NodeGroupOf, Seen};
use crate::version::{Minor, skew_allows};

/// How far kube-proxy and the kubelet beside it may be apart, in minors (Kubernetes version skew policy).
const BESIDE_MAX: u8 = 3;

/// Who replaces these nodes, as people call it.
pub(super) fn in_words(group: &NodeGroupOf) -> String {
    match group {
        NodeGroupOf::Managed(name) => format!("node group {name}"),
        NodeGroupOf::Karpenter(name) => format!("node pool {name}"),
        NodeGroupOf::AutoMode(name) => format!("Auto Mode pool {name}"),
        NodeGroupOf::Fargate => "Fargate".to_owned(),
        NodeGroupOf::SelfManaged => "self-managed nodes".to_owned(),
    }
}

/// Nodes of one owner that have something in common.
pub(super) fn alike<'a, K: Ord>(
    nodes: impl IntoIterator<Item = &'a Node>,
    key: impl Fn(&'a Node) -> K,
) -> BTreeMap<(&'a NodeGroupOf, K), Vec<&'a Node>> {
    let mut alike: BTreeMap<_, Vec<&Node>> = BTreeMap::new();
    for node in nodes {
        alike.entry((&node.group, key(node))).or_default().push(node);
    }
    alike
}

/// The names of nodes, a few of them.
pub(super) fn names(nodes: &[&Node]) -> String {
    some_of(nodes.iter().map(|node| &node.name))
}

/// Kubelets that a control plane on the way would be too far from.
pub(super) fn kubelets(inside: &Inside, upgrade: Upgrade) -> Look {
    let nodes = inside.nodes.get()?;
    let alike = alike(nodes, |node| node.minor);
    let hits = alike.iter().filter_map(|((group, minor), nodes)| {
        let Some(minor) = *minor else {
            let message = format!("the kubelet's version does not read: {}", names(nodes));
            return Some(Hit::new(Level::Unknown, in_words(group), message));
        };
        let (level, why) = kubelet(inside, group, minor, nodes, upgrade)?;
        Some(Hit::new(level, in_words(group), format!("{minor} is {why}: {}", names(nodes))))
    });
    Ok(hits.collect())
}

/// How bad a kubelet's minor is, and why.
fn kubelet(
    inside: &Inside,
    group: &NodeGroupOf,
    minor: Minor,
    nodes: &[&Node],
    upgrade: Upgrade,
) -> Option<(Level, String)> {
    let Upgrade { from, target, .. } = upgrade;
    if minor > target {
        return Some((Level::Block, format!("newer than {target}, where the control plane is to end")));
    }
    if minor > from {
        return Some((
            Level::Warn,
            format!("newer than the control plane at {from}, until that is upgraded"),
        ));
    }
    if skew_allows(target, minor) {
        return None;
    }
    let next = upgrade.next();
    let level = match group {
        // The plan rolls the group before the hop that is too much for it; single nodes that fell behind are not seen
        // there, because EKS knows the group's version alone.
        NodeGroupOf::Managed(_) if !skew_allows(next, minor) && fell_behind(inside, group, minor) => {
            Level::Block
        }
        NodeGroupOf::Managed(_) => Level::Warn,
        NodeGroupOf::SelfManaged if all_in_groups(inside, nodes) => Level::Warn,
        NodeGroupOf::SelfManaged => Level::Block,
        // They follow after each hop, so that only the next one counts.
        NodeGroupOf::Karpenter(_) | NodeGroupOf::AutoMode(_) | NodeGroupOf::Fargate => {
            if skew_allows(next, minor) { Level::Warn } else { Level::Block }
        }
    };
    let why = match level {
        Level::Block => format!("too far behind a control plane on the way from {from} to {target}"),
        _ => format!("too far behind {target}, and has to be replaced on the way"),
    };
    Some((level, why))
}

/// Whether a group has newer nodes than these.
fn fell_behind(inside: &Inside, group: &NodeGroupOf, minor: Minor) -> bool {
    let Seen::Is(nodes) = &inside.nodes else { return false };
    nodes.iter().any(|node| node.group == *group && node.minor.is_some_and(|other| other > minor))
}

/// Whether each of these nodes is of an Auto Scaling group that is seen, and so can be rolled by a plan.
fn all_in_groups(inside: &Inside, nodes: &[&Node]) -> bool {
    let Seen::Is(groups) = &inside.capacity.groups else { return false };
    let known: BTreeSet<&String> = groups.iter().flat_map(|group| &group.instances).collect();
    nodes.iter().all(|node| node.instance.as_ref().is_some_and(|instance| known.contains(instance)))
}

/// kube-proxy against the API server, and against the kubelets beside it.
pub(super) fn kube_proxy(inside: &Inside, upgrade: Upgrade) -> Look {
    let (components, nodes) = (inside.components.get()?, inside.nodes.get()?);
    let proxies = components.iter().filter(|component| component.name == "kube-proxy");
    let hits = proxies.filter_map(|proxy| {
        let Some(minor) = minor_of_image(&proxy.image) else {
            let message = format!("its image {} does not tell its version", proxy.image);
            return Some(Hit::new(Level::Unknown, "kube-proxy", message));
        };
        let (level, why) = proxy_skew(minor, nodes, upgrade)?;
        Some(Hit::new(level, "kube-proxy", format!("{minor} is {why}")))
    });
    Ok(hits.collect())
}

fn proxy_skew(minor: Minor, nodes: &[Node], upgrade: Upgrade) -> Option<(Level, String)> {
    let Upgrade { from, target, .. } = upgrade;
    if !skew_allows(from, minor) {
        return Some((Level::Block, format!("not supported beside the API server at {from}")));
    }
    if !skew_allows(target, minor) {
        return Some((Level::Warn, format!("too far behind {target}, and has to be updated on the way")));
    }
    let apart = |kubelet: Minor| kubelet.above(minor).max(minor.above(kubelet)) > BESIDE_MAX;
    let kubelet = nodes.iter().filter_map(|node| node.minor).find(|kubelet| apart(*kubelet))?;
    Some((Level::Warn, format!("more than {BESIDE_MAX} minors from a kubelet at {kubelet}")))
}

/// The minor in an image's tag, such as `…/eks/kube-proxy:v1.33.0-eksbuild.2`.
fn minor_of_image(image: &str) -> Option<Minor> {
    let (_, tag) = image.split('@').next()?.rsplit_once(':')?;
    let mut numbers = tag.strip_prefix('v').unwrap_or(tag).splitn(3, '.');
    format!("{}.{}", numbers.next()?, numbers.next()?).parse().ok()
}
