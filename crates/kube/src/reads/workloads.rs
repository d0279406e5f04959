//! What makes pods: deployments, stateful sets, daemon sets, and replica sets by themselves.

use eks_upgrade_core::inside::{Workload, WorkloadKind};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::meta::{controller, count, name, namespace};
use crate::failed::Failed;
use crate::link::{Link, Listing};

/// How many pods a workload wants where nothing is said.
const REPLICAS: i32 = 1;

/// All of them, by kind.
pub(super) async fn workloads(link: &Link) -> Result<Vec<Workload>, Failed> {
    let deployments = Listing::of::<Deployment>("kubernetes:list deployments");
    let stateful = Listing::of::<StatefulSet>("kubernetes:list statefulsets");
    let daemons = Listing::of::<DaemonSet>("kubernetes:list daemonsets");
    let replica = Listing::of::<ReplicaSet>("kubernetes:list replicasets");
    let (deployments, stateful, daemons, replica) = tokio::join!(
        link.list(&deployments, |one| Some(deployment(one))),
        link.list(&stateful, |one| Some(stateful_set(one))),
        link.list(&daemons, |one| Some(daemon_set(one))),
        link.list(&replica, replica_set),
    );
    Ok([deployments?, stateful?, daemons?, replica?].concat())
}

/// What all of them have.
fn workload(kind: WorkloadKind, meta: &ObjectMeta, template: PodTemplateSpec) -> Workload {
    let containers = template.spec.map(|spec| spec.containers).unwrap_or_default();
    let namespace = namespace(meta);
    Workload {
        kind,
        system: is_system(&namespace),
        namespace,
        name: name(meta),
        labels: template.metadata.and_then(|meta| meta.labels).unwrap_or_default(),
        wants: 0,
        ready: 0,
        recreate: false,
        images: containers.into_iter().filter_map(|container| container.image).collect(),
    }
}

fn deployment(Deployment { metadata, spec, status }: Deployment) -> Workload {
    let (spec, status) = (spec.unwrap_or_default(), status.unwrap_or_default());
    let strategy = spec.strategy.and_then(|strategy| strategy.type_);
    Workload {
        wants: count(spec.replicas.unwrap_or(REPLICAS)),
        ready: count(status.ready_replicas),
        recreate: strategy.as_deref() == Some("Recreate"),
        ..workload(WorkloadKind::Deployment, &metadata, spec.template)
    }
}

fn stateful_set(StatefulSet { metadata, spec, status }: StatefulSet) -> Workload {
    let (spec, status) = (spec.unwrap_or_default(), status.unwrap_or_default());
    Workload {
        wants: count(spec.replicas.unwrap_or(REPLICAS)),
        ready: count(status.ready_replicas),
        ..workload(WorkloadKind::StatefulSet, &metadata, spec.template)
    }
}

fn daemon_set(DaemonSet { metadata, spec, status }: DaemonSet) -> Workload {
    let (spec, status) = (spec.unwrap_or_default(), status.unwrap_or_default());
    Workload {
        wants: count(status.desired_number_scheduled),
        ready: count(status.number_ready),
        ..workload(WorkloadKind::DaemonSet, &metadata, spec.template)
    }
}

/// A replica set; none of a deployment's, which is told for it.
fn replica_set(ReplicaSet { metadata, spec, status }: ReplicaSet) -> Option<Workload> {
    if controller(&metadata).is_some_and(|owner| owner.kind == "Deployment") {
        return None;
    }
    let (spec, status) = (spec.unwrap_or_default(), status.unwrap_or_default());
    Some(Workload {
        wants: count(spec.replicas.unwrap_or(REPLICAS)),
        ready: count(status.ready_replicas),
        ..workload(WorkloadKind::ReplicaSet, &metadata, spec.template.unwrap_or_default())
    })
}

fn is_system(namespace: &str) -> bool {
    matches!(namespace, "kube-system" | "kube-node-lease") || namespace.starts_with("amazon-")
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn a_deployment_is_read_with_the_labels_of_its_pods() {
        let read = deployment(
            from_value(json!({
                "metadata": {"name": "web", "namespace": "shop", "labels": {"of": "the deployment"}},
                "spec": {
                    "selector": {}, "strategy": {"type": "Recreate"},
                    "template": {"metadata": {"labels": {"app": "web"}},
                        "spec": {"containers": [{"name": "a", "image": "web:1"}, {"name": "b", "image": "side:2"}]}}
                },
                "status": {"readyReplicas": 1}
            }))
            .unwrap(),
        );
        assert_eq!((read.full_name().as_str(), read.wants, read.ready), ("Deployment shop/web", 1, 1));
        assert!(read.recreate && !read.system);
        assert_eq!(read.images, ["web:1", "side:2"]);
        assert_eq!(read.labels.into_iter().collect::<Vec<_>>(), [("app".into(), "web".into())]);
    }

    #[test]
    fn a_daemon_set_wants_what_the_server_counts() {
        let read = daemon_set(
            from_value(json!({"metadata": {"name": "agent", "namespace": "amazon-cloudwatch"},
                "status": {"desiredNumberScheduled": 4, "numberReady": 3, "currentNumberScheduled": 4,
                    "numberMisscheduled": 0}}))
            .unwrap(),
        );
        assert_eq!((read.wants, read.ready, read.system), (4, 3, true));
    }

    #[test]
    fn a_replica_set_counts_unless_a_deployment_owns_it() {
        let owned_by = |kind: &str| {
            replica_set(
                from_value(json!({"metadata": {"name": "web-1", "namespace": "shop", "ownerReferences": [
                    {"apiVersion": "v1", "kind": kind, "name": "web", "uid": "", "controller": true}]},
                    "spec": {"replicas": 2, "selector": {}}}))
                .unwrap(),
            )
        };
        assert_eq!(owned_by("Deployment"), None);
        assert_eq!(owned_by("Rollout").map(|set| (set.kind, set.wants)), Some((WorkloadKind::ReplicaSet, 2)));
    }
}
