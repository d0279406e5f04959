//! What the owner of the clusters wants: when to upgrade, to what, how, and who takes part.
//!
//! One document for the deployment, a JSON object whose every field has a default; tags of a cluster may
//! override what [`Policy::for_cluster`] lists. A run records the policy that it was planned under.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::calendar::Calendar;
use crate::version::Minor;

/// How managed nodes are replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeStrategy {
    /// Drain, honouring every `PodDisruptionBudget`; fail if a node does not empty in time.
    #[default]
    Rolling,
    /// Drain likewise, then delete the pods that did not leave.
    Force,
    /// Rolling first; force only after EKS reported a `PodEvictionFailure`.
    RollingThenForce,
}

impl std::str::FromStr for NodeStrategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "rolling" => Ok(Self::Rolling),
            "force" => Ok(Self::Force),
            "rolling-then-force" => Ok(Self::RollingThenForce),
            other => Err(format!("{other:?} is no node strategy: rolling, force or rolling-then-force")),
        }
    }
}

/// When node groups follow the control plane in a run of several hops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeHops {
    /// Once, as late as the skew rule allows.
    #[default]
    Last,
    /// After every hop.
    EachHop,
}

/// Which minor an upgrade without a stated target goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetRule {
    /// The minor that EKS gives to new clusters.
    #[default]
    EksDefault,
    /// The next minor.
    Next,
    /// The newest in standard support.
    Newest,
}

/// Which clusters take part: those that carry this tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OptIn {
    /// The tag's key.
    pub key: String,
    /// The tag's value.
    pub value: String,
}

/// The document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Policy {
    /// Which clusters take part in automatic and scheduled upgrades.
    pub opt_in: OptIn,
    /// How many days before the end of standard support a cluster is due; 1 to 400.
    #[schemars(range(min = 1, max = 400))]
    pub lead_days: u16,
    /// Where an upgrade without a stated target goes.
    pub target: TargetRule,
    /// When node groups follow.
    pub nodes: NodeHops,
    /// How nodes are replaced.
    pub strategy: NodeStrategy,
    /// How single node groups are replaced, by name.
    pub node_group_strategy: BTreeMap<String, NodeStrategy>,
    /// How many node groups of a cluster roll at once; 1 to 20.
    #[schemars(range(min = 1, max = 20))]
    pub node_groups_at_once: u8,
    /// How many add-ons of a cluster are updated at once; 1 to 20.
    #[schemars(range(min = 1, max = 20))]
    pub addons_at_once: u8,
    /// How many clusters of a campaign are upgraded at once; 1 to 40 (the limit of an inline Map).
    #[schemars(range(min = 1, max = 40))]
    pub clusters_at_once: u8,
    /// How often one step is tried before the run stops; 1 to 5.
    #[schemars(range(min = 1, max = 5))]
    pub attempts: u8,
}

impl Default for OptIn {
    fn default() -> Self {
        Self { key: "eks-upgrade:enabled".into(), value: "true".into() }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            opt_in: OptIn::default(),
            // AWS Health announces the end of support about 180 days ahead: notice and sweep agree.
            lead_days: 180,
            target: TargetRule::default(),
            nodes: NodeHops::default(),
            strategy: NodeStrategy::default(),
            node_group_strategy: BTreeMap::new(),
            // Three groups at once keep at least most of a usual cluster's groups untouched.
            node_groups_at_once: 3,
            addons_at_once: 5,
            clusters_at_once: 10,
            // A second try tells a passing failure from a lasting one; a third seldom does better.
            attempts: 2,
        }
    }
}

/// The tag that overrides [`Policy::strategy`] for one cluster.
pub const STRATEGY_TAG: &str = "eks-upgrade:strategy";
/// The tag that overrides [`Policy::nodes`] for one cluster.
pub const NODES_TAG: &str = "eks-upgrade:nodes";

/// Why a policy was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not JSON of the right form.
    #[error("the policy does not read: {0}")]
    Form(String),
    /// A number out of its bounds.
    #[error("the policy's {field} is {value}; it may be {min} to {max}")]
    Bound {
        /// Which field.
        field: &'static str,
        /// What it says.
        value: u16,
        /// The least it may say.
        min: u16,
        /// The most it may say.
        max: u16,
    },
    /// A tag of the cluster with a value that means nothing.
    #[error("the tag {tag} of the cluster: {message}")]
    Tag {
        /// Which tag.
        tag: &'static str,
        /// What is wrong with it.
        message: String,
    },
}

