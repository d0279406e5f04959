//! What has to be looked at to decide, and what a look means for the ledger.
//!
//! A round of deciding asks [`queries`] what it needs, looks, and hands what it saw to [`settle`], which
//! turns it into events. Only what can change the decision is asked for: while updates are in flight, those
//! updates; before a step starts, its own resource. An update that cannot be over yet is left alone, even where
//! another one is looked at.

mod inside;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bake;
use crate::cluster::{
    Addon, Cluster, Found, Insight, InsightCategory, NodeGroup, Resource, Status, Update, UpdateStatus,
};
use crate::finding::CORE_ADDONS;
use crate::ids::UpdateId;
use crate::ledger::{Done, Event, Phase, RunState};
use crate::plan::{Hop, Step, StepKind};
use crate::remedy::{self, Failure, Remedy};
use crate::version::Minor;
use crate::waits::seconds_between;

pub use inside::InsideSeen;

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Query {
    /// The cluster.
    Cluster,
    /// One update.
    Update(Resource, UpdateId),
    /// One node group.
    NodeGroup(String),
    /// One add-on.
    Addon(String),
    /// The names of all node groups.
    NodeGroupNames,
    /// The insights of a category.
    Insights(InsightCategory),
    /// How nodes and pods do.
    Vitals,
    /// The core components as they run.
    Components,
    /// What follows by itself, and pods on Fargate.
    Following,
    /// Who holds these nodes.
    Held(Vec<String>),
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct World {
    /// The cluster, if it was looked at.
    pub cluster: Option<Found<Cluster>>,
    /// The updates that were looked at.
    pub updates: BTreeMap<UpdateId, Found<Update>>,
    /// The node groups that were looked at.
    pub node_groups: BTreeMap<String, Found<NodeGroup>>,
    /// The add-ons that were looked at.
    pub addons: BTreeMap<String, Found<Addon>>,
    /// The names of all node groups, if they were listed.
    pub node_group_names: Option<Vec<String>>,
    /// The insights that were looked at.
    pub insights: BTreeMap<InsightCategory, Vec<Insight>>,
    /// What was seen inside.
    pub inside: InsideSeen,
}

/// How long an update may be unknown to `DescribeUpdate` after EKS has named it: its reads lag behind its writes.
pub const NOT_VISIBLE_YET_S: u32 = 300;

/// What has to be looked at to decide about `hop` at `now`, given what the ledger says and what was seen already.
#[must_use]
pub fn queries(state: &RunState, hop: &Hop, world: &World, now: Timestamp) -> BTreeSet<Query> {
    let mut queries = inside::queries(state, hop, world);
    for (resource, foreign) in &state.foreign {
        queries.insert(Query::Update(resource.clone(), foreign.update.clone()));
    }
    for step in &hop.steps {
        match state.steps.get(&step.id).map(|progress| &progress.phase) {
            Some(Phase::InFlight { since, .. })
                if goes_on_by_itself(step) && step.span.is_quiet(*since, now) => {}
            Some(Phase::InFlight { update, .. }) => {
                // EKS has no word on it: that the cluster is still what the run is about has to be seen.
                queries
                    .extend(matches!(step.kind, StepKind::SelfManagedNodes { .. }).then_some(Query::Cluster));
                queries.extend(step.kind.resource().map(|resource| Query::Update(resource, update.clone())));
            }
            Some(Phase::Baking { .. }) => queries.extend(bake::queries(state)),
            None | Some(Phase::Failed { .. }) if state.is_ready(step) => {
                queries.insert(Query::Cluster);
                queries.extend(query_of(step));
            }
            _ => {}
        }
    }
    queries
}

/// Whether EKS goes on with the step by itself, so that nothing is missed while it is too early to ask.
fn goes_on_by_itself(step: &Step) -> bool {
    !matches!(step.kind, StepKind::SelfManagedNodes { .. })
}

fn query_of(step: &Step) -> Option<Query> {
    match step.kind.resource()? {
        Resource::ControlPlane => None,
        Resource::NodeGroup(name) => Some(Query::NodeGroup(name)),
        Resource::AddOn(name) => Some(Query::Addon(name)),
    }
}

/// What must be looked at to verify `hop`: the cluster, its core add-ons, and all that the hop's steps
/// touched; at the target also which node groups there are by now.
#[must_use]
pub fn queries_to_verify(state: &RunState, hop: &Hop) -> BTreeSet<Query> {
    let at_target = state.opened.target == hop.to;
    hop.steps
        .iter()
        .filter(|step| !is_skipped(state, step))
        .filter_map(query_of)
        .chain([Query::Cluster])
        .chain(CORE_ADDONS.map(|name| Query::Addon(name.to_owned())))
        .chain(at_target.then_some(Query::NodeGroupNames))
        .collect()
}

impl World {
    /// Whether the query's answer is in it.
    #[must_use]
    pub fn answers(&self, query: &Query) -> bool {
        match query {
            Query::Cluster => self.cluster.is_some(),
            Query::Update(_, id) => self.updates.contains_key(id),
            Query::NodeGroup(name) => self.node_groups.contains_key(name),
            Query::Addon(name) => self.addons.contains_key(name),
            Query::NodeGroupNames => self.node_group_names.is_some(),
            Query::Insights(category) => self.insights.contains_key(category),
            Query::Vitals => self.inside.vitals.is_some(),
            Query::Components => self.inside.components.is_some(),
            Query::Following => self.inside.following.is_some(),
            Query::Held(nodes) => self.inside.held.contains_key(&InsideSeen::key_of(nodes)),
        }
    }

    /// The cluster, if it was seen and is there.
    #[must_use]
    pub fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref().and_then(Found::is)
    }

    /// The control plane's minor, if it was seen.
    #[must_use]
    pub fn version(&self) -> Option<Minor> {
        self.cluster().map(|cluster| cluster.version)
    }
}

