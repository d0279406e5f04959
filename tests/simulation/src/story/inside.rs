//! The inside of clusters: nodes that EKS does not manage, what runs on them, and an API server with its moods.
//!
//! It is drawn from a stream of its own, for a few stories: a roll of nodes takes as many calls as dozens of others.

use serde_json::{Value, json};

use super::Event;
use crate::chance::Chance;

/// So many stories in a thousand have clusters that can be looked into.
const SHARE: u32 = 20;
/// The Fargate profile of some clusters, and the namespace that it takes in.
const SERVERLESS: &str = "serverless";

/// Gives the clusters of some stories an inside, and their policies the say over it.
pub fn draw(chance: &mut Chance, fleet: &mut Value, policy: &mut Value, events: &mut [(u32, Event)]) {
    if !chance.rarely(SHARE * 10) {
        return;
    }
    for cluster in fleet["clusters"].as_array_mut().into_iter().flatten() {
        if chance.percent(80) {
            cluster_inside(chance, cluster);
        }
    }
    let faults = server_faults(chance);
    match fleet["faults"].as_array_mut() {
        Some(all) => all.extend(faults),
        None => fleet["faults"] = json!(faults),
    }
    let section = policy_section(chance);
    policy["kubernetes"] = section.clone();
    for (_, event) in events {
        if let Event::Deploy(other) = event {
            other["kubernetes"] = section.clone();
        }
    }
}

fn policy_section(chance: &mut Chance) -> Value {
    json!({
        "access": chance.pick(&["full", "full", "full", "full", "read"]),
        "drainLimit": chance.pick(&["5m", "15m", "15m"]),
        "selfManaged": {"way": chance.pick(&["in-place", "in-place", "new-group"]), "surge": chance.pick(&[1, 1, 2])},
        "fargate": chance.pick(&["report", "restart"]),
    })
}

fn cluster_inside(chance: &mut Chance, cluster: &mut Value) {
    let name = cluster["name"].as_str().unwrap_or_default().to_owned();
    let server = cluster["version"].as_str().unwrap_or_default().to_owned();
    let groups: Vec<Value> =
        (0..chance.pick(&[0, 1, 1, 1, 2])).map(|at| group(chance, &name, at, &server)).collect();
    let mut inside = json!({"workloads": [], "budgets": [], "cluster_autoscaler": chance.percent(40)});
    if chance.percent(25) {
        cluster["fargate_profiles"] = json!([{"name": SERVERLESS, "namespace": SERVERLESS}]);
        push(&mut inside, "workloads", json!({"name": "once", "namespace": SERVERLESS, "fargate": true}));
    }
    workloads(chance, &mut inside);
    if cluster["auto_mode"] != true && chance.percent(30) {
        let (size, drift_m) = (chance.between(1, 3), chance.pick(&[3, 10, 40]));
        let pool = json!({"name": "pool", "size": size, "drifts": !chance.percent(15), "drift_m": drift_m});
        inside["karpenter"] = json!({"pools": [pool]});
    }
    match chance.between(0, 11) {
        0 => inside["unreachable"] = json!(true),
        1 => inside["deny"] = json!([chance.pick(&["patch nodes", "list pods", "create pods/eviction"])]),
        2 | 3 => {
            let (endpoints, on) = (chance.pick(&[0, 0, 1]), chance.pick(&["pods", "pods/eviction", "nodes"]));
            inside["webhooks"] =
                json!([{"name": "judge", "on": [on], "service": "default/judge", "endpoints": endpoints}]);
        }
        4 => inside["components"] = json!({"kube-proxy": "absent"}),
        // CoreDNS of the next two minors does not come up.
        5 | 6 => inside["image_fails"] = json!(["v1.12.4-eksbuild.1", "v1.13.1-eksbuild.1"]),
        _ => {}
    }
    cluster["kubernetes"] = inside;
    cluster["self_managed"] = json!(groups);
}

fn group(chance: &mut Chance, cluster: &str, at: u32, server: &str) -> Value {
    let size = chance.between(1, 3);
    let mut group = json!({"name": format!("{cluster}-own{at}"), "size": size, "version": server});
    let mut set = |field: &str, value: Value| group[field] = value;
    if !chance.percent(15) {
        set("tags", json!({"eks-upgrade:managed": "true"}));
    }
    if chance.percent(40) {
        set("min_size", json!(0));
        set("max_size", json!(size + 2));
    }
    match chance.between(0, 9) {
        0 => set("fails_to_join", json!(true)),
        1 => {
            let times = chance.between(1, 4);
            set("launch_fails", json!({"code": "InsufficientInstanceCapacity", "times": times}));
        }
        2 => set("terminates_slowly_s", json!(chance.between(60, 600))),
        _ => {}
    }
    group
}

/// A few deployments, each perhaps with a budget: one that lets one pod go at a time, or one that never does.
fn workloads(chance: &mut Chance, inside: &mut Value) {
    for at in 0..chance.between(0, 3) {
        let name = format!("app{at}");
        let replicas = chance.between(1, 3);
        let mut workload = json!({"name": name, "replicas": replicas, "grace_s": chance.pick(&[5, 30, 120])});
        match chance.between(0, 9) {
            0 => workload["kind"] = json!("Bare"),
            1 => workload["local_storage"] = json!(true),
            2 => workload["crashes"] = json!(true),
            _ => {}
        }
        push(inside, "workloads", workload);
        let budgets = match chance.between(0, 9) {
            0..=3 => vec![json!({"name": name, "selects": name, "max_unavailable": 1})],
            4 => vec![json!({"name": name, "selects": name, "max_unavailable": 0})],
            // Two on one pod: the server answers every eviction with 500.
            5 => ["a", "b"]
                .map(|twin| json!({"name": format!("{name}-{twin}"), "selects": name, "max_unavailable": 1}))
                .into(),
            _ => Vec::new(),
        };
        for budget in budgets {
            push(inside, "budgets", budget);
        }
    }
}

fn push(inside: &mut Value, list: &str, what: Value) {
    if let Some(list) = inside[list].as_array_mut() {
        list.push(what);
    }
}

/// Calls of API servers, and of EC2, that fail for everybody.
fn server_faults(chance: &mut Chance) -> Vec<Value> {
    (0..chance.pick(&[0, 0, 1, 2]))
        .map(|_| {
            let operation = chance.pick(&[
                "kube:list nodes",
                "kube:list pods",
                "kube:patch nodes",
                "kube:create pods/eviction",
                "UpdateAutoScalingGroup",
                "TerminateInstanceInAutoScalingGroup",
                "CreateLaunchTemplateVersion",
                "DescribeAutoScalingGroups",
            ]);
            let (after, times) = (chance.between(0, 20), chance.pick(&[1, 2, 5, 20]));
            let mut fault = json!({"match": {"operation": operation}, "after": after, "times": times});
            if chance.percent(40) {
                fault["drop_answer"] = json!(true);
            } else {
                let kind = if operation.starts_with("kube:") { "InternalError" } else { "ServerException" };
                fault["error"] = json!({"type": kind});
            }
            fault
        })
        .collect()
}
