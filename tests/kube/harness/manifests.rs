//! What the tests apply.

/// A deployment of one node's pods: as many as told, with the label `app` of its name.
pub fn deployment(namespace: &str, name: &str, node_label: &str, replicas: u32) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      nodeSelector: {{test: {node_label}}}
      containers: [{{name: app, image: registry.example/app:1}}]
---
"
    )
}

/// A budget over the pods with the label `app` of this name.
pub fn budget(namespace: &str, name: &str, app: &str, min_available: u32) -> String {
    format!(
        "
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  minAvailable: {min_available}
  selector: {{matchLabels: {{app: {app}}}}}
---
"
    )
}

/// Lets a group read the nodes.
pub fn reads_nodes(group: &str) -> String {
    format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: {group}}}
rules: [{{apiGroups: [''], resources: [nodes], verbs: [get, list]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: {group}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {group}}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: Group, name: {group}}}]
"
    )
}