/// What the look means for the ledger: which updates ended, which steps the world has satisfied already.
#[must_use]
pub fn settle(state: &RunState, hop: &Hop, world: &World, now: Timestamp) -> Vec<Event> {
    let steps = hop.steps.iter().filter_map(|step| match state.steps.get(&step.id).map(|p| &p.phase) {
        Some(Phase::InFlight { update, since, known_at }) => {
            settle_update(state, step, update, (*since, *known_at), world, now)
        }
        Some(Phase::Baking { since }) => bake::settle(state, step, *since, world, now),
        None if matches!(step.kind, StepKind::Bake { .. }) && state.is_ready(step) => {
            Some(Event::BakeBegan { step: step.id.clone() })
        }
        None | Some(Phase::Failed { .. }) if state.is_ready(step) => already_so(step, world),
        _ => None,
    });
    let outside: Vec<Event> = settle_foreign(state, world).into_iter().chain(steps).collect();
    outside.into_iter().chain(inside::settle(state, hop, world, now)).collect()
}

/// Which updates of other people ended.
#[must_use]
pub fn settle_foreign(state: &RunState, world: &World) -> Vec<Event> {
    let ended = state.foreign.iter().filter_map(|(resource, foreign)| {
        let status = match world.updates.get(&foreign.update)? {
            Found::Gone => "gone".to_owned(),
            Found::Is(update) => match &update.status {
                UpdateStatus::InProgress => return None,
                UpdateStatus::Successful => "successful".to_owned(),
                UpdateStatus::Failed => "failed".to_owned(),
                UpdateStatus::Cancelled => "cancelled".to_owned(),
                UpdateStatus::Unknown(status) => status.clone(),
            },
        };
        let (resource, update) = (resource.clone(), foreign.update.clone());
        Some(Event::ForeignUpdateEnded { resource, update, status })
    });
    ended.collect()
}

