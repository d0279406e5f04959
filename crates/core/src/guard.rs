//! The last look before a mutating call: what stood when the step was decided may no longer stand.
//!
//! [`guard`] sees the world as it is in the moment of acting and gives the one call that the step makes now,
//! or says why it is not made. Nothing that it refuses can be overridden further down.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::cluster::{Cluster, Found, LaunchTemplate, NodeGroup, Resource, Status};
use crate::component;
use crate::control::Controls;
use crate::decide::{ActionName, action_for};
use crate::hold::{Hold, hold};
use crate::ids::UpdateId;
use crate::ledger::{Event, RunState};
use crate::observe::{Query, World, already_so, word};
use crate::plan::{Step, StepKind};
use crate::remedy::{Failure, Remedy};
use crate::version::{AddonVersion, Minor, skew_allows};

/// A mutating call to EKS, complete but for its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `UpdateClusterVersion`.
    UpdateClusterVersion {
        /// The minor to go to.
        version: Minor,
    },
    /// `UpdateClusterVersion` to the minor below.
    RollBackClusterVersion {
        /// The minor to go back to.
        version: Minor,
        /// Whether EKS's insights on the way back are overridden, by consent.
        force: bool,
    },
    /// `UpdateClusterConfig` with `upgradePolicy.supportType` `EXTENDED`.
    SetExtendedSupport,
    /// `UpdateNodegroupVersion`.
    UpdateNodegroupVersion {
        /// The group.
        name: String,
        /// The minor to go to; `None` for an image of the owner's.
        version: Option<Minor>,
        /// The launch template, when one drives the group.
        launch_template: Option<LaunchTemplate>,
        /// Whether pods that do not leave are deleted.
        force: bool,
    },
    /// `UpdateAddon` with `PRESERVE`: what people configured stays. `OVERWRITE` is sent only where that is allowed.
    /// Role and configuration are sent as they are: an update without a role falls back to the nodes' (EKS API
    /// reference, `UpdateAddon`).
    UpdateAddon {
        /// The add-on.
        name: String,
        /// The version to go to.
        version: AddonVersion,
        /// The role it has.
        role: Option<String>,
        /// The configuration values it has.
        configuration: Option<String>,
        /// Whether fields that people changed are overwritten.
        overwrite: bool,
    },
}

impl Call {
    /// What it changes.
    #[must_use]
    pub fn resource(&self) -> Resource {
        match self {
            Self::UpdateClusterVersion { .. }
            | Self::RollBackClusterVersion { .. }
            | Self::SetExtendedSupport => Resource::ControlPlane,
            Self::UpdateNodegroupVersion { name, .. } => Resource::NodeGroup(name.clone()),
            Self::UpdateAddon { name, .. } => Resource::AddOn(name.clone()),
        }
    }

    /// Whether an update of EKS's could be this call's: the same kind of update, to the same version.
    #[must_use]
    pub fn matches(&self, update: &crate::cluster::Update) -> bool {
        match self {
            Self::UpdateClusterVersion { version } => {
                update.kind == "VersionUpdate" && update.to.as_deref() == Some(&version.to_string())
            }
            Self::RollBackClusterVersion { version, .. } => {
                update.kind == "VersionRollback" && update.to.as_deref() == Some(&version.to_string())
            }
            Self::SetExtendedSupport => update.kind == "UpgradePolicyUpdate",
            // An update of an own image carries no version; its kind and its time have to do.
            Self::UpdateNodegroupVersion { version, .. } => {
                update.kind == "VersionUpdate"
                    && version.is_none_or(|version| {
                        update.to.as_deref().is_none_or(|to| {
                            to == version.to_string() || to.starts_with(&format!("{version}."))
                        })
                    })
            }
            Self::UpdateAddon { version, .. } => {
                update.kind == "AddonUpdate" && update.to.as_deref() == Some(version.as_str())
            }
        }
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UpdateClusterVersion { version } => write!(f, "UpdateClusterVersion {version}"),
            Self::UpdateNodegroupVersion { name, version, launch_template, force } => {
                write!(f, "UpdateNodegroupVersion {name}")?;
                if let Some(version) = version {
                    write!(f, " {version}")?;
                }
                if let Some(template) = launch_template {
                    write!(f, " {}:{}", template.id, template.version)?;
                }
                f.write_str(if *force { " force" } else { "" })
            }
            Self::RollBackClusterVersion { version, force } => {
                write!(f, "UpdateClusterVersion {version} back{}", if *force { " force" } else { "" })
            }
            Self::SetExtendedSupport => f.write_str("UpdateClusterConfig supportType EXTENDED"),
            Self::UpdateAddon { name, version, overwrite, .. } => {
                let mode = if *overwrite { "OVERWRITE" } else { "PRESERVE" };
                write!(f, "UpdateAddon {name} {version} {mode}")
            }
        }
    }
}

