//! Nodes that no machine is behind.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use super::kubelet::NEVER_READY;
use super::server::Server;

/// A node as EKS has it, to be created; without more words, of Kubernetes 1.33 in `eu-west-1a`.
#[derive(Clone, Debug)]
pub struct FakeNode {
    name: String,
    kubelet: String,
    zone: String,
    labels: BTreeMap<String, String>,
    pods: u32,
    cpu: u32,
    ready: bool,
}

impl FakeNode {
    /// Tests share servers: choose a name that no other test has.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let kubelet = "v1.33.5-eks-113cf36".to_owned();
        let zone = "eu-west-1a".to_owned();
        Self { name: name.to_owned(), kubelet, zone, labels: BTreeMap::new(), pods: 29, cpu: 4, ready: true }
    }

    /// The version of its kubelet, such as `v1.32.9-eks-113cf36`.
    #[must_use]
    pub fn kubelet(self, version: &str) -> Self {
        Self { kubelet: version.to_owned(), ..self }
    }

    /// The availability zone that it is in.
    #[must_use]
    pub fn zone(self, zone: &str) -> Self {
        Self { zone: zone.to_owned(), ..self }
    }

    /// One more label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    /// A label that makes it one of a managed node group.
    #[must_use]
    pub fn node_group(self, name: &str) -> Self {
        self.label("eks.amazonaws.com/nodegroup", name)
    }

    /// How many pods, and how many cores, it has room for.
    #[must_use]
    pub fn room(self, pods: u32, cpu: u32) -> Self {
        Self { pods, cpu, ..self }
    }

    /// It joined, and does not get ready.
    #[must_use]
    pub fn never_ready(self) -> Self {
        Self { ready: false, ..self }
    }

    /// Creates it. The answer is its name.
    ///
    /// # Panics
    /// When the server refuses it, for one because another node has its name.
    pub async fn create(self, server: &Server) -> String {
        let node: Node = serde_json::from_value(self.manifest()).expect("a node");
        let nodes = Api::<Node>::all(server.admin());
        nodes.create(&PostParams::default(), &node).await.expect("the node is accepted");
        self.name
    }

    fn manifest(&self) -> Value {
        let mut labels = self.labels.clone();
        for (key, value) in [
            ("kubernetes.io/hostname", self.name.as_str()),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", "amd64"),
            ("node.kubernetes.io/instance-type", "m6i.xlarge"),
            ("topology.kubernetes.io/region", self.zone.trim_end_matches(char::is_alphabetic)),
            ("topology.kubernetes.io/zone", self.zone.as_str()),
        ] {
            labels.entry(key.to_owned()).or_insert_with(|| value.to_owned());
        }
        let annotations = if self.ready { json!({}) } else { json!({NEVER_READY: "yes"}) };
        let conditions = if self.ready { ready() } else { not_ready() };
        let capacity = json!({"cpu": self.cpu.to_string(), "memory": "16Gi", "pods": self.pods.to_string()});
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": labels, "annotations": annotations},
            "spec": {"providerID": format!("aws:///{}/{}", self.zone, self.instance())},
            "status": {
                "capacity": capacity,
                "allocatable": capacity,
                "conditions": conditions,
                "addresses": [{"type": "Hostname", "address": self.name}],
                "nodeInfo": {
                    "kubeletVersion": self.kubelet, "kubeProxyVersion": self.kubelet,
                    "containerRuntimeVersion": "containerd://2.1.4", "kernelVersion": "6.12.46-66.121.amzn2023.x86_64",
                    "osImage": "Amazon Linux 2023.9.20250929", "operatingSystem": "linux", "architecture": "amd64",
                    "machineID": "", "systemUUID": "", "bootID": "",
                },
            },
        })
    }

    /// The id of its instance: the same for the same name.
    #[must_use]
    pub fn instance(&self) -> String {
        let hash =
            self.name.bytes().fold(0_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        format!("i-{hash:017x}")
    }
}

/// The conditions of a node on which all is well.
pub(super) fn ready() -> Value {
    conditions("True", "KubeletReady", "kubelet is posting ready status")
}

/// The conditions of a node that joined before its network did.
fn not_ready() -> Value {
    conditions("False", "KubeletNotReady", "container runtime network not ready: cni plugin not initialized")
}

fn conditions(status: &str, reason: &str, message: &str) -> Value {
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!([{
        "type": "Ready", "status": status, "reason": reason, "message": message,
        "lastHeartbeatTime": now, "lastTransitionTime": now,
    }])
}
