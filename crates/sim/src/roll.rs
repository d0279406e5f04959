//! How a managed node group is rolled: the beats of its update, laid out in advance.
//!
//! Setup, scale-up, upgrade (drain, wait, terminate, a batch at a time), scale-down; about five minutes a batch.

use std::collections::VecDeque;

use crate::fleet::{IssueSpec, Pdb, UpdateStrategy};
use crate::rng::Rng;
use crate::state::{Beat, Node, NodeConfig, Nodegroup};
use crate::time::{MINUTE, Ms, SECOND};

/// A new launch-template version is made and the Auto Scaling group told.
const SETUP: Ms = 60 * SECOND;
/// A node that does not drain without force is given up after this.
const DRAIN_LIMIT: Ms = 15 * MINUTE;
/// Between the drain of a node and its termination.
const WAIT_BEFORE_TERMINATION: Ms = 60 * SECOND;
/// One node on the way down.
const SCALE_DOWN: Ms = 20 * SECOND;
/// Nodes that do not join are waited for that long.
const JOIN_LIMIT: Ms = 20 * MINUTE;
/// A node group of the simulator spans this many zones.
const ZONES: usize = 3;

/// The beats of an update that takes `group` to `target`, starting `at`.
pub(crate) fn timeline(
    group: &Nodegroup,
    rng: &mut Rng,
    target: &NodeConfig,
    force: bool,
    mut at: Ms,
) -> VecDeque<(Ms, Beat)> {
    let mut beats = VecDeque::from([(at, Beat::Phase("setup"))]);
    let mut old: Vec<&Node> = group.nodes.iter().filter(|node| node.config != *target).collect();
    at += SETUP;
    if old.is_empty() {
        beats.push_back((at, success()));
        return beats;
    }
    let surge = match group.spec.update_strategy {
        UpdateStrategy::Default => group.at_once().max(2 * ZONES),
        UpdateStrategy::Minimal => 0,
    };
    if surge > 0 {
        beats.push_back((at, Beat::Phase("scale-up")));
        at += rng.between(100, 180) * SECOND;
        beats.push_back((at, Beat::Join(u32::try_from(surge).unwrap_or(u32::MAX))));
    }
    beats.push_back((at, Beat::Phase("upgrade")));
    rng.shuffle(&mut old);
    for batch in old.chunks(group.at_once()) {
        let drained = match stubborn(group, batch, at) {
            None => Some(rng.between(45, 120) * SECOND),
            Some(clears) if clears < at + DRAIN_LIMIT => Some(clears - at + 10 * SECOND),
            // Force drains likewise, and deletes what is left when the time is over.
            Some(_) if force && group.spec.pdb == Pdb::Blocks => Some(DRAIN_LIMIT),
            Some(_) => None,
        };
        let Some(drained) = drained else {
            let stuck = batch.iter().filter(|node| node.protected).map(|node| node.name.clone()).collect();
            beats.push_back((at + DRAIN_LIMIT, failure(group, "PodEvictionFailure", None, Some(stuck))));
            return beats;
        };
        at += drained + WAIT_BEFORE_TERMINATION + rng.between(90, 160) * SECOND;
        beats.push_back((at, Beat::Replace(batch.iter().map(|node| node.name.clone()).collect())));
    }
    if surge > 0 {
        beats.push_back((at, Beat::Phase("scale-down")));
        for _ in 0..surge {
            at += SCALE_DOWN;
            beats.push_back((at, Beat::ScaleDown));
        }
    }
    beats.push_back((at + 10 * SECOND, success()));
    beats
}

/// When the PDBs that hold up this batch clear, if some do: `Ms::MAX` for never.
fn stubborn(group: &Nodegroup, batch: &[&Node], at: Ms) -> Option<Ms> {
    let held = group.spec.pdb != Pdb::Allows && batch.iter().any(|node| node.protected);
    let clears = group.pdb_clears.unwrap_or(Ms::MAX);
    (held && at < clears).then_some(clears)
}

fn success() -> Beat {
    Beat::End { status: "Successful".to_owned(), errors: Vec::new() }
}

/// The end of an update of a node group that failed with that code, in the usual words unless told others.
fn failure(
    group: &Nodegroup,
    code: &str,
    message: Option<String>,
    resource_ids: Option<Vec<String>>,
) -> Beat {
    let name = &group.spec.name;
    let message = message.unwrap_or_else(|| match code {
        "PodEvictionFailure" => {
            format!("Reached max retries while trying to evict pods from nodes in node group {name}")
        }
        "NodeCreationFailure" => {
            format!("Couldn't proceed with upgrade process as new nodes are not joining node group {name}")
        }
        _ => format!("The update of node group {name} failed: {code}"),
    });
    let resource_ids = resource_ids.unwrap_or_else(|| match code {
        "PodEvictionFailure" => group.nodes.last().map(|node| node.name.clone()).into_iter().collect(),
        _ => vec![name.clone()],
    });
    let errors = vec![IssueSpec { code: code.to_owned(), message, resource_ids }];
    Beat::End { status: "Failed".to_owned(), errors }
}

/// Cuts an update short where a failure of that code would: before any node joins, or after the first batch.
pub(crate) fn fail(
    group: &Nodegroup,
    beats: VecDeque<(Ms, Beat)>,
    code: &str,
    message: Option<String>,
    resource_ids: Option<Vec<String>>,
) -> VecDeque<(Ms, Beat)> {
    let start = beats.front().map_or(0, |(at, _)| *at);
    let (keeps, extra): (fn(&Beat) -> bool, Ms) = match code {
        "NodeCreationFailure" => (|beat| !matches!(beat, Beat::Phase("scale-up")), JOIN_LIMIT),
        "PodEvictionFailure" => (|beat| !matches!(beat, Beat::Replace(_)), DRAIN_LIMIT),
        _ => (|beat| !matches!(beat, Beat::Replace(_)), MINUTE),
    };
    let batches = beats.iter().filter(|(_, beat)| matches!(beat, Beat::Replace(_))).count();
    let mut kept: VecDeque<(Ms, Beat)> = VecDeque::new();
    for (at, beat) in beats {
        let last = !keeps(&beat) || matches!(beat, Beat::End { .. });
        // With one batch only, nothing is replaced; with more, the first is, so that the group ends mixed.
        let goes = matches!(beat, Beat::Replace(_)) && batches < 2 || matches!(beat, Beat::End { .. });
        if !goes {
            kept.push_back((at, beat));
        }
        if last {
            break;
        }
    }
    let at = kept.back().map_or(start, |(at, _)| *at) + extra;
    kept.push_back((at, failure(group, code, message, resource_ids)));
    kept
}
