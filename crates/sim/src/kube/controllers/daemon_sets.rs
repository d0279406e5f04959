//! Daemon sets: a pod on each node.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{amount, may_make_pods, number, template_hash};
use crate::fleet::Amount;
use crate::kube::Surroundings;
use crate::kube::nodes::is_fargate;
use crate::kube::object::{entry, is_leaving, is_ready, label, list, name, text, uid};
use crate::kube::pods;
use crate::kube::resource::Resource;
use crate::kube::scheduler::{tolerates, wanted};
use crate::kube::store::{Key, Store};

/// Tells the pods of one template from those of another.
const HASH: &str = "controller-revision-hash";
/// Taints that daemons tolerate anyhow: those of the node's own condition.
const OWN_TAINTS: &str = "node.kubernetes.io/";

pub(super) fn run(store: &mut Store, around: &Surroundings<'_>) {
    for key in store.keys(Resource::DaemonSet) {
        let Some(set) = store.get(&key).cloned() else { continue };
        let revision = template_hash(&set);
        let nodes = nodes(store, &set);
        spread(store, around, &key, &set, &nodes, &revision);
        renew(store, around, &set, &nodes, &revision);
        tell(store, &key, &set, &nodes, &revision);
    }
}

/// The nodes that it wants a pod on.
fn nodes(store: &Store, set: &Value) -> Vec<String> {
    let template = set.pointer("/spec/template").cloned().unwrap_or_default();
    let tolerations = list(&template, "/spec/tolerations");
    let tolerated = |taint: &Value| {
        text(taint, "/key").is_some_and(|key| key.starts_with(OWN_TAINTS))
            || text(taint, "/effect") == Some("PreferNoSchedule")
            || tolerations.iter().any(|toleration| tolerates(toleration, taint))
    };
    let fits = |node: &Value| {
        !is_fargate(node) && wanted(&template, node) && list(node, "/spec/taints").iter().all(tolerated)
    };
    store.of(Resource::Node).filter(|(_, node)| fits(node)).map(|(_, node)| name(node).to_owned()).collect()
}

/// Its pods by node; of several, one that stays.
fn by_node(store: &Store, set: &Value) -> BTreeMap<String, Key> {
    let mut there: BTreeMap<String, Key> = BTreeMap::new();
    for key in pods::of(store, uid(set)) {
        let Some(pod) = store.get(&key) else { continue };
        let Some(node) = text(pod, "/spec/nodeName") else { continue };
        if !is_leaving(pod) || !there.contains_key(node) {
            there.insert(node.to_owned(), key);
        }
    }
    there
}

fn spread(
    store: &mut Store,
    around: &Surroundings<'_>,
    key: &Key,
    set: &Value,
    nodes: &[String],
    revision: &str,
) {
    let there = by_node(store, set);
    for node in nodes.iter().filter(|node| !there.contains_key(*node)) {
        if !may_make_pods(store, around, &key.namespace) {
            return;
        }
        let mut template = set.pointer("/spec/template").cloned().unwrap_or_default();
        *entry(&mut template, &["metadata", "labels", HASH]) = json!(revision);
        let pod = store.fresh_name(&key.name);
        pods::make(store, Some(set), &template, &pod, &key.namespace, around.now);
        pods::bind(store, around, &Key::new(Resource::Pod, &key.namespace, &pod), node);
    }
    for (_, pod) in there.iter().filter(|(node, _)| !nodes.contains(node)) {
        pods::ask_to_go(store, around, pod, None);
    }
}

/// Asks pods of an older template to go, no more at a time than may be out.
fn renew(store: &mut Store, around: &Surroundings<'_>, set: &Value, nodes: &[String], revision: &str) {
    if text(set, "/spec/updateStrategy/type") == Some("OnDelete") {
        return;
    }
    let usual = Amount::Count(1);
    let bound = amount(set, "/spec/updateStrategy/rollingUpdate/maxUnavailable").unwrap_or(usual);
    let bound = bound.of(number(nodes.len())).max(1);
    let there = by_node(store, set);
    let works = |pod: &Key| store.get(pod).is_some_and(|pod| is_ready(pod) && !is_leaving(pod));
    let mut out = number(nodes.iter().filter(|node| !there.get(*node).is_some_and(works)).count());
    let old =
        |pod: &&Key| store.get(pod).is_some_and(|pod| !is_leaving(pod) && label(pod, HASH) != Some(revision));
    let old: Vec<(Key, bool)> = there.values().filter(old).map(|pod| (pod.clone(), works(pod))).collect();
    for (pod, works) in old {
        // One that does not work is out already.
        if works && out >= bound {
            continue;
        }
        out += u32::from(works);
        pods::ask_to_go(store, around, &pod, None);
    }
}

fn tell(store: &mut Store, key: &Key, set: &Value, nodes: &[String], revision: &str) {
    let there = by_node(store, set);
    let staying: Vec<&Value> =
        nodes.iter().filter_map(|node| store.get(there.get(node)?)).filter(|pod| !is_leaving(pod)).collect();
    let ready = staying.iter().filter(|pod| is_ready(pod)).count();
    let status = json!({
        "observedGeneration": set["metadata"]["generation"],
        "desiredNumberScheduled": nodes.len(), "currentNumberScheduled": staying.len(),
        "numberMisscheduled": 0, "numberReady": ready, "numberAvailable": ready,
        "numberUnavailable": nodes.len().saturating_sub(ready),
        "updatedNumberScheduled": staying.iter().filter(|pod| label(pod, HASH) == Some(revision)).count(),
    });
    store.set_status(key, &status);
}
