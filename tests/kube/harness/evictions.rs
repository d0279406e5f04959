//! Pods, budgets and evictions behave as on a cluster with machines.

use crate::api_server::{FakeNode, NEVER_READY, STOPS_AFTER_S, Server};
use http::Request;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use super::manifests::{budget, deployment};

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// The pods of an app, once so many are ready.
async fn ready(server: &Server, namespace: &str, app: &str, count: usize) -> Vec<Pod> {
    let pods = Api::<Pod>::namespaced(server.admin(), namespace);
    let look = async || {
        let all = pods.list(&ListParams::default().labels(&format!("app={app}"))).await.unwrap().items;
        let ready: Vec<Pod> = all.into_iter().filter(is_ready).collect();
        (ready.len() == count).then_some(ready)
    };
    server.wait_for("pods to get ready", look).await
}

/// Waits until a budget has seen its pods, and allows so many disruptions.
async fn allows(server: &Server, namespace: &str, name: &str, disruptions: i32) {
    let budgets = Api::<PodDisruptionBudget>::namespaced(server.admin(), namespace);
    let look = async || {
        let status = budgets.get(name).await.unwrap().status?;
        (status.expected_pods > 0 && status.disruptions_allowed == disruptions).then_some(())
    };
    server.wait_for("a budget's status", look).await;
}

/// Posts an eviction; the answer's status and body.
async fn evict(server: &Server, pod: &Pod) -> (u16, Value) {
    let (namespace, name) = (pod.namespace().unwrap(), pod.name_any());
    let meta = json!({"name": name, "namespace": namespace});
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta});
    let request = Request::post(format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction"))
        .header("content-type", "application/json")
        .body(eviction.to_string().into_bytes())
        .unwrap();
    match server.admin().request::<Value>(request).await {
        Ok(body) => (201, body),
        Err(kube::Error::Api(status)) => (status.code, serde_json::to_value(status).unwrap()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_budget_lets_one_go_and_then_says_no() {
    let Some(server) = Server::shared().await.and_then(Server::with_controllers) else { return };
    let namespace = server.namespace("budgets").await;
    FakeNode::new("budgets-a").label("test", "budgets").create(server).await;
    let two_of = deployment(&namespace, "web", "budgets", 2) + &budget(&namespace, "web", "web", 1);
    server.apply(&two_of).await;
    let pods = ready(server, &namespace, "web", 2).await;
    allows(server, &namespace, "web", 1).await;

    // So that no new pod frees the budget again while this looks.
    let cordoned = server.kubectl(&["cordon", "budgets-a"]).await;
    assert!(cordoned.ok, "{cordoned:?}");
    assert_eq!(evict(server, &pods[0]).await.0, 201);
    let (status, body) = evict(server, &pods[1]).await;
    assert_eq!((status, &body["reason"]), (429, &json!("TooManyRequests")), "{body}");
    assert_eq!(body["details"]["causes"][0]["reason"], "DisruptionBudget", "{body}");
}

#[tokio::test]
async fn two_budgets_over_one_pod_are_an_error() {
    let Some(server) = Server::shared().await.and_then(Server::with_controllers) else { return };
    let namespace = server.namespace("twice").await;
    FakeNode::new("twice-a").label("test", "twice").create(server).await;
    let budgets = budget(&namespace, "one", "web", 0) + &budget(&namespace, "two", "web", 0);
    server.apply(&(deployment(&namespace, "web", "twice", 1) + &budgets)).await;
    let pods = ready(server, &namespace, "web", 1).await;
    let (status, body) = evict(server, &pods[0]).await;
    assert_eq!(status, 500, "{body}");
    assert!(body["message"].as_str().unwrap().contains("more than one PodDisruptionBudget"), "{body}");
}

#[tokio::test]
async fn kubectl_drains_a_node_and_its_pods_move() {
    let Some(server) = Server::shared().await.and_then(Server::with_controllers) else { return };
    let namespace = server.namespace("drain").await;
    let node = |name: &str| FakeNode::new(name).label("test", "drain");
    node("drain-a").create(server).await;
    server.apply(&(deployment(&namespace, "web", "drain", 3) + &budget(&namespace, "web", "web", 2))).await;
    ready(server, &namespace, "web", 3).await;
    allows(server, &namespace, "web", 1).await;

    node("drain-b").create(server).await;
    let drained = server.kubectl(&["drain", "drain-a", "--timeout=60s"]).await;
    assert!(drained.ok, "{drained:?}");
    assert_eq!(drained.stdout.matches("pod/web-").count(), 3, "{drained:?}");
    for pod in ready(server, &namespace, "web", 3).await {
        assert_eq!(pod.spec.unwrap().node_name.as_deref(), Some("drain-b"));
    }
}

/// A pod of its own on a node, with annotations.
async fn bare(server: &Server, namespace: &str, name: &str, annotations: Value) -> Pod {
    let pod = json!({
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}, "annotations": annotations},
        "spec": {
            "nodeName": format!("{name}-a"),
            "terminationGracePeriodSeconds": 600,
            "containers": [{"name": "app", "image": "registry.example/app:1"}],
        },
    });
    let pod = serde_json::from_value(pod).unwrap();
    Api::namespaced(server.admin(), namespace).create(&PostParams::default(), &pod).await.unwrap()
}

#[tokio::test]
async fn a_pod_that_is_slow_to_stop_is_gone_later() {
    let Some(server) = Server::shared().await else { return };
    let namespace = server.namespace("slow").await;
    FakeNode::new("slow-a").create(server).await;
    bare(server, &namespace, "slow", json!({STOPS_AFTER_S: "3"})).await;
    ready(server, &namespace, "slow", 1).await;
    let pods = Api::<Pod>::namespaced(server.admin(), &namespace);
    let told_at = std::time::Instant::now();
    pods.delete("slow", &DeleteParams::default()).await.unwrap();
    let gone = async || pods.get_opt("slow").await.unwrap().is_none().then_some(());
    server.wait_for("the pod to be gone", gone).await;
    // The server counts in whole seconds.
    assert!(told_at.elapsed().as_secs() >= 2, "{:?}", told_at.elapsed());
}

#[tokio::test]
async fn a_pod_may_run_without_getting_ready() {
    let Some(server) = Server::shared().await else { return };
    let namespace = server.namespace("unready").await;
    FakeNode::new("unready-a").create(server).await;
    bare(server, &namespace, "unready", json!({NEVER_READY: "yes"})).await;
    let pods = Api::<Pod>::namespaced(server.admin(), &namespace);
    let look = async || {
        let pod = pods.get("unready").await.unwrap();
        (pod.status.as_ref()?.phase.as_deref() == Some("Running")).then_some(pod)
    };
    let pod = server.wait_for("the pod to run", look).await;
    assert!(!is_ready(&pod) && pod.status.unwrap().pod_ip.is_some());
}
