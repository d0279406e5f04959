//! Nodes: made for the machines that there are, ready after a while, gone with them.

use serde_json::{Value, json};

use super::Surroundings;
use super::hosts::Host;
use super::object::{condition, entry, flag, is_ready, label, list, name, stamp, text};
use super::pods;
use super::resource::Resource;
use super::store::{Key, Store};
use crate::time::Ms;

/// Pods that a node can run, as the VPC CNI allows for most sizes.
const PODS_MAX: u32 = 58;
/// The taint of a cordoned node.
const CORDONED: &str = "node.kubernetes.io/unschedulable";
/// The label that tells what a node is made of.
pub(crate) const COMPUTE_TYPE: &str = "eks.amazonaws.com/compute-type";

/// Whether the node is one of Fargate's.
pub(crate) fn is_fargate(node: &Value) -> bool {
    label(node, COMPUTE_TYPE) == Some("fargate")
}

/// Whether pods can start on it: it is ready and takes new ones.
pub(crate) fn takes_pods(node: &Value) -> bool {
    is_ready(node) && !flag(node, "/spec/unschedulable")
}

/// Makes the nodes follow the machines.
pub(crate) fn follow(store: &mut Store, around: &Surroundings<'_>, hosts: &[Host]) {
    for host in hosts {
        let key = Key::node(&host.name);
        match store.get(&key) {
            None => register(store, around, host),
            Some(_) => keep(store, around, host, &key),
        }
    }
    let there = |name: &str| hosts.iter().any(|host| host.name == name);
    let gone = store.of(Resource::Node).filter(|(_, node)| !is_fargate(node) && !there(name(node)));
    let gone: Vec<Key> = gone.map(|(key, _)| key.clone()).collect();
    for key in gone {
        store.remove(&key);
        pods::lose_node(store, &key.name);
    }
    mark_cordoned(store);
}

/// A node that just registered. It becomes ready when its time has come.
fn register(store: &mut Store, around: &Surroundings<'_>, host: &Host) {
    let key = Key::node(&host.name);
    let at = around.delay(host.patience);
    let nodes = store.of(Resource::Node).count();
    let zone = host.zone.clone().unwrap_or_else(|| around.zone(nodes));
    store.insert(key.clone(), node(around, host, &zone), around.now);
    store.plan(key, at);
}

/// What of a machine may change while it is a node.
fn keep(store: &mut Store, around: &Surroundings<'_>, host: &Host, key: &Key) {
    let Some(node) = store.get(key) else { return };
    let guarded = host.labels.get(super::hosts::GUARDED_LABEL);
    if label(node, super::hosts::GUARDED_LABEL) != guarded.map(String::as_str) {
        store.change(key, |node| match guarded {
            Some(group) => {
                *entry(node, &["metadata", "labels", super::hosts::GUARDED_LABEL]) = json!(group);
            }
            None => super::object::remove(node, &["metadata", "labels", super::hosts::GUARDED_LABEL]),
        });
    }
    let leaves = host.leaving && store.get(key).is_some_and(|node| condition(node, "Ready") == Some("True"));
    if leaves {
        store.set_status(
            key,
            &json!({"conditions": conditions("False", "node is shutting down", around.now)}),
        );
    }
}

/// Its time has come: the node is ready.
pub(crate) fn become_ready(store: &mut Store, key: &Key, now: Ms) {
    let words = "kubelet is posting ready status";
    store.set_status(key, &json!({"conditions": conditions("True", words, now)}));
}

