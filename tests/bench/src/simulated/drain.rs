//! Nodes that EKS does not manage: how often pods are asked to leave them, and how long that takes.
//!
//! Nodes of managed groups are drained by EKS itself, and are not counted. What is asked for show, before a roll begins,
//! evicts nothing and is not counted either.

use eks_upgrade_judge::What;
use eks_upgrade_simulation::trace::Happened;
use serde::Serialize;
use serde_json::{Value, json};

use super::Unmeasured;
use super::clusters::{self, TARGET};
use super::stage::{Stage, each};
use crate::figures::Spread;

/// Rolls a row: they differ by nodes, pods, and how long EC2 and pods take.
pub const ROLLS: u64 = 100;
const NAME: &str = "c0";

/// How rolls of one kind of cluster go.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DrainRow {
    /// Whether each workload has a budget that lets one of its pods be away, or none has any.
    pub budgets: bool,
    /// Rolls that were told.
    pub rolls: u64,
    /// Nodes that were replaced.
    pub nodes: Spread,
    /// Pods that left a node by eviction, in the mean over each roll.
    pub moved_a_node: Spread,
    /// Evictions that were asked for a node, those that a budget refused too, in the mean over each roll.
    pub evictions_a_node: Spread,
    /// Of 100 evictions, how many a budget refused: what is asked again.
    pub refused_percent: f64,
}

/// One roll's.
#[derive(Debug, Default)]
struct Drained {
    nodes: u32,
    moved: u32,
    refused: u32,
}

/// Rows for workloads without a budget, and with one each.
pub fn measure(seed: u64) -> Result<Vec<DrainRow>, Unmeasured> {
    [false, true].into_iter().map(|budgets| row(seed, budgets)).collect()
}

fn row(seed: u64, budgets: bool) -> Result<DrainRow, Unmeasured> {
    let rolls = each(seed.wrapping_mul(1_000_000), ROLLS, |seed| told(seed, budgets))?;
    let spread = |part: &dyn Fn(&Drained) -> f64| {
        Spread::of(rolls.iter().map(part).collect()).ok_or(Unmeasured::Nothing)
    };
    let asked = |roll: &Drained| f64::from(roll.moved + roll.refused);
    let all: f64 = rolls.iter().map(asked).sum();
    let refused: f64 = rolls.iter().map(|roll| f64::from(roll.refused)).sum();
    Ok(DrainRow {
        budgets,
        rolls: ROLLS,
        nodes: spread(&|roll| f64::from(roll.nodes))?,
        moved_a_node: spread(&|roll| f64::from(roll.moved) / f64::from(roll.nodes))?,
        evictions_a_node: spread(&|roll| asked(roll) / f64::from(roll.nodes))?,
        refused_percent: 100.0 * refused / all,
    })
}

/// What the roll of this seed's group took.
fn told(seed: u64, budgets: bool) -> Result<Drained, Unmeasured> {
    let policy = json!({"bake": {"duration": "0s"}, "kubernetes": {"access": "full"}});
    let cluster = clusters::with_own_nodes(NAME, budgets, &mut fastrand::Rng::with_seed(seed));
    let stage = Stage::inside(seed, &[cluster], &policy)?;
    stage.upgrade(&json!({"cluster": NAME, "target": TARGET}))?;
    let mut drained = Drained::default();
    stage.trace().read(|happened| {
        for (_, happened) in happened {
            if let Happened::Told(What::Request { record, .. }) = happened {
                drained.add(record);
            }
        }
    });
    if drained.nodes == 0 { Err(stage.not_plain("no node was replaced".into())) } else { Ok(drained) }
}

impl Drained {
    fn add(&mut self, record: &Value) {
        let is_done = record["mutated"] == true;
        match record["operation"].as_str() {
            Some("TerminateInstanceInAutoScalingGroup") if is_done => self.nodes += 1,
            Some("kube:create pods/eviction") if is_done => self.moved += 1,
            Some("kube:create pods/eviction") if record["status"] == 429 && !is_for_show(record) => {
                self.refused += 1;
            }
            _ => {}
        }
    }
}

fn is_for_show(record: &Value) -> bool {
    record.pointer("/input/body/deleteOptions/dryRun").is_some_and(|stages| *stages == json!(["All"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_is_replaced_and_its_pods_asked_to_leave() {
        let free = told(7, false).unwrap();
        assert_eq!(free.refused, 0, "no budget, no refusal");
        let bound = told(7, true).unwrap();
        assert_eq!(free.nodes, bound.nodes);
        assert!(free.moved >= free.nodes, "{free:?}");
    }
}
