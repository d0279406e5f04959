//! What is on a node, as the product reads it, and as a test does.

use std::collections::BTreeSet;

use crate::api_server::Server;
use eks_upgrade_core::inside::Inside;
use eks_upgrade_pipeline::ports::inside::{Depth, Insides};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::product::{Found, INSPECT, cluster};

/// What the inspect function sees.
pub async fn read(server: &Server) -> Inside {
    server.apply(INSPECT).await;
    let caller = server.grant(&["eks-upgrade:inspect"]);
    Found::of(server, &caller).reads().inside(&cluster(server), Depth::Drain).await
}

/// The names of the pods on a node, once so many at least are settled there: running, with nothing to come.
pub async fn on_node(server: &Server, namespace: &str, node: &str, least: usize) -> BTreeSet<String> {
    let pods = Api::<Pod>::namespaced(server.admin(), namespace);
    let look = async || {
        let on = ListParams::default().fields(&format!("spec.nodeName={node}"));
        let all = pods.list(&on).await.unwrap().items;
        let runs = |pod: &Pod| pod.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Running");
        let settled = all.len() >= least && all.iter().all(runs);
        settled.then(|| all.iter().map(ResourceExt::name_any).collect())
    };
    server.wait_for("the pods of a node", look).await
}

/// Waits until the controller has counted the pods of every budget as they are.
async fn budgets_are_seen(server: &Server, namespace: &str) {
    let client = server.admin();
    let budgets = Api::<PodDisruptionBudget>::namespaced(client.clone(), namespace);
    let pods = Api::<Pod>::namespaced(client, namespace);
    let look = async || {
        for budget in budgets.list(&ListParams::default()).await.unwrap() {
            let app = budget.spec.as_ref()?.selector.as_ref()?.match_labels.as_ref()?.get("app")?.clone();
            let covered = pods.list(&ListParams::default().labels(&format!("app={app}"))).await.unwrap();
            let ready = covered.iter().filter(|pod| is_ready(pod)).count();
            let status = budget.status.as_ref()?;
            let counted = usize::try_from(status.current_healthy) == Ok(ready) && status.expected_pods > 0;
            if !counted || status.observed_generation != budget.metadata.generation {
                return None;
            }
        }
        Some(())
    };
    server.wait_for("the status of budgets", look).await;
}

/// Waits until so many pods are on a node, and does to them what [`super::objects::everything`] leaves open: of three
/// that limp two do, the third is broken for good, and so are both that are down. The names of all of them.
pub async fn settle(server: &Server, namespace: &str, node: &str, least: usize) -> BTreeSet<String> {
    let pods = on_node(server, namespace, node, least).await;
    for (place, pod) in pods.iter().filter(|pod| pod.starts_with("limping")).enumerate() {
        if place < 2 {
            mend_pod(server, namespace, pod).await;
        } else {
            break_pod(server, namespace, pod).await;
        }
    }
    for pod in pods.iter().filter(|pod| pod.starts_with("down")) {
        break_pod(server, namespace, pod).await;
    }
    budgets_are_seen(server, namespace).await;
    pods
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Makes a pod ready that does not get so by itself.
async fn mend_pod(server: &Server, namespace: &str, pod: &str) {
    let ready = json!({"type": "Ready", "status": "True"});
    set(server, namespace, pod, json!({"conditions": [ready]})).await;
}

/// Has a pod's container crash again and again.
async fn break_pod(server: &Server, namespace: &str, pod: &str) {
    let waiting = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let container = json!({
        "name": "app", "image": "registry.example/app:1", "imageID": "", "ready": false,
        "restartCount": 9, "state": waiting,
    });
    set(server, namespace, pod, json!({"containerStatuses": [container]})).await;
}

async fn set(server: &Server, namespace: &str, pod: &str, status: serde_json::Value) {
    let pods = Api::<Pod>::namespaced(server.admin(), namespace);
    let patch = Patch::Strategic(json!({"status": status}));
    pods.patch_status(pod, &PatchParams::default(), &patch).await.unwrap();
}
