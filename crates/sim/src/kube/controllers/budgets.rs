//! Disruption budgets: how many pods may go, and what that means for one of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{amount, number};
use crate::kube::object::{controller, count, is_leaving, is_ready, name, namespace, text};
use crate::kube::resource::Resource;
use crate::kube::selector::LabelSelector;
use crate::kube::status::Failure;
use crate::kube::store::{Key, Store};

/// Brings the status of each budget up to date.
pub(crate) fn run(store: &mut Store) {
    for key in store.keys(Resource::PodDisruptionBudget) {
        let Some(budget) = store.get(&key) else { continue };
        let status = count_pods(store, budget).status(budget);
        store.set_status(&key, &status);
    }
}

/// The pods that a budget covers, those that leave too.
fn covered<'a>(store: &'a Store, budget: &'a Value) -> impl Iterator<Item = &'a Value> {
    let selector = LabelSelector::of(budget, "/spec/selector");
    let pods = store.of(Resource::Pod).map(|(_, pod)| pod);
    pods.filter(move |pod| {
        namespace(pod) == namespace(budget) && selector.as_ref().is_some_and(|selector| selector.selects(pod))
    })
}

/// What a budget counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counted {
    healthy: u32,
    desired: u32,
    expected: u32,
}

fn count_pods(store: &Store, budget: &Value) -> Counted {
    let pods: Vec<&Value> = covered(store, budget).collect();
    let healthy = number(pods.iter().filter(|pod| is_ready(pod) && !is_leaving(pod)).count());
    let least = amount(budget, "/spec/minAvailable");
    let most = amount(budget, "/spec/maxUnavailable");
    // A fixed number asks for so many of the pods that there are; a share is one of what their controllers want.
    let expected = match least {
        Some(crate::fleet::Amount::Count(_)) => number(pods.len()),
        _ => scales(store, &pods),
    };
    let desired = match (least, most) {
        (Some(least), _) => least.of(expected),
        (None, Some(most)) => expected.saturating_sub(most.of(expected)),
        (None, None) => 0,
    };
    Counted { healthy, desired, expected }
}

/// How many pods the controllers of these pods want; one for a pod that has none.
fn scales(store: &Store, pods: &[&Value]) -> u32 {
    let mut wanted: BTreeMap<&str, u32> = BTreeMap::new();
    let mut alone = 0;
    for pod in pods {
        let Some(owner) = controller(pod) else {
            alone += 1;
            continue;
        };
        let scale = Resource::of_kind(owner.kind)
            .and_then(|resource| store.get(&Key::new(resource, namespace(pod), owner.name)))
            .and_then(|owner| {
                count(owner, "/spec/replicas").or_else(|| count(owner, "/status/desiredNumberScheduled"))
            });
        wanted.insert(owner.uid, scale.unwrap_or(0));
    }
    alone + wanted.values().sum::<u32>()
}

impl Counted {
    fn allowed(self) -> u32 {
        if self.expected == 0 { 0 } else { self.healthy.saturating_sub(self.desired) }
    }

    fn status(self, budget: &Value) -> Value {
        json!({
            "observedGeneration": budget["metadata"]["generation"],
            "disruptionsAllowed": self.allowed(), "currentHealthy": self.healthy,
            "desiredHealthy": self.desired, "expectedPods": self.expected,
        })
    }
}

/// Why the pod may not be evicted now, if it may not.
pub(crate) fn refusal(store: &Store, pod: &Value) -> Option<Failure> {
    // What does not run yet, or is leaving anyway, is no loss.
    if is_leaving(pod) || text(pod, "/status/phase") != Some("Running") {
        return None;
    }
    let covers = |budget: &&Value| covered(store, budget).any(|other| std::ptr::eq(other, pod));
    let budgets: Vec<&Value> =
        store.of(Resource::PodDisruptionBudget).map(|(_, budget)| budget).filter(covers).collect();
    let budget = match budgets.as_slice() {
        [] => return None,
        [budget] => *budget,
        _ => {
            let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            return Some(Failure::new(500, "InternalError", message));
        }
    };
    let counted = count_pods(store, budget);
    let lets_unhealthy_go = text(budget, "/spec/unhealthyPodEvictionPolicy") == Some("AlwaysAllow");
    let enough = counted.desired > 0 && counted.healthy >= counted.desired;
    let allowed = counted.allowed() > 0 || (!is_ready(pod) && (lets_unhealthy_go || enough));
    (!allowed).then(|| {
        Failure::disruption_budget(&format!(
            "The disruption budget {} needs {} healthy pods and has {} currently",
            name(budget),
            counted.desired,
            counted.healthy
        ))
    })
}
