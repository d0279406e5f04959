//! What a drain of a node would do, pod by pod: who leaves, who does not and why, and how long it takes.
//!
//! Pure arithmetic over the facts of [`crate::inside`]. `kubectl drain` is the oracle of its tests.

mod findings;
mod forecast;
mod judge;
mod room;

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use findings::findings;
pub use forecast::{forecast, held_on};

use crate::inside::{NodeGroupOf, Owner};

/// Why a pod does not leave its node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "by")]
pub enum HeldBy {
    /// A budget that never allows it, as long as things are as they are.
    Budget {
        /// `namespace/name`.
        budget: String,
        /// The arithmetic: `minAvailable 2 of 2 ready: 0 may go`.
        because: String,
    },
    /// Several budgets that cover it: the API server refuses every eviction then (500).
    Budgets {
        /// `namespace/name` of each.
        budgets: Vec<String>,
    },
    /// A webhook that judges evictions, fails closed, and has nobody behind it.
    Webhook {
        /// Its name.
        webhook: String,
    },
    /// A static pod: a file on the node makes it.
    Mirror,
    /// It has no controller: whoever deletes it loses it, so a drain without force refuses.
    NoController,
    /// Its own time to end is longer than the drain may take.
    Slow {
        /// `terminationGracePeriodSeconds`.
        grace_s: u32,
    },
}

/// A pod that does not leave.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The node.
    pub node: String,
    /// `namespace/name`.
    pub pod: String,
    /// Its controller, in words; empty where it has none.
    pub owner: String,
    /// Why.
    pub why: HeldBy,
    /// What a dry-run eviction said: whether it was refused as foretold. `None`: none was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<bool>,
}

/// What a drain of one node would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeForecast {
    /// The node.
    pub node: String,
    /// Who replaces it.
    pub group: NodeGroupOf,
    /// How many pods leave.
    pub leave: u32,
    /// How many stay because they belong there: of daemon sets, and static ones.
    pub stay: u32,
    /// Those that would have to leave and do not.
    pub held: Vec<Held>,
    /// How long the drain should take, in seconds, if nothing is held.
    pub takes_s: u32,
}

impl std::fmt::Display for HeldBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Budget { budget, because } => write!(f, "PodDisruptionBudget {budget} ({because})"),
            Self::Budgets { budgets } => {
                write!(f, "{} PodDisruptionBudgets at once ({})", budgets.len(), budgets.join(", "))
            }
            Self::Webhook { webhook } => {
                write!(f, "webhook {webhook}, which fails closed with nobody behind it")
            }
            Self::Mirror => f.write_str("a file on the node"),
            Self::NoController => f.write_str("nothing would make it again"),
            Self::Slow { grace_s } => write!(f, "its own grace period of {grace_s} s"),
        }
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pod {}", self.pod)?;
        if !self.owner.is_empty() {
            write!(f, " of {}", self.owner)?;
        }
        write!(f, " on {}: {}", self.node, self.why)
    }
}

impl Owner {
    /// A pod's controller in words; empty where it has none.
    #[must_use]
    pub fn in_words(owner: Option<&Self>) -> String {
        owner.map(ToString::to_string).unwrap_or_default()
    }
}

/// How many pods a message names.
const NAMED_MAX: usize = 5;

/// Who holds what, in words: the first five by name, the rest counted.
#[must_use]
pub fn in_words(held: &[Held]) -> String {
    let named = held.iter().take(NAMED_MAX).map(ToString::to_string);
    let more = held.len().saturating_sub(NAMED_MAX);
    let rest = (more > 0).then(|| format!("and {more} more"));
    named.chain(rest).collect::<Vec<_>>().join("; ")
}
