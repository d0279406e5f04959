//! What is changed in a real server, with exactly the rights that the product's files give.

use crate::api_server::{FakeNode, STOPS_AFTER_S, Server};
use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::inside::WorkloadKind;
use eks_upgrade_pipeline::ports::EksDown;
use eks_upgrade_pipeline::ports::inside::{Depth, Evicted, InsideWrites, Insides, PodName, TriesEvictions};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::PostParams;
use kube::{Api, ResourceExt as _};
use serde_json::json;

use crate::product::{DRY_RUN, Found, INSPECT, KUBE, Reads, Writes, cluster};

const NO_BALANCERS: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

/// A server with the product's roles, and the product in there as a member of a group.
struct Inside {
    server: &'static Server,
    cluster: ClusterArn,
    namespace: String,
    writes: Writes,
    reads: Reads,
}

impl Inside {
    /// As a member of this group, once its role lets it look.
    async fn of(name: &str, group: &str) -> Option<Self> {
        let server = Server::shared().await?;
        for roles in [INSPECT, DRY_RUN, KUBE] {
            server.apply(roles).await;
        }
        let found = Found::of(server, &server.grant(&[group]));
        let (writes, reads) = (found.writes(), found.reads());
        let (cluster, namespace) = (cluster(server), server.namespace(name).await);
        let looks = async || writes.inside(&cluster, Depth::Drain).await.webhooks.get().is_ok().then_some(());
        server.wait_for("the role to hold", looks).await;
        Some(Self { server, cluster, namespace, writes, reads })
    }

    fn named(&self, name: &str) -> PodName {
        PodName { namespace: self.namespace.clone(), name: name.to_owned(), uid: None }
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.server.admin(), &self.namespace)
    }

    /// A pod that runs, and takes as long to stop as told.
    async fn pod(&self, name: &str, stops_after_s: u32) -> PodName {
        let node = FakeNode::new(&format!("{}-{name}", self.namespace)).create(self.server).await;
        let pod = json!({
            "metadata": {
                "name": name, "labels": {"app": name},
                "annotations": {STOPS_AFTER_S: stops_after_s.to_string()}
            },
            "spec": {
                "nodeName": node, "terminationGracePeriodSeconds": 600,
                "containers": [{"name": "app", "image": "registry.example/app:1"}]
            }
        });
        self.pods().create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
        let runs = async || {
            let pod = self.pods().get(name).await.unwrap();
            (pod.status?.phase.as_deref() == Some("Running")).then_some(())
        };
        self.server.wait_for("the pod to run", runs).await;
        self.named(name)
    }

    /// A budget over the pods of an app, once the controller has seen them.
    async fn budget(&self, name: &str, app: &str, min_available: u32) {
        let namespace = &self.namespace;
        self.server
            .apply(&format!(
                "
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{minAvailable: {min_available}, selector: {{matchLabels: {{app: {app}}}}}}}
"
            ))
            .await;
        let budgets = Api::<PodDisruptionBudget>::namespaced(self.server.admin(), namespace);
        let counted = async || {
            let status = budgets.get(name).await.unwrap().status?;
            (status.expected_pods > 0).then_some(())
        };
        self.server.wait_for("the budget's status", counted).await;
    }

    /// What is left of a pod's life.
    async fn leaving(&self, pod: &PodName) -> Option<i64> {
        self.pods().get(&pod.name).await.unwrap().metadata.deletion_grace_period_seconds
    }
}

/// Whether a call was refused, with words that say by whom.
fn is_forbidden<T>(answer: &Result<T, EksDown>) -> bool {
    answer.as_ref().is_err_and(|down| {
        down.denied && down.why.contains("is forbidden") && down.why.contains("infra/kubernetes/")
    })
}

#[tokio::test]
async fn whoever_inspects_may_change_nothing() {
    let Some(inside) = Inside::of("inspects", "eks-upgrade:inspect").await else { return };
    let Inside { writes, cluster, namespace, .. } = &inside;
    let pod = inside.pod("web", 0).await;
    let workload = inside.named("web");
    let node = format!("{namespace}-web");
    assert!(is_forbidden(&writes.cordon(cluster, &node, Some("run")).await));
    assert!(is_forbidden(&writes.delete_pod(cluster, &pod).await));
    assert!(is_forbidden(&writes.scale(cluster, &format!("{namespace}/web"), 0).await));
    assert!(is_forbidden(&writes.restart(cluster, WorkloadKind::Deployment, &workload, "mark").await));
    inside.server.apply(CORE_PROXY).await;
    assert!(is_forbidden(&writes.set_image(cluster, "kube-proxy", PROXY_34).await));
    // The one right that RBAC does not give by halves; the product asks without effect.
    let tries = async || inside.reads.try_eviction(cluster, &pod).await.ok();
    assert_eq!(inside.server.wait_for("the right to try", tries).await, Evicted::Leaves);
    assert_eq!(inside.leaving(&pod).await, None);
    let deleted =
        inside.server.kubectl(&["delete", "clusterrolebinding", "eks-upgrade-inspect-dry-run"]).await;
    assert!(deleted.ok, "{deleted:?}");
    let forbidden = async || is_forbidden(&inside.reads.try_eviction(cluster, &pod).await).then_some(());
    inside.server.wait_for("the right to be gone", forbidden).await;
}

