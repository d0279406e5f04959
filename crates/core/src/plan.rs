//! The plan of a run: immutable, and leaving no meaningful choice for execution.
//!
//! A plan is a list of hops, one per control-plane version, each a small graph of steps. It is made by
//! [`crate::planner`] and carried out by [`crate::decide`].

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arn::ClusterArn;
use crate::cluster::{InsightStatus, Inventory, LaunchTemplate, Resource, Status};
use crate::finding::{Finding, Level};
use crate::health::Vitals;
use crate::ids::StepId;
use crate::policy::{NodeHops, NodeStrategy, StepName};
use crate::remedy::Failure;
use crate::roll::Way;
use crate::version::{AddonVersion, Minor};
use crate::waits::Span;
use crate::window::Work;

/// What one step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "kind")]
pub enum StepKind {
    /// One minor up.
    ControlPlane {
        /// The minor before.
        from: Minor,
        /// The minor after: always the next.
        to: Minor,
    },
    /// One EKS add-on to another version.
    AddOn {
        /// Its name.
        name: String,
        /// The version before.
        from: AddonVersion,
        /// The version after: never lower.
        to: AddonVersion,
    },
    /// One managed node group to the control plane's minor.
    NodeGroup {
        /// Its name.
        name: String,
        /// The minor before.
        from: Minor,
        /// The minor after.
        to: Minor,
        /// How its nodes are replaced.
        strategy: NodeStrategy,
        /// The launch template to send, when the request asks for another version of it.
        launch_template: Option<LaunchTemplate>,
        /// Whether its image is the owner's: then no version is sent, only the launch template.
        custom_ami: bool,
        /// How many nodes it has.
        size: u32,
        /// How many are replaced at a time.
        max_unavailable: u32,
    },
    /// Nothing moves, and the gates of the policy are watched, while EKS can still take the control plane back.
    Bake {
        /// How long.
        duration_s: u32,
    },
    /// The cluster's support type to `EXTENDED`: EKS takes no control plane back into extended support otherwise.
    SupportType {},
    /// The control plane one minor down.
    RollBack {
        /// The minor before.
        from: Minor,
        /// The minor after: always the one below.
        to: Minor,
        /// Whether EKS's insights on the way back are overridden, by consent.
        force: bool,
    },
    /// One core component that is no EKS add-on to another image.
    CoreComponent {
        /// The name of its add-on: `kube-proxy`, `coredns` or `vpc-cni`.
        name: String,
        /// The image before: the way back.
        from: String,
        /// The image after.
        to: String,
    },
    /// One node group that EKS does not manage to the control plane's minor.
    SelfManagedNodes {
        /// Its Auto Scaling group.
        name: String,
        /// The oldest minor among its nodes.
        from: Minor,
        /// The minor after.
        to: Minor,
        /// In place, or by a group beside it.
        way: Way,
        /// Whether pods that do not leave may be deleted.
        strategy: NodeStrategy,
        /// How many nodes it has.
        size: u32,
        /// How many nodes more there may be meanwhile, and how many old ones are out at a time.
        surge: u32,
        /// Its image family, such as `amazon-linux-2023/x86_64/standard`.
        family: String,
    },
    /// Pods on Fargate are restarted through their workloads: their kubelets are as old as their last start.
    FargatePods {
        /// The workloads, as `Kind namespace/name`.
        workloads: Vec<String>,
        /// The minor that their kubelets have then.
        to: Minor,
    },
    /// Nodes of Karpenter and of EKS Auto Mode follow by themselves, and are watched.
    Follow {
        /// Their pools.
        pools: Vec<String>,
        /// The minor that they come to.
        to: Minor,
        /// How long they may go without any progress, in seconds.
        stall_s: u32,
    },
    /// Looks at everything that the hop touched.
    Verify,
}

/// What it takes to go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reversibility {
    /// EKS can take the control plane back within 7 days, and not after the next hop.
    UntilNextHop,
    /// There is no way back that this pipeline takes.
    OneWay,
    /// Changes nothing.
    ChangesNothing,
}

/// One step on one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its name in the ledger.
    pub id: StepId,
    /// What it does.
    #[serde(flatten)]
    pub kind: StepKind,
    /// The steps of the same hop that must be done before.
    pub after: Vec<StepId>,
    /// Why it is in the plan.
    pub reason: String,
    /// What it takes to go back.
    pub reversibility: Reversibility,
    /// How long it takes, by what was known when this was planned.
    pub span: Span,
}

