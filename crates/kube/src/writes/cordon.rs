//! Cordoning a node: no new pods, no new connections from load balancers, and whose doing it is.
//!
//! What somebody else did to the node stays theirs: a node that was cordoned before us stays so after us.

use k8s_openapi::api::core::v1::Node;
use kube::api::Patch;
use kube::core::{ObjectMeta, Resource};
use serde_json::{Value, json};

use crate::failed::Failed;
use crate::link::Link;

const GET: &str = "kubernetes:get node";
const PATCH: &str = "kubernetes:patch node";
/// The run that works on the node.
const RUN: &str = "eks-upgrade/run";
/// On nodes that we cordoned ourselves.
const CORDONED: &str = "eks-upgrade/cordoned";
/// Takes the node out of load balancers; what it says is nobody's business but ours.
const NO_BALANCERS: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
const OURS: &str = "eks-upgrade";
/// How often a node is looked at again because somebody changed it meanwhile: its kubelet does all the time.
const TRIES_MAX: usize = 5;

/// Cordons a node for a run, or takes back what we did. `false`: there is no such node.
pub(super) async fn cordon(link: &Link, node: &str, run: Option<&str>) -> Result<bool, Failed> {
    let path = Node::url_path(&(), None);
    for _ in 0..TRIES_MAX {
        let Some(seen) = link.find::<Node>(GET, &format!("{path}/{node}")).await? else { return Ok(false) };
        let change = match run {
            Some(run) => put_on(&seen, run),
            None => take_off(&seen),
        };
        let Some(change) = change else { return Ok(true) };
        match link.patch(PATCH, path.clone(), node, &Patch::Merge(change)).await {
            Err(failed) if failed.is(409) => {}
            answer => return answer.map(|done| done.is_some()),
        }
    }
    Err(Failed::odd(PATCH, format!("{node} was changed by others {TRIES_MAX} times in a row")))
}

fn annotation<'m>(meta: &'m ObjectMeta, key: &str) -> Option<&'m str> {
    meta.annotations.as_ref()?.get(key).map(String::as_str)
}

fn balancers(meta: &ObjectMeta) -> Option<&str> {
    meta.labels.as_ref()?.get(NO_BALANCERS).map(String::as_str)
}

fn is_cordoned(node: &Node) -> bool {
    node.spec.as_ref().is_some_and(|spec| spec.unschedulable == Some(true))
}

/// A change of exactly the node that was seen: the server refuses it once the node is another.
fn change(meta: &ObjectMeta, annotations: &Value, labels: &Value) -> Value {
    json!({"metadata": {
        "resourceVersion": meta.resource_version, "annotations": annotations, "labels": labels
    }})
}

/// What is left to do for a cordon; nothing where it stands already.
fn put_on(node: &Node, run: &str) -> Option<Value> {
    let meta = &node.metadata;
    let (cordoned, ours) = (is_cordoned(node), annotation(meta, CORDONED).is_some());
    if cordoned && annotation(meta, RUN) == Some(run) && balancers(meta).is_some() {
        return None;
    }
    let mut annotations = json!({RUN: run});
    let mut labels = json!({});
    if !cordoned || ours {
        annotations[CORDONED] = "true".into();
    }
    if balancers(meta).is_none() {
        labels[NO_BALANCERS] = OURS.into();
    }
    let mut patch = change(meta, &annotations, &labels);
    patch["spec"] = json!({"unschedulable": true});
    Some(patch)
}

/// What is left to take back of our own; nothing where there is nothing of ours.
fn take_off(node: &Node) -> Option<Value> {
    let meta = &node.metadata;
    let (run, cordoned) = (annotation(meta, RUN).is_some(), annotation(meta, CORDONED).is_some());
    let excluded = balancers(meta) == Some(OURS);
    if !run && !cordoned && !excluded {
        return None;
    }
    let labels = if excluded { json!({NO_BALANCERS: null}) } else { json!({}) };
    let mut patch = change(meta, &json!({RUN: null, CORDONED: null}), &labels);
    if cordoned {
        patch["spec"] = json!({"unschedulable": null});
    }
    Some(patch)
}

#[cfg(test)]
mod tests {
    use serde_json::from_value;

    use super::*;

    fn node(unschedulable: bool, annotations: &Value, labels: &Value) -> Node {
        from_value(json!({
            "metadata": {"name": "a", "resourceVersion": "7", "annotations": annotations, "labels": labels},
            "spec": {"unschedulable": unschedulable}
        }))
        .unwrap()
    }

    #[test]
    fn a_free_node_is_cordoned_as_ours() {
        let patch = put_on(&node(false, &json!({}), &json!({})), "r-1").unwrap();
        assert_eq!(patch["metadata"]["annotations"], json!({RUN: "r-1", CORDONED: "true"}));
        assert_eq!(patch["metadata"]["labels"], json!({NO_BALANCERS: OURS}));
        assert_eq!(patch["spec"], json!({"unschedulable": true}));
        assert_eq!(patch["metadata"]["resourceVersion"], "7");
    }

    #[test]
    fn a_node_that_others_cordoned_or_excluded_is_not_claimed() {
        let patch = put_on(&node(true, &json!({}), &json!({NO_BALANCERS: "true"})), "r-1").unwrap();
        assert_eq!(patch["metadata"]["annotations"], json!({RUN: "r-1"}));
        assert_eq!(patch["metadata"]["labels"], json!({}));
        let back = take_off(&node(true, &json!({RUN: "r-1"}), &json!({NO_BALANCERS: "true"}))).unwrap();
        assert_eq!(back.get("spec"), None);
        assert_eq!(back["metadata"]["labels"], json!({}));
    }

    #[test]
    fn what_is_ours_is_taken_back_and_nothing_twice() {
        let ours = node(true, &json!({RUN: "r-1", CORDONED: "true"}), &json!({NO_BALANCERS: OURS}));
        assert_eq!(put_on(&ours, "r-1"), None);
        let back = take_off(&ours).unwrap();
        assert_eq!(back["spec"], json!({"unschedulable": null}));
        assert_eq!(back["metadata"]["labels"], json!({NO_BALANCERS: null}));
        assert_eq!(take_off(&node(true, &json!({}), &json!({}))), None);
    }

    #[test]
    fn the_next_run_takes_over_with_whose_cordon_it_is() {
        let ours = node(true, &json!({RUN: "r-1", CORDONED: "true"}), &json!({NO_BALANCERS: OURS}));
        let patch = put_on(&ours, "r-2").unwrap();
        assert_eq!(patch["metadata"]["annotations"], json!({RUN: "r-2", CORDONED: "true"}));
    }
}
