//! Reading objects: JSON as the API has it, and what the controllers want to know of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::time::Ms;

/// What stands at that place. It is asked for all the time: unlike `Value::pointer`, this has nothing to unescape in names
/// on the way, and no lists there.
fn at<'a>(object: &'a Value, pointer: &str) -> Option<&'a Value> {
    pointer.split('/').skip(1).try_fold(object, |value, key| value.get(key))
}

/// The text at that place.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    at(object, pointer).and_then(Value::as_str)
}

/// The number of things at that place, if there is one.
pub(crate) fn count(object: &Value, pointer: &str) -> Option<u32> {
    at(object, pointer).and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok())
}

/// Whether `true` stands at that place.
pub(crate) fn flag(object: &Value, pointer: &str) -> bool {
    at(object, pointer).and_then(Value::as_bool).unwrap_or(false)
}

/// The list at that place; empty if there is none.
pub(crate) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    at(object, pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The map of texts at that place.
pub(crate) fn texts<'a>(object: &'a Value, pointer: &str) -> BTreeMap<&'a str, &'a str> {
    let fields = at(object, pointer).and_then(Value::as_object).into_iter().flatten();
    fields.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect()
}

/// Its name.
pub(crate) fn name(object: &Value) -> &str {
    text(object, "/metadata/name").unwrap_or_default()
}

/// Its namespace; empty if it is in none.
pub(crate) fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace").unwrap_or_default()
}

/// Its uid.
pub(crate) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid").unwrap_or_default()
}

/// Its labels.
pub(crate) fn labels(object: &Value) -> BTreeMap<&str, &str> {
    texts(object, "/metadata/labels")
}

/// One of its annotations.
pub(crate) fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("annotations")?.get(key)?.as_str()
}

/// One of its labels.
pub(crate) fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(key)?.as_str()
}

/// Whether it is being deleted.
pub(crate) fn is_leaving(object: &Value) -> bool {
    at(object, "/metadata/deletionTimestamp").is_some()
}

/// What a status condition of that type says: `True`, `False` or `Unknown`.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a str> {
    let conditions = list(object, "/status/conditions").iter();
    conditions.into_iter().find(|condition| condition["type"] == kind).and_then(|it| text(it, "/status"))
}

/// Whether its condition `Ready` is `True`.
pub(crate) fn is_ready(object: &Value) -> bool {
    condition(object, "Ready") == Some("True")
}

/// Who controls an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Controller<'a> {
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
    pub(crate) uid: &'a str,
}

/// Who controls the object.
pub(crate) fn controller(object: &Value) -> Option<Controller<'_>> {
    let owner = list(object, "/metadata/ownerReferences").iter().find(|owner| flag(owner, "/controller"))?;
    Some(Controller { kind: text(owner, "/kind")?, name: text(owner, "/name")?, uid: text(owner, "/uid")? })
}

/// An instant as the API writes it: whole seconds.
pub(crate) fn stamp(at: Ms) -> String {
    Timestamp::from_second(at.div_euclid(1000)).map_or_else(|_| at.to_string(), |instant| instant.to_string())
}

/// A place in an object, made if it is not there.
pub(crate) fn entry<'a>(object: &'a mut Value, path: &[&str]) -> &'a mut Value {
    path.iter().fold(object, |value, key| {
        if !value.is_object() {
            *value = Value::Object(Map::new());
        }
        // Indexing a JSON object by a key that it lacks adds that key.
        &mut value[*key]
    })
}

/// Takes a field away.
pub(crate) fn remove(object: &mut Value, path: &[&str]) {
    let Some((last, before)) = path.split_last() else { return };
    let parent = before.iter().try_fold(object, |value, key| value.get_mut(key));
    if let Some(fields) = parent.and_then(Value::as_object_mut) {
        fields.remove(*last);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn instants_are_whole_seconds() {
        assert_eq!(stamp(1_755_508_500_999), "2025-08-18T09:15:00Z");
    }

    #[test]
    fn entries_are_made_and_removed() {
        let mut object = json!({"spec": 1});
        *entry(&mut object, &["metadata", "labels", "a"]) = json!("b");
        assert_eq!(object, json!({"spec": 1, "metadata": {"labels": {"a": "b"}}}));
        remove(&mut object, &["metadata", "labels", "a"]);
        remove(&mut object, &["status", "nothing"]);
        assert_eq!(object, json!({"spec": 1, "metadata": {"labels": {}}}));
    }

    #[test]
    fn only_the_controller_controls() {
        let pod = json!({"metadata": {"ownerReferences": [
            {"kind": "Node", "name": "n", "uid": "1"},
            {"kind": "ReplicaSet", "name": "web-1", "uid": "2", "controller": true},
        ]}});
        assert_eq!(controller(&pod), Some(Controller { kind: "ReplicaSet", name: "web-1", uid: "2" }));
    }
}
