//! Fleets: one to three clusters, most of them ordinary, some in every state that EKS lets a cluster be in.

use serde_json::{Map, Value, json};

use super::START;
use crate::chance::Chance;

const MINORS: [u32; 4] = [31, 32, 33, 34];

/// A fleet file for the simulator.
pub fn draw(chance: &mut Chance, seed: u64) -> Value {
    let count = if chance.percent(80) { 1 } else { chance.between(2, 3) };
    let clusters: Vec<Value> = (0..count).map(|at| cluster(chance, &format!("c{at}"))).collect();
    let mut fleet = json!({
        "seed": seed,
        "start": START,
        "support_plan": "none",
        "visibility_s": chance.pick(&[0, 3, 20, 90]),
        "health_events": [],
        "clusters": clusters,
    });
    if chance.percent(8) {
        fleet["tokens_forgotten_after_m"] = json!(chance.pick(&[1, 10, 60]));
    }
    let faults = service_faults(chance);
    if !faults.is_empty() {
        fleet["faults"] = json!(faults);
    }
    let names = super::clusters(&fleet);
    let acts = acts(chance, &fleet, &names);
    if !acts.is_empty() {
        fleet["acts"] = json!(acts);
    }
    fleet
}

fn cluster(chance: &mut Chance, name: &str) -> Value {
    // Most are one minor behind: that is what the notice is about.
    let minor = if chance.percent(60) { 34 } else { chance.pick(&MINORS) };
    let groups: Vec<Value> =
        (0..chance.pick(&[0, 1, 1, 2, 2, 3])).map(|at| group(chance, at, minor)).collect();
    let mut cluster = json!({
        "name": name,
        "version": format!("1.{minor}"),
        "tags": tags(chance),
        "nodegroups": groups,
        "addons": addons(chance),
        "support_type": if chance.percent(15) { "STANDARD" } else { "EXTENDED" },
    });
    let mut set = |field: &str, value: Value| cluster[field] = value;
    if chance.percent(6) {
        set("strict_node_match", json!(true));
    }
    if chance.percent(5) {
        set(
            "subnets",
            json!([{"id": "subnet-0a11", "free_addresses": chance.pick(&[0, 4, 40])}, {"id": "subnet-0b22"}]),
        );
    }
    if chance.percent(5) {
        set("auto_mode", json!(true));
    }
    if chance.percent(5) {
        set("fargate_profiles", json!([{"name": "fp"}]));
    }
    if chance.percent(4) {
        set("status", json!(chance.pick(&["FAILED", "CREATING", "DELETING", "PONDERING"])));
    }
    if chance.percent(6) {
        set("insights", json!([insight(chance)]));
    }
    if chance.percent(8) {
        set("insights_frozen", json!(true));
    }
    if chance.percent(8) {
        let to = format!("1.{}", minor + 1);
        let duration = chance.between(6, 25);
        set("updates", json!([{"to": to, "started_ago_m": chance.between(1, 5), "duration_m": duration}]));
    }
    if chance.percent(5) {
        let deleted = chance.between(5, 600);
        set("deleted_after_m", json!(deleted));
        if chance.percent(50) {
            set("recreated_after_m", json!(deleted + chance.between(1, 300)));
        }
    }
    let faults = update_faults(chance);
    if !faults.is_empty() {
        set("faults", json!(faults));
    }
    cluster
}

fn tags(chance: &mut Chance) -> Value {
    let mut tags = Map::new();
    if !chance.percent(4) {
        tags.insert("eks-upgrade:enabled".into(), json!("true"));
    }
    tags.insert("env".into(), json!(chance.pick(&["dev", "prod"])));
    if chance.percent(10) {
        tags.insert(
            "eks-upgrade:strategy".into(),
            json!(chance.pick(&["rolling", "force", "rolling-then-force"])),
        );
    }
    if chance.percent(2) {
        tags.insert("eks-upgrade:nodes".into(), json!("sometimes"));
    }
    Value::Object(tags)
}