#[tokio::test]
async fn a_cordon_is_put_on_and_taken_off() {
    let Some(inside) = Inside::of("cordons", "eks-upgrade:kube").await else { return };
    let Inside { writes, cluster, server, .. } = &inside;
    let nodes = Api::<Node>::all(server.admin());
    let node = FakeNode::new("cordons-a").create(server).await;
    for _ in 0..2 {
        assert!(writes.cordon(cluster, &node, Some("run-1")).await.unwrap());
        let seen = nodes.get(&node).await.unwrap();
        assert_eq!(seen.annotations()["eks-upgrade/run"], "run-1");
        assert_eq!(seen.labels()[NO_BALANCERS], "eks-upgrade");
        assert_eq!(seen.spec.unwrap().unschedulable, Some(true));
    }
    for _ in 0..2 {
        assert!(writes.cordon(cluster, &node, None).await.unwrap());
        let seen = nodes.get(&node).await.unwrap();
        assert!(seen.annotations().keys().all(|key| !key.starts_with("eks-upgrade/")), "{seen:?}");
        assert!(!seen.labels().contains_key(NO_BALANCERS));
        assert_eq!(seen.spec.unwrap().unschedulable, None);
    }
    assert!(!writes.cordon(cluster, "no-such-node", Some("run-1")).await.unwrap());
}

#[tokio::test]
async fn what_others_did_to_a_node_stays() {
    let Some(inside) = Inside::of("others", "eks-upgrade:kube").await else { return };
    let Inside { writes, cluster, server, .. } = &inside;
    let node = FakeNode::new("others-a").label(NO_BALANCERS, "theirs").create(server).await;
    let cordoned = server.kubectl(&["cordon", &node]).await;
    assert!(cordoned.ok, "{cordoned:?}");
    writes.cordon(cluster, &node, Some("run-1")).await.unwrap();
    writes.cordon(cluster, &node, None).await.unwrap();
    let seen = Api::<Node>::all(server.admin()).get(&node).await.unwrap();
    assert_eq!(seen.labels()[NO_BALANCERS], "theirs");
    assert!(!seen.annotations().contains_key("eks-upgrade/run"));
    assert_eq!(seen.spec.unwrap().unschedulable, Some(true));
}

#[tokio::test]
async fn evictions_come_to_what_the_server_says() {
    let Some(inside) = Inside::of("evicts", "eks-upgrade:kube").await else { return };
    if inside.server.with_controllers().is_none() {
        return;
    }
    let Inside { writes, reads, cluster, .. } = &inside;
    let free = inside.pod("free", 60).await;
    let kept = inside.pod("kept", 60).await;
    inside.budget("kept", "kept", 1).await;
    let twice = inside.pod("twice", 60).await;
    inside.budget("one", "twice", 0).await;
    inside.budget("two", "twice", 0).await;
    let gone = inside.named("gone");

    // First without effect, then in earnest: the same verdicts.
    for evict in [false, true] {
        let verdict = async |pod: &PodName| {
            let answer =
                if evict { writes.evict(cluster, pod).await } else { reads.try_eviction(cluster, pod).await };
            answer.unwrap()
        };
        let (refused, not_now) = (verdict(&twice).await, verdict(&kept).await);
        assert!(matches!(&not_now, Evicted::NotNow(why) if why.contains("disruption budget")), "{not_now:?}");
        assert!(matches!(&refused, Evicted::Refused(why) if why.contains("more than one")), "{refused:?}");
        assert_eq!(verdict(&gone).await, Evicted::Gone);
        assert_eq!(inside.leaving(&free).await, None);
        assert_eq!(verdict(&free).await, Evicted::Leaves);
    }
    assert_eq!(inside.leaving(&free).await, Some(600), "its own grace period");
    assert_eq!(inside.leaving(&kept).await, None);
}

#[tokio::test]
async fn a_webhook_that_does_not_answer_refuses_an_eviction() {
    let Some(inside) = Inside::of("judged", "eks-upgrade:kube").await else { return };
    let Inside { writes, cluster, server, namespace, .. } = &inside;
    let pod = inside.pod("web", 60).await;
    server
        .apply(&format!(
            "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {{name: {namespace}}}
webhooks:
  - name: evictions.judged.example.com
    clientConfig: {{url: 'https://127.0.0.1:1/judge'}}
    rules: [{{apiGroups: [''], apiVersions: ['*'], operations: [CREATE], resources: [pods/eviction]}}]
    namespaceSelector: {{matchLabels: {{test: {namespace}}}}}
    sideEffects: None
    admissionReviewVersions: [v1]
---
apiVersion: v1
kind: Namespace
metadata: {{name: {namespace}, labels: {{test: {namespace}}}}}
"
        ))
        .await;
    // By a try, which leaves the pod where it is until the webhook is known to the server.
    let judged = async || match inside.reads.try_eviction(cluster, &pod).await {
        Ok(Evicted::Refused(why)) => Some(why),
        _ => None,
    };
    let why = server.wait_for("the webhook to be asked", judged).await;
    assert!(why.contains("evictions.judged.example.com"), "{why}");
    assert!(matches!(writes.evict(cluster, &pod).await.unwrap(), Evicted::Refused(_)));
}