/// The call that `step` makes when it is `asked` to, given what was seen; `None` for a step that makes none.
#[must_use]
pub fn call_of(step: &Step, asked: ActionName, world: &World) -> Option<Call> {
    match &step.kind {
        StepKind::ControlPlane { to, .. } => Some(Call::UpdateClusterVersion { version: *to }),
        StepKind::RollBack { to, force, .. } => {
            Some(Call::RollBackClusterVersion { version: *to, force: *force })
        }
        StepKind::SupportType {} => Some(Call::SetExtendedSupport),
        StepKind::AddOn { name, to, .. } => {
            let seen = world.addons.get(name).and_then(Found::is);
            Some(Call::UpdateAddon {
                name: name.clone(),
                version: to.clone(),
                role: seen.and_then(|addon| addon.role.clone()),
                configuration: seen.and_then(|addon| addon.configuration.clone()),
                overwrite: asked == ActionName::OverwriteAddOn,
            })
        }
        StepKind::NodeGroup { name, to, launch_template, custom_ami, .. } => {
            Some(Call::UpdateNodegroupVersion {
                name: name.clone(),
                version: (!custom_ami).then_some(*to),
                launch_template: launch_template.clone(),
                force: asked == ActionName::ForceNodeGroup,
            })
        }
        StepKind::CoreComponent { .. }
        | StepKind::SelfManagedNodes { .. }
        | StepKind::FargatePods { .. }
        | StepKind::Follow { .. }
        | StepKind::Verify
        | StepKind::Bake { .. } => None,
    }
}

/// What a person does where the cluster is not what it was planned from.
const LOOK_FIRST: &str = "look at the cluster as it is now, then start again";

/// What the guard says.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Make this call.
    Call(Call),
    /// Make the step's change inside the cluster.
    Inside,
    /// Make none: this is to be recorded instead.
    Record(Box<Event>),
    /// Make none: something is changing the resource. Find its update and watch it.
    Busy(Resource),
}

/// What has to be seen before `step` may act. For the control plane that includes every node group: its
/// upgrade may leave none of them too far behind. Pass the names once they are known.
#[must_use]
pub fn queries(step: &Step, node_group_names: Option<&[String]>) -> BTreeSet<Query> {
    let mut queries = BTreeSet::from([Query::Cluster]);
    match step.kind.resource() {
        Some(Resource::ControlPlane) => {
            queries.insert(Query::NodeGroupNames);
            queries.extend(node_group_names.unwrap_or_default().iter().cloned().map(Query::NodeGroup));
        }
        Some(Resource::NodeGroup(name)) => {
            queries.insert(Query::NodeGroup(name));
        }
        Some(Resource::AddOn(name)) => {
            queries.insert(Query::Addon(name));
        }
        None => {}
    }
    queries
}

