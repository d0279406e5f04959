//! Evictions: a pod is asked to go if its budget allows.

use serde_json::Value;

use super::Kube;
use super::admission;
use super::api::{Answer, Ask};
use super::controllers::budgets;
use super::object::{list, text, uid};
use super::pods;
use super::status::{Failure, success};
use super::store::Key;

/// Evicts a pod, or says what would come of it.
pub(super) fn evict(kube: &mut Kube, ask: &Ask<'_>, key: &Key) -> Result<Answer, Failure> {
    let body = ask.json()?;
    let named = text(&body, "/metadata/name").unwrap_or(&key.name);
    if named != key.name {
        return Err(Failure::new(400, "BadRequest", "name in URL does not match name in Eviction object"));
    }
    let pod = kube.existing(key)?;
    if text(&body, "/deleteOptions/preconditions/uid").is_some_and(|wanted| wanted != uid(pod)) {
        return Err(Failure::conflict(key.resource.facts(), &key.name));
    }
    if let Some(refusal) = admission::refusal(&kube.store, "pods/eviction", "CREATE", &key.namespace) {
        return Err(refusal);
    }
    if let Some(refusal) = budgets::refusal(&kube.store, pod) {
        return Err(refusal);
    }
    let dry = ask.dry_run() || list(&body, "/deleteOptions/dryRun").iter().any(|stage| stage == "All");
    if !dry {
        let grace_s = grace(&body, "/deleteOptions/gracePeriodSeconds")?;
        let (store, around) = kube.parts(ask.now, ask.version, false);
        pods::ask_to_go(store, &around, key, grace_s);
    }
    Ok(Answer::changed(201, success(201), !dry))
}

/// The grace period that a request names.
pub(super) fn grace(body: &Value, pointer: &str) -> Result<Option<u32>, Failure> {
    match body.pointer(pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_u64()
            .and_then(|seconds| u32::try_from(seconds).ok())
            .map(Some)
            .ok_or_else(|| Failure::new(400, "BadRequest", "gracePeriodSeconds must be a whole number")),
    }
}
