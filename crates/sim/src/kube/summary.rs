//! What the inside of a cluster comes to, for `/_sim/state`: its nodes with what a drain would have to move, and how far
//! its deployments are scaled.

use serde_json::{Map, Value, json};

use super::Kube;
use super::object::{annotation, controller, count, flag, is_leaving, text};
use super::resource::Resource;
use crate::minor::Minor;

/// Where a node says what its kubelet is.
const KUBELET: &str = "/status/nodeInfo/kubeletVersion";
/// The annotation of a node that a run works on.
const RUN: &str = "eks-upgrade/run";

impl Kube {
    /// The kubelets of all nodes, each with the node's name.
    pub(crate) fn kubelets(&self) -> impl Iterator<Item = (&str, Minor)> {
        self.store.of(Resource::Node).filter_map(|(key, node)| {
            let minor = text(node, KUBELET)?.trim_start_matches('v').split('.').nth(1)?.parse().ok()?;
            Some((key.name.as_str(), Minor::new(minor)))
        })
    }

    /// The summary.
    pub(crate) fn summary(&self) -> Value {
        let mut nodes: Map<String, Value> = Map::new();
        for (key, node) in self.store.of(Resource::Node) {
            let (unschedulable, run) = (flag(node, "/spec/unschedulable"), annotation(node, RUN));
            let kubelet = text(node, KUBELET);
            nodes.insert(
                key.name.clone(),
                json!({"kubeletVersion": kubelet, "unschedulable": unschedulable, "run": run, "pods": []}),
            );
        }
        for (key, pod) in self.store.of(Resource::Pod) {
            let node = text(pod, "/spec/nodeName").and_then(|name| nodes.get_mut(name));
            if let Some(pods) = node.and_then(|node| node["pods"].as_array_mut())
                && has_to_move(pod)
            {
                pods.push(json!(format!("{}/{}", key.namespace, key.name)));
            }
        }
        let replicas = self.store.of(Resource::Deployment).map(|(key, deployment)| {
            (format!("{}/{}", key.namespace, key.name), json!(count(deployment, "/spec/replicas")))
        });
        json!({"nodes": nodes, "deployments": replicas.collect::<Map<_, _>>()})
    }
}

/// Whether a drain asks the pod to leave: it runs, it is not on its way out, and no daemon set would bring it back.
fn has_to_move(pod: &Value) -> bool {
    let over = matches!(text(pod, "/status/phase"), Some("Succeeded" | "Failed"));
    let stays = controller(pod).is_some_and(|controller| controller.kind == "DaemonSet");
    !over && !stays && !is_leaving(pod)
}