fn group(chance: &mut Chance, at: u32, minor: u32) -> Value {
    let behind = if chance.percent(85) { 0 } else { chance.between(1, 2) };
    let mut group = json!({
        "name": format!("g{at}"),
        "version": format!("1.{}", minor.saturating_sub(behind).max(30)),
        "size": chance.pick(&[0, 1, 2, 3, 5]),
    });
    let mut set = |field: &str, value: Value| group[field] = value;
    match chance.between(0, 19) {
        0..=3 => set("pdb", json!("blocks")),
        4 => set("pdb", json!("blocks_even_force")),
        5 => {
            set("pdb", json!("blocks"));
            set("pdb_clears_after_m", json!(chance.between(30, 900)));
        }
        6 if minor <= 32 => set("ami_type", json!("AL2_x86_64")),
        7 | 14 => {
            set("ami_type", json!("CUSTOM"));
            set("launch_template", json!({"id": "lt-0a", "name": "own", "version": 1, "latest": 2}));
        }
        8 => set("status", json!(chance.pick(&["DEGRADED", "UPDATING", "CREATE_FAILED"]))),
        9 => set("max_unavailable_percentage", json!(chance.pick(&[10, 50, 100]))),
        10 => set("update_strategy", json!("MINIMAL")),
        11 => set("appears_after_m", json!(chance.between(5, 200))),
        12 => set("deleted_after_m", json!(chance.between(5, 200))),
        13 => set("health_issues", json!([{"code": "AsgInstanceLaunchFailures", "message": "no capacity"}])),
        _ => {}
    }
    group
}

fn addons(chance: &mut Chance) -> Value {
    let mut addons = Vec::new();
    for name in ["vpc-cni", "coredns", "kube-proxy", "aws-ebs-csi-driver"] {
        if chance.percent(55) {
            let mut addon = json!({"name": name});
            if name == "vpc-cni" && chance.percent(15) {
                addon["version"] = json!("v1.17.1-eksbuild.1");
            }
            if chance.percent(10) {
                addon["conflicts"] =
                    json!([format!("DaemonSet.apps {name} - .spec.template.spec.tolerations")]);
            }
            if chance.percent(3) {
                addon["status"] = json!(chance.pick(&["DEGRADED", "UPDATE_FAILED", "CREATE_FAILED"]));
            }
            addons.push(addon);
        }
    }
    json!(addons)
}

fn insight(chance: &mut Chance) -> Value {
    json!({
        "name": chance.pick(&["Cluster health issues", "Kubelet version skew", "EKS add-on version compatibility"]),
        "status": chance.pick(&["ERROR", "WARNING", "UNKNOWN"]),
    })
}

/// What goes wrong with the service for everybody.
fn service_faults(chance: &mut Chance) -> Vec<Value> {
    let mut faults = Vec::new();
    for _ in 0..chance.pick(&[0, 0, 0, 1, 1, 2, 3]) {
        let operation = chance.pick(&[
            "DescribeCluster",
            "DescribeUpdate",
            "ListUpdates",
            "ListNodegroups",
            "DescribeNodegroup",
            "DescribeAddon",
            "ListInsights",
            "UpdateClusterVersion",
            "UpdateNodegroupVersion",
            "UpdateAddon",
        ]);
        let kind = chance.pick(&[
            "ThrottlingException",
            "ThrottlingException",
            "ServiceUnavailableException",
            "ServiceUnavailableException",
            "ServerException",
            "AccessDeniedException",
            "ResourceNotFoundException",
        ]);
        // What is not there, or not allowed, stays so only where nobody would take it for the truth about a cluster.
        let harmless = !(kind == "ResourceNotFoundException" && operation != "DescribeUpdate");
        if harmless {
            let (after, times) = (chance.between(0, 30), chance.pick(&[1, 1, 2, 3, 8]));
            faults.push(json!({
                "match": {"operation": operation}, "after": after, "times": times, "error": {"type": kind},
            }));
        }
    }
    if chance.percent(10) {
        let operation = chance.pick(&["UpdateClusterVersion", "UpdateNodegroupVersion", "UpdateAddon"]);
        faults.push(json!({
            "match": {"operation": operation}, "after": chance.between(0, 2), "drop_answer": true,
        }));
    }
    faults
}

