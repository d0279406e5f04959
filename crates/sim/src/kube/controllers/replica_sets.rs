//! Replica sets: as many pods as are wanted.

use serde_json::{Value, json};

use super::{may_make_pods, number};
use crate::kube::Surroundings;
use crate::kube::object::{count, is_leaving, is_ready, uid};
use crate::kube::pods;
use crate::kube::resource::Resource;
use crate::kube::store::{Key, Store};

pub(super) fn run(store: &mut Store, around: &Surroundings<'_>) {
    for key in store.keys(Resource::ReplicaSet) {
        let Some(set) = store.get(&key).cloned() else { continue };
        balance(store, around, &key, &set);
        tell(store, &key, &set);
    }
}

/// Its pods that are not leaving.
fn staying(store: &Store, set: &Value) -> Vec<Key> {
    let pods = pods::of(store, uid(set)).into_iter();
    pods.filter(|pod| store.get(pod).is_some_and(|pod| !is_leaving(pod))).collect()
}

fn balance(store: &mut Store, around: &Surroundings<'_>, key: &Key, set: &Value) {
    let wants = usize::try_from(count(set, "/spec/replicas").unwrap_or(1)).unwrap_or(usize::MAX);
    let mut pods = staying(store, set);
    // Those that do not work go first.
    pods.sort_by_key(|pod| store.get(pod).is_some_and(is_ready));
    for pod in pods.iter().take(pods.len().saturating_sub(wants)) {
        pods::ask_to_go(store, around, pod, None);
    }
    for _ in pods.len()..wants {
        if !may_make_pods(store, around, &key.namespace) {
            return;
        }
        let pod = store.fresh_name(&key.name);
        let template = set.pointer("/spec/template").cloned().unwrap_or_default();
        pods::make(store, Some(set), &template, &pod, &key.namespace, around.now);
    }
}

fn tell(store: &mut Store, key: &Key, set: &Value) {
    let pods = staying(store, set);
    let ready = number(pods.iter().filter(|pod| store.get(pod).is_some_and(is_ready)).count());
    store.set_status(
        key,
        &json!({
            "replicas": pods.len(), "fullyLabeledReplicas": pods.len(), "readyReplicas": ready,
            "availableReplicas": ready, "observedGeneration": set["metadata"]["generation"],
        }),
    );
}