/// A cordoned node has a taint that says so, and no other node has.
fn mark_cordoned(store: &mut Store) {
    for key in store.keys(Resource::Node) {
        let Some(node) = store.get(&key) else { continue };
        let cordoned = flag(node, "/spec/unschedulable");
        let taints = list(node, "/spec/taints");
        let marked = taints.iter().any(|taint| text(taint, "/key") == Some(CORDONED));
        if cordoned == marked {
            continue;
        }
        let mut taints: Vec<Value> =
            taints.iter().filter(|taint| text(taint, "/key") != Some(CORDONED)).cloned().collect();
        if cordoned {
            taints.push(json!({"key": CORDONED, "effect": "NoSchedule"}));
        }
        store.change(&key, |node| {
            if taints.is_empty() {
                super::object::remove(node, &["spec", "taints"]);
            } else {
                *entry(node, &["spec", "taints"]) = json!(taints);
            }
        });
    }
}

fn conditions(ready: &str, message: &str, now: Ms) -> Value {
    let since = stamp(now);
    let quiet = ["MemoryPressure", "DiskPressure", "PIDPressure"].map(|kind| {
        json!({"type": kind, "status": "False", "reason": "KubeletHasNo", "message": "", "lastTransitionTime": since,
               "lastHeartbeatTime": since})
    });
    let reason = if ready == "True" { "KubeletReady" } else { "KubeletNotReady" };
    let ready = json!({"type": "Ready", "status": ready, "reason": reason, "message": message,
                       "lastTransitionTime": since, "lastHeartbeatTime": since});
    quiet.into_iter().chain([ready]).collect()
}

/// The kubelet's version: a release begins with it, and an image of their own tells only the minor.
fn kubelet_version(host: &Host) -> String {
    let patch = host.release.split_once('-').map(|(version, _)| version);
    let patch = patch.filter(|version| version.starts_with(&format!("{}.", host.kubelet)));
    format!("v{}-eks-113cf36", patch.map_or_else(|| format!("{}.0", host.kubelet), str::to_owned))
}

fn node(around: &Surroundings<'_>, host: &Host, zone: &str) -> Value {
    let mut labels = json!({
        "kubernetes.io/hostname": host.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
        "node.kubernetes.io/instance-type": host.hardware,
        "topology.kubernetes.io/zone": zone, "topology.kubernetes.io/region": around.region,
    });
    for (key, value) in &host.labels {
        labels[key] = json!(value);
    }
    let room = json!({"cpu": "2", "memory": "7934976Ki", "pods": PODS_MAX.to_string(),
                      "ephemeral-storage": "83873772Ki"});
    json!({
        "metadata": {"labels": labels, "annotations": {"node.alpha.kubernetes.io/ttl": "0"}},
        "spec": {"providerID": format!("aws:///{zone}/{}", host.instance)},
        "status": {
            "capacity": room, "allocatable": room,
            "conditions": conditions("False", "container runtime network not ready", around.now),
            "addresses": [{"type": "InternalIP", "address": address(&host.name)},
                          {"type": "InternalDNS", "address": host.name},
                          {"type": "Hostname", "address": host.name}],
            "nodeInfo": {
                "kubeletVersion": kubelet_version(host), "kubeProxyVersion": kubelet_version(host),
                "containerRuntimeVersion": around.container_runtime,
                "osImage": host.system.image(), "kernelVersion": host.system.kernel(),
                "operatingSystem": "linux", "architecture": "amd64",
                "machineID": host.instance, "systemUUID": host.instance, "bootID": host.instance,
            },
        },
    })
}

/// The address that a host's name tells: `ip-10-0-64-4.ec2.internal` is `10.0.64.4`.
fn address(host: &str) -> String {
    let first = host.split('.').next().unwrap_or_default();
    let digits: Vec<&str> =
        first.split('-').filter(|part| part.bytes().all(|b| b.is_ascii_digit())).collect();
    digits.join(".")
}

/// How many more pods may be on a node that has so many.
pub(crate) fn has_room(pods: usize) -> bool {
    u32::try_from(pods).is_ok_and(|pods| pods < PODS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_address() {
        assert_eq!(address("ip-10-0-64-4.ec2.internal"), "10.0.64.4");
        assert_eq!(address("fargate-ip-10-0-64-4.ec2.internal"), "10.0.64.4");
    }
}
