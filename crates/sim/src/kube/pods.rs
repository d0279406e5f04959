//! The life of a pod: made, bound to a node, started, asked to go, gone.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Surroundings;
use super::nodes::is_fargate;
use super::object::{controller, count, entry, is_leaving, list, name, remove, stamp, text, uid};
use super::resource::Resource;
use super::store::{Key, Store};
use crate::time::{Ms, SECOND};

/// From the moment it has a node until it runs.
const STARTS: Ms = 5 * SECOND;
/// A pod that is asked to go is gone after that, or after its grace period if that is shorter.
const LEAVES: Ms = 5 * SECOND;
/// `terminationGracePeriodSeconds` when a pod does not say.
const GRACE_S: u32 = 30;
/// The annotation of pods whose container crashes again and again.
pub(crate) const CRASHES: &str = "simulator/crashes";

/// Makes a pod of a template, for its controller; it has no node yet.
pub(crate) fn make(
    store: &mut Store,
    owner: Option<&Value>,
    template: &Value,
    pod: &str,
    namespace: &str,
    now: Ms,
) {
    let mut object = json!({
        "metadata": template.get("metadata").cloned().unwrap_or_else(|| json!({})),
        "spec": template.get("spec").cloned().unwrap_or_else(|| json!({})),
        "status": {"phase": "Pending"},
    });
    if let Some(owner) = owner {
        *entry(&mut object, &["metadata", "ownerReferences"]) = json!([reference(owner)]);
    }
    if owner.is_some_and(|owner| owner["kind"] == "ReplicaSet" || owner["kind"] == "DaemonSet") {
        let prefix = owner.map(name).unwrap_or_default();
        *entry(&mut object, &["metadata", "generateName"]) = json!(format!("{prefix}-"));
    }
    object["status"]["conditions"] = unscheduled("it was just made", &stamp(now));
    store.insert(Key::new(Resource::Pod, namespace, pod), object, now);
}

/// As what it controls refers to it.
pub(crate) fn reference(owner: &Value) -> Value {
    json!({"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": name(owner), "uid": uid(owner),
           "controller": true, "blockOwnerDeletion": true})
}

/// The pods that an object controls, those that are leaving too.
pub(crate) fn of(store: &Store, owner: &str) -> Vec<Key> {
    let its = |pod: &Value| controller(pod).is_some_and(|controller| controller.uid == owner);
    store.of(Resource::Pod).filter(|(_, pod)| its(pod)).map(|(key, _)| key.clone()).collect()
}

fn unscheduled(why: &str, since: &str) -> Value {
    json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why,
            "lastTransitionTime": since}])
}

/// No node takes the pod, for that reason.
pub(crate) fn cannot_be_placed(store: &mut Store, key: &Key, why: &str) {
    let Some(pod) = store.get(key) else { return };
    let told =
        list(pod, "/status/conditions").iter().any(|condition| text(condition, "/message") == Some(why));
    if !told {
        let conditions = unscheduled(why, text(pod, "/metadata/creationTimestamp").unwrap_or_default());
        store.set_status(key, &json!({"conditions": conditions}));
    }
}

/// Binds a pod to a node; it starts in a moment.
pub(crate) fn bind(store: &mut Store, around: &Surroundings<'_>, key: &Key, node: &str) {
    let now = stamp(around.now);
    store.change(key, |pod| {
        pod["spec"]["nodeName"] = json!(node);
        pod["status"]["startTime"] = json!(now);
        pod["status"]["conditions"] =
            json!([{"type": "PodScheduled", "status": "True", "lastTransitionTime": now}]);
    });
    store.plan(key.clone(), around.delay(STARTS));
}

/// Its time has come: a pod that leaves is gone, one that was bound runs, or shows why it cannot.
pub(crate) fn pass(store: &mut Store, around: &Surroundings<'_>, key: &Key) {
    let Some(pod) = store.get(key) else { return };
    if is_leaving(pod) {
        vanish(store, key);
        return;
    }
    let status = run(pod, around);
    store.set_status(key, &status);
}

/// A pod is no more; with it goes a Fargate node.
fn vanish(store: &mut Store, key: &Key) {
    let Some(pod) = store.remove(key) else { return };
    let node = text(&pod, "/spec/nodeName").map(Key::node);
    if let Some(node) = node.filter(|node| store.get(node).is_some_and(is_fargate)) {
        store.remove(&node);
    }
}

