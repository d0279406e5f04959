//! Whole upgrades in the simulator: how long they take next to what EKS needs, and what they cost.
//!
//! The product is run as it ships: its use cases and AWS adapter, the real state machine files, the table in memory,
//! the simulator of EKS in process, one virtual clock ([`stage`]). Nothing goes wrong and nobody interferes: what does
//! is the matter of `make simulate`. What is measured is in a module each: [`makespan`], [`cost`], [`drain`],
//! [`campaign`].
//!
//! In the simulator a call takes no time. Lengths are therefore those of EKS's updates and of our waits alone.

pub mod budgets;
pub mod campaign;
pub mod clusters;
pub mod cost;
pub mod course;
pub mod drain;
pub mod history;
pub mod makespan;
pub mod print;
pub mod stage;

use serde::Serialize;

use self::campaign::CampaignRow;
use self::cost::CostRow;
use self::drain::DrainRow;
use self::makespan::MakespanRow;

/// Why something could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum Unmeasured {
    /// The fleet that was drawn is none.
    #[error("the fleet does not read: {0}")]
    Fleet(#[from] eks_upgrade_sim::fleet::FleetError),
    /// An instant does not read.
    #[error("no instant: {0}")]
    Instant(#[from] jiff::Error),
    /// A run's ledger does not read.
    #[error(transparent)]
    Ledger(#[from] eks_upgrade_core::ledger::LedgerError),
    /// The definitions of the state machines do not read.
    #[error("a state machine does not read: {0}")]
    Definition(#[from] serde_json::Error),
    /// An execution entered states that no definition has.
    #[error("no state machine has all of these states: {0:?}")]
    Machine(Vec<String>),
    /// A run did not go as plain runs do.
    #[error("seed {seed}: {what}")]
    NotPlain {
        /// The seed of its cluster.
        seed: u64,
        /// What happened.
        what: String,
    },
    /// There was nothing to measure.
    #[error("nothing was measured")]
    Nothing,
}

/// Everything that was measured in the simulator.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Simulated {
    /// How long upgrades took, as a part of what EKS needed.
    pub makespans: Vec<MakespanRow>,
    /// What one upgrade costs.
    pub costs: Vec<CostRow>,
    /// How pods leave nodes that EKS does not manage.
    pub drains: Vec<DrainRow>,
    /// Many clusters at once, with and without a limit on calls.
    pub campaigns: Vec<CampaignRow>,
}

impl Simulated {
    /// Measures everything; campaigns are of so many clusters.
    pub fn measure(seed: u64, clusters: usize) -> Result<Self, Unmeasured> {
        Ok(Self {
            makespans: makespan::measure(seed)?,
            costs: cost::measure(seed)?,
            drains: drain::measure(seed)?,
            campaigns: campaign::measure(seed, clusters)?,
        })
    }
}
