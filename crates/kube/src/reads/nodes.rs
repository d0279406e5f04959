//! Nodes, and who replaces them.

use eks_upgrade_core::inside::{Node, NodeGroupOf, Taint};
use eks_upgrade_core::version::Minor;
use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::meta::{label, labels, made_at, name};
use crate::failed::Failed;
use crate::link::{Link, Listing};

/// What EKS says by whom a node is: `fargate`, `auto`, or nothing.
const COMPUTE_TYPE: &str = "eks.amazonaws.com/compute-type";
const MANAGED_GROUP: &str = "eks.amazonaws.com/nodegroup";
const ZONE: &str = "topology.kubernetes.io/zone";
/// Karpenter's pool, and Auto Mode's.
pub(super) const POOL: &str = "karpenter.sh/nodepool";
/// How our own annotations begin.
const OURS: &str = "eks-upgrade";

/// All nodes.
pub(super) async fn nodes(link: &Link) -> Result<Vec<Node>, Failed> {
    link.list(&Listing::of::<v1::Node>("kubernetes:list nodes"), |one: v1::Node| Some(node(one))).await
}

fn node(one: v1::Node) -> Node {
    let v1::Node { metadata: meta, spec, status } = one;
    let (spec, status) = (spec.unwrap_or_default(), status.unwrap_or_default());
    let info = status.node_info.unwrap_or_default();
    let ready = status.conditions.iter().flatten().find(|condition| condition.type_ == "Ready");
    let marks = meta.annotations.iter().flatten().filter(|(key, _)| key.starts_with(OURS));
    Node {
        name: name(&meta),
        minor: minor_of(&info.kubelet_version),
        kubelet: info.kubelet_version,
        runtime: info.container_runtime_version,
        os_image: info.os_image,
        kernel: info.kernel_version,
        zone: label(&meta, ZONE).map(str::to_owned),
        group: group_of(&meta),
        instance: spec.provider_id.as_deref().and_then(instance_of).map(str::to_owned),
        ready: ready.is_some_and(|condition| condition.status == "True"),
        ready_since: ready.and_then(|condition| condition.last_transition_time.as_ref()).map(|Time(at)| *at),
        schedulable: spec.unschedulable != Some(true),
        taints: spec.taints.into_iter().flatten().map(taint).collect(),
        labels: labels(&meta),
        marks: marks.map(|(key, value)| (key.clone(), value.clone())).collect(),
        made_at: made_at(&meta),
    }
}

fn taint(one: v1::Taint) -> Taint {
    Taint { key: one.key, value: one.value.unwrap_or_default(), effect: one.effect }
}

fn group_of(meta: &ObjectMeta) -> NodeGroupOf {
    let pool = label(meta, POOL).map(str::to_owned);
    match label(meta, COMPUTE_TYPE) {
        Some("fargate") => return NodeGroupOf::Fargate,
        Some("auto") => return NodeGroupOf::AutoMode(pool.unwrap_or_default()),
        _ => {}
    }
    if let Some(group) = label(meta, MANAGED_GROUP) {
        return NodeGroupOf::Managed(group.to_owned());
    }
    pool.map_or(NodeGroupOf::SelfManaged, NodeGroupOf::Karpenter)
}

/// The instance in `aws:///us-east-1a/i-0123456789abcdef0`. A Fargate node has none there.
fn instance_of(provider: &str) -> Option<&str> {
    let (_, last) = provider.strip_prefix("aws://")?.rsplit_once('/')?;
    last.starts_with("i-").then_some(last)
}

/// The minor in `v1.33.5-eks-113cf36`.
fn minor_of(kubelet: &str) -> Option<Minor> {
    let minor = kubelet.strip_prefix("v1.")?.split('.').next()?;
    minor.parse().ok().and_then(Minor::new)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn with_labels(labels: &Value) -> NodeGroupOf {
        node(serde_json::from_value(json!({"metadata": {"name": "a", "labels": labels}})).unwrap()).group
    }

    #[test]
    fn labels_tell_who_replaces_a_node() {
        for (labels, group) in [
            (json!({}), NodeGroupOf::SelfManaged),
            (json!({"eks.amazonaws.com/nodegroup": "blue"}), NodeGroupOf::Managed("blue".into())),
            (json!({"karpenter.sh/nodepool": "spot"}), NodeGroupOf::Karpenter("spot".into())),
            (
                json!({"karpenter.sh/nodepool": "general-purpose", "eks.amazonaws.com/compute-type": "auto"}),
                NodeGroupOf::AutoMode("general-purpose".into()),
            ),
            (json!({"eks.amazonaws.com/compute-type": "fargate"}), NodeGroupOf::Fargate),
            (json!({"eks.amazonaws.com/compute-type": "hybrid"}), NodeGroupOf::SelfManaged),
        ] {
            assert_eq!(with_labels(&labels), group, "{labels}");
        }
    }

    #[test]
    fn a_node_is_read_as_it_is() {
        let read = node(
            serde_json::from_value(json!({
                "metadata": {
                    "name": "ip-10-0-0-1", "creationTimestamp": "2026-11-01T00:00:00Z",
                    "labels": {"topology.kubernetes.io/zone": "us-east-1a"},
                    "annotations": {"eks-upgrade/run": "r-1", "other/run": "x"}
                },
                "spec": {
                    "providerID": "aws:///us-east-1a/i-0abc", "unschedulable": true,
                    "taints": [{"key": "gpu", "effect": "NoSchedule"}]
                },
                "status": {
                    "conditions": [
                        {"type": "MemoryPressure", "status": "False"},
                        {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-01T00:01:00Z"}
                    ],
                    "nodeInfo": {
                        "architecture": "arm64", "bootID": "", "containerRuntimeVersion": "containerd://1.7.27",
                        "kernelVersion": "6.1.0", "kubeProxyVersion": "", "kubeletVersion": "v1.33.5-eks-113cf36",
                        "machineID": "", "operatingSystem": "linux", "osImage": "Amazon Linux 2023", "systemUUID": ""
                    }
                }
            }))
            .unwrap(),
        );
        assert_eq!((read.minor, read.instance.as_deref()), (Minor::new(33), Some("i-0abc")));
        assert!(read.ready && !read.schedulable);
        assert_eq!(read.ready_since, Some("2026-11-01T00:01:00Z".parse().unwrap()));
        assert_eq!(read.marks.into_iter().collect::<Vec<_>>(), [("eks-upgrade/run".into(), "r-1".into())]);
        assert_eq!(
            read.taints,
            [Taint { key: "gpu".into(), value: String::new(), effect: "NoSchedule".into() }]
        );
        assert_eq!(
            (read.zone.as_deref(), read.runtime.as_str()),
            (Some("us-east-1a"), "containerd://1.7.27")
        );
    }

    #[test]
    fn only_an_instance_is_one() {
        assert_eq!(instance_of("aws:///us-east-1a/8a1b/fargate-ip-10-0-0-1"), None);
        assert_eq!(instance_of("kind://docker/kind/i-worker"), None);
    }

    #[test]
    fn a_kubelet_of_another_spelling_has_no_minor() {
        assert_eq!(minor_of("1.33"), None);
        assert_eq!(minor_of("v1.33.0"), Minor::new(33));
    }
}
