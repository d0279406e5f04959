//! What is read of a real server, with exactly the rights that the product's files give.

mod objects;
mod rights;

use crate::api_server::{FakeNode, Server};
use eks_upgrade_core::inside::WorkloadKind::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use eks_upgrade_core::inside::{Backend, Inside, NodeGroupOf, ProxyMode, Seen, WorkloadKind};
use eks_upgrade_core::version::Minor;
use eks_upgrade_pipeline::ports::inside::{Depth, Insides};
use futures_util::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::product::{Found, INSPECT, cluster, seen, why};
use objects::{CORE, KARPENTER, POOLS, workloads};

/// What a member of the group sees, once its role holds.
async fn look(server: &Server, group: &str, depth: Depth) -> Inside {
    let reads = Found::of(server, &server.grant(&[group])).reads();
    let look = async || {
        let inside = reads.inside(&cluster(server), depth).await;
        inside.pods.get().is_ok().then_some(inside)
    };
    server.wait_for("the role to hold", look).await
}

/// Every part that was not seen, with the reason.
fn unseen(inside: &Inside) -> Vec<(&'static str, String)> {
    fn part<T>(name: &'static str, part: &Seen<T>) -> Option<(&'static str, String)> {
        part.get().err().map(|why| (name, why.to_string()))
    }
    let parts = [
        part("server", &inside.server),
        part("nodes", &inside.nodes),
        part("pods", &inside.pods),
        part("budgets", &inside.budgets),
        part("workloads", &inside.workloads),
        part("webhooks", &inside.webhooks),
        part("called", &inside.called),
        part("applied", &inside.applied),
        part("volumes", &inside.volumes),
        part("proxy mode", &inside.proxy_mode),
        part("components", &inside.components),
        part("pools", &inside.pools),
        part("claims", &inside.claims),
    ];
    parts.into_iter().flatten().collect()
}

