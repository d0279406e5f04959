//! What there is to read.

use crate::api_server::Server;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

/// Core components as somebody installed them, and a kube-proxy that uses IPVS.
pub const CORE: &str = "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kube-proxy, namespace: kube-system}
spec:
  selector: {matchLabels: {k8s-app: kube-proxy}}
  template:
    metadata: {labels: {k8s-app: kube-proxy}}
    spec:
      nodeSelector: {test: none}
      containers: [{name: kube-proxy, image: 'registry.example/eks/kube-proxy:v1.33.0-minimal-eksbuild.2'}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: aws-node, namespace: kube-system}
spec:
  selector: {matchLabels: {k8s-app: aws-node}}
  template:
    metadata: {labels: {k8s-app: aws-node}}
    spec:
      nodeSelector: {test: none}
      initContainers: [{name: aws-vpc-cni-init, image: 'registry.example/eks/amazon-k8s-cni-init:v1.20.0-eksbuild.1'}]
      containers:
        - {name: aws-eks-nodeagent, image: 'registry.example/eks/amazon-network-policy-agent:v1'}
        - {name: aws-node, image: 'registry.example/eks/amazon-k8s-cni:v1.20.0-eksbuild.1'}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: coredns, namespace: kube-system}
spec:
  replicas: 0
  selector: {matchLabels: {k8s-app: kube-dns}}
  template:
    metadata: {labels: {k8s-app: kube-dns}}
    spec:
      containers: [{name: coredns, image: 'registry.example/eks/coredns:v1.12.1-eksbuild.2'}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-proxy-config, namespace: kube-system}
data:
  config: |
    apiVersion: kubeproxy.config.k8s.io/v1alpha1
    kind: KubeProxyConfiguration
    mode: ipvs
---
";

/// One workload of each kind, a budget, webhooks with and without somebody who answers, a volume.
pub fn workloads(namespace: &str) -> String {
    let template = "{metadata: {labels: {app: web}}, spec: {containers: [{name: app, image: 'registry.example/app:1'}]}}";
    let of = |kind: &str, more: &str| {
        format!(
            "
apiVersion: apps/v1
kind: {kind}
metadata: {{name: web, namespace: {namespace}}}
spec: {{selector: {{matchLabels: {{app: web}}}}, template: {template}{more}}}
---
"
        )
    };
    let kinds = of("Deployment", ", replicas: 0")
        + &of("StatefulSet", ", replicas: 0, serviceName: web")
        + &of("DaemonSet", "").replace("spec: {containers", "spec: {nodeSelector: {test: none}, containers")
        + &of("ReplicaSet", ", replicas: 0");
    let rest = format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: alone, namespace: {namespace}}}
spec:
  terminationGracePeriodSeconds: 45
  nodeName: reads-a
  containers: [{{name: app, image: 'registry.example/app:1'}}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: web, namespace: {namespace}}}
spec: {{minAvailable: 1, selector: {{matchLabels: {{app: web}}}}}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {{name: reads}}
webhooks:
  - name: answers.reads.example.com
    clientConfig: {{service: {{namespace: {namespace}, name: answers}}}}
    rules: [&rule {{apiGroups: [example.com], apiVersions: ['*'], operations: ['*'], resources: ['*']}}]
    sideEffects: None
    admissionReviewVersions: [v1]
  - name: nobody.reads.example.com
    clientConfig: {{service: {{namespace: {namespace}, name: nobody}}}}
    rules: [*rule]
    sideEffects: None
    admissionReviewVersions: [v1]
  - name: outside.reads.example.com
    clientConfig: {{url: 'https://outside.example.com'}}
    rules: [*rule]
    sideEffects: None
    admissionReviewVersions: [v1]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: answers-1, namespace: {namespace}, labels: {{kubernetes.io/service-name: answers}}}}
