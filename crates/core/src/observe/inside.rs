//! What a look into the cluster means for the ledger: components that roll out, pods that were restarted, nodes that
//! follow by themselves, and how nodes and pods do meanwhile.
//!
//! What was not seen means nothing: the step goes on being watched, until it is longer than it ever should be.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Query, World};
use crate::cluster::{Update, UpdateStatus};
use crate::drain::{self, Held};
use crate::health::Vitals;
use crate::ids::UpdateId;
use crate::inside::{Component, Seen};
use crate::inspection::{FargatePod, Following};
use crate::ledger::{Event, Phase, RunState};
use crate::plan::{Hop, Step, StepKind};
use crate::remedy::{Failure, POD_EVICTION_FAILURE, Remedy};
use crate::version::Minor;
use crate::waits::seconds_between;

/// What was seen of a cluster's inside.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct InsideSeen {
    /// How nodes and pods do, if that was looked at.
    pub vitals: Option<Seen<Vitals>>,
    /// The core components, if they were looked at.
    pub components: Option<Seen<Vec<Component>>>,
    /// What follows by itself, if it was looked at.
    pub following: Option<Seen<Following>>,
    /// Who holds nodes, by their names, where that was looked at.
    pub held: BTreeMap<String, Seen<Vec<Held>>>,
}

impl InsideSeen {
    /// Takes in another look.
    pub fn extend(&mut self, other: Self) {
        self.vitals = other.vitals.or(self.vitals.take());
        self.components = other.components.or(self.components.take());
        self.following = other.following.or(self.following.take());
        self.held.extend(other.held);
    }

    /// Under which name it is kept who holds these nodes.
    #[must_use]
    pub fn key_of(nodes: &[String]) -> String {
        nodes.join(" ")
    }

    fn seen_of<T>(seen: Option<&Seen<T>>) -> Option<&T> {
        seen.and_then(|seen| seen.get().ok())
    }

    /// A component, if the components were seen and it is among them.
    fn component(&self, name: &str) -> Found<&Component> {
        match Self::seen_of(self.components.as_ref()) {
            None => Found::Unseen,
            Some(all) => all.iter().find(|one| one.name == name).map_or(Found::Gone, Found::Is),
        }
    }

    fn following(&self) -> Option<&Following> {
        Self::seen_of(self.following.as_ref())
    }
}

/// What became of looking for something.
enum Found<T> {
    /// It is there.
    Is(T),
    /// It was looked for, and is not there.
    Gone,
    /// Nobody could look.
    Unseen,
}

/// What has to be looked at inside, given what the ledger says and what was seen outside.
pub(super) fn queries(state: &RunState, hop: &Hop, world: &World) -> BTreeSet<Query> {
    let mut queries = BTreeSet::new();
    if !state.opened.policy.kubernetes.may_look() {
        return queries;
    }
    let mut nodes_move = state.worse_since.is_some();
    for step in &hop.steps {
        let phase = state.steps.get(&step.id).map(|progress| &progress.phase);
        let moves = matches!(step.kind, StepKind::NodeGroup { .. } | StepKind::SelfManagedNodes { .. });
        match phase {
            Some(Phase::InFlight { update, .. }) => {
                nodes_move |= moves;
                queries.extend(query_of(step));
                queries.extend(unexplained(world, update));
            }
            Some(Phase::Following { .. }) => {
                nodes_move = true;
                queries.insert(Query::Following);
            }
            None | Some(Phase::Failed { .. }) if state.is_ready(step) => {
                nodes_move |= moves;
                queries.extend(query_of(step));
            }
            _ => {}
        }
    }
    if nodes_move {
        queries.insert(Query::Vitals);
    }
    queries
}

fn query_of(step: &Step) -> Option<Query> {
    match step.kind {
        StepKind::CoreComponent { .. } => Some(Query::Components),
        StepKind::FargatePods { .. } | StepKind::Follow { .. } => Some(Query::Following),
        _ => None,
    }
}

/// EKS names the nodes that did not empty, and neither pod nor budget: who holds them has to be looked for.
fn unexplained(world: &World, update: &UpdateId) -> Option<Query> {
    stuck_nodes(world.updates.get(update)?.is()?).map(Query::Held)
}