fn names(parts: &[(&'static str, String)]) -> Vec<&'static str> {
    parts.iter().map(|(name, _)| *name).collect()
}

#[tokio::test]
async fn inspect_yaml_is_enough_for_every_part() {
    let Some(server) = Server::start().await else { return };
    let namespace = server.namespace("reads").await;
    FakeNode::new("reads-a").node_group("blue").kubelet("v1.32.9-eks-113cf36").create(&server).await;
    server.apply(INSPECT).await;
    server.apply(CORE).await;
    server.apply(&workloads(&namespace)).await;
    objects::applied_as_beta(&server, &namespace).await;
    objects::call_what_is_deprecated(&server).await;

    let inside = look(&server, "eks-upgrade:inspect", Depth::All).await;
    assert_eq!(unseen(&inside), []);
    let version = server.admin().apiserver_version().await.unwrap();
    let minor: u8 = version.minor.trim_end_matches('+').parse().unwrap();
    assert_eq!(*seen(&inside.server), Minor::new(minor).unwrap());

    let node = seen(&inside.nodes).iter().find(|node| node.name == "reads-a").unwrap();
    assert_eq!((&node.group, node.minor), (&NodeGroupOf::Managed("blue".into()), Minor::new(32)));
    assert!(node.ready && node.schedulable && node.instance.is_some(), "{node:?}");
    let pod =
        seen(&inside.pods).iter().find(|pod| pod.namespace == namespace && pod.name == "alone").unwrap();
    assert_eq!((pod.grace_s, pod.owner.as_ref()), (45, None));
    let budget = seen(&inside.budgets).iter().find(|budget| budget.namespace == namespace).unwrap();
    assert_eq!(budget.selector.as_ref().unwrap().labels["app"], "web");
    let kinds = seen(&inside.workloads).iter().filter(|workload| workload.namespace == namespace);
    let mut kinds: Vec<WorkloadKind> = kinds.map(|workload| workload.kind).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, [Deployment, StatefulSet, DaemonSet, ReplicaSet]);

    let webhooks = seen(&inside.webhooks).iter().filter(|webhook| webhook.configuration == "reads");
    let backends: Vec<&Backend> = webhooks.map(|webhook| &webhook.backend).collect();
    let service = |name: &str, ready| Backend::Service {
        namespace: namespace.clone(),
        name: name.into(),
        ready_endpoints: Some(ready),
    };
    assert_eq!(backends, [&service("answers", 2), &service("nobody", 0), &Backend::Url]);
    assert!(!seen(&inside.called).is_empty());
    let beta = seen(&inside.applied).iter().find(|applied| applied.namespace == namespace).unwrap();
    assert_eq!((beta.api_version.as_str(), beta.kind.as_str()), ("policy/v1beta1", "PodDisruptionBudget"));
    let volume = seen(&inside.volumes).iter().find(|volume| volume.name == "reads").unwrap();
    assert_eq!(volume.zone, "eu-west-1a");
    assert_eq!(*seen(&inside.proxy_mode), Some(ProxyMode::Ipvs));
    let components: Vec<(&str, &str)> =
        seen(&inside.components).iter().map(|one| (one.name.as_str(), one.image.as_str())).collect();
    assert_eq!(
        components,
        [
            ("kube-proxy", "registry.example/eks/kube-proxy:v1.33.0-minimal-eksbuild.2"),
            ("coredns", "registry.example/eks/coredns:v1.12.1-eksbuild.2"),
            ("vpc-cni", "registry.example/eks/amazon-k8s-cni:v1.20.0-eksbuild.1"),
        ]
    );
    // There is no Karpenter: that is nothing unseen.
    assert!(seen(&inside.pools).is_empty() && seen(&inside.claims).is_empty());
}

#[tokio::test]
async fn pools_and_claims_are_read_once_there_is_karpenter() {
    let Some(server) = Server::start().await else { return };
    FakeNode::new("claimed-a").label("karpenter.sh/nodepool", "spot").create(&server).await;
    let kept = server.kubectl(&["annotate", "node", "claimed-a", "karpenter.sh/do-not-disrupt=true"]).await;
    assert!(kept.ok, "{kept:?}");
    server.apply(INSPECT).await;
    server.apply(KARPENTER).await;
    objects::are_served(&server).await;
    server.apply(POOLS).await;

    let inside = look(&server, "eks-upgrade:inspect", Depth::Following).await;
    let pools: Vec<(&str, bool)> =
        seen(&inside.pools).iter().map(|pool| (pool.name.as_str(), pool.drifts)).collect();
    assert_eq!(pools, [("auto", true), ("pinned", false), ("spot", true)]);
    assert_eq!(seen(&inside.pools)[2].budgets, ["10%"]);
    let [claim] = &seen(&inside.claims)[..] else { panic!("{:?}", inside.claims) };
    assert_eq!((claim.pool.as_str(), claim.node.as_deref()), ("spot", Some("claimed-a")));
    assert!(claim.do_not_disrupt && !claim.drifted);
}

#[tokio::test]
async fn a_missing_right_costs_one_part_alone() {
    let Some(server) = Server::shared().await else { return };
    let without = INSPECT
        .replace("eks-upgrade-inspect", "eks-upgrade-without")
        .replace("eks-upgrade:inspect", "eks-upgrade:without")
        .replace("persistentvolumes, ", "")
        .replace("[/metrics, /version]", "[/version]");
    server.apply(&without).await;
    let inside = look(server, "eks-upgrade:without", Depth::All).await;
    assert_eq!(names(&unseen(&inside)), ["called", "volumes"]);
    let words = why(&inside.volumes);
    assert!(words.contains("list") && words.contains("persistentvolumes"), "{words}");
    assert!(
        words.contains("eks-upgrade-inspect") && words.contains("infra/kubernetes/inspect.yaml"),
        "{words}"
    );
}

#[tokio::test]
async fn no_deeper_than_asked() {
    let Some(server) = Server::shared().await else { return };
    for (depth, left) in [
        (Depth::Vitals, vec!["nodes", "pods"]),
        (Depth::Drain, vec!["nodes", "pods", "budgets", "webhooks"]),
        (Depth::Roll, vec!["nodes", "pods", "budgets", "workloads", "webhooks"]),
        (Depth::Following, vec!["nodes", "pods", "pools", "claims"]),
    ] {
        let inside = look(server, "system:masters", depth).await;
        let all = unseen(&look(server, "system:masters", Depth::All).await);
        assert_eq!(all, []);
        let lacking = unseen(&inside);
        assert_eq!(lacking.len(), 13 - left.len(), "{depth:?}: {lacking:?}");
        assert!(lacking.iter().all(|(part, _)| !left.contains(part)), "{depth:?}: {lacking:?}");
    }
}

/// More than a page of a list holds.
const MANY: usize = 520;

#[tokio::test]
async fn a_list_is_read_to_its_end() {
    let Some(server) = Server::shared().await else { return };
    let namespace = server.namespace("many").await;
    let pods = Api::<Pod>::namespaced(server.admin(), &namespace);
    let of = |number: usize| {
        let pod = json!({"metadata": {"name": format!("pod-{number}")}, "spec": {
            "schedulerName": "nobody", "containers": [{"name": "app", "image": "registry.example/app:1"}]}});
        serde_json::from_value::<Pod>(pod).unwrap()
    };
    for some in (0..MANY).collect::<Vec<_>>().chunks(20) {
        let some: Vec<Pod> = some.iter().map(|number| of(*number)).collect();
        let params = PostParams::default();
        let made = join_all(some.iter().map(|pod| pods.create(&params, pod))).await;
        assert!(made.iter().all(Result::is_ok), "{made:?}");
    }
    let inside = look(server, "system:masters", Depth::Vitals).await;
    assert_eq!(seen(&inside.pods).iter().filter(|pod| pod.namespace == namespace).count(), MANY);
}