/// The call that `step` makes now, or why none is made.
#[must_use]
pub fn guard(
    state: &RunState,
    step: &Step,
    asked: ActionName,
    world: &World,
    controls: &Controls,
    now: Timestamp,
) -> Verdict {
    let not_now = |code: &str, message: String| not_now(step, code, message);
    let never = |code: &str, message: String, next: &str| never(step, code, message, next);
    match hold(state, step, controls, now) {
        None => {}
        Some(Hold::Until { text, .. }) => return not_now("Held", text),
        Some(Hold::Approval { before, .. }) => {
            return not_now("NotApproved", format!("no yes to {before} yet"));
        }
        Some(Hold::Never { code, message, next_action }) => return never(code, message, &next_action),
        Some(Hold::PlanAgain { reason }) => return not_now("PlanOutdated", reason),
    }
    let wanted = action_for(state, step, controls, now);
    if wanted != asked {
        return not_now("AnotherAction", format!("{asked} was asked for where {wanted} is due"));
    }
    let cluster = match &world.cluster {
        Some(Found::Is(cluster)) => cluster,
        Some(Found::Gone) => return not_now("TargetGone", "the cluster no longer exists".into()),
        None => return not_now("NotSeen", "the cluster could not be looked at".into()),
    };
    if cluster.created_at != state.opened.cluster_created_at || cluster.arn != state.opened.cluster {
        return not_now("AnotherCluster", "the cluster is not the one that was planned".into());
    }
    match &cluster.status {
        Status::Active => {}
        Status::Updating => return Verdict::Busy(Resource::ControlPlane),
        Status::Transient(status) => return not_now("ClusterNotActive", format!("the cluster is {status}")),
        other @ Status::Unwell(_) => {
            let message = format!("the cluster is {}", word(other));
            return never("ClusterNotActive", message, "bring the cluster back to ACTIVE, then start again");
        }
    }
    if let Some(event) = already_so(step, world) {
        return Verdict::Record(Box::new(event));
    }
    match call_of(step, asked, world) {
        Some(call) => last_look(step, call, cluster, world),
        None if step.kind.is_inside() => last_look_inside(step, cluster),
        None => not_now("AnotherAction", "verification makes no call".into()),
    }
}

fn withhold(step: &Step, code: &str, message: String, remedy: Remedy, next: &str) -> Verdict {
    let failure =
        Failure { code: code.into(), message, resources: Vec::new(), remedy, next_action: next.into() };
    Verdict::Record(Box::new(Event::Withheld { step: step.id.clone(), failure }))
}

/// The remedy's pause lets the next round look at the world and decide about the run as a whole.
fn not_now(step: &Step, code: &str, message: String) -> Verdict {
    withhold(step, code, message, Remedy::Wait { after_s: 30 }, "")
}

fn never(step: &Step, code: &str, message: String, next: &str) -> Verdict {
    withhold(step, code, message, Remedy::Stop, next)
}

/// The control plane is not where nodes should follow it to.
fn elsewhere(step: &Step, cluster: &Cluster, to: Minor) -> Verdict {
    let message = format!("the control plane is at {}, the nodes should go to {to}", cluster.version);
    // Behind, it is a read that lags; past the hop, somebody took it there, and the nodes follow that.
    let past = Remedy::Replan { nodes_each_hop: false };
    let remedy = if cluster.version > to { past } else { Remedy::Wait { after_s: 30 } };
    withhold(step, "ControlPlaneElsewhere", message, remedy, LOOK_FIRST)
}

/// Whether a change inside the cluster may be made: nothing in it may be newer than its control plane.
fn last_look_inside(step: &Step, cluster: &Cluster) -> Verdict {
    match &step.kind {
        StepKind::SelfManagedNodes { to, .. } | StepKind::FargatePods { to, .. }
            if cluster.version != *to =>
        {
            elsewhere(step, cluster, *to)
        }
        StepKind::CoreComponent { name, to, .. } => match component::minor_of(name, to) {
            Some(minor) if minor > cluster.version => {
                let message =
                    format!("{name} at {minor} would be newer than its API server at {}", cluster.version);
                not_now(step, "NewerThanControlPlane", message)
            }
            _ => Verdict::Inside,
        },
        _ => Verdict::Inside,
    }
}

