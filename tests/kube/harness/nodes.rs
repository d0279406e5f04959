//! Nodes are as a test says, and stay so.

use std::time::Duration;

use crate::api_server::{FakeNode, Server};
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

/// The status of a node's one condition.
fn readiness(node: &Node) -> Value {
    serde_json::to_value(node).unwrap()["status"]["conditions"][0]["status"].clone()
}

#[tokio::test]
async fn a_node_is_as_it_was_told_to_be() {
    let Some(server) = Server::shared().await else { return };
    let node =
        FakeNode::new("node-a").kubelet("v1.32.9-eks-113cf36").zone("eu-west-1b").node_group("workers");
    let name = node.room(11, 2).create(server).await;
    let node = serde_json::to_value(Api::<Node>::all(server.admin()).get(&name).await.unwrap()).unwrap();
    assert_eq!(node["status"]["nodeInfo"]["kubeletVersion"], "v1.32.9-eks-113cf36");
    assert_eq!(node["metadata"]["labels"]["topology.kubernetes.io/zone"], "eu-west-1b");
    assert_eq!(node["metadata"]["labels"]["eks.amazonaws.com/nodegroup"], "workers");
    assert_eq!(node["status"]["capacity"]["pods"], "11");
    assert!(node["spec"]["providerID"].as_str().unwrap().starts_with("aws:///eu-west-1b/i-"), "{node}");
}

#[tokio::test]
async fn a_node_gets_ready_unless_it_is_not_to() {
    let Some(server) = Server::shared().await else { return };
    FakeNode::new("ready-a").create(server).await;
    FakeNode::new("ready-b").never_ready().create(server).await;
    let nodes = Api::<Node>::all(server.admin());
    let fell = Patch::Strategic(json!({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}));
    nodes.patch_status("ready-a", &PatchParams::default(), &fell).await.unwrap();
    let again = async || (readiness(&nodes.get("ready-a").await.unwrap()) == "True").then_some(());
    server.wait_for("the node to get ready again", again).await;
    // The kubelet has looked at both in the meantime; give it a second look.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(readiness(&nodes.get("ready-b").await.unwrap()), "False");
}
