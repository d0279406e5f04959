//! Insights about the next minor.

use super::{Insight, addon_compatibility, verdict};
use crate::minor::Minor;
use crate::state::Cluster;
use crate::world::World;

/// What follows from the cluster's state for an upgrade to `next`.
pub(super) fn derived(world: &World, cluster: &Cluster, next: Minor) -> Vec<Insight> {
    vec![
        kubelet_skew(cluster, next),
        kube_proxy_skew(cluster, next),
        addon_compatibility("EKS add-on version compatibility", world, cluster, next),
        amazon_linux_2(cluster, next),
        verdict(format!("Deprecated APIs removed in Kubernetes v{next}"), next, Vec::new(), "WARNING"),
        cluster_health(cluster, next),
    ]
}

fn kubelet_skew(cluster: &Cluster, next: Minor) -> Insight {
    let oldest = |group: &crate::state::Nodegroup| group.nodes.iter().map(|node| node.config.kubelet).min();
    // EKS sees every node that the API server has, whoever runs it.
    let inside = cluster.kubernetes.iter().flat_map(|kube| kube.kubelets());
    let unmanaged = inside.map(|(node, kubelet)| (kubelet.behind(next), format!("node {node}"), kubelet));
    let behind: Vec<(u16, String, String)> = cluster
        .nodegroups
        .values()
        .filter_map(|group| oldest(group).map(|kubelet| (kubelet.behind(next), group.arn.clone(), kubelet)))
        .chain(unmanaged)
        .filter(|(behind, ..)| *behind >= 3)
        .map(|(behind, arn, kubelet)| (behind, arn, format!("Node has a kubelet of {kubelet}")))
        .collect();
    let bad = if behind.iter().any(|(behind, ..)| *behind > 3) { "ERROR" } else { "WARNING" };
    let resources = behind.into_iter().map(|(_, arn, why)| (arn, why)).collect();
    verdict("Kubelet version skew", next, resources, bad)
}

fn kube_proxy_skew(cluster: &Cluster, next: Minor) -> Insight {
    let addon = cluster.addons.get("kube-proxy");
    let far = addon.filter(|addon| {
        let numbers = crate::addon_version::numbers(&addon.version);
        let minor = numbers.get(1).and_then(|n| u16::try_from(*n).ok()).map(Minor::new);
        minor.is_some_and(|minor| minor.behind(next) > 3)
    });
    let resources = far.map(|addon| (addon.arn.clone(), format!("kube-proxy is at {}", addon.version)));
    verdict("kube-proxy version skew", next, resources.into_iter().collect(), "ERROR")
}

fn amazon_linux_2(cluster: &Cluster, next: Minor) -> Insight {
    let groups = cluster.nodegroups.values().filter(|group| group.spec.ami_type.starts_with("AL2_"));
    let resources =
        groups.map(|group| (group.arn.clone(), format!("{} runs Amazon Linux 2", group.spec.name)));
    verdict("Amazon Linux 2 compatibility", next, resources.collect(), "ERROR")
}

fn cluster_health(cluster: &Cluster, next: Minor) -> Insight {
    let issues = cluster.issues().into_iter();
    let resources = issues.map(|issue| (cluster.arn.clone(), format!("{}: {}", issue.code, issue.message)));
    verdict("Cluster health issues", next, resources.collect(), "ERROR")
}
