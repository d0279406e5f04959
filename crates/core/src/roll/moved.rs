//! The lines of a roll: how the group was, what is meant, what was made, what was seen.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::health::Vitals;
use crate::inside::Template;
use crate::remedy::Failure;

/// The sizes of an Auto Scaling group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sizes {
    /// The least.
    pub min: u32,
    /// What it wants.
    pub desired: u32,
    /// The greatest.
    pub max: u32,
}

/// The group as it was before anything was done to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Was {
    /// Its sizes.
    pub sizes: Sizes,
    /// Its launch template.
    pub template: Template,
    /// The nodes that are to be replaced.
    pub nodes: Vec<String>,
    /// Those of them that somebody else had cordoned: they stay so if they are not replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cordoned: Vec<String>,
    /// How many nodes a group beside it wanted already: one that an earlier try has left.
    #[serde(default)]
    pub beside: u32,
    /// How nodes and pods did.
    pub vitals: Vitals,
}

impl Was {
    /// How many nodes there shall be at the end, in both groups.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.sizes.desired.saturating_add(self.beside)
    }
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

/// One change of the world. Each may be made again with no harm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "do")]
pub enum Effect {
    /// Cluster Autoscaler is scaled to nothing, so that it does not take away what is made.
    PauseAutoscaler {
        /// As it is.
        paused: Paused,
    },
    /// Cluster Autoscaler runs again as before.
    ResumeAutoscaler {
        /// As it was.
        paused: Paused,
    },
    /// A launch template version with the image for the new minor. Nothing that runs changes by it.
    MakeTemplate,
    /// The group gets the new template, and room for more nodes.
    Surge {
        /// Its template from now on.
        template: Template,
        /// Its sizes from now on.
        sizes: Sizes,
        /// How many nodes more that is than it wanted.
        extra: u32,
    },
    /// A group of the new template is made beside the old one, which may shrink to nothing from now on.
    MakeGroup {
        /// The name of the new one.
        name: String,
        /// Its template.
        template: Template,
        /// Its sizes.
        sizes: Sizes,
        /// The sizes of the old one from now on.
        old: Sizes,
    },
    /// A node gets no more pods, and nothing from load balancers.
    Cordon {
        /// The node.
        node: String,
        /// Its instance.
        instance: String,
        /// Whether it is a new one that there is no more need of; else it is an old one.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        surplus: bool,
    },
    /// Pods that do not leave their node are deleted, by consent or policy.
    DeletePods {
        /// The node.
        node: String,
        /// The pods, `namespace/name`.
        pods: Vec<String>,
        /// Their uids, by these names: other pods of the same names are not meant.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        uids: BTreeMap<String, String>,
    },
    /// A node's instance is ended.
    Terminate {
        /// The node.
        node: String,
        /// Its instance.
        instance: String,
        /// Whether its group wants one less then; else the group replaces it.
        shrink: bool,
    },
    /// A node takes pods again: it is not replaced now.
    Release {
        /// The node.
        node: String,
    },
    /// A group that has done its part gets the sizes that it shall keep.
    Restore {
        /// The group.
        group: String,
        /// Its sizes.
        sizes: Sizes,
        /// Its template; `None`: as it is.
        template: Option<Template>,
    },
    /// A group with no instances left is deleted.
    DeleteGroup {
        /// The group.
        group: String,
    },
}

impl Effect {
    /// Whether it takes something back, or puts something in order: that cannot be given up.
    #[must_use]
    pub fn mends(&self) -> bool {
        matches!(self, Self::ResumeAutoscaler { .. } | Self::Release { .. } | Self::Restore { .. })
    }

    /// Whether it makes room for new nodes.
    pub(super) fn opens(&self) -> bool {
        matches!(self, Self::Surge { .. } | Self::MakeGroup { .. })
    }
}

/// One line of a roll.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "moved")]
pub enum Moved {
    /// It begins, with the group as it is.
    Begun {
        /// As it is.
        was: Box<Was>,
    },
    /// An effect is about to be made.
    Meant {
        /// It.
        effect: Effect,
    },
    /// It was made.
    Made {
        /// It.
        effect: Effect,
    },
    /// A launch template version was made.
    TemplateMade {
        /// It.
        template: Template,
        /// Its image.
        image: String,
    },
    /// A node has no pod left that had to leave.
    Emptied {
        /// The node.
        node: String,
    },
    /// A node that was being replaced is not there any more, by whomever.
    Gone {
        /// The node.
        node: String,
    },
    /// The next nodes have to wait: new ones are not ready, or workloads are worse off than before.
    Unsettled {
        /// Why.
        why: String,
    },
    /// They need not any more.
    Settled,
    /// Nodes and pods cannot be seen any more.
    Unseen {
        /// Why.
        why: String,
    },
    /// They can be seen again.
    Seen,
    /// What was to be put in order stays as it is: it never came through, and a person has to do it.
    Left {
        /// It.
        effect: Effect,
    },
    /// It cannot go on: from here on all is taken back that can be. Said again, the surplus stays too.
    GivenUp {
        /// Why.
        failure: Failure,
        /// Whether the effect that was meant was denied: then nothing of it was made.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        denied: bool,
    },
}