#[tokio::test]
async fn a_pod_is_deleted_past_its_budget_with_its_grace() {
    let Some(inside) = Inside::of("deletes", "eks-upgrade:kube").await else { return };
    if inside.server.with_controllers().is_none() {
        return;
    }
    let pod = inside.pod("web", 60).await;
    inside.budget("web", "web", 1).await;
    for _ in 0..2 {
        inside.writes.delete_pod(&inside.cluster, &pod).await.unwrap();
        assert_eq!(inside.leaving(&pod).await, Some(600));
    }
    inside.writes.delete_pod(&inside.cluster, &inside.named("gone")).await.unwrap();
}

const PROXY_34: &str = "registry.example/eks/kube-proxy:v1.34.1-minimal-eksbuild.3";
const CORE_PROXY: &str = "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kube-proxy, namespace: kube-system}
spec:
  selector: {matchLabels: {k8s-app: kube-proxy}}
  template:
    metadata: {labels: {k8s-app: kube-proxy}}
    spec:
      nodeSelector: {test: none}
      containers:
        - {name: kube-proxy, image: 'registry.example/eks/kube-proxy:v1.33.0-minimal-eksbuild.2'}
        - {name: side, image: 'registry.example/side:v1'}
";

#[tokio::test]
async fn the_image_of_a_core_component_is_set_and_nothing_else() {
    let Some(inside) = Inside::of("images", "eks-upgrade:kube").await else { return };
    let Inside { writes, cluster, server, .. } = &inside;
    server.apply(CORE_PROXY).await;
    let sets = Api::<DaemonSet>::namespaced(server.admin(), "kube-system");
    for _ in 0..2 {
        writes.set_image(cluster, "kube-proxy", PROXY_34).await.unwrap();
        let containers =
            sets.get("kube-proxy").await.unwrap().spec.unwrap().template.spec.unwrap().containers;
        let images: Vec<&str> =
            containers.iter().filter_map(|container| container.image.as_deref()).collect();
        assert_eq!(images, [PROXY_34, "registry.example/side:v1"]);
    }
    for (component, to, why) in [
        ("kube-proxy", "other.example/eks/kube-proxy:v1.34.1", "no container of kube-proxy"),
        ("coredns", "registry.example/eks/coredns:v1.12.1", "there is no coredns"),
        ("metrics-server", "registry.example/metrics-server:v1", "no core component"),
        ("kube-proxy", "registry.example/eks/kube-proxy@sha256:00", "no image with a tag"),
    ] {
        let down = writes.set_image(cluster, component, to).await.unwrap_err();
        assert!(down.denied && down.why.contains(why), "{down}");
    }
}

#[tokio::test]
async fn a_deployment_is_scaled_and_restarted() {
    let Some(inside) = Inside::of("scales", "eks-upgrade:kube").await else { return };
    let Inside { writes, cluster, server, namespace, .. } = &inside;
    server
        .apply(&format!(
            "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: {namespace}}}
spec:
  replicas: 3
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      nodeSelector: {{test: none}}
      containers: [{{name: app, image: 'registry.example/app:1'}}]
"
        ))
        .await;
    let name = format!("{namespace}/web");
    assert_eq!(writes.scale(cluster, &name, 0).await.unwrap(), Some(3));
    assert_eq!(writes.scale(cluster, &name, 0).await.unwrap(), Some(0));
    assert_eq!(writes.scale(cluster, &format!("{namespace}/gone"), 0).await.unwrap(), None);
    let deployments = Api::<Deployment>::namespaced(server.admin(), namespace);
    assert_eq!(deployments.get("web").await.unwrap().spec.unwrap().replicas, Some(0));

    let mut generations = Vec::new();
    for mark in ["mark-1", "mark-1", "mark-2"] {
        let (kind, web) = (WorkloadKind::Deployment, inside.named("web"));
        writes.restart(cluster, kind, &web, mark).await.unwrap();
        let seen = deployments.get("web").await.unwrap();
        generations.push(seen.metadata.generation.unwrap());
        let template = seen.spec.unwrap().template.metadata.unwrap().annotations.unwrap();
        assert_eq!(template["kubectl.kubernetes.io/restartedAt"], mark);
    }
    assert!(generations[0] == generations[1] && generations[1] < generations[2], "{generations:?}");
    let gone = inside.named("gone");
    writes.restart(cluster, WorkloadKind::StatefulSet, &gone, "mark-1").await.unwrap();
    let refused = writes.restart(cluster, WorkloadKind::ReplicaSet, &gone, "mark-1").await.unwrap_err();
    assert!(refused.denied, "{refused}");
}
