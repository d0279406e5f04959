//! What every object says of itself, and numbers as we count.

use std::collections::BTreeMap;

use eks_upgrade_core::inside::{Requirement, Selector};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference, Time};

/// Keeps a pod, or a node and its pods, from being disrupted by Karpenter.
const DO_NOT_DISRUPT: &str = "karpenter.sh/do-not-disrupt";

/// The name of an object. Each has one once the server has it.
pub(super) fn name(meta: &ObjectMeta) -> String {
    meta.name.clone().unwrap_or_default()
}

/// The namespace of an object; empty for one of the cluster's.
pub(super) fn namespace(meta: &ObjectMeta) -> String {
    meta.namespace.clone().unwrap_or_default()
}

/// When an object was made. The server writes it always; without it, an object counts as old.
pub(super) fn made_at(meta: &ObjectMeta) -> Timestamp {
    meta.creation_timestamp.as_ref().map(|Time(at)| *at).unwrap_or_default()
}

/// A label, where there is one with a value.
pub(super) fn label<'m>(meta: &'m ObjectMeta, key: &str) -> Option<&'m str> {
    let value = meta.labels.as_ref()?.get(key)?;
    (!value.is_empty()).then_some(value)
}

/// An annotation.
pub(super) fn annotation<'m>(meta: &'m ObjectMeta, key: &str) -> Option<&'m str> {
    meta.annotations.as_ref()?.get(key).map(String::as_str)
}

/// Whether Karpenter is told to let it be.
pub(super) fn do_not_disrupt(meta: &ObjectMeta) -> bool {
    annotation(meta, DO_NOT_DISRUPT) == Some("true")
}

/// What controls an object.
pub(super) fn controller(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

/// Labels, none as an empty map.
pub(super) fn labels(meta: &ObjectMeta) -> BTreeMap<String, String> {
    meta.labels.clone().unwrap_or_default()
}

/// A selector in our words.
pub(super) fn selector(selector: LabelSelector) -> Selector {
    let expressions = selector.match_expressions.into_iter().flatten().map(|line| Requirement {
        key: line.key,
        operator: line.operator,
        values: line.values.unwrap_or_default(),
    });
    Selector { labels: selector.match_labels.unwrap_or_default(), expressions: expressions.collect() }
}

/// A count. Kubernetes' are signed, and never negative; one that is not there is none.
pub(super) fn count(number: impl Into<Option<i32>>) -> u32 {
    number.into().and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}