/// The node of these pods is gone, and they with it.
pub(crate) fn lose_node(store: &mut Store, node: &str) {
    let there = |pod: &Value| text(pod, "/spec/nodeName") == Some(node);
    let lost: Vec<Key> =
        store.of(Resource::Pod).filter(|(_, pod)| there(pod)).map(|(key, _)| key.clone()).collect();
    for key in lost {
        store.remove(&key);
    }
}

/// Asks a pod to go, within `grace_s` seconds if somebody says so.
pub(crate) fn ask_to_go(store: &mut Store, around: &Surroundings<'_>, key: &Key, grace_s: Option<u32>) {
    let Some(pod) = store.get(key) else { return };
    let own = count(pod, "/spec/terminationGracePeriodSeconds").unwrap_or(GRACE_S);
    let grace_s = grace_s.unwrap_or(own);
    if grace_s == 0 || text(pod, "/spec/nodeName").is_none() {
        vanish(store, key);
        return;
    }
    let at = around.now + LEAVES.min(Ms::from(grace_s) * SECOND);
    if is_leaving(pod) {
        // A second request may only shorten what is left.
        let sooner = store.planned(key).is_none_or(|planned| at < planned);
        if sooner {
            store.plan(key.clone(), at);
        }
        return;
    }
    let deadline = stamp(around.now + Ms::from(grace_s) * SECOND);
    store.change(key, |pod| {
        *entry(pod, &["metadata", "deletionTimestamp"]) = json!(deadline);
        *entry(pod, &["metadata", "deletionGracePeriodSeconds"]) = json!(grace_s);
    });
    store.plan(key.clone(), at);
}

/// The tag of an image's name.
fn tag(image: &str) -> &str {
    image.rsplit('/').next().and_then(|last| last.split_once(':')).map_or("latest", |(_, tag)| tag)
}

fn fails(image: &str, failing: &BTreeSet<String>) -> bool {
    failing.contains(tag(image))
}

/// The status of a pod that was started on its node.
fn run(pod: &Value, around: &Surroundings<'_>) -> Value {
    let since = stamp(around.now);
    let crashes = super::object::annotation(pod, CRASHES).is_some();
    let containers: Vec<Value> = list(pod, "/spec/containers")
        .iter()
        .map(|container| {
            let image = text(container, "/image").unwrap_or_default();
            let (ready, restarts, state) = if fails(image, around.image_fails) {
                (false, 0, json!({"waiting": {"reason": "ImagePullBackOff", "message": format!("Back-off pulling image {image:?}")}}))
            } else if crashes {
                (false, 7, json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}}))
            } else {
                (true, 0, json!({"running": {"startedAt": since}}))
            };
            json!({"name": container["name"], "image": image, "imageID": image, "ready": ready, "started": ready,
                   "restartCount": restarts, "state": state, "lastState": {}})
        })
        .collect();
    let init = list(pod, "/spec/initContainers").iter();
    let pulled = init
        .chain(list(pod, "/spec/containers"))
        .all(|container| !fails(text(container, "/image").unwrap_or_default(), around.image_fails));
    let ready = pulled && containers.iter().all(|container| container["ready"] == true);
    let truth = if ready { "True" } else { "False" };
    let condition =
        |kind: &str, status: &str| json!({"type": kind, "status": status, "lastTransitionTime": since});
    json!({
        "phase": if pulled { "Running" } else { "Pending" },
        "conditions": [
            condition("PodScheduled", "True"), condition("Initialized", if pulled { "True" } else { "False" }),
            condition("ContainersReady", truth), condition("Ready", truth),
        ],
        "containerStatuses": containers,
        "podIP": address(uid(pod)),
        "qosClass": "Burstable",
    })
}

/// An address that always belongs to that uid.
fn address(uid: &str) -> String {
    let drawn = crate::rng::Rng::new(0, uid).next();
    format!("10.0.{}.{}", 128 + drawn % 64, 4 + (drawn >> 8) % 250)
}

/// Gives a bare pod, which somebody made, what every pod has.
pub(crate) fn admit(pod: &mut Value) {
    *entry(pod, &["status"]) = json!({"phase": "Pending"});
    remove(pod, &["spec", "nodeName"]);
    if count(pod, "/spec/terminationGracePeriodSeconds").is_none() {
        *entry(pod, &["spec", "terminationGracePeriodSeconds"]) = json!(GRACE_S);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_told_from_ports() {
        assert_eq!(tag("602401143452.dkr.ecr.us-east-1.amazonaws.com/eks/coredns:v1.12"), "v1.12");
        assert_eq!(tag("localhost:5000/web"), "latest");
        assert_eq!(tag("web"), "latest");
    }
}