fn settle_update(
    state: &RunState,
    step: &Step,
    id: &UpdateId,
    (since, known_at): (Timestamp, Timestamp),
    world: &World,
    now: Timestamp,
) -> Option<Event> {
    let duration_s = seconds_between(since, now);
    let failed =
        |failure| Some(Event::Failed { step: step.id.clone(), update: id.clone(), duration_s, failure });
    let update = match world.updates.get(id)? {
        Found::Gone if seconds_between(known_at, now) <= NOT_VISIBLE_YET_S => return None,
        Found::Gone => return failed(remedy::of_lost_update(id)),
        Found::Is(update) => update,
    };
    match &update.status {
        UpdateStatus::InProgress => None,
        UpdateStatus::Successful => {
            Some(Event::Succeeded { step: step.id.clone(), update: id.clone(), duration_s })
        }
        UpdateStatus::Failed => {
            let error = update.errors.first();
            let code = error.map_or("Unknown", |error| error.code.as_str());
            let message = error.map_or("EKS gives no reason", |error| error.message.as_str());
            let resources = update.errors.iter().flat_map(|error| error.resources.iter().cloned()).collect();
            let more = inside::explained(state, world, update).ok()?;
            failed(remedy::of_update(code, format!("{message}{more}"), resources))
        }
        UpdateStatus::Cancelled => failed(remedy::of_odd_end("Cancelled")),
        UpdateStatus::Unknown(status) => failed(remedy::of_odd_end(status)),
    }
}

/// Whether the world is already as a step wants it; only what is at rest counts.
#[must_use]
pub fn already_so(step: &Step, world: &World) -> Option<Event> {
    let satisfied = |evidence: String| Some(Event::Satisfied { step: step.id.clone(), evidence });
    let skipped = |what: String| {
        Some(Event::Skipped { step: step.id.clone(), evidence: format!("{what} no longer exists") })
    };
    match &step.kind {
        StepKind::ControlPlane { to, .. } => {
            let cluster = world.cluster().filter(|cluster| cluster.version >= *to)?;
            let rests = cluster.status == Status::Active;
            rests.then(|| satisfied(format!("the control plane is at {}", cluster.version)))?
        }
        StepKind::NodeGroup { name, to, custom_ami, launch_template, .. } => {
            let group = match world.node_groups.get(name)? {
                Found::Gone => return skipped(format!("node group {name}")),
                Found::Is(group) => group,
            };
            let there =
                if *custom_ami { group.launch_template == *launch_template } else { group.version >= *to };
            (there && group.status == Status::Active)
                .then(|| satisfied(format!("node group {name} is at {}", group.version)))?
        }
        StepKind::AddOn { name, to, .. } => {
            let addon = match world.addons.get(name)? {
                Found::Gone => return skipped(format!("add-on {name}")),
                Found::Is(addon) => addon,
            };
            (addon.version >= *to && addon.status == Status::Active)
                .then(|| satisfied(format!("add-on {name} is at {}", addon.version)))?
        }
        StepKind::RollBack { to, .. } => {
            let cluster = world.cluster().filter(|cluster| cluster.version == *to)?;
            let rests = cluster.status == Status::Active;
            rests.then(|| satisfied(format!("the control plane is at {}", cluster.version)))?
        }
        StepKind::SupportType {} => world
            .cluster()
            .filter(|cluster| cluster.extended_support)
            .and_then(|_| satisfied("the support type is EXTENDED".into())),
        StepKind::CoreComponent { .. } | StepKind::FargatePods { .. } => inside::already_so(step, world),
        StepKind::SelfManagedNodes { .. }
        | StepKind::Follow { .. }
        | StepKind::Verify
        | StepKind::Bake { .. } => None,
    }
}

/// The verdict on a hop once everything that it touched was looked at: an event for the verifying step.
/// `None` where something was not seen: what could not be looked at is not verified.
#[must_use]
pub fn verify(state: &RunState, hop: &Hop, step: &Step, world: &World) -> Option<Event> {
    let not_verified = |code: &str, message: String, remedy, next: &str| {
        let failure =
            Failure { code: code.into(), message, resources: Vec::new(), remedy, next_action: next.into() };
        Some(Event::NotVerified { step: step.id.clone(), failure })
    };
    let new_groups = new_node_groups(state, world);
    if !new_groups.is_empty() {
        let message = format!("node groups came up meanwhile: {}", new_groups.join(", "));
        return not_verified("NewNodeGroups", message, Remedy::Replan { nodes_each_hop: false }, "");
    }
    let Disorder { broken, changing } = disorder(state, hop, world)?;
    if !broken.is_empty() {
        let remedy = Remedy::Retry { after_s: VERIFY_AGAIN_S };
        let next = "resolve what EKS reports, then start again";
        return not_verified("NotVerified", broken.join("; "), remedy, next);
    }
    if !changing.is_empty() {
        // Somebody else's change: watched to its end, and no fault of the upgrade's.
        let remedy = Remedy::Wait { after_s: VERIFY_AGAIN_S };
        return not_verified("StillChanging", changing.join("; "), remedy, "");
    }
    let evidence = format!("{} is ACTIVE, and so is all that this hop touched", hop.to);
    Some(Event::Verified { step: step.id.clone(), evidence })
}