/// What goes wrong with the updates of one cluster.
fn update_faults(chance: &mut Chance) -> Vec<Value> {
    let mut faults = Vec::new();
    for _ in 0..chance.pick(&[0, 0, 0, 0, 1, 1, 2]) {
        let (operation, codes): (_, &[&str]) = chance.pick(&[
            (
                "UpdateClusterVersion",
                &[
                    "SubnetNotFound",
                    "SecurityGroupNotFound",
                    "EniLimitReached",
                    "IpNotAvailable",
                    "AccessDenied",
                    "OperationNotPermitted",
                    "VpcIdNotFound",
                    "Unknown",
                    "InsufficientFreeAddresses",
                ] as &[&str],
            ),
            (
                "UpdateNodegroupVersion",
                &[
                    "NodeCreationFailure",
                    "PodEvictionFailure",
                    "AccessDenied",
                    "IpNotAvailable",
                    "Unknown",
                    "ClusterUnreachable",
                ],
            ),
            (
                "UpdateAddon",
                &[
                    "ConfigurationConflict",
                    "ConfigurationConflict",
                    "ConfigurationConflict",
                    "AdmissionRequestDenied",
                    "InsufficientNumberOfReplicas",
                    "UnsupportedAddonModification",
                    "K8sResourceNotFound",
                    "ClusterUnreachable",
                ],
            ),
        ]);
        let mut fault = json!({
            "match": {"operation": operation}, "after": chance.pick(&[0, 0, 0, 1, 2]), "times": chance.pick(&[1, 1, 2, 4]),
        });
        match chance.between(0, 14) {
            0..=5 => fault["fail_update"] = json!({"code": chance.pick(codes)}),
            6 => fault["stuck"] = json!(true),
            7 => fault["duration_m"] = json!(chance.pick(&[1, 45, 180, 700])),
            8 => fault["update_status"] = json!(chance.pick(&["Cancelled", "Paused", "Failed"])),
            9 => fault["stale_s"] = json!(chance.pick(&[30, 120, 280])),
            _ if operation == "UpdateClusterVersion" => fault["breaks"] = breaks(chance),
            _ => fault["duration_m"] = json!(2),
        }
        faults.push(fault);
    }
    faults
}

/// What no longer works after an upgrade.
fn breaks(chance: &mut Chance) -> Value {
    let mut breaks = json!({"after_m": chance.between(0, 90)});
    match chance.between(0, 2) {
        0 => {
            let message = "the API server does not answer";
            breaks["health_issue"] = json!({"code": "ClusterUnreachable", "message": message});
        }
        1 => breaks["insight"] = json!({"name": "Cluster health issues", "status": "ERROR"}),
        _ => breaks["addon"] = json!({"name": "coredns"}),
    }
    breaks
}

/// What people, and AWS, do to clusters around the product.
fn acts(chance: &mut Chance, fleet: &Value, names: &[String]) -> Vec<Value> {
    let mut acts = Vec::new();
    for _ in 0..chance.pick(&[0, 0, 0, 0, 1, 1, 2]) {
        let at = chance.between(0, u32::try_from(names.len()).unwrap_or(1) - 1) as usize;
        let (cluster, spec) = (&names[at], &fleet["clusters"][at]);
        let group = super::names(&spec["nodegroups"]).first().cloned();
        let act = match (chance.between(0, 9), group) {
            (0 | 1, _) => json!({"what": "upgrade", "cluster": cluster}),
            (2, _) => json!({"what": "auto_upgrade", "cluster": cluster}),
            (3 | 4, _) => json!({"what": "roll_back", "cluster": cluster}),
            (5, Some(group)) => json!({"what": "update_nodegroup", "cluster": cluster, "nodegroup": group}),
            (6, Some(group)) => json!({"what": "delete_nodegroup", "cluster": cluster, "nodegroup": group}),
            (7, _) => {
                json!({"what": "add_nodegroup", "cluster": cluster, "spec": {"name": "late", "size": 2}})
            }
            (8, _) => json!({"what": "delete_cluster", "cluster": cluster}),
            (_, _) => json!({"what": "tag", "cluster": cluster, "tags": {"eks-upgrade:enabled": ""}}),
        };
        acts.push(json!({"after_m": chance.between(1, 400), "act": act}));
    }
    acts
}
