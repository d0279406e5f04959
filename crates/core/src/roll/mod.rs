//! Rolling a node group that EKS does not manage: what was done so far, and what to do next.
//!
//! [`Moved`] is what stands in the ledger: a line before each [`Effect`], and one after it. [`Roll`] is what the lines
//! add up to. What comes next follows from it and from a look at the world alone ([`next`]), so that whoever dies in
//! the middle is followed by somebody who goes on. Every effect may be repeated: one that was meant, and of which
//! nobody knows whether it was made, is made again before anything else. Nothing is cordoned that is not on record.
//!
//! Where to read: `moved` (the lines), `state` (their sum), `stand` (who is old, who is new), `node` (the way of one
//! node), `forward` and `back` (the way of the group, and the way back after a failure).

mod autoscaler;
mod back;
mod failure;
mod forward;
mod group;
mod moved;
mod next;
mod node;
mod stand;
mod state;
#[cfg(test)]
mod tests;
mod unseen;
mod words;

pub use failure::denied;
pub use moved::{Effect, Moved, Paused, Sizes, Was};
pub use next::{EVICT_AGAIN_S, Held, Move, Scene, Verdict, needs_workloads, next, pause_after};
pub use state::{GivenUp, Meant, NodePhase, NodeRoll, Roll, Room};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::version::Minor;

/// How the nodes of such a group are replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// The group gets another launch template version, some nodes more, and gives up the old ones a few at a time.
    #[default]
    InPlace,
    /// A group of the new version is made beside it, the pods move, the old group is deleted.
    NewGroup,
}

/// What stands between a group's own name and the version in the name of the group that is made beside it.
const BESIDE: &str = "-eks-upgrade-";

/// The name of the group that is made beside this one: always the same, so that it is found again. A group that was
/// made so itself gives its own name on.
#[must_use]
pub fn beside(group: &str, to: Minor) -> String {
    let own = group.rsplit_once(BESIDE).map_or(group, |(own, _)| own);
    format!("{own}{BESIDE}{to}")
}