/// Whether the cluster and what is in it are as the step's call needs them.
fn last_look(step: &Step, call: Call, cluster: &Cluster, world: &World) -> Verdict {
    let not_now = |code: &str, message: String| not_now(step, code, message);
    let never = |code: &str, message: String, next: &str| never(step, code, message, next);
    match &step.kind {
        StepKind::ControlPlane { from, to } => {
            if cluster.version != *from || from.next() != *to {
                let message = format!("the control plane is at {}, so it cannot go to {to}", cluster.version);
                return not_now("NotTheNextMinor", message);
            }
            match first_group(world, |group| !skew_allows(*to, group.version)) {
                Err(name) => not_now("NotSeen", format!("node group {name} could not be looked at")),
                Ok(Some(group)) => never(
                    "SkewExceeded",
                    format!("node group {} at {} would be too far behind {to}", group.name, group.version),
                    "bring that node group to a newer version, then start again",
                ),
                Ok(None) => Verdict::Call(call),
            }
        }
        StepKind::NodeGroup { name, to, .. } => {
            if cluster.version != *to {
                return elsewhere(step, cluster, *to);
            }
            match world.node_groups.get(name).and_then(Found::is).map(|group| &group.status) {
                Some(Status::Active) => Verdict::Call(call),
                Some(Status::Updating) => Verdict::Busy(Resource::NodeGroup(name.clone())),
                Some(Status::Transient(status)) => {
                    not_now("NodeGroupNotActive", format!("node group {name} is {status}"))
                }
                Some(other @ Status::Unwell(_)) => {
                    let message = format!("node group {name} is {}", word(other));
                    never("NodeGroupNotActive", message, "resolve its health issues, then start again")
                }
                None => not_now("NotSeen", format!("node group {name} could not be looked at")),
            }
        }
        StepKind::AddOn { name, to, .. } => match world.addons.get(name).and_then(Found::is) {
            Some(addon) if addon.status == Status::Updating => Verdict::Busy(Resource::AddOn(name.clone())),
            Some(addon) if addon.version >= *to => {
                // At rest and healthy it would be satisfied; unwell, it needs a person, not a lower version.
                let message = format!("add-on {name} is at {} and {}", addon.version, word(&addon.status));
                never("AddonUnwell", message, "look at the add-on's pods, then start again")
            }
            Some(_) => Verdict::Call(call),
            None => not_now("NotSeen", format!("add-on {name} could not be looked at")),
        },
        StepKind::RollBack { from, to, .. } => {
            if cluster.version != *from || to.next() != *from {
                let message =
                    format!("the control plane is at {}, so it cannot go back to {to}", cluster.version);
                return never("NotTheMinorBefore", message, LOOK_FIRST);
            }
            match first_group(world, |group| group.version > *to) {
                Err(name) => not_now("NotSeen", format!("node group {name} could not be looked at")),
                Ok(Some(group)) => never(
                    "NodesNewer",
                    format!("node group {} is at {}, newer than {to}", group.name, group.version),
                    NODES_FIRST,
                ),
                Ok(None) => Verdict::Call(call),
            }
        }
        StepKind::SupportType {} => Verdict::Call(call),
        // They have no call, so they went their way above.
        StepKind::CoreComponent { .. }
        | StepKind::SelfManagedNodes { .. }
        | StepKind::FargatePods { .. }
        | StepKind::Follow { .. }
        | StepKind::Verify
        | StepKind::Bake { .. } => not_now("AnotherAction", "verification makes no call".into()),
    }
}

/// What has to happen before a control plane goes back below its nodes.
pub(crate) const NODES_FIRST: &str = "make a group at the older version, move the pods there, delete the newer group, \
                                      then start again: no kubelet may be newer than its API server";

/// The first node group that is so; the name of one that was not seen as the error.
fn first_group(world: &World, is: impl Fn(&NodeGroup) -> bool) -> Result<Option<&NodeGroup>, String> {
    let names = world.node_group_names.as_ref().ok_or_else(|| "list".to_owned())?;
    for name in names {
        match world.node_groups.get(name) {
            Some(Found::Is(group)) if is(group) => return Ok(Some(group)),
            Some(_) => {}
            None => return Err(name.clone()),
        }
    }
    Ok(None)
}

/// Why a resource that is being changed is left alone for now, when the update that changes it is not found.
#[must_use]
pub fn held_by_nobody_known(step: &Step, resource: &Resource) -> Event {
    let failure = Failure {
        code: crate::remedy::RESOURCE_IN_USE.into(),
        message: format!("{resource} is being changed by somebody else"),
        resources: Vec::new(),
        remedy: Remedy::Wait { after_s: 60 },
        next_action: String::new(),
    };
    Event::Withheld { step: step.id.clone(), failure }
}

/// The record of somebody else's update on a resource.
#[must_use]
pub fn held_by(resource: &Resource, update: &UpdateId) -> Event {
    Event::ForeignUpdate { resource: resource.clone(), update: update.clone() }
}
