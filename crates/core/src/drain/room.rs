//! How many pods a budget lets go: the arithmetic of Kubernetes' disruption controller
//! (`pkg/controller/disruption`) and of its eviction API (`pkg/registry/core/pod/storage/eviction.go`).

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::inside::{Budget, Owner, Phase, Pod, Seen, Workload};

/// A pod that is not ready, and younger than this, may be about to be: images are pulled, probes are awaited.
const COMES_UP_WITHIN: SignedDuration = SignedDuration::from_mins(5);
/// Why containers wait that will start in a moment.
const STARTING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// One budget, and what it has to go round.
#[derive(Debug)]
pub(super) struct Room<'a> {
    /// The budget.
    pub(super) budget: &'a Budget,
    /// How many pods there should be. Without any, the controller lets none go.
    expected: u32,
    /// How many of them have to stay.
    keeps: u32,
    /// How many are ready now.
    ready: u32,
    /// How many more are coming up.
    coming: u32,
    /// Whether a pod is among them whose controller has no scale: the controller gives up then, and lets none go.
    uncountable: bool,
}

impl<'a> Room<'a> {
    /// The room of a budget over its pods: by its status, or by the rule and what is seen where the status is stale.
    pub(super) fn of(
        budget: &'a Budget,
        covered: &[&Pod],
        workloads: &Seen<Vec<Workload>>,
        at: Timestamp,
    ) -> Self {
        let staying = || covered.iter().filter(|pod| pod.deleting_since.is_none());
        let expected = if budget.observed { budget.expected } else { wanted(budget, covered, workloads) };
        let ready = if budget.observed { budget.healthy } else { count(staying().filter(|pod| pod.ready)) };
        Self {
            budget,
            expected,
            keeps: if budget.observed { budget.desired } else { budget.rule.keeps(expected) },
            ready,
            coming: count(staying().filter(|pod| comes_up(pod, at))),
            uncountable: budget.rule.is_of_scale() && covered.iter().any(|pod| !has_scale(pod)),
        }
    }

    /// How many ready pods may be out at the same time, once those that come up are there. Each is made again
    /// elsewhere, so one is enough for a drain to end.
    pub(super) fn at_once(&self) -> u32 {
        if self.expected == 0 || self.uncountable {
            return 0;
        }
        (self.ready + self.coming).saturating_sub(self.keeps)
    }

    /// Whether a pod that it covers may go, sooner or later.
    pub(super) fn lets_go(&self, pod: &Pod, at: Timestamp) -> bool {
        self.at_once() > 0 || (!pod.ready && !comes_up(pod, at) && self.lets_unready_go())
    }

    /// Pods that are not ready count for nothing: they may always go, or as long as the others are enough.
    fn lets_unready_go(&self) -> bool {
        let enough = self.keeps > 0 && self.ready + self.coming >= self.keeps;
        self.budget.lets_unhealthy_go || (enough && !self.uncountable)
    }

    /// The arithmetic, in words.
    pub(super) fn because(&self) -> String {
        let Self { budget, expected, keeps, ready, .. } = self;
        let rule = budget.rule;
        if self.uncountable {
            return format!("{rule} over pods whose controller has no scale: 0 may go");
        }
        // `minAvailable 2` says by itself how many stay; the others want the sum done.
        let stay = if rule.is_of_scale() { format!(", so {keeps} have to stay") } else { String::new() };
        format!("{rule}{stay}, {ready} of {expected} ready: {} may go", self.at_once())
    }
}

/// How many pods there should be.
fn wanted(budget: &Budget, covered: &[&Pod], workloads: &Seen<Vec<Workload>>) -> u32 {
    let Ok(workloads) = workloads.get() else { return count(covered.iter()) };
    if !budget.rule.is_of_scale() {
        return count(covered.iter());
    }
    let owners: BTreeSet<&Owner> = covered.iter().filter_map(|pod| pod.owner.as_ref()).collect();
    let scale = |owner: &&Owner| {
        let is_it = |workload: &&Workload| {
            workload.namespace == budget.namespace
                && workload.name == owner.name
                && workload.kind.to_string() == owner.kind
        };
        let of_owner = || covered.iter().filter(|pod| pod.owner.as_ref() == Some(owner));
        workloads.iter().find(is_it).map_or_else(|| count(of_owner()), |workload| workload.wants)
    };
    owners.iter().map(scale).sum()
}

/// Whether a pod is not ready yet, and will be in a moment if nothing is wrong with it.
pub(super) fn comes_up(pod: &Pod, at: Timestamp) -> bool {
    let starting = pod.waiting.as_deref().is_none_or(|why| STARTING.contains(&why));
    !pod.ready
        && pod.phase != Phase::Unknown
        && pod.node.is_some()
        && pod.restarts == 0
        && starting
        && pod.deleting_since.is_none()
        && at.duration_since(pod.made_at) < COMES_UP_WITHIN
}

/// Whether its controller says how many pods it wants.
fn has_scale(pod: &Pod) -> bool {
    pod.owner.as_ref().is_some_and(|owner| !matches!(owner.kind.as_str(), "DaemonSet" | "Job" | "Node"))
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}