fn stuck_nodes(update: &Update) -> Option<Vec<String>> {
    let failed = update.status == UpdateStatus::Failed;
    let error = update.errors.iter().find(|error| failed && error.code == POD_EVICTION_FAILURE)?;
    (!error.resources.is_empty()).then(|| error.resources.clone())
}

/// What an update's failure says besides EKS's words; the reason to wait with it as the error: it is not looked for yet.
pub(super) fn explained(state: &RunState, world: &World, update: &Update) -> Result<String, ()> {
    let Some(nodes) = stuck_nodes(update).filter(|_| state.opened.policy.kubernetes.may_look()) else {
        return Ok(String::new());
    };
    match world.inside.held.get(&InsideSeen::key_of(&nodes)) {
        None => Err(()),
        Some(Seen::Is(held)) if held.is_empty() => Ok("; nothing holds these nodes by now".to_owned()),
        Some(Seen::Is(held)) => Ok(format!("; {}", drain::in_words(held))),
        Some(Seen::Not(why)) => Ok(format!("; who holds them could not be told: {why}")),
    }
}

/// What the look inside means for one step, and for the run as a whole.
pub(super) fn settle(state: &RunState, hop: &Hop, world: &World, now: Timestamp) -> Vec<Event> {
    let steps = hop.steps.iter().filter_map(|step| {
        match state.steps.get(&step.id).map(|progress| &progress.phase) {
            Some(Phase::InFlight { update, since, known_at }) => {
                settle_ours(step, update, (*since, *known_at), world, now)
            }
            Some(Phase::Following { behind, unmoved_since, .. }) => {
                settle_follow(step, *behind, *unmoved_since, world, now)
            }
            // One that stalled is a person's business.
            None if matches!(step.kind, StepKind::Follow { .. }) && state.is_ready(step) => {
                let behind = behind(step, world.inside.following()?)?;
                Some(Event::FollowBegan { step: step.id.clone(), behind })
            }
            _ => None,
        }
    });
    vitals_seen(state, world).into_iter().chain(steps).collect()
}

fn vitals_seen(state: &RunState, world: &World) -> Option<Event> {
    let vitals = InsideSeen::seen_of(world.inside.vitals.as_ref())?;
    let same = state.vitals.as_ref().is_some_and(|(before, _)| before == vitals);
    (!same).then(|| Event::VitalsSeen { vitals: vitals.clone() })
}

fn settle_ours(
    step: &Step,
    update: &UpdateId,
    (since, known_at): (Timestamp, Timestamp),
    world: &World,
    now: Timestamp,
) -> Option<Event> {
    let duration_s = seconds_between(since, now);
    let succeeded = || Some(Event::Succeeded { step: step.id.clone(), update: update.clone(), duration_s });
    let failed = |code: &str, message: String, next_action: String| {
        let (resources, remedy) = (Vec::new(), Remedy::Stop);
        let failure = Failure { code: code.into(), message, resources, remedy, next_action };
        Some(Event::Failed { step: step.id.clone(), update: update.clone(), duration_s, failure })
    };
    // An API server that did not answer for an hour has had the change since its answer.
    let late = step.span.is_late(known_at, now);
    match &step.kind {
        StepKind::CoreComponent { name, from, to } => {
            let component = match world.inside.component(name) {
                Found::Unseen => {
                    return late.then(|| failed("ComponentNotSeen", not_seen(name), LOOK_IN.into()))?;
                }
                Found::Gone => None,
                Found::Is(component) => Some(component),
            };
            match component {
                Some(component) if component.image == *to && component.rollout.is_over() => succeeded(),
                _ if late => {
                    let message = component.map_or_else(
                        || format!("{name} is no longer there"),
                        |now| {
                            format!(
                                "{} of {} pods of {name} run {}",
                                now.rollout.available, now.rollout.wants, now.image
                            )
                        },
                    );
                    let next =
                        format!("see the pods of {name} in kube-system; the way back is its image {from}");
                    failed("ComponentNotReady", message, next)
                }
                _ => None,
            }
        }
        StepKind::FargatePods { workloads, to } => match world.inside.following() {
            Some(seen) if old_pods(seen, workloads, *to).is_empty() => succeeded(),
            Some(seen) if late => {
                let left: Vec<&str> =
                    old_pods(seen, workloads, *to).iter().map(|pod| pod.pod.as_str()).take(5).collect();
                let message = format!("still on an older kubelet: {}", left.join(", "));
                failed("PodsNotRestarted", message, "see why their workloads do not roll out".into())
            }
            None if late => failed("PodsNotSeen", not_seen("pods on Fargate"), LOOK_IN.into()),
            _ => None,
        },
        _ => None,
    }
}

