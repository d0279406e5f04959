//! What nodes run below the kubelet: Amazon Linux 2, cgroup v1, containerd 1.x; and kube-proxy's IPVS mode.

use super::report::Hit;
use super::versions::{alike, in_words, names};
use super::{Look, Upgrade};
use crate::finding::Level;
use crate::inside::{Inside, Node, NodeGroupOf, ProxyMode, Unseen};
use crate::version::Minor;

/// The oldest Linux on which Kubernetes recommends cgroup v2: an older one is taken to use v1.
/// <https://kubernetes.io/docs/concepts/architecture/cgroups/>
const CGROUP_V2_LINUX: (u32, u32) = (5, 8);

/// The last minor with containerd 1.x (EKS release notes of 1.35).
const CONTAINERD_1_LAST: u8 = 35;

/// kube-proxy's IPVS mode is off by default from here on (KEP-5495).
const IPVS_OFF: u8 = 40;

/// The nodes whose image somebody of this cluster chose. Fargate's is AWS's own affair, and reads as Amazon Linux 2.
fn chosen(inside: &Inside) -> Result<impl Iterator<Item = &Node>, Unseen> {
    Ok(inside.nodes.get()?.iter().filter(|node| node.group != NodeGroupOf::Fargate))
}

/// Amazon Linux 2 itself, not Amazon Linux 2023.
fn is_amazon_linux_2(node: &Node) -> bool {
    node.os_image.starts_with("Amazon Linux 2") && !node.os_image.starts_with("Amazon Linux 2023")
}

/// Nodes for which EKS publishes no image past 1.32.
pub(super) fn amazon_linux_2(inside: &Inside, _: Upgrade) -> Look {
    let alike = alike(chosen(inside)?, |node| (is_amazon_linux_2(node), node.os_image.is_empty()));
    let hits = alike.iter().filter_map(|((group, (old, nameless)), nodes)| match (old, nameless) {
        (true, _) => {
            let message = format!("Amazon Linux 2 stays at 1.32: {}", names(nodes));
            Some(Hit::new(Level::Warn, in_words(group), message))
        }
        (_, true) => {
            let message = format!("they do not say what they run: {}", names(nodes));
            Some(Hit::new(Level::Unknown, in_words(group), message))
        }
        _ => None,
    });
    Ok(hits.collect())
}

/// What is known of a node's cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cgroup {
    /// Version 2, or a kubelet that AWS sets up to go on with version 1 (Bottlerocket).
    Fine,
    /// Amazon Linux 2: version 1.
    AmazonLinux2,
    /// A kernel too old for version 2.
    OldKernel,
    /// The API server does not tell.
    Untold,
}

fn cgroup(node: &Node) -> Cgroup {
    if is_amazon_linux_2(node) {
        return Cgroup::AmazonLinux2;
    }
    let published = ["Amazon Linux 2023", "Bottlerocket", "Windows"];
    if published.iter().any(|name| node.os_image.starts_with(name)) {
        return Cgroup::Fine;
    }
    match linux_version(&node.kernel) {
        Some(version) if version < CGROUP_V2_LINUX => Cgroup::OldKernel,
        _ => Cgroup::Untold,
    }
}

/// Major and minor of a kernel's version, such as `5.10.245-241.978.amzn2.x86_64`.
fn linux_version(kernel: &str) -> Option<(u32, u32)> {
    let mut numbers = kernel.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Nodes whose kubelet would not start at 1.35.
pub(super) fn cgroup_v1(inside: &Inside, _: Upgrade) -> Look {
    let alike = alike(chosen(inside)?, cgroup);
    let hits = alike.iter().filter_map(|((group, cgroup), nodes)| {
        let (level, why) = match cgroup {
            Cgroup::Fine => return None,
            // Nothing rolls them to 1.35: there is no image. They stay behind, with the kubelet they have.
            Cgroup::AmazonLinux2 => (Level::Warn, "Amazon Linux 2 uses cgroup v1"),
            Cgroup::OldKernel => (Level::Block, "their kernel is too old for cgroup v2"),
            Cgroup::Untold => (Level::Unknown, "the API server does not tell which cgroup version they use"),
        };
        Some(Hit::new(level, in_words(group), format!("{why}: {}", names(nodes))))
    });
    Ok(hits.collect())
}

/// Nodes with a containerd that the minor after 1.35 does not support.
pub(super) fn containerd(inside: &Inside, upgrade: Upgrade) -> Look {
    let alike = alike(chosen(inside)?, |node| containerd_major(&node.runtime));
    let hits = alike.iter().filter_map(|((group, major), nodes)| {
        let Some(major) = *major else {
            let message = format!("their container runtime does not read: {}", names(nodes));
            return Some(Hit::new(Level::Unknown, in_words(group), message));
        };
        if major != 1 {
            return None;
        }
        let past = upgrade.target.number() > CONTAINERD_1_LAST;
        // EKS's own images of 1.34 and later bring containerd 2; only an image of the owner's keeps the old one.
        let level = if past && **group == NodeGroupOf::SelfManaged { Level::Block } else { Level::Warn };
        let message = format!("containerd 1.x, which 1.35 supports last: {}", names(nodes));
        Some(Hit::new(level, in_words(group), message))
    });
    Ok(hits.collect())
}

/// The major in `containerd://1.7.27`; 0 for another runtime, `None` where it does not read.
fn containerd_major(runtime: &str) -> Option<u32> {
    let (name, version) = runtime.split_once("://")?;
    if name == "containerd" { version.split('.').next()?.parse().ok() } else { Some(0) }
}

/// kube-proxy's IPVS mode.
pub(super) fn ipvs(inside: &Inside, upgrade: Upgrade) -> Look {
    if *inside.proxy_mode.get()? != Some(ProxyMode::Ipvs) {
        return Ok(Vec::new());
    }
    let off = Minor::new(IPVS_OFF).is_some_and(|off| upgrade.target >= off);
    let (level, message) = if off {
        (Level::Block, format!("its mode is ipvs, which 1.{IPVS_OFF} turns off by default"))
    } else {
        (Level::Warn, "its mode is ipvs, deprecated since 1.35".to_owned())
    };
    Ok(vec![Hit::new(level, "kube-proxy", message)])
}
