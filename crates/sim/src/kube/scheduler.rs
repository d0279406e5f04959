//! Which node a pod runs on: one that is ready, takes it, has room, and has the fewest of its kind.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Surroundings;
use super::hosts::instance_id;
use super::nodes::{COMPUTE_TYPE, become_ready, has_room, is_fargate, takes_pods};
use super::object::{controller, is_leaving, label, labels, list, name, text, texts};
use super::pods;
use super::resource::Resource;
use super::selector::LabelSelector;
use super::store::{Key, Store};

/// Who places pods on Fargate.
const FARGATE: &str = "fargate-scheduler";
const ZONE: &str = "topology.kubernetes.io/zone";
/// Where a pod says which nodes it must be on; one of the terms is enough.
const TERMS: &str =
    "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";

/// Places every pod that waits for a node.
pub(crate) fn run(store: &mut Store, around: &Surroundings<'_>) {
    let waits = |pod: &Value| text(pod, "/spec/nodeName").is_none() && !is_leaving(pod);
    let waiting = store.of(Resource::Pod).filter(|(_, pod)| waits(pod));
    let mut waiting: Vec<(bool, Key)> = waiting.map(|(key, pod)| (!is_critical(pod), key.clone())).collect();
    // What the cluster itself needs goes first.
    waiting.sort();
    if waiting.is_empty() {
        return;
    }
    let mut load = Load::of(store);
    for (_, key) in waiting {
        place(store, around, &key, &mut load);
    }
}

fn is_critical(pod: &Value) -> bool {
    text(pod, "/spec/priorityClassName").is_some_and(|class| class.starts_with("system-"))
}

/// How many pods each node has, and how many of each controller.
#[derive(Default)]
struct Load {
    all: BTreeMap<String, usize>,
    of: BTreeMap<(String, String), usize>,
}

impl Load {
    fn of(store: &Store) -> Self {
        let mut load = Self::default();
        for (_, pod) in store.of(Resource::Pod) {
            if let Some(node) = text(pod, "/spec/nodeName") {
                load.add(node, pod);
            }
        }
        load
    }

    fn add(&mut self, node: &str, pod: &Value) {
        *self.all.entry(node.to_owned()).or_default() += 1;
        *self.of.entry((node.to_owned(), family(pod))).or_default() += 1;
    }

    /// The pods of the same family there, and all pods there.
    fn on(&self, node: &str, pod: &Value) -> (usize, usize) {
        let same = self.of.get(&(node.to_owned(), family(pod))).copied().unwrap_or(0);
        (same, self.all.get(node).copied().unwrap_or(0))
    }
}

/// What a pod is spread with.
fn family(pod: &Value) -> String {
    controller(pod).map_or_else(|| name(pod).to_owned(), |controller| controller.uid.to_owned())
}

fn place(store: &mut Store, around: &Surroundings<'_>, key: &Key, load: &mut Load) {
    let Some(pod) = store.get(key).cloned() else { return };
    if text(&pod, "/spec/schedulerName") == Some(FARGATE) {
        let node = fargate_node(store, around);
        pods::bind(store, around, key, &node);
        return;
    }
    let zone = volume_zone(store, &pod);
    let fits = |node: &&Value| {
        takes_pods(node)
            && !is_fargate(node)
            && wanted(&pod, node)
            && tolerated(&pod, node)
            && has_room(load.on(name(node), &pod).1)
            && zone.as_deref().is_none_or(|zone| label(node, ZONE) == Some(zone))
    };
    let nodes = store.of(Resource::Node).map(|(_, node)| node);
    let best = nodes.filter(fits).min_by_key(|node| (load.on(name(node), &pod), name(node).to_owned()));
    let best = best.map(|node| (name(node).to_owned(), label(node, ZONE).unwrap_or_default().to_owned()));
    if let Some((node, zone)) = best {
        load.add(&node, &pod);
        bind_volumes(store, around, &pod, &zone);
        pods::bind(store, around, key, &node);
    } else {
        let nodes = store.of(Resource::Node).filter(|(_, node)| !is_fargate(node)).count();
        pods::cannot_be_placed(store, key, &format!("0/{nodes} nodes are available."));
    }
}

/// Whether the node selector of a pod, and its affinity to nodes, pick the node.
pub(crate) fn wanted(pod: &Value, node: &Value) -> bool {
    let labels = labels(node);
    let selected = texts(pod, "/spec/nodeSelector").iter().all(|(key, value)| labels.get(key) == Some(value));
    let terms = list(pod, TERMS);
    let term_fits = |term: &Value| {
        LabelSelector::of(&json!({"term": term}), "/term").is_some_and(|selector| selector.selects(node))
    };
    selected && (terms.is_empty() || terms.iter().any(term_fits))
}