/// Health catches up slowly after a change; this and the number of attempts give it some ten minutes.
const VERIFY_AGAIN_S: u32 = 60;

fn new_node_groups(state: &RunState, world: &World) -> Vec<String> {
    let (Some(names), Some(plan)) = (&world.node_group_names, &state.plan) else { return Vec::new() };
    names.iter().filter(|name| !plan.node_groups.contains(name)).cloned().collect()
}

/// What is not in order, in words.
#[derive(Default)]
struct Disorder {
    broken: Vec<String>,
    changing: Vec<String>,
}

fn disorder(state: &RunState, hop: &Hop, world: &World) -> Option<Disorder> {
    let mut found = Disorder::default();
    let cluster = world.cluster()?;
    let back = state.plan.as_ref().is_some_and(|plan| plan.rolls_back.is_some());
    if cluster.version < hop.to || (back && cluster.version > hop.to) {
        found.broken.push(format!("the control plane is at {}, not {}", cluster.version, hop.to));
    }
    note(&mut found, "the cluster", &cluster.status, &cluster.health_issues);
    // Nodes and pods lean on these, whether this hop touched them or not.
    for name in CORE_ADDONS {
        if let Found::Is(addon) = world.addons.get(name)? {
            note(&mut found, &format!("add-on {name}"), &addon.status, &addon.health_issues);
        }
    }
    for step in hop.steps.iter().filter(|step| !is_skipped(state, step)) {
        match &step.kind {
            StepKind::NodeGroup { name, to, custom_ami, .. } => {
                if let Found::Is(group) = world.node_groups.get(name)? {
                    note(&mut found, &format!("node group {name}"), &group.status, &group.health_issues);
                    if group.version < *to && !custom_ami {
                        found.broken.push(format!("node group {name} is at {}, not {to}", group.version));
                    }
                }
            }
            StepKind::AddOn { name, to, .. } => {
                if let Found::Is(addon) = world.addons.get(name)? {
                    if !CORE_ADDONS.contains(&name.as_str()) {
                        note(&mut found, &format!("add-on {name}"), &addon.status, &addon.health_issues);
                    }
                    if addon.version < *to {
                        found.broken.push(format!("add-on {name} is at {}, not {to}", addon.version));
                    }
                }
            }
            StepKind::ControlPlane { .. }
            | StepKind::RollBack { .. }
            | StepKind::SupportType {}
            // What is inside is over only once it was seen to be.
            | StepKind::CoreComponent { .. }
            | StepKind::SelfManagedNodes { .. }
            | StepKind::FargatePods { .. }
            | StepKind::Follow { .. }
            | StepKind::Bake { .. }
            | StepKind::Verify => {}
        }
    }
    Some(found)
}

fn note(found: &mut Disorder, what: &str, status: &Status, issues: &[String]) {
    match status {
        Status::Active => {}
        Status::Updating | Status::Transient(_) => found.changing.push(format!("{what} is {}", word(status))),
        Status::Unwell(status) => found.broken.push(format!("{what} is {status}")),
    }
    found.broken.extend(issues.iter().map(|issue| format!("{what}: {issue}")));
}

fn is_skipped(state: &RunState, step: &Step) -> bool {
    let skipped = Phase::Done { how: Done::Skipped };
    state.steps.get(&step.id).is_some_and(|progress| progress.phase == skipped)
}

/// A status in a word.
#[must_use]
pub fn word(status: &Status) -> &str {
    match status {
        Status::Active => "ACTIVE",
        Status::Updating => "UPDATING",
        Status::Unwell(status) | Status::Transient(status) => status,
    }
}
