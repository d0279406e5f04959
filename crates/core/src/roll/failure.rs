//! Why a roll cannot go on, in words.

use super::stand::Member;
use super::{Effect, NodePhase, Roll};
use crate::drain::{self, held_on};
use crate::inside::{Inside, Pod};
use crate::remedy::{self, Failure, POD_EVICTION_FAILURE, Remedy};
use crate::version::Minor;

/// How many pods a message names.
const NAMED_MAX: usize = 5;

/// AWS or the cluster denies an effect: another try is of no use before somebody gives the permission.
#[must_use]
pub fn denied(operation: &str, why: &str) -> Failure {
    refused(
        "AccessDenied",
        format!("{operation}: {why}"),
        "give the kube function's role this permission (docs/kubernetes.md), then start again",
    )
}

/// Not to be tried again before a person has done something.
pub(super) fn refused(code: &str, message: String, next_action: &str) -> Failure {
    Failure {
        code: code.to_owned(),
        message,
        resources: Vec::new(),
        remedy: Remedy::Stop,
        next_action: next_action.to_owned(),
    }
}

/// Every node is replaced, and something else is not as it was.
pub(super) fn not_in_order(group: &str) -> Failure {
    refused(
        "NotInOrder",
        format!("every node of {group} is replaced, and not all is as it was"),
        "give the kube function's role what it lacks, and do by hand what is named above",
    )
}

/// The cluster is not seen, or not any more.
pub(super) fn unseen(why: &str) -> Failure {
    refused(
        "InsideUnseen",
        format!("nodes and pods cannot be seen: {why}"),
        "let the function reach the cluster, then start again",
    )
}

/// The failure, with what could not be put in order. What is to be said of Cluster Autoscaler the run says at its end.
pub(super) fn left_undone(roll: &Roll, mut failure: Failure) -> Failure {
    let restore = |effect: &&Effect| matches!(effect, Effect::Restore { .. });
    let sizes = roll.left.iter().filter(restore).map(ToString::to_string);
    let still = |phase: NodePhase| phase.is_unfinished() || phase == NodePhase::Left;
    let cordoned = roll.nodes.iter().filter(|(_, node)| still(node.phase));
    let cordoned: Vec<&str> = cordoned.map(|(name, _)| name.as_str()).take(NAMED_MAX).collect();
    let cordoned = (!cordoned.is_empty()).then(|| format!("free by hand: {}", cordoned.join(", ")));
    for left in sizes.chain(cordoned) {
        failure.message = format!("{}; left to a person: {left}", failure.message);
    }
    failure
}

/// New nodes do not join, or not at the new minor.
pub(super) fn not_joined(group: &str, to: Minor, ready: u32, wanted: u32, instances: &[&str]) -> Failure {
    let named = if instances.is_empty() { "none was launched".into() } else { instances.join(", ") };
    remedy::of_update(
        "NodeCreationFailure",
        format!("{ready} of {wanted} new nodes of group {group} are ready at {to}: {named}"),
        instances.iter().map(|&instance| instance.to_owned()).collect(),
    )
}

/// Pods do not leave a node in time.
pub(super) fn not_emptied(inside: &Inside, node: &str, pods: &[&Pod], limit_s: u32) -> Failure {
    let held = held_on(inside, &[node.to_owned()], limit_s).unwrap_or_default();
    // Those of which the budgets know nothing: they were told to end, and have not.
    let slow = pods.iter().filter(|pod| held.iter().all(|held| held.pod != pod.full_name()));
    let slow: Vec<String> = slow.take(NAMED_MAX).map(|pod| pod.full_name()).collect();
    let slow = (!slow.is_empty()).then(|| format!("still there: {}", slow.join(", ")));
    let held = (!held.is_empty()).then(|| drain::in_words(&held));
    let why: Vec<String> = held.into_iter().chain(slow).collect();
    remedy::of_update(
        POD_EVICTION_FAILURE,
        format!("{} pods did not leave node {node} within {limit_s} s: {}", pods.len(), why.join("; ")),
        vec![node.to_owned()],
    )
}

/// Workloads are worse off than before, and stay so.
pub(super) fn worse(why: &str) -> Failure {
    refused(
        "WorkloadsWorse",
        format!("workloads do not recover from the nodes that were replaced: {why}"),
        "see why these pods do not become ready (kubectl get pods -A), then start again",
    )
}

/// An instance was told to end, and does not.
pub(super) fn not_ended(members: &[Member<'_>]) -> Failure {
    let names: Vec<String> = members.iter().map(|member| member.instance.to_owned()).collect();
    Failure {
        resources: names.clone(),
        ..refused(
            "InstanceNotEnded",
            format!("{} does not leave its group", names.join(", ")),
            "see its lifecycle hooks and its protection in the console, then start again",
        )
    }
}