/// What happens while the control plane is on its way to one version, or stays on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hop {
    /// The control plane's minor at the end. A first hop may stay where the cluster is, so that nodes which
    /// are too far behind catch up before anything else.
    pub to: Minor,
    /// Its steps, each after those it depends on.
    pub steps: Vec<Step>,
}

/// The whole plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// 1 for a run's first plan; one more each time it was planned again.
    pub revision: u32,
    /// How many of the plans before were made anew for their age alone.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub renewals: u32,
    /// The cluster.
    pub cluster: ClusterArn,
    /// When that cluster was made; with the ARN its identity.
    pub cluster_created_at: Timestamp,
    /// The control plane's minor when this was planned.
    pub from: Minor,
    /// Where the run ends.
    pub target: Minor,
    /// When node groups follow.
    pub nodes: NodeHops,
    /// The node groups that the cluster had when this was made.
    pub node_groups: Vec<String>,
    /// The hops in order.
    pub hops: Vec<Hop>,
    /// What a person should know.
    pub findings: Vec<Finding>,
    /// When it was made.
    pub made_at: Timestamp,
    /// What was out of order already when this was made: gates judge what is new.
    pub baseline: Baseline,
    /// Whether what could not be told stands against it as what blocks does: nobody is there to judge it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unattended: bool,
    /// Why the control plane goes down and not up, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolls_back: Option<Failure>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What was out of order before anything was touched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Baseline {
    /// Health issues of the cluster.
    pub health_issues: Vec<String>,
    /// Add-ons that were not `ACTIVE`.
    pub addons_unwell: Vec<String>,
    /// Names of the insights that were `ERROR`.
    pub insights: Vec<String>,
    /// The add-ons that there were.
    pub addons: Vec<String>,
    /// How nodes and pods did, where that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vitals: Option<Vitals>,
}

impl Baseline {
    /// What is out of order in an inventory.
    #[must_use]
    pub fn of(inventory: &Inventory) -> Self {
        let unwell = inventory.addons.iter().filter(|addon| addon.status != Status::Active);
        let errors = inventory.insights.iter().filter(|insight| insight.status == InsightStatus::Error);
        Self {
            health_issues: inventory.cluster.health_issues.clone(),
            addons_unwell: unwell.map(|addon| addon.name.clone()).collect(),
            insights: errors.map(|insight| insight.name.clone()).collect(),
            addons: inventory.addons.iter().map(|addon| addon.name.clone()).collect(),
            vitals: inventory.inside.as_ref().and_then(|inside| inside.vitals.get().ok()).cloned(),
        }
    }

    /// The baseline of a run that is planned again, with what is there `now`: what was in order when it began has to be in
    /// order at its end, whatever it broke meanwhile. What has come since counts from now on.
    #[must_use]
    pub fn kept(&self, now: Self) -> Self {
        let is_new = |name: &String| !self.addons.contains(name);
        let with = |ours: &[String], theirs: Vec<String>| {
            ours.iter().cloned().chain(theirs.into_iter().filter(is_new)).collect()
        };
        // An insight of this plan's that is ERROR and did not block is what the plan itself puts right, or a person let pass.
        let insights =
            self.insights.iter().chain(now.insights.iter().filter(|name| !self.insights.contains(name)));
        Self {
            insights: insights.cloned().collect(),
            addons_unwell: with(&self.addons_unwell, now.addons_unwell),
            addons: with(&self.addons, now.addons),
            vitals: self.vitals.clone().or(now.vitals),
            ..self.clone()
        }
    }

    /// What EKS reports as unwell in it, in words.
    pub fn unwell(&self) -> impl Iterator<Item = &str> {
        self.health_issues.iter().chain(&self.addons_unwell).map(String::as_str)
    }
}

impl StepKind {
    /// What the step acts on; `None` for one that only looks.
    #[must_use]
    pub fn resource(&self) -> Option<Resource> {
        match self {
            Self::ControlPlane { .. } | Self::RollBack { .. } | Self::SupportType {} => {
                Some(Resource::ControlPlane)
            }
            Self::AddOn { name, .. } => Some(Resource::AddOn(name.clone())),
            Self::NodeGroup { name, .. } => Some(Resource::NodeGroup(name.clone())),
            Self::CoreComponent { .. }
            | Self::SelfManagedNodes { .. }
            | Self::FargatePods { .. }
            | Self::Follow { .. }
            | Self::Verify
            | Self::Bake { .. } => None,
        }
    }

