//! Deployments: a replica set for each template, and the way from one to the next.

use serde_json::{Value, json};

use super::{amount, template_hash};
use crate::fleet::Amount;
use crate::kube::Surroundings;
use crate::kube::object::{count, entry, is_leaving, is_ready, name, stamp, text, uid};
use crate::kube::pods;
use crate::kube::resource::Resource;
use crate::kube::store::{Key, Store};

/// Tells the pods of one template from those of another.
const HASH: &str = "pod-template-hash";

pub(super) fn run(store: &mut Store, around: &Surroundings<'_>) {
    for key in store.keys(Resource::Deployment) {
        let Some(deployment) = store.get(&key).cloned() else { continue };
        let new = replica_set(store, around, &key, &deployment);
        let old = Generation::of(store, &old_sets(store, &deployment, &new));
        let present = Generation::of(store, std::slice::from_ref(&new));
        if text(&deployment, "/spec/strategy/type") == Some("Recreate") {
            recreate(store, &deployment, &old, &new);
        } else {
            roll(store, &deployment, &old, &present, &new);
        }
        tell(store, around, &key, &deployment, &old, &present);
    }
}

/// The pods of some replica sets.
struct Generation {
    sets: Vec<Key>,
    /// How many pods the sets want.
    wants: u32,
    /// How many there are, without those that leave.
    pods: u32,
    /// How many of those are ready.
    ready: u32,
    /// Pods that leave.
    leaving: u32,
}

impl Generation {
    fn of(store: &Store, sets: &[Key]) -> Self {
        let mut sum = Self { sets: sets.to_vec(), wants: 0, pods: 0, ready: 0, leaving: 0 };
        for set in sets.iter().filter_map(|key| store.get(key)) {
            sum.wants += count(set, "/spec/replicas").unwrap_or(0);
            for pod in pods::of(store, uid(set)).iter().filter_map(|pod| store.get(pod)) {
                sum.leaving += u32::from(is_leaving(pod));
                sum.pods += u32::from(!is_leaving(pod));
                sum.ready += u32::from(!is_leaving(pod) && is_ready(pod));
            }
        }
        sum
    }
}

/// The replica set of the present template; made if it is not there.
fn replica_set(store: &mut Store, around: &Surroundings<'_>, key: &Key, deployment: &Value) -> Key {
    let hash = template_hash(deployment);
    let set = Key::new(Resource::ReplicaSet, &key.namespace, &format!("{}-{hash}", key.name));
    if store.get(&set).is_some() {
        return set;
    }
    let mut template = deployment.pointer("/spec/template").cloned().unwrap_or_default();
    *entry(&mut template, &["metadata", "labels", HASH]) = json!(hash);
    let mut selector = deployment.pointer("/spec/selector").cloned().unwrap_or_default();
    *entry(&mut selector, &["matchLabels", HASH]) = json!(hash);
    let object = json!({
        "metadata": {"labels": template["metadata"]["labels"], "ownerReferences": [pods::reference(deployment)]},
        "spec": {"replicas": 0, "selector": selector, "template": template},
    });
    store.insert(set.clone(), object, around.now);
    set
}

fn old_sets(store: &Store, deployment: &Value, new: &Key) -> Vec<Key> {
    let owned = |set: &Value| {
        crate::kube::object::controller(set).is_some_and(|controller| controller.uid == uid(deployment))
    };
    let sets = store.of(Resource::ReplicaSet).filter(|(key, set)| *key != new && owned(set));
    sets.map(|(key, _)| key.clone()).collect()
}

fn scale(store: &mut Store, set: &Key, replicas: u32) {
    store.change(set, |set| set["spec"]["replicas"] = json!(replicas));
}

/// All old pods go before any new one comes.
fn recreate(store: &mut Store, deployment: &Value, old: &Generation, new: &Key) {
    for set in &old.sets {
        scale(store, set, 0);
    }
    if old.pods + old.leaving == 0 {
        scale(store, new, wanted(deployment));
    }
}

fn wanted(deployment: &Value) -> u32 {
    count(deployment, "/spec/replicas").unwrap_or(1)
}

/// New pods come, and old ones go as far as enough are ready.
fn roll(store: &mut Store, deployment: &Value, old: &Generation, present: &Generation, new: &Key) {
    let wants = wanted(deployment);
    let usual = serde_json::from_value(json!("25%")).unwrap_or(Amount::Count(1));
    let bound = |field: &str| amount(deployment, &format!("/spec/strategy/rollingUpdate/{field}"));
    let surge = bound("maxSurge").unwrap_or(usual).of(wants);
    let out = bound("maxUnavailable").unwrap_or(usual).of_rounded_down(wants);
    // Both zero would move nothing; the API server makes one of them.
    let out = if surge == 0 { out.max(1) } else { out };
    let room = (wants + surge).saturating_sub(old.wants);
    scale(store, new, wants.min(room.max(present.wants)));
    let broken = old.pods.saturating_sub(old.ready);
    let spare = (old.ready + present.ready).saturating_sub(wants.saturating_sub(out));
    let mut goes = broken + spare;
    for set in &old.sets {
        let has = store.get(set).and_then(|set| count(set, "/spec/replicas")).unwrap_or(0);
        let fewer = has.min(goes);
        goes -= fewer;
        scale(store, set, has - fewer);
    }
}

fn tell(
    store: &mut Store,
    around: &Surroundings<'_>,
    key: &Key,
    deployment: &Value,
    old: &Generation,
    present: &Generation,
) {
    let (wants, ready) = (wanted(deployment), old.ready + present.ready);
    let available = if ready >= wants { "True" } else { "False" };
    let before = store.get(key);
    let same =
        before.and_then(|object| crate::kube::object::condition(object, "Available")) == Some(available);
    let mut status = json!({
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": old.pods + present.pods,
        "updatedReplicas": present.pods,
        "readyReplicas": ready,
        "availableReplicas": ready,
        "unavailableReplicas": wants.saturating_sub(ready),
    });
    if !same {
        let now = stamp(around.now);
        status["conditions"] = json!([{"type": "Available", "status": available, "lastTransitionTime": now,
            "lastUpdateTime": now, "reason": if ready >= wants { "MinimumReplicasAvailable" } else { "MinimumReplicasUnavailable" },
            "message": format!("Deployment {} has {} of {} pods", name(deployment), ready, wants)}]);
    }
    store.set_status(key, &status);
}
