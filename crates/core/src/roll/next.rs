//! What to do next with a self-managed group.

use jiff::Timestamp;

use super::{Moved, Roll, Way};
use crate::inside::{AutoScalingGroup, Inside};
use crate::remedy::Failure;
use crate::version::Minor;

/// What is seen, and what is wanted.
pub struct Scene<'a> {
    /// The inside of the cluster: nodes, pods, budgets, webhooks.
    pub inside: &'a Inside,
    /// The group; `None` where it is gone.
    pub group: Option<&'a AutoScalingGroup>,
    /// The group beside it, once it was made and is seen.
    pub new_group: Option<&'a AutoScalingGroup>,
    /// Cluster Autoscaler's deployment and replicas, where there is one.
    pub autoscaler: Option<(&'a str, u32)>,
    /// Where the nodes go.
    pub to: Minor,
    /// How.
    pub way: Way,
    /// How many nodes more than usual there may be, and how many old ones are out at a time; at least 1.
    pub surge: u32,
    /// How long the drain of a node may take, in seconds.
    pub drain_limit_s: u32,
    /// Whether pods that do not leave may be deleted, by policy or consent.
    pub may_force: bool,
    /// Why no further node may be begun now (a window, a thrown kill switch, a regression); what is begun is ended.
    pub held: Option<&'a str>,
    /// Now.
    pub now: Timestamp,
}

/// One effect, to be made after its line stands in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Writes the line, and makes its effect.
    Do(Moved),
    /// Evicts this pod (`namespace`, `name`), once: no line, as it may be asked again and again.
    Evict {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// What follows from a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Make these, in this order.
    Do(Vec<Move>),
    /// Nothing to do for so many seconds, for this reason.
    Wait {
        /// How long.
        seconds: u32,
        /// For what.
        text: String,
    },
    /// Every node is replaced, and all is as it was otherwise.
    Done,
    /// It cannot go on; all that can be taken back was.
    Failed(Failure),
}

/// What to do next.
#[must_use]
pub fn next(roll: Option<&Roll>, scene: &Scene<'_>) -> Verdict {
    let _ = (roll, scene);
    todo!()
}