    /// Whether it changes something inside the cluster, which the kube function does, and not EKS.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        matches!(self, Self::CoreComponent { .. } | Self::SelfManagedNodes { .. } | Self::FargatePods { .. })
    }

    /// Whether it changes something: EKS's, or something inside the cluster.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.resource().is_some() || self.is_inside()
    }

    /// What windows and freezes know it as; `None` for one that changes nothing.
    #[must_use]
    pub fn work(&self) -> Option<Work> {
        match self {
            Self::ControlPlane { .. } | Self::RollBack { .. } | Self::SupportType {} => {
                Some(Work::ControlPlane)
            }
            Self::AddOn { .. } | Self::CoreComponent { .. } => Some(Work::AddOns),
            Self::NodeGroup { .. } | Self::SelfManagedNodes { .. } | Self::FargatePods { .. } => {
                Some(Work::Nodes)
            }
            Self::Bake { .. } | Self::Follow { .. } | Self::Verify => None,
        }
    }

    /// What approvals know it as; `None` for one that changes nothing.
    #[must_use]
    pub fn name(&self) -> Option<StepName> {
        match self {
            Self::ControlPlane { .. } => Some(StepName::ControlPlane),
            Self::AddOn { .. } => Some(StepName::AddOn),
            Self::NodeGroup { .. } => Some(StepName::NodeGroup),
            Self::RollBack { .. } | Self::SupportType {} => Some(StepName::RollBack),
            Self::CoreComponent { .. } => Some(StepName::CoreComponent),
            Self::SelfManagedNodes { .. } => Some(StepName::SelfManagedNodes),
            Self::FargatePods { .. } => Some(StepName::FargatePods),
            Self::Bake { .. } | Self::Follow { .. } | Self::Verify => None,
        }
    }
}

impl std::fmt::Display for StepKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ControlPlane { from, to } => write!(f, "control plane {from} → {to}"),
            Self::AddOn { name, from, to } => write!(f, "add-on {name} {from} → {to}"),
            Self::NodeGroup { name, from, to, .. } => write!(f, "node group {name} {from} → {to}"),
            Self::Bake { duration_s } => {
                write!(f, "bake for {:#}", SignedDuration::from_secs(i64::from(*duration_s)))
            }
            Self::SupportType {} => f.write_str("support type EXTENDED"),
            Self::CoreComponent { name, from, to } => {
                write!(f, "{name} {} → {}", tag_of(from), tag_of(to))
            }
            Self::SelfManagedNodes { name, from, to, .. } => {
                write!(f, "self-managed nodes {name} {from} → {to}")
            }
            Self::FargatePods { workloads, to } => {
                write!(f, "restart of {} workload(s) on Fargate, to {to}", workloads.len())
            }
            Self::Follow { pools, to, .. } => write!(f, "nodes of {} follow to {to}", pools.join(", ")),
            Self::RollBack { from, to, .. } => write!(f, "control plane back {from} → {to}"),
            Self::Verify => f.write_str("verify"),
        }
    }
}

/// The tag of an image; the whole where it has none.
fn tag_of(image: &str) -> &str {
    image.rsplit_once(':').map_or(image, |(_, tag)| tag)
}

impl Plan {
    /// Every step, hop by hop.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.hops.iter().flat_map(|hop| &hop.steps)
    }

    /// The step of this name.
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps().find(|step| step.id == *id)
    }

    /// Whether no two steps have one id: ids are the keys of steps in the ledger.
    #[must_use]
    pub fn ids_are_unique(&self) -> bool {
        let mut seen = BTreeSet::new();
        self.steps().all(|step| seen.insert(&step.id))
    }

    /// How many control-plane upgrades it makes.
    #[must_use]
    pub fn upgrades(&self) -> usize {
        self.steps().filter(|step| matches!(step.kind, StepKind::ControlPlane { .. })).count()
    }

    /// The findings that keep it from being carried out.
    pub fn blocks(&self) -> impl Iterator<Item = &Finding> {
        let least = if self.unattended { Level::Unknown } else { Level::Block };
        self.findings.iter().filter(move |finding| finding.level >= least)
    }

    /// How long it usually takes, in seconds: the longest way through each hop.
    #[must_use]
    pub fn typical_s(&self) -> u32 {
        self.hops.iter().map(Hop::typical_s).fold(0, u32::saturating_add)
    }
}

impl Hop {
    /// How long it usually takes, in seconds. Steps stand after those they depend on, so one pass suffices.
    #[must_use]
    pub fn typical_s(&self) -> u32 {
        let mut ends: std::collections::BTreeMap<&StepId, u32> = std::collections::BTreeMap::new();
        for step in &self.steps {
            let start = step.after.iter().filter_map(|id| ends.get(id)).max().copied().unwrap_or(0);
            ends.insert(&step.id, start.saturating_add(step.span.typical_s));
        }
        ends.values().max().copied().unwrap_or(0)
    }
}
