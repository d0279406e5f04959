//! Rolling a node group that EKS does not manage: what was done so far, and what to do next.
//!
//! [`Moved`] is what stands in the ledger, a line before each effect; [`Roll`] is what the lines add up to; the next
//! moves follow from it and from a look at the world alone ([`next`]), so that whoever dies in the middle is followed
//! by somebody who goes on. Every effect may be repeated. Nothing is cordoned that is not on record.

mod next;
mod state;

pub use next::{Move, Scene, Verdict, next};
pub use state::{Moved, NodePhase, NodeRoll, Paused, Roll, Was};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
