//! Stateful sets: numbered pods, one after the other, each with its volumes.

use serde_json::{Value, json};

use super::{may_make_pods, template_hash};
use crate::kube::Surroundings;
use crate::kube::object::{count, entry, is_leaving, is_ready, label, list, name, text, uid};
use crate::kube::pods;
use crate::kube::resource::Resource;
use crate::kube::store::{Key, Store};

/// Tells the pods of one template from those of another.
const HASH: &str = "controller-revision-hash";

pub(super) fn run(store: &mut Store, around: &Surroundings<'_>) {
    for key in store.keys(Resource::StatefulSet) {
        let Some(set) = store.get(&key).cloned() else { continue };
        let wants = count(&set, "/spec/replicas").unwrap_or(1);
        let revision = format!("{}-{}", key.name, template_hash(&set));
        fill(store, around, &key, &set, wants, &revision);
        empty(store, around, &set, wants);
        renew(store, around, &key, &set, wants, &revision);
        tell(store, &key, &set, &revision);
    }
}

fn pod_key(set: &Key, ordinal: u32) -> Key {
    Key::new(Resource::Pod, &set.namespace, &format!("{}-{ordinal}", set.name))
}

/// Makes the pods that are missing: each when those before it are ready.
fn fill(store: &mut Store, around: &Surroundings<'_>, key: &Key, set: &Value, wants: u32, revision: &str) {
    let at_once = around.instant || text(set, "/spec/podManagementPolicy") == Some("Parallel");
    for ordinal in 0..wants {
        let pod = pod_key(key, ordinal);
        match store.get(&pod) {
            Some(pod) if at_once || is_ready(pod) => {}
            Some(_) => return,
            None => {
                if !may_make_pods(store, around, &key.namespace) {
                    return;
                }
                make(store, around, set, &pod, ordinal, revision);
            }
        }
    }
}

fn make(store: &mut Store, around: &Surroundings<'_>, set: &Value, pod: &Key, ordinal: u32, revision: &str) {
    let mut template = set.pointer("/spec/template").cloned().unwrap_or_default();
    *entry(&mut template, &["metadata", "labels", HASH]) = json!(revision);
    *entry(&mut template, &["metadata", "labels", "statefulset.kubernetes.io/pod-name"]) = json!(pod.name);
    let mut volumes = list(&template, "/spec/volumes").to_vec();
    for wanted in list(set, "/spec/volumeClaimTemplates") {
        let claim = format!("{}-{}-{ordinal}", name(wanted), name(set));
        let key = Key::new(Resource::PersistentVolumeClaim, &pod.namespace, &claim);
        if store.get(&key).is_none() {
            let object = json!({"spec": wanted["spec"], "status": {"phase": "Pending"}});
            store.insert(key, object, around.now);
        }
        volumes.push(json!({"name": name(wanted), "persistentVolumeClaim": {"claimName": claim}}));
    }
    if !volumes.is_empty() {
        *entry(&mut template, &["spec", "volumes"]) = json!(volumes);
    }
    pods::make(store, Some(set), &template, &pod.name, &pod.namespace, around.now);
}

/// The number at the end of a pod's name.
fn ordinal(pod: &Key) -> Option<u32> {
    pod.name.rsplit_once('-').and_then(|(_, digits)| digits.parse().ok())
}

/// Asks pods beyond the wanted number to go.
fn empty(store: &mut Store, around: &Surroundings<'_>, set: &Value, wants: u32) {
    for pod in pods::of(store, uid(set)) {
        if ordinal(&pod).is_none_or(|ordinal| ordinal >= wants) {
            pods::ask_to_go(store, around, &pod, None);
        }
    }
}

/// Asks one pod of an older template to go, the last first, while all others work.
fn renew(store: &mut Store, around: &Surroundings<'_>, key: &Key, set: &Value, wants: u32, revision: &str) {
    if text(set, "/spec/updateStrategy/type") == Some("OnDelete") {
        return;
    }
    let pods: Vec<Key> = (0..wants).map(|ordinal| pod_key(key, ordinal)).collect();
    let works = |pod: &Key| store.get(pod).is_some_and(|pod| is_ready(pod) && !is_leaving(pod));
    let old = |pod: &&Key| store.get(pod).is_some_and(|pod| label(pod, HASH) != Some(revision));
    let Some(last) = pods.iter().rev().find(old) else { return };
    if pods.iter().all(|pod| pod == last || works(pod)) {
        let last = last.clone();
        if !store.get(&last).is_some_and(is_leaving) {
            pods::ask_to_go(store, around, &last, None);
        }
    }
}

fn tell(store: &mut Store, key: &Key, set: &Value, revision: &str) {
    let pods = pods::of(store, uid(set));
    let staying: Vec<&Value> =
        pods.iter().filter_map(|pod| store.get(pod)).filter(|pod| !is_leaving(pod)).collect();
    let updated = staying.iter().filter(|pod| label(pod, HASH) == Some(revision)).count();
    let ready = staying.iter().filter(|pod| is_ready(pod)).count();
    let status = json!({
        "observedGeneration": set["metadata"]["generation"], "replicas": staying.len(), "readyReplicas": ready,
        "availableReplicas": ready, "updatedReplicas": updated, "currentReplicas": staying.len() - updated,
        "updateRevision": revision,
    });
    store.set_status(key, &status);
}
