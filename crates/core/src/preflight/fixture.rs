//! A healthy inside to break: nothing in it is worth a word to any check.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Upgrade;
use crate::inside::{
    AutoScalingGroup, Backend, Budget, BudgetRule, Capacity, Claim, Component, CountOrShare, Inside, Node,
    NodeGroupOf, Owner, Phase, Pod, Pool, ProxyMode, Rollout, Seen, Selector, Subnet, Template, Volume,
    Webhook, Workload, WorkloadKind,
};
use crate::version::Minor;

pub(crate) fn minor(text: &str) -> Minor {
    text.parse().unwrap()
}

/// From one minor to another, with a drain limit of 15 minutes.
pub(crate) fn upgrade(from: &str, target: &str) -> Upgrade {
    Upgrade { from: minor(from), target: minor(target), drain_limit_s: 900 }
}

pub(crate) fn at() -> Timestamp {
    "2026-08-18T09:00:00Z".parse().unwrap()
}

/// What was seen of a list, for change.
pub(crate) fn seen<T>(seen: &mut Seen<T>) -> &mut T {
    match seen {
        Seen::Is(seen) => seen,
        Seen::Not(why) => panic!("{why}"),
    }
}

fn labels(app: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("app".to_owned(), app.to_owned())])
}

/// A ready node with Amazon Linux 2023.
pub(crate) fn node(name: &str, group: NodeGroupOf, zone: &str, kubelet: Minor) -> Node {
    Node {
        name: name.into(),
        kubelet: format!("v{kubelet}.5-eks-113cf36"),
        minor: Some(kubelet),
        runtime: "containerd://2.1.4".into(),
        os_image: "Amazon Linux 2023.9.20251110".into(),
        kernel: "6.1.156-177.286.amzn2023.x86_64".into(),
        zone: Some(zone.into()),
        group,
        instance: Some(format!("i-{name}")),
        ready: true,
        ready_since: Some(at()),
        schedulable: true,
        taints: Vec::new(),
        labels: BTreeMap::new(),
        marks: BTreeMap::new(),
        made_at: at(),
    }
}

/// A ready pod of the deployment `shop/APP`.
pub(crate) fn pod(app: &str, number: u32, node: &str) -> Pod {
    Pod {
        namespace: "shop".into(),
        name: format!("{app}-{number}"),
        uid: format!("uid-{app}-{number}"),
        labels: labels(app),
        node: Some(node.into()),
        phase: Phase::Running,
        ready: true,
        owner: Some(Owner { kind: "Deployment".into(), name: app.into() }),
        mirror: false,
        grace_s: 30,
        local_storage: false,
        host_path: false,
        tolerates_all: false,
        readiness_probes: true,
        claims: BTreeSet::new(),
        restarts: 0,
        waiting: None,
        do_not_disrupt: false,
        deleting_since: None,
        made_at: at(),
    }
}

/// The deployment `shop/APP`.
pub(crate) fn workload(app: &str, wants: u32) -> Workload {
    Workload {
        kind: WorkloadKind::Deployment,
        namespace: "shop".into(),
        name: app.into(),
        labels: labels(app),
        wants,
        ready: wants,
        recreate: false,
        images: vec![format!("example.com/{app}:1.0.0")],
        system: false,
    }
}

/// A daemon set of a vendor, on every node.
pub(crate) fn daemon_set(name: &str, image: &str) -> Workload {
    Workload { kind: WorkloadKind::DaemonSet, images: vec![image.into()], ..workload(name, 4) }
}

/// A budget of `shop` that covers APP and lets one of its pods go.
pub(crate) fn budget(app: &str, pods: u32) -> Budget {
    Budget {
        namespace: "shop".into(),
        name: app.into(),
        selector: Some(Selector { labels: labels(app), expressions: Vec::new() }),
        rule: BudgetRule::MaxUnavailable(CountOrShare::Count(1)),
        lets_unhealthy_go: false,
        allowed: 1,
        healthy: pods,
        desired: pods - 1,
        expected: pods,
        observed: true,
    }
}

/// A webhook that judges new pods, fails closed, and answers.
pub(crate) fn webhook() -> Webhook {
    Webhook {
        configuration: "judge".into(),
        name: "pods.judge.example.com".into(),
        fails_closed: true,
        on_evictions: false,
        on_pods: true,
        on_nodes: false,
        not_in: Vec::new(),
        backend: Backend::Service {
            namespace: "judge".into(),
            name: "judge".into(),
            ready_endpoints: Some(2),
        },
    }
}

fn component(name: &str, version: Minor) -> Component {
    Component {
        name: name.into(),
        image: format!("602401143452.dkr.ecr.eu-central-1.amazonaws.com/eks/{name}:v{version}.0-eksbuild.2"),
        rollout: Rollout { generation: 1, observed: 1, wants: 4, updated: 4, available: 4 },
    }
}

fn subnet(id: &str, zone: &str, control_plane: bool) -> Subnet {
    Subnet { id: id.into(), zone: zone.into(), free: 200, control_plane }
}

/// A group that EKS does not manage, empty, and released by its owner.
pub(crate) fn group(name: &str) -> AutoScalingGroup {
    AutoScalingGroup {
        name: name.into(),
        instances: Vec::new(),
        min: 0,
        desired: 0,
        max: 3,
        zones: vec!["eu-central-1a".into()],
        subnets: vec!["subnet-a".into()],
        template: Some(Template { id: "lt-1".into(), version: "1".into() }),
        suspended: Vec::new(),
        released: true,
    }
}

/// A cluster at `from` with two zones of a managed node group, a pool of Karpenter's, and a workload with a budget.
pub(crate) fn healthy(from: Minor) -> Inside {
    let web = |name: &str, zone| node(name, NodeGroupOf::Managed("web".into()), zone, from);
    let nodes = vec![
        web("a1", "eu-central-1a"),
        web("a2", "eu-central-1a"),
        web("b1", "eu-central-1b"),
        node("k1", NodeGroupOf::Karpenter("jobs".into()), "eu-central-1b", from),
    ];
    Inside {
        at: at(),
        server: Seen::Is(from),
        nodes: Seen::Is(nodes),
        pods: Seen::Is(vec![pod("cart", 1, "a1"), pod("cart", 2, "a2"), pod("cart", 3, "k1")]),
        budgets: Seen::Is(vec![budget("cart", 3)]),
        workloads: Seen::Is(vec![workload("cart", 3)]),
        webhooks: Seen::Is(vec![webhook()]),
        called: Seen::Is(Vec::new()),
        applied: Seen::Is(Vec::new()),
        volumes: Seen::Is(vec![Volume {
            name: "pv-1".into(),
            zone: "eu-central-1a".into(),
            claim: Some("shop/cart".into()),
        }]),
        proxy_mode: Seen::Is(Some(ProxyMode::Iptables)),
        components: Seen::Is(vec![component("kube-proxy", from), component("coredns", minor("1.12"))]),
        pools: Seen::Is(vec![Pool { name: "jobs".into(), budgets: vec!["10%".into()], drifts: true }]),
        claims: Seen::Is(vec![Claim {
            name: "jobs-x".into(),
            pool: "jobs".into(),
            node: Some("k1".into()),
            drifted: false,
            do_not_disrupt: false,
        }]),
        capacity: Capacity {
            subnets: Seen::Is(vec![
                subnet("subnet-cp-a", "eu-central-1a", true),
                subnet("subnet-cp-b", "eu-central-1b", true),
                subnet("subnet-a", "eu-central-1a", false),
                subnet("subnet-b", "eu-central-1b", false),
            ]),
            groups: Seen::Is(vec![group("batch")]),
        },
    }
}
