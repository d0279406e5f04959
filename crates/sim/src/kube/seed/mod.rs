//! What the API server holds when the world starts, from the fleet file.

pub(super) mod components;
mod webhooks;
pub(super) mod workloads;

use serde_json::{Value, json};

use super::object::entry;
use super::resource::Resource;
use super::store::{Key, Store};
use crate::fleet::{BudgetSpec, KubernetesSpec, Selects, StoredSpec};
use crate::time::Ms;

/// What `kubectl apply` leaves on an object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Namespaces of every cluster.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Puts everything there that the fleet file tells of, the core components apart.
pub(super) fn plant(store: &mut Store, spec: &KubernetesSpec, now: Ms) {
    for name in NAMESPACES {
        namespace(store, name, now);
    }
    plant_services(store, now);
    for workload in &spec.workloads {
        namespace(store, &workload.namespace, now);
        workloads::plant(store, workload, now);
    }
    if spec.cluster_autoscaler {
        workloads::plant(store, &workloads::cluster_autoscaler(), now);
    }
    for budget in &spec.budgets {
        namespace(store, &budget.namespace, now);
        plant_budget(store, budget, now);
    }
    for webhook in &spec.webhooks {
        webhooks::plant(store, webhook, now);
    }
    for stored in &spec.stored {
        plant_stored(store, stored, now);
    }
}

/// A namespace, unless it is there.
pub(super) fn namespace(store: &mut Store, name: &str, now: Ms) {
    let key = Key::new(Resource::Namespace, "", name);
    if store.get(&key).is_none() {
        let labels = json!({"kubernetes.io/metadata.name": name});
        let object = json!({"metadata": {"labels": labels}, "spec": {"finalizers": ["kubernetes"]},
                            "status": {"phase": "Active"}});
        store.insert(key, object, now);
        let account = Key::new(Resource::ServiceAccount, name, "default");
        store.insert(account, json!({}), now);
    }
}

fn plant_services(store: &mut Store, now: Ms) {
    let port = json!([{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 443}]);
    let object = json!({"spec": {"clusterIP": "172.20.0.1", "type": "ClusterIP", "ports": port}});
    store.insert(Key::new(Resource::Service, "default", "kubernetes"), object, now);
    let port = json!([{"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53}]);
    let object = json!({"spec": {"clusterIP": "172.20.0.10", "type": "ClusterIP", "ports": port,
                                 "selector": {"k8s-app": "kube-dns"}}});
    store.insert(Key::new(Resource::Service, "kube-system", "kube-dns"), object, now);
    let class = json!({"provisioner": "ebs.csi.aws.com", "reclaimPolicy": "Delete",
                       "volumeBindingMode": "WaitForFirstConsumer"});
    store.insert(Key::new(Resource::StorageClass, "", "gp3"), class, now);
}

fn plant_budget(store: &mut Store, spec: &BudgetSpec, now: Ms) {
    let labels = match &spec.selects {
        Selects::Workload(name) => json!({"app": name}),
        Selects::Labels(labels) => json!(labels),
    };
    let mut body = json!({"selector": {"matchLabels": labels}});
    if let Some(least) = spec.min_available {
        body["minAvailable"] = json!(least);
    }
    if let Some(most) = spec.max_unavailable {
        body["maxUnavailable"] = json!(most);
    }
    if spec.lets_unhealthy_go {
        body["unhealthyPodEvictionPolicy"] = json!("AlwaysAllow");
    }
    let key = Key::new(Resource::PodDisruptionBudget, &spec.namespace, &spec.name);
    store.insert(key, json!({"spec": body}), now);
}

/// Leaves the trace of an old `kubectl apply` on an object, which is made if it is not there.
fn plant_stored(store: &mut Store, stored: &StoredSpec, now: Ms) {
    // The check of the fleet file knows the kind.
    let Some(resource) = Resource::of_kind(&stored.kind) else { return };
    let namespace_of = if resource.facts().namespaced { stored.namespace.as_str() } else { "" };
    let key = Key::new(resource, namespace_of, &stored.name);
    if resource.facts().namespaced {
        namespace(store, namespace_of, now);
    }
    if store.get(&key).is_none() {
        store.insert(key.clone(), blank(resource, &stored.name), now);
    }
    let mut applied = json!({"apiVersion": stored.applied_as, "kind": stored.kind,
                             "metadata": {"name": stored.name}});
    if resource.facts().namespaced {
        applied["metadata"]["namespace"] = json!(stored.namespace);
    }
    store.change(&key, |object| {
        *entry(object, &["metadata", "annotations", LAST_APPLIED]) = json!(applied.to_string());
    });
}

/// An object of that kind that does nothing.
fn blank(resource: Resource, name: &str) -> Value {
    let labels = json!({"app": name});
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": []}});
    match resource {
        Resource::Deployment | Resource::StatefulSet | Resource::ReplicaSet => {
            json!({"spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}})
        }
        Resource::PodDisruptionBudget => {
            json!({"spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels}}})
        }
        Resource::ConfigMap => json!({"data": {}}),
        Resource::CronJob => {
            json!({"spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": template}}}})
        }
        Resource::Ingress => json!({"spec": {"rules": []}}),
        Resource::HorizontalPodAutoscaler => json!({"spec": {
            "minReplicas": 1, "maxReplicas": 3,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        }}),
        _ => json!({"spec": {}}),
    }
}
