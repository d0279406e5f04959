//! The plan of a run: immutable, and leaving no meaningful choice for execution.
//!
//! A plan is a list of stages, one a control-plane version, each a small graph of steps. It is made by
//! [`crate::planner`] and carried out by [`crate::decide`].

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arn::ClusterArn;
use crate::cluster::{InsightStatus, Inventory, LaunchTemplate, Resource, Status};
use crate::finding::{Finding, Level};
use crate::ids::StepId;
use crate::policy::{NodeHops, NodeStrategy, StepName};
use crate::remedy::Failure;
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
    /// Looks at everything that the stage touched.
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
    /// The steps of the same stage that must be done before.
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
    /// Why the control plane goes down and not up, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolls_back: Option<Failure>,
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
        }
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
            Self::Verify | Self::Bake { .. } => None,
        }
    }

    /// What windows and freezes know it as; `None` for one that changes nothing.
    #[must_use]
    pub fn work(&self) -> Option<Work> {
        match self {
            Self::ControlPlane { .. } | Self::RollBack { .. } | Self::SupportType {} => {
                Some(Work::ControlPlane)
            }
            Self::AddOn { .. } => Some(Work::AddOns),
            Self::NodeGroup { .. } => Some(Work::Nodes),
            Self::Bake { .. } | Self::Verify => None,
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
            Self::Bake { .. } | Self::Verify => None,
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
            Self::RollBack { from, to, .. } => write!(f, "control plane back {from} → {to}"),
            Self::Verify => f.write_str("verify"),
        }
    }
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

    /// How many control-plane upgrades it makes.
    #[must_use]
    pub fn upgrades(&self) -> usize {
        self.steps().filter(|step| matches!(step.kind, StepKind::ControlPlane { .. })).count()
    }

    /// The findings that keep it from being carried out.
    pub fn blocks(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.level == Level::Block)
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
