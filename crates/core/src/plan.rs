//! The plan of a run: immutable, and leaving no meaningful choice for execution.
//!
//! A plan is a list of stages, one a control-plane version, each a small graph of steps. It is made by
//! [`crate::planner`] and carried out by [`crate::decide`].

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arn::ClusterArn;
use crate::cluster::{LaunchTemplate, Resource};
use crate::finding::{Finding, Level};
use crate::ids::StepId;
use crate::policy::{NodeHops, NodeStrategy};
use crate::version::{AddonVersion, Minor};
use crate::waits::Span;

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
}

impl StepKind {
    /// What the step acts on; `None` for one that only looks.
    #[must_use]
    pub fn resource(&self) -> Option<Resource> {
        match self {
            Self::ControlPlane { .. } => Some(Resource::ControlPlane),
            Self::AddOn { name, .. } => Some(Resource::AddOn(name.clone())),
            Self::NodeGroup { name, .. } => Some(Resource::NodeGroup(name.clone())),
            Self::Verify => None,
        }
    }
}

impl std::fmt::Display for StepKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ControlPlane { from, to } => write!(f, "control plane {from} → {to}"),
            Self::AddOn { name, from, to } => write!(f, "add-on {name} {from} → {to}"),
            Self::NodeGroup { name, from, to, .. } => write!(f, "node group {name} {from} → {to}"),
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
            ends.insert(&step.id, start.saturating_add(Span::of(&step.kind).typical_s));
        }
        ends.values().max().copied().unwrap_or(0)
    }
}
