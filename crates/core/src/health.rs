//! How the workloads of a cluster do while its nodes roll: what `kubectl get nodes --watch` would show, and which pods
//! are worse off than before the start.
//!
//! Only what lasts counts: pods come and go while nodes roll, and that is no regression.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::inside::{Inside, Phase, Unseen};
use crate::version::Minor;
use crate::waits::seconds_between;

/// A pod or node that is out of order for less than this is on its way.
pub(crate) const LASTS_S: u32 = 300;
/// How many of those that are out of order are named.
const NAMED_MAX: usize = 5;

/// The nodes of one minor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeCount {
    /// Ready, and open for pods.
    pub ready: u32,
    /// Ready, and cordoned.
    pub cordoned: u32,
    /// Not ready.
    pub not_ready: u32,
}

/// What was seen of nodes and pods, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Vitals {
    /// The nodes by the minor of their kubelet; those whose version does not read are left out.
    pub nodes: BTreeMap<Minor, NodeCount>,
    /// Nodes that have not been ready for five minutes.
    pub nodes_down: u32,
    /// Pods that have been pending for five minutes.
    pub pods_pending: u32,
    /// Pods a container of which crashes again and again, or cannot get its image.
    pub pods_crashing: u32,
    /// Some of those, by name.
    pub named: Vec<String>,
}

/// What waits for good, in Kubernetes' words.
const CRASHES: [&str; 4] =
    ["CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "CreateContainerConfigError"];

impl Vitals {
    /// What an inside shows.
    pub fn of(inside: &Inside) -> Result<Self, Unseen> {
        let mut vitals = Self::default();
        let lasts = |since: Timestamp| seconds_between(since, inside.at) >= LASTS_S;
        for node in inside.nodes.get()? {
            if let Some(minor) = node.minor {
                let count = vitals.nodes.entry(minor).or_default();
                match (node.ready, node.schedulable) {
                    (true, true) => count.ready += 1,
                    (true, false) => count.cordoned += 1,
                    (false, _) => count.not_ready += 1,
                }
            }
            if !node.ready && lasts(node.ready_since.unwrap_or(node.made_at)) {
                vitals.nodes_down += 1;
                vitals.name(format!("node {}", node.name));
            }
        }
        for pod in inside.pods.get()? {
            let crashes = pod.waiting.as_deref().is_some_and(|why| CRASHES.contains(&why));
            if crashes {
                vitals.pods_crashing += 1;
                let why = pod.waiting.as_deref().unwrap_or_default();
                vitals.name(format!("pod {} ({why})", pod.full_name()));
            } else if pod.phase == Phase::Pending && lasts(pod.made_at) {
                vitals.pods_pending += 1;
                vitals.name(format!("pod {} (Pending)", pod.full_name()));
            }
        }
        Ok(vitals)
    }

    fn name(&mut self, what: String) {
        if self.named.len() < NAMED_MAX {
            self.named.push(what);
        }
    }

    /// How it is worse than `before`, in words; empty where it is not.
    #[must_use]
    pub fn worse_than(&self, before: &Self) -> Vec<String> {
        let rows = [
            ("nodes not ready", before.nodes_down, self.nodes_down),
            ("pods pending", before.pods_pending, self.pods_pending),
            ("pods crashing", before.pods_crashing, self.pods_crashing),
        ];
        let worse: Vec<String> = rows
            .iter()
            .filter(|(_, before, now)| now > before)
            .map(|(what, before, now)| format!("{now} {what} (before the start {before})"))
            .collect();
        if worse.is_empty() { worse } else { worse.into_iter().chain(self.named_in_words()).collect() }
    }

    fn named_in_words(&self) -> Option<String> {
        (!self.named.is_empty()).then(|| self.named.join(", "))
    }
}

impl std::fmt::Display for Vitals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nodes: Vec<String> = self
            .nodes
            .iter()
            .map(|(minor, count)| {
                let mut text = format!("{minor}: {} ready", count.ready);
                for (number, what) in [(count.cordoned, "cordoned"), (count.not_ready, "not ready")] {
                    if number > 0 {
                        // Text takes whatever is written to it.
                        let _ = write!(text, ", {number} {what}");
                    }
                }
                text
            })
            .collect();
        write!(f, "nodes {}", nodes.join("; "))?;
        for (number, what) in [(self.pods_pending, "pending"), (self.pods_crashing, "crashing")] {
            if number > 0 {
                write!(f, "; {number} pods {what}")?;
            }
        }
        Ok(())
    }
}
