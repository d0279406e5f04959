//! `PodDisruptionBudget`s that keep nodes from being drained. They warn: whether their pods stand in the way of this
//! upgrade depends on which nodes roll and how, and is the drain forecast's to say ([`crate::drain`]).

use std::collections::BTreeMap;

use super::report::{Hit, some_of};
use super::{Look, Upgrade};
use crate::finding::Level;
use crate::inside::{Budget, Inside, Owner, Pod};

/// Budgets that let no pod go: never, by their own arithmetic, or not as things are. One without pods holds nobody; one
/// whose status is stale says nothing, and is [`stale`]'s, which cannot tell.
pub(super) fn never_allow(inside: &Inside, _: Upgrade) -> Look {
    let budgets = inside.budgets.get()?.iter().filter(|budget| budget.observed && budget.expected > 0);
    let hits = budgets.filter_map(|budget| {
        let Budget { healthy, desired, expected, allowed, .. } = budget;
        let rule = budget.rule;
        if desired >= expected {
            let message =
                format!("{rule} of {expected} pods: {desired} have to stay, so that none may ever go");
            return Some(Hit::new(Level::Warn, budget.full_name(), message));
        }
        if *allowed > 0 {
            return None;
        }
        let message = format!(
            "{rule}: {healthy} of {expected} pods are healthy and {desired} have to be, so none may go now"
        );
        let next = "bring its pods back to health before the upgrade";
        Some(Hit::new(Level::Warn, budget.full_name(), message).then(next))
    });
    Ok(hits.collect())
}

/// Pods that more than one budget covers: the API server answers each eviction with an error then.
pub(super) fn overlap(inside: &Inside, _: Upgrade) -> Look {
    let (budgets, pods) = (inside.budgets.get()?, inside.pods.get()?);
    let mut covered: BTreeMap<(String, Vec<String>), u32> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| !pod.is_daemon() && !pod.mirror) {
        let covering: Vec<String> =
            budgets.iter().filter(|budget| budget.covers(pod)).map(Budget::full_name).collect();
        if covering.len() > 1 {
            *covered.entry((owner_of(pod), covering)).or_default() += 1;
        }
    }
    let hits = covered.iter().map(|((owner, covering), pods)| {
        let message = format!("{} budgets cover {pods} of its pods: {}", covering.len(), some_of(covering));
        Hit::new(Level::Warn, owner, message)
    });
    Ok(hits.collect())
}

/// `Kind namespace/name` of a pod's controller; the pod itself where it has none.
pub(super) fn owner_of(pod: &Pod) -> String {
    match &pod.owner {
        Some(Owner { kind, name }) => format!("{kind} {}/{name}", pod.namespace),
        None => format!("Pod {}", pod.full_name()),
    }
}

/// Budgets whose controller has not seen their present spec.
pub(super) fn stale(inside: &Inside, _: Upgrade) -> Look {
    let stale = inside.budgets.get()?.iter().filter(|budget| !budget.observed);
    let message = "its status is not of its present spec, so how many pods may go cannot be told";
    Ok(stale.map(|budget| Hit::new(Level::Unknown, budget.full_name(), message)).collect())
}