const LOOK_IN: &str = "see why the inspect function does not reach the cluster, then start again";

fn not_seen(what: &str) -> String {
    format!("{what} could not be looked at for longer than this ever takes")
}

/// The pods of these workloads whose kubelets are older than `to`, or cannot be told.
fn old_pods<'a>(seen: &'a Following, workloads: &[String], to: Minor) -> Vec<&'a FargatePod> {
    let old =
        |pod: &&FargatePod| workloads.contains(&pod.workload) && pod.minor.is_none_or(|minor| minor < to);
    seen.fargate.iter().filter(old).collect()
}

/// How many nodes of the step's pools are behind.
fn behind(step: &Step, seen: &Following) -> Option<u32> {
    let StepKind::Follow { pools, to, .. } = &step.kind else { return None };
    let ours = seen.pools.iter().filter(|follower| pools.contains(&follower.pool));
    let behind = ours.flat_map(|follower| &follower.nodes).filter(|minor| *minor < to).count();
    u32::try_from(behind).ok()
}

fn settle_follow(
    step: &Step,
    before: u32,
    unmoved_since: Timestamp,
    world: &World,
    now: Timestamp,
) -> Option<Event> {
    let StepKind::Follow { pools, to, stall_s } = &step.kind else { return None };
    let unmoved_s = seconds_between(unmoved_since, now);
    let stalled = |message: String, next: &str| {
        let failure = Failure {
            code: "Stalled".into(),
            message,
            resources: pools.clone(),
            remedy: Remedy::Stop,
            next_action: next.into(),
        };
        Some(Event::Stalled { step: step.id.clone(), failure })
    };
    let Some(behind) = world.inside.following().and_then(|seen| behind(step, seen)) else {
        let long = unmoved_s >= stall_s.saturating_mul(2);
        return long.then(|| stalled(not_seen("nodes that follow by themselves"), LOOK_IN))?;
    };
    match behind {
        0 => {
            let evidence = format!("every node of {} is at {to}", pools.join(", "));
            Some(Event::Followed { step: step.id.clone(), evidence })
        }
        behind if behind != before => Some(Event::FollowSeen { step: step.id.clone(), behind }),
        behind if unmoved_s >= *stall_s => stalled(
            format!("{behind} node(s) are still below {to}, and for {} min none moved", unmoved_s / 60),
            "see the pools' disruption budgets, karpenter.sh/do-not-disrupt, and why their nodes do not drift \
             (kubectl get nodeclaims), then start again",
        ),
        _ => None,
    }
}

/// Whether the inside is already as a step wants it.
pub(super) fn already_so(step: &Step, world: &World) -> Option<Event> {
    let satisfied = |evidence: String| Some(Event::Satisfied { step: step.id.clone(), evidence });
    match &step.kind {
        StepKind::CoreComponent { name, to, .. } => match world.inside.component(name) {
            Found::Gone => {
                let evidence = format!("{name} is no longer there");
                Some(Event::Skipped { step: step.id.clone(), evidence })
            }
            Found::Is(component) if component.image == *to && component.rollout.is_over() => {
                satisfied(format!("{name} runs {to}"))
            }
            Found::Is(_) | Found::Unseen => None,
        },
        StepKind::FargatePods { workloads, to } => {
            let seen = world.inside.following()?;
            old_pods(seen, workloads, *to).is_empty().then(|| satisfied(format!("every pod is at {to}")))?
        }
        _ => None,
    }
}
