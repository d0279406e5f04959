//! Guards: the pods that hold a node of a managed group, and their budgets, so that a drain through this API sees what
//! a drain by EKS sees.

use std::collections::{BTreeMap, BTreeSet};

use super::Surroundings;
use super::object::count;
use super::resource::Resource;
use super::seed::workloads;
use super::store::{Key, Store};
use crate::fleet::Pdb;
use crate::state::Cluster;
use crate::time::Ms;

/// How the pods of a managed group hold a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// By a budget; they crash if even force fails.
    Blocks {
        /// They crash.
        crashes: bool,
        /// When they let go.
        clears: Option<Ms>,
    },
    /// They have let go.
    Cleared,
}

/// The managed groups of a cluster whose pods hold a node.
pub(super) fn holds(cluster: &Cluster, now: Ms) -> BTreeMap<String, Hold> {
    let groups = cluster.nodegroups.values().filter(|group| group.spec.pdb != Pdb::Allows);
    let of = groups.map(|group| {
        let hold = match group.pdb_clears {
            Some(clears) if clears <= now => Hold::Cleared,
            clears => Hold::Blocks { crashes: group.spec.pdb == Pdb::BlocksEvenForce, clears },
        };
        (group.spec.name.clone(), hold)
    });
    of.collect()
}

/// The groups that have guards.
#[derive(Clone, Debug, Default)]
pub(super) struct Guards {
    /// Made, and not cleared yet.
    standing: BTreeSet<String>,
    made: BTreeSet<String>,
    /// When the guards of some group let go.
    ahead: BTreeSet<Ms>,
}

/// The name of a group's guard and of its budget.
fn guard_name(group: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    format!("{}-guarded", group.chars().map(plain).collect::<String>())
}

fn budget_key(group: &str) -> Key {
    Key::new(Resource::PodDisruptionBudget, "default", &guard_name(group))
}

fn deployment_key(group: &str) -> Key {
    Key::new(Resource::Deployment, "default", &guard_name(group))
}

impl Guards {
    /// Makes the guards of groups that came, and takes the budgets of those that are cleared.
    pub(super) fn run(
        &mut self,
        store: &mut Store,
        around: &Surroundings<'_>,
        held: &BTreeMap<String, Hold>,
    ) {
        self.ahead.clear();
        for group in self.made.iter().filter(|group| !held.contains_key(*group)) {
            // The group is gone, and its pods with it.
            store.remove(&budget_key(group));
            store.remove(&deployment_key(group));
        }
        self.made.retain(|group| held.contains_key(group));
        self.standing.retain(|group| held.contains_key(group));
        for (group, hold) in held {
            match hold {
                Hold::Blocks { crashes, clears } => {
                    self.ahead.extend(clears);
                    if self.made.insert(group.clone()) {
                        plant(store, around, group, *crashes);
                        self.standing.insert(group.clone());
                    }
                }
                Hold::Cleared => {
                    if self.standing.remove(group) {
                        store.remove(&budget_key(group));
                    }
                }
            }
        }
    }

    /// Groups whose budgets somebody took away, or made yield.
    pub(super) fn lifted(&self, store: &Store) -> Vec<String> {
        let holds = |group: &&String| {
            store
                .get(&budget_key(group))
                .is_some_and(|budget| count(budget, "/status/disruptionsAllowed") == Some(0))
        };
        self.standing.iter().filter(|group| !holds(group)).cloned().collect()
    }

    /// Whether some guards let go at that instant.
    pub(super) fn hold_until(&self, clears: Ms) -> bool {
        self.ahead.contains(&clears) && !self.standing.is_empty()
    }
}

fn plant(store: &mut Store, around: &Surroundings<'_>, group: &str, crashes: bool) {
    let name = guard_name(group);
    workloads::plant(store, &workloads::guard(&name, crashes), around.now);
    store.change(&deployment_key(group), |object| workloads::bind_guard(object, group));
    let spec = serde_json::json!({"minAvailable": 1, "selector": {"matchLabels": {"app": name}}});
    store.insert(budget_key(group), serde_json::json!({"spec": spec}), around.now);
}
