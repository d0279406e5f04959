//! What the owner of the clusters wants: when to upgrade, to what, how, and who takes part.
//!
//! [`PolicyDocument`] is what people write, one for the deployment. [`Policy`] is what follows from it for one
//! cluster, its own tags applied: a run is planned and carried out under it, and records it in its first line.

mod document;
mod kubernetes;
mod rings;
mod settings;
mod tags;
mod target;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use document::{ApprovalRule, Before, OptIn, Override, PolicyDocument, PolicyError, Selector, Spoke};
pub use kubernetes::{Access, CoreComponentName, FargatePods, Kubernetes, SelfManaged};
pub use rings::{REST, Ring, Rings, Waves};
pub use settings::{Bake, EndOfSupport, Gate, NodeHops, NodeStrategy, OnFailure, StepName, Wins};
pub use tags::{BAKE_TAG, NODES_TAG, RING_TAG, STRATEGY_TAG, TAGS, TARGET_TAG, WINDOW_TAG};
pub use target::TargetRule;

use crate::calendar::Calendar;
use crate::version::Minor;
use crate::window::Schedule;

/// The policy of one cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Policy {
    /// The SHA-256 of the document that this follows from.
    pub document: String,
    /// Where an upgrade without a stated target goes.
    pub target: TargetRule,
    /// The rule takes no version younger than this.
    pub min_version_age_days: u16,
    /// When node groups follow.
    pub nodes: NodeHops,
    /// How nodes are replaced.
    pub strategy: NodeStrategy,
    /// How single node groups are replaced, by name.
    pub node_group_strategy: BTreeMap<String, NodeStrategy>,
    /// How many node groups of a cluster roll at once.
    pub node_groups_at_once: u8,
    /// How many add-ons of a cluster are updated at once.
    pub addons_at_once: u8,
    /// How often one step is tried before the run stops.
    pub attempts: u8,
    /// Add-ons whose fields people changed that may be overwritten, after `PRESERVE` found a conflict.
    pub overwrite_addons: BTreeSet<String>,
    /// When mutating calls may start.
    pub schedule: Schedule,
    /// What wins when support ends before the next opening.
    pub end_of_support: EndOfSupport,
    /// What follows each control-plane hop before anything else moves.
    pub bake: Bake,
    /// What wants a person's yes: the run, or steps of it.
    pub approvals: Vec<ApprovalRule>,
    /// What may be seen of its inside, and done to it.
    pub kubernetes: Kubernetes,
    /// The ring it belongs to, if rings are kept and it has one.
    pub ring: Option<String>,
}

impl Policy {
    /// Where a cluster at `current` goes by the target rule; `None` when it is there already.
    #[must_use]
    pub fn target(&self, current: Minor, calendar: &Calendar, now: Timestamp) -> Option<Minor> {
        let min_age = SignedDuration::from_hours(24 * i64::from(self.min_version_age_days));
        self.target.target(current, calendar, min_age, now)
    }

    /// How the group of this name is replaced.
    #[must_use]
    pub fn strategy_of(&self, node_group: &str) -> NodeStrategy {
        self.node_group_strategy.get(node_group).copied().unwrap_or(self.strategy)
    }
}

impl Default for Policy {
    fn default() -> Self {
        PolicyDocument::default().settings()
    }
}
