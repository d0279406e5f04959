//! The clusters that are upgraded in the simulator, as its fleet file has them.

use serde_json::{Value, json};

/// Where all of them go.
pub const TARGET: &str = "1.35";
const TARGET_MINOR: u32 = 35;

/// EKS's own add-ons that most clusters have, in the order in which people think of them.
const ADDONS: [&str; 5] =
    ["vpc-cni", "coredns", "kube-proxy", "aws-ebs-csi-driver", "eks-pod-identity-agent"];

/// One to three minors behind, up to six node groups of 1 to 20 nodes, any of the usual add-ons.
#[must_use]
pub fn random(name: &str, rng: &mut fastrand::Rng) -> Value {
    let sizes: Vec<u32> = (0..rng.u32(0..=6)).map(|_| rng.u32(1..=20)).collect();
    let hops = rng.u32(1..=3);
    let addons: Vec<&str> = ADDONS.into_iter().filter(|_| rng.bool()).collect();
    cluster(name, hops, &sizes, &addons)
}

/// Three node groups of three nodes, and the four add-ons that nearly every cluster has.
#[must_use]
pub fn standard(name: &str, hops: u32) -> Value {
    cluster(name, hops, &[3, 3, 3], &ADDONS[..4])
}

/// Three to nine nodes that EKS does not manage, and four deployments on them, of two to six pods each; with a budget
/// each that lets one pod be away, or with none.
#[must_use]
pub fn with_own_nodes(name: &str, budgets: bool, rng: &mut fastrand::Rng) -> Value {
    let mut cluster = cluster(name, 1, &[], &ADDONS[..4]);
    let managed = json!({"eks-upgrade:managed": "true"});
    cluster["self_managed"] = json!([{"name": "own", "size": rng.u32(3..=9), "tags": managed}]);
    let names = ["web", "queue", "search", "mail"];
    let workloads: Vec<Value> = names
        .map(|name| json!({"name": name, "replicas": rng.u32(2..=6), "grace_s": rng.u32(5..=60)}))
        .into();
    let budget = |name| json!({"name": name, "selects": name, "max_unavailable": 1});
    let budgets: Vec<Value> = names.into_iter().filter(|_| budgets).map(budget).collect();
    cluster["kubernetes"] = json!({"workloads": workloads, "budgets": budgets});
    cluster
}

fn cluster(name: &str, hops: u32, sizes: &[u32], addons: &[&str]) -> Value {
    let version = format!("1.{}", TARGET_MINOR - hops);
    let group =
        |(at, size): (usize, &u32)| json!({"name": format!("g{at}"), "version": version, "size": size});
    let groups: Vec<Value> = sizes.iter().enumerate().map(group).collect();
    let addons: Vec<Value> = addons.iter().map(|name| json!({"name": name})).collect();
    json!({
        "name": name, "version": version, "tags": {"eks-upgrade:enabled": "true", "env": "all"},
        "nodegroups": groups, "addons": addons,
    })
}
