//! What keeps the pods of workloads as they are wanted, one module a kind. Each looks at how things are and does the
//! next thing; run again and again, they end when nothing is left to do.

pub(crate) mod budgets;
mod daemon_sets;
mod deployments;
mod garbage;
mod replica_sets;
mod stateful_sets;

use serde_json::Value;

use super::Surroundings;
use super::admission;
use super::store::Store;
use crate::fleet::Amount;
use crate::rng::Rng;

/// One round of all of them.
pub(crate) fn run(store: &mut Store, around: &Surroundings<'_>) {
    garbage::collect(store, around);
    deployments::run(store, around);
    replica_sets::run(store, around);
    stateful_sets::run(store, around);
    daemon_sets::run(store, around);
}

/// Whether a pod may be made there. What runs when the world begins was made while every webhook still answered.
fn may_make_pods(store: &Store, around: &Surroundings<'_>, namespace: &str) -> bool {
    around.instant || admission::refusal(store, "pods", "CREATE", namespace).is_none()
}

/// What tells one template from another: the same for the same.
fn template_hash(workload: &Value) -> String {
    let template = workload.pointer("/spec/template").map(Value::to_string).unwrap_or_default();
    format!("{:010x}", Rng::new(0, &template).next() & 0xff_ffff_ffff)
}

/// The amount at that place, if a readable one stands there.
fn amount(object: &Value, pointer: &str) -> Option<Amount> {
    object.pointer(pointer).and_then(|value| serde_json::from_value(value.clone()).ok())
}

/// As the API counts.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
