//! What is on the nodes that are drained.

use crate::api_server::{NEVER_READY, STOPS_AFTER_S};

/// A deployment of one pod template, on the nodes with the label `test` of its value.
#[derive(Clone, Debug)]
pub struct Deployment {
    namespace: String,
    name: String,
    on: String,
    replicas: u32,
    annotations: String,
    grace_s: u32,
}

pub fn deployment(namespace: &str, name: &str, on: &str, replicas: u32) -> Deployment {
    Deployment {
        namespace: namespace.into(),
        name: name.into(),
        on: on.into(),
        replicas,
        annotations: String::new(),
        grace_s: 5,
    }
}

impl Deployment {
    /// Its pods do not get ready by themselves.
    pub fn never_ready(self) -> Self {
        Self { annotations: format!("{NEVER_READY}: 'yes'"), ..self }
    }

    /// Its pods take so long to stop, and may.
    pub fn stops_after_s(self, seconds: u32) -> Self {
        Self { annotations: format!("{STOPS_AFTER_S}: '{seconds}'"), grace_s: seconds, ..self }
    }

    pub fn yaml(&self) -> String {
        let Self { namespace, name, on, replicas, annotations, grace_s } = self;
        format!(
            "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}, annotations: {{{annotations}}}}}
    spec:
      nodeSelector: {{test: {on}}}
      terminationGracePeriodSeconds: {grace_s}
      containers: [{{name: app, image: registry.example/app:1}}]
      volumes: [{{name: scratch, emptyDir: {{}}}}]
---
"
        )
    }
}

/// The budget of an app; `rule` such as `minAvailable: 2`.
pub fn budget(namespace: &str, app: &str, rule: &str) -> String {
    format!(
        "
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: {app}, namespace: {namespace}}}
spec:
  {rule}
  selector: {{matchLabels: {{app: {app}}}}}
---
"
    )
}

pub fn daemon_set(namespace: &str, name: &str, on: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      nodeSelector: {{test: {on}}}
      containers: [{{name: app, image: registry.example/app:1}}]
---
"
    )
}

/// A pod that nothing would make again.
pub fn lone_pod(namespace: &str, name: &str, node: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{nodeName: {node}, containers: [{{name: app, image: registry.example/app:1}}]}}
---
"
    )
}

/// What the API server shows of a pod that a file on the node makes.
pub fn static_pod(namespace: &str, name: &str, node: &str) -> String {
    lone_pod(namespace, name, node).replace(
        &format!("name: {name},"),
        &format!("name: {name}, annotations: {{kubernetes.io/config.mirror: abc}},"),
    )
}

/// A webhook that is asked about every eviction, fails closed, and has a service without pods behind it.
pub fn webhook(name: &str, namespace: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{selector: {{app: nobody}}, ports: [{{port: 443}}]}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {{name: {name}}}
webhooks:
- name: {name}.example.com
  failurePolicy: Fail
  sideEffects: None
  timeoutSeconds: 1
  admissionReviewVersions: [v1]
  clientConfig: {{service: {{namespace: {namespace}, name: {name}}}}}
  rules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods/eviction]}}]
---
"
    )
}

/// Everything that a budget can come to, on the nodes with the label `test` of `on`; two of it belong to `node`. What is
/// made to limp and to be down here is so after [`super::facts::settle`].
pub fn everything(namespace: &str, on: &str, node: &str) -> String {
    let of = |name: &str, replicas| deployment(namespace, name, on, replicas);
    [
        of("free", 2).yaml(),
        of("paced", 3).yaml(),
        budget(namespace, "paced", "minAvailable: 2"),
        of("percent", 2).yaml(),
        budget(namespace, "percent", "maxUnavailable: 1%"),
        of("fixed", 2).yaml(),
        budget(namespace, "fixed", "minAvailable: 2"),
        of("share", 3).yaml(),
        budget(namespace, "share", "minAvailable: 67%"),
        of("none", 2).yaml(),
        budget(namespace, "none", "maxUnavailable: 0"),
        of("twice", 3).yaml(),
        budget(namespace, "twice", "minAvailable: 1"),
        budget(namespace, "twice", "maxUnavailable: 2").replace("name: twice,", "name: twice-more,"),
        of("limping", 3).never_ready().yaml(),
        budget(namespace, "limping", "maxUnavailable: 1"),
        of("down", 2).never_ready().yaml(),
        budget(namespace, "down", "maxUnavailable: 100%"),
        of("slow", 1).stops_after_s(600).yaml(),
        daemon_set(namespace, "daemon", on),
        static_pod(namespace, "file", node),
    ]
    .concat()
}

/// How many pods that is on one node.
pub const EVERYTHING: usize = 25;
