//! What the upgrade of one cluster costs: calls, invocations, transitions, lines and writes.
//!
//! By a deployment that is new, under the default policy without a bake: what was learned makes it cheaper, and a bake
//! costs a dozen looks more.

use std::collections::BTreeMap;

use eks_upgrade_judge::What;
use eks_upgrade_simulation::trace::Happened;
use serde::Serialize;
use serde_json::json;

use super::Unmeasured;
use super::clusters::{self, TARGET};
use super::history::Histories;
use super::stage::{Stage, each};
use crate::figures::Spread;

/// Upgrades a row: they differ by how long EKS takes.
pub const UPGRADES: u64 = 100;
/// What Step Functions asks for a thousand state transitions of a standard workflow, in dollars (us-east-1).
const DOLLARS_A_THOUSAND: f64 = 0.025;
const NAME: &str = "c0";

/// What upgrades of one kind of cluster cost.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CostRow {
    /// Minors that it goes up.
    pub hops: u32,
    /// Upgrades that were told.
    pub upgrades: u64,
    /// Calls to EKS.
    pub calls: Spread,
    /// The same by operation, in the mean.
    pub calls_by_operation: BTreeMap<String, f64>,
    /// Invocations of functions.
    pub invocations: Spread,
    /// The same by function, in the mean.
    pub invocations_by_function: BTreeMap<String, f64>,
    /// States entered, by the upgrade's execution and its hops' together.
    pub transitions: Spread,
    /// What they cost, in dollars, in the middle. Step Functions alone: functions and table are billed by their own measures.
    pub dollars: f64,
    /// Events in the longest history of the executions of one upgrade.
    pub events: Spread,
    /// Lines in the ledger.
    pub lines: Spread,
    /// Their text, in bytes.
    pub bytes: Spread,
    /// Writes to the table; a transaction is one.
    pub writes: Spread,
    /// Items in them.
    pub items: Spread,
}

/// One upgrade's.
#[derive(Debug, Default)]
struct Cost {
    calls: BTreeMap<String, u32>,
    invocations: BTreeMap<String, u32>,
    transitions: u32,
    events: u32,
    lines: u32,
    bytes: u32,
    writes: u32,
    items: u32,
}

/// Rows for a standard cluster that is one minor behind, and three.
pub fn measure(seed: u64) -> Result<Vec<CostRow>, Unmeasured> {
    let histories = Histories::read()?;
    [1, 3].into_iter().map(|hops| row(seed, hops, &histories)).collect()
}

fn row(seed: u64, hops: u32, histories: &Histories) -> Result<CostRow, Unmeasured> {
    let costs = each(seed.wrapping_mul(1_000_000), UPGRADES, |seed| told(seed, hops, histories))?;
    let spread = |part: fn(&Cost) -> u32| {
        let parts = costs.iter().map(|cost| f64::from(part(cost))).collect();
        Spread::of(parts).ok_or(Unmeasured::Nothing)
    };
    let transitions = spread(|cost| cost.transitions)?;
    Ok(CostRow {
        hops,
        upgrades: UPGRADES,
        calls: spread(|cost| cost.calls.values().sum())?,
        calls_by_operation: means(&costs, |cost| &cost.calls),
        invocations: spread(|cost| cost.invocations.values().sum())?,
        invocations_by_function: means(&costs, |cost| &cost.invocations),
        transitions,
        dollars: transitions.median * DOLLARS_A_THOUSAND / 1_000.0,
        events: spread(|cost| cost.events)?,
        lines: spread(|cost| cost.lines)?,
        bytes: spread(|cost| cost.bytes)?,
        writes: spread(|cost| cost.writes)?,
        items: spread(|cost| cost.items)?,
    })
}

fn means(costs: &[Cost], counts: fn(&Cost) -> &BTreeMap<String, u32>) -> BTreeMap<String, f64> {
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    for (name, count) in costs.iter().flat_map(counts) {
        *sums.entry(name.clone()).or_default() += f64::from(*count);
    }
    let upgrades = u32::try_from(costs.len()).map_or(f64::NAN, f64::from);
    sums.into_iter().map(|(name, sum)| (name, sum / upgrades)).collect()
}

/// What the upgrade of this seed cost.
fn told(seed: u64, hops: u32, histories: &Histories) -> Result<Cost, Unmeasured> {
    let policy = json!({"bake": {"duration": "0s"}});
    let stage = Stage::new(seed, &[clusters::standard(NAME, hops)], &policy)?;
    stage.upgrade(&json!({"cluster": NAME, "target": TARGET}))?;
    let writes = stage.writes();
    let mut cost = Cost { writes: writes.calls, items: writes.items, ..Cost::default() };
    let mut executions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (_, happened) in stage.trace().all() {
        match happened {
            Happened::Told(What::Request { record, .. }) => {
                let operation = record["operation"].as_str().unwrap_or_default().to_owned();
                *cost.calls.entry(operation).or_default() += 1;
            }
            Happened::Told(What::Ledger { body, .. }) => {
                cost.lines += 1;
                cost.bytes = cost.bytes.saturating_add(u32::try_from(body.len()).unwrap_or(u32::MAX));
            }
            Happened::Answered { function, .. } => *cost.invocations.entry(function).or_default() += 1,
            Happened::Entered { execution, state } => {
                cost.transitions += 1;
                executions.entry(execution).or_default().push(state);
            }
            _ => {}
        }
    }
    for entered in executions.values() {
        cost.events = cost.events.max(histories.events(entered)?);
    }
    Ok(cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_upgrade_is_counted_where_it_leaves_its_traces() {
        let cost = told(7, 1, &Histories::read().unwrap()).unwrap();
        // A control plane, three groups; each add-on that has to move.
        assert_eq!(cost.calls["UpdateClusterVersion"], 1);
        assert_eq!(cost.calls["UpdateNodegroupVersion"], 3);
        assert!(cost.calls["UpdateAddon"] >= 3, "{cost:?}");
        assert!(cost.lines > 20 && cost.bytes > 20 * cost.lines, "{cost:?}");
        assert!(cost.writes > 0 && cost.items > cost.lines + cost.writes, "{cost:?}");
        assert!(cost.transitions > 2 * cost.invocations["Decide"], "{cost:?}");
    }
}