impl Policy {
    /// Reads the document. Empty text is the default policy.
    pub fn read(json: &str) -> Result<Self, PolicyError> {
        if json.trim().is_empty() {
            return Ok(Self::default());
        }
        let policy: Self =
            serde_json::from_str(json).map_err(|error| PolicyError::Form(error.to_string()))?;
        policy.check()
    }

    fn check(self) -> Result<Self, PolicyError> {
        let bounds = [
            ("leadDays", self.lead_days, 1, 400),
            ("nodeGroupsAtOnce", self.node_groups_at_once.into(), 1, 20),
            ("addonsAtOnce", self.addons_at_once.into(), 1, 20),
            ("clustersAtOnce", self.clusters_at_once.into(), 1, 40),
            ("attempts", self.attempts.into(), 1, 5),
        ];
        for (field, value, min, max) in bounds {
            if !(min..=max).contains(&value) {
                return Err(PolicyError::Bound { field, value, min, max });
            }
        }
        Ok(self)
    }

    /// The policy with a cluster's own tags applied. A tag that does not read is refused, not ignored: its
    /// author meant something.
    pub fn for_cluster(mut self, tags: &BTreeMap<String, String>) -> Result<Self, PolicyError> {
        if let Some(value) = tags.get(STRATEGY_TAG) {
            self.strategy =
                value.parse().map_err(|message| PolicyError::Tag { tag: STRATEGY_TAG, message })?;
        }
        if let Some(value) = tags.get(NODES_TAG) {
            self.nodes = match value.as_str() {
                "last" => NodeHops::Last,
                "each-hop" => NodeHops::EachHop,
                other => {
                    let message = format!("{other:?} is neither last nor each-hop");
                    return Err(PolicyError::Tag { tag: NODES_TAG, message });
                }
            };
        }
        Ok(self)
    }

    /// Whether a cluster with these tags takes part.
    #[must_use]
    pub fn opted_in(&self, tags: &BTreeMap<String, String>) -> bool {
        tags.get(&self.opt_in.key) == Some(&self.opt_in.value)
    }

    /// [`Policy::lead_days`] as a duration.
    #[must_use]
    pub fn lead(&self) -> SignedDuration {
        SignedDuration::from_hours(24 * i64::from(self.lead_days))
    }

    /// How the group of this name is replaced.
    #[must_use]
    pub fn strategy_of(&self, node_group: &str) -> NodeStrategy {
        self.node_group_strategy.get(node_group).copied().unwrap_or(self.strategy)
    }
}

impl TargetRule {
    /// Where a cluster at `current` goes by this rule; `None` when it is there already.
    #[must_use]
    pub fn target(self, current: Minor, calendar: &Calendar) -> Option<Minor> {
        let above = |minor: &Minor| *minor > current;
        match self {
            Self::Next => Some(current.next()).filter(|next| calendar.get(*next).is_some()),
            Self::Newest => calendar.newest().filter(above),
            Self::EksDefault => calendar.default_minor().filter(above),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_document_is_the_default() {
        assert_eq!(Policy::read("{}").unwrap(), Policy::default());
        assert_eq!(Policy::read("").unwrap(), Policy::default());
    }

    #[test]
    fn what_does_not_read_is_refused() {
        assert!(matches!(Policy::read(r#"{"leadDayz": 3}"#), Err(PolicyError::Form(_))));
        assert!(matches!(
            Policy::read(r#"{"attempts": 9}"#),
            Err(PolicyError::Bound { field: "attempts", .. })
        ));
    }

    #[test]
    fn tags_override_and_nonsense_in_them_is_refused() {
        let tags = |value: &str| BTreeMap::from([(STRATEGY_TAG.to_owned(), value.to_owned())]);
        let policy = Policy::default().for_cluster(&tags("rolling-then-force")).unwrap();
        assert_eq!(policy.strategy, NodeStrategy::RollingThenForce);
        assert!(Policy::default().for_cluster(&tags("forse")).is_err());
    }
}