addressType: IPv4
endpoints:
  - {{addresses: [10.0.0.1], conditions: {{ready: true}}}}
  - {{addresses: [10.0.0.2], conditions: {{ready: true}}}}
  - {{addresses: [10.0.0.3], conditions: {{ready: false}}}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {{name: reads}}
spec:
  capacity: {{storage: 1Gi}}
  accessModes: [ReadWriteOnce]
  csi: {{driver: ebs.csi.aws.com, volumeHandle: vol-1}}
  nodeAffinity:
    required:
      nodeSelectorTerms:
        - matchExpressions: [{{key: topology.kubernetes.io/zone, operator: In, values: [eu-west-1a]}}]
---
"
    );
    kinds + &rest
}

/// A budget whose manifest says a version that is gone. The manifest is an annotation, whoever writes it.
pub async fn applied_as_beta(server: &Server, namespace: &str) {
    let manifest = json!({"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget"}).to_string();
    let annotations = json!({"kubectl.kubernetes.io/last-applied-configuration": manifest});
    let budget = json!({"metadata": {"name": "old", "annotations": annotations}, "spec": {
        "minAvailable": 0, "selector": {"matchLabels": {"app": "web"}}}});
    let budget: PodDisruptionBudget = serde_json::from_value(budget).unwrap();
    let budgets = Api::<PodDisruptionBudget>::namespaced(server.admin(), namespace);
    budgets.create(&PostParams::default(), &budget).await.unwrap();
}

/// Calls APIs of which one at least is deprecated on every server.
pub async fn call_what_is_deprecated(server: &Server) {
    for path in ["/api/v1/componentstatuses", "/apis/extensions/v1beta1/ingresses"] {
        let called = server.kubectl(&["get", "--raw", path]).await;
        // A server that does not serve it does not count it either.
        assert!(called.ok || called.stderr.contains("NotFound"), "{called:?}");
    }
}

/// Karpenter's kinds, without their schemas.
pub const KARPENTER: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: nodepools.karpenter.sh}
spec:
  group: karpenter.sh
  names: {kind: NodePool, plural: nodepools}
  scope: Cluster
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: nodeclaims.karpenter.sh}
spec:
  group: karpenter.sh
  names: {kind: NodeClaim, plural: nodeclaims}
  scope: Cluster
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ec2nodeclasses.karpenter.k8s.aws}
spec:
  group: karpenter.k8s.aws
  names: {kind: EC2NodeClass, plural: ec2nodeclasses}
  scope: Cluster
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
";

/// Waits until Karpenter's kinds are served.
pub async fn are_served(server: &Server) {
    for kind in ["nodepools", "nodeclaims", "ec2nodeclasses"] {
        let known = async || server.kubectl(&["get", kind]).await.ok.then_some(());
        server.wait_for("Karpenter's kinds", known).await;
    }
}

/// Pools that follow the control plane, by Karpenter and by Auto Mode, one that does not, and a claim.
pub const POOLS: &str = "
apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata: {name: latest}
spec: {amiSelectorTerms: [{alias: al2023@latest}]}
---
apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata: {name: pinned}
spec: {amiSelectorTerms: [{id: ami-0123456789abcdef0}]}
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: spot}
spec:
  disruption: {budgets: [{nodes: 10%}, {nodes: '0', schedule: '@daily', duration: 8h}]}
  template: {spec: {nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: latest}}}
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: pinned}
spec:
  template: {spec: {nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: pinned}}}
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: auto}
spec:
  template: {spec: {nodeClassRef: {group: eks.amazonaws.com, kind: NodeClass, name: default}}}
---
apiVersion: karpenter.sh/v1
kind: NodeClaim
metadata: {name: spot-1, labels: {karpenter.sh/nodepool: spot}}
spec: {}
status:
  nodeName: claimed-a
  conditions: [{type: Drifted, status: 'False', reason: NotDrifted, message: '', lastTransitionTime: '2026-11-01T00:00:00Z'}]
---
";