/// Whether the pod tolerates every taint that keeps pods away.
fn tolerated(pod: &Value, node: &Value) -> bool {
    let hard =
        list(node, "/spec/taints").iter().filter(|taint| text(taint, "/effect") != Some("PreferNoSchedule"));
    hard.into_iter().all(|taint| list(pod, "/spec/tolerations").iter().any(|it| tolerates(it, taint)))
}

pub(crate) fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let effect = text(toleration, "/effect").is_none_or(|effect| Some(effect) == text(taint, "/effect"));
    let any = text(toleration, "/operator") == Some("Exists");
    let value =
        any || text(toleration, "/value").unwrap_or_default() == text(taint, "/value").unwrap_or_default();
    match text(toleration, "/key").filter(|key| !key.is_empty()) {
        None => any && effect,
        Some(key) => Some(key) == text(taint, "/key") && value && effect,
    }
}

/// A node for one pod on Fargate, with a kubelet of the control plane's minor.
fn fargate_node(store: &mut Store, around: &Surroundings<'_>) -> String {
    let number = store.rng.between(0, 63 * 250);
    let host = format!("ip-10-0-{}-{}.{}", 192 + number / 250, 4 + number % 250, around.domain);
    let node = format!("fargate-{host}");
    let key = Key::node(&node);
    let zone = around.zone(store.of(Resource::Node).count());
    let object = json!({
        "metadata": {"labels": {
            COMPUTE_TYPE: "fargate", "kubernetes.io/hostname": host, "kubernetes.io/os": "linux",
            ZONE: zone, "topology.kubernetes.io/region": around.region,
        }},
        "spec": {
            "providerID": format!("aws:///{zone}/{}/{host}", instance_id(&node).replacen("i-", "", 1)),
            "taints": [{"key": COMPUTE_TYPE, "value": "fargate", "effect": "NoSchedule"}],
        },
        "status": {"nodeInfo": {
            "kubeletVersion": format!("v{}.0-eks-113cf36", around.version), "osImage": "Amazon Linux 2023",
            "containerRuntimeVersion": around.container_runtime, "kernelVersion": "6.1.156-177.286.amzn2023.x86_64",
            "operatingSystem": "linux", "architecture": "amd64",
        }},
    });
    store.insert(key.clone(), object, around.now);
    become_ready(store, &key, around.now);
    node
}

/// The claims that a pod uses.
fn claims(pod: &Value) -> impl Iterator<Item = Key> {
    let namespace = super::object::namespace(pod);
    let names = list(pod, "/spec/volumes").iter();
    names
        .filter_map(|volume| text(volume, "/persistentVolumeClaim/claimName"))
        .map(move |claim| Key::new(Resource::PersistentVolumeClaim, namespace, claim))
}

/// The zone that a volume of the pod is in.
fn volume_zone(store: &Store, pod: &Value) -> Option<String> {
    let volumes = claims(pod).filter_map(|claim| text(store.get(&claim)?, "/spec/volumeName"));
    let zones = volumes.filter_map(|volume| {
        label(store.get(&Key::new(Resource::PersistentVolume, "", volume))?, ZONE).map(str::to_owned)
    });
    zones.into_iter().next()
}

/// Makes volumes for claims that wait for their first pod, in the zone of its node.
fn bind_volumes(store: &mut Store, around: &Surroundings<'_>, pod: &Value, zone: &str) {
    for claim in claims(pod) {
        let Some(object) = store.get(&claim) else { continue };
        if text(object, "/spec/volumeName").is_some() {
            continue;
        }
        let volume = format!("pvc-{}", super::object::uid(object));
        let body = json!({
            "metadata": {"labels": {ZONE: zone}},
            "spec": {
                "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "gp3",
                "persistentVolumeReclaimPolicy": "Delete",
                "claimRef": {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": claim.namespace,
                             "name": claim.name},
                "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": instance_id(&volume).replacen("i-", "vol-", 1)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                    {"key": ZONE, "operator": "In", "values": [zone]}]}]}},
            },
            "status": {"phase": "Bound"},
        });
        store.insert(Key::new(Resource::PersistentVolume, "", &volume), body, around.now);
        store.change(&claim, |object| {
            object["spec"]["volumeName"] = json!(volume);
            object["status"] = json!({"phase": "Bound", "capacity": {"storage": "10Gi"}});
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taints_are_tolerated_as_the_api_says() {
        let taint = json!({"key": "k", "value": "v", "effect": "NoSchedule"});
        for (toleration, expected) in [
            (json!({"operator": "Exists"}), true),
            (json!({"key": "k", "operator": "Exists"}), true),
            (json!({"key": "k", "value": "v"}), true),
            (json!({"key": "k", "value": "w"}), false),
            (json!({"key": "l", "operator": "Exists"}), false),
            (json!({"operator": "Exists", "effect": "NoExecute"}), false),
        ] {
            assert_eq!(tolerates(&toleration, &taint), expected, "{toleration}");
        }
    }
}
