//! What was done to a self-managed group so far, as the ledger has it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::inside::Template;

/// The group as it was before anything was done to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Was {
    /// Its least size.
    pub min: u32,
    /// How many it wanted.
    pub desired: u32,
    /// Its greatest size.
    pub max: u32,
    /// Its launch template.
    pub template: Template,
    /// The nodes that are to be replaced.
    pub nodes: Vec<String>,
}

/// Cluster Autoscaler, scaled to nothing for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Paused {
    /// Its deployment, `namespace/name`.
    pub deployment: String,
    /// How many replicas it had.
    pub replicas: u32,
}

/// One thing that is about to be done, or was seen to be done. Written before the effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "moved")]
pub enum Moved {
    /// It begins, with the group as it is.
    Begun {
        /// As it is.
        was: Was,
    },
    /// Cluster Autoscaler is paused, so that it does not take away what is made.
    AutoscalerPaused {
        /// As it was.
        paused: Paused,
    },
    /// It runs again as before.
    AutoscalerRestored,
    /// A launch template version was made.
    TemplateMade {
        /// It.
        template: Template,
        /// Its image.
        image: String,
    },
    /// A group beside the old one is made.
    GroupMade {
        /// Its name.
        name: String,
    },
    /// The group gets the template and room for more nodes.
    Surged {
        /// How many it wants now.
        desired: u32,
        /// Its greatest size now.
        max: u32,
    },
    /// A node gets no more pods.
    Cordoned {
        /// The node.
        node: String,
        /// Its instance.
        instance: String,
    },
    /// The pods that do not leave a node are deleted, by consent or policy.
    Forced {
        /// The node.
        node: String,
        /// The pods.
        pods: Vec<String>,
    },
    /// A node has no pod left that had to leave.
    Emptied {
        /// The node.
        node: String,
    },
    /// Its instance is ended.
    Terminated {
        /// The node.
        node: String,
    },
    /// A node takes pods again: it is not replaced now.
    Released {
        /// The node.
        node: String,
    },
    /// The group has its own sizes again.
    SizeRestored,
    /// The old group is deleted.
    GroupDeleted,
}

/// Where a node stands that was touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodePhase {
    /// It gets no more pods, and those it has leave.
    Cordoned,
    /// Those that do not leave are deleted.
    Forced,
    /// None is left; load balancers forget it.
    Emptied,
    /// Its instance is being ended.
    Terminated,
    /// It takes pods again.
    Released,
}

/// One node that was touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRoll {
    /// Its instance.
    pub instance: String,
    /// Where it stands.
    pub phase: NodePhase,
    /// Since when.
    pub since: Timestamp,
}

/// What the lines add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roll {
    /// The group as it was.
    pub was: Was,
    /// Since when it is rolled.
    pub since: Timestamp,
    /// Cluster Autoscaler, while it is paused.
    pub paused: Option<Paused>,
    /// The template that was made.
    pub template: Option<Template>,
    /// The group that was made beside it.
    pub new_group: Option<String>,
    /// Since when the group has room for more nodes; `None` before that, and after its sizes are restored.
    pub surged: Option<Timestamp>,
    /// The nodes that were touched.
    pub nodes: BTreeMap<String, NodeRoll>,
    /// Whether the old group was deleted.
    pub deleted: bool,
}

impl Roll {
    /// What the lines so far and one more add up to; `None` where it may not follow.
    #[must_use]
    pub fn after(state: Option<Self>, moved: &Moved, at: Timestamp) -> Option<Self> {
        let _ = (state, moved, at);
        todo!()
    }
}

impl Roll {
    /// Whether no node is half done: cordoned, being emptied, or being ended.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.nodes.values().all(|node| matches!(node.phase, NodePhase::Released | NodePhase::Terminated))
    }
}
