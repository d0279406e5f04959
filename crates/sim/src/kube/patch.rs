//! Patches: JSON patch, merge patch, and the strategic merge that knows which lists are sets.

use serde_json::{Map, Value};

use super::status::Failure;

/// How a patch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PatchKind {
    Json,
    Merge,
    Strategic,
    /// Server-side apply; treated as a strategic merge of YAML that also makes what is not there.
    Apply,
}

impl PatchKind {
    /// What a content type says.
    pub(crate) fn of_content_type(content_type: &str) -> Option<Self> {
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/json-patch+json" => Some(Self::Json),
            "application/merge-patch+json" => Some(Self::Merge),
            "application/strategic-merge-patch+json" => Some(Self::Strategic),
            "application/apply-patch+yaml" => Some(Self::Apply),
            _ => None,
        }
    }

    /// Applies the patch.
    pub(crate) fn apply(self, object: &mut Value, body: &[u8]) -> Result<(), Failure> {
        let bad =
            |error: String| Failure::new(400, "BadRequest", format!("the patch cannot be read: {error}"));
        match self {
            Self::Json => {
                let patch: json_patch::Patch =
                    serde_json::from_slice(body).map_err(|error| bad(error.to_string()))?;
                json_patch::patch(object, &patch)
                    .map_err(|error| Failure::new(422, "Invalid", format!("the patch does not fit: {error}")))
            }
            Self::Merge => {
                json_patch::merge(object, &self.read(body).map_err(bad)?);
                Ok(())
            }
            Self::Strategic | Self::Apply => {
                merge(object, self.read(body).map_err(bad)?, "");
                Ok(())
            }
        }
    }

    /// The patch as JSON; an object.
    pub(crate) fn read(self, body: &[u8]) -> Result<Value, String> {
        let patch: Value = match self {
            Self::Apply => serde_yaml_ng::from_slice(body).map_err(|error| error.to_string())?,
            _ => serde_json::from_slice(body).map_err(|error| error.to_string())?,
        };
        if patch.is_object() { Ok(patch) } else { Err("it is not an object".to_owned()) }
    }
}

/// By which field the members of a list are told apart (`patchMergeKey` of the API's types); `None` for a list that is
/// replaced as a whole.
fn merge_key(list: &str) -> Option<&'static str> {
    match list {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets"
        | "webhooks" => Some("name"),
        "taints" => Some("key"),
        "conditions" | "addresses" => Some("type"),
        "ports" => Some("containerPort"),
        "volumeMounts" => Some("mountPath"),
        "ownerReferences" => Some("uid"),
        "hostAliases" => Some("ip"),
        "topologySpreadConstraints" => Some("topologyKey"),
        _ => None,
    }
}

const DIRECTIVE: &str = "$patch";
const DELETE_PRIMITIVES: &str = "$deleteFromPrimitiveList/";

/// Merges `patch` into what stands at a field of that name.
fn merge(target: &mut Value, patch: Value, field: &str) {
    match patch {
        Value::Object(fields) => merge_object(target, fields),
        Value::Array(items) => match merge_key(field) {
            Some(key) => merge_list(target, items, key),
            None => *target = Value::Array(items),
        },
        other => *target = other,
    }
}

fn merge_object(target: &mut Value, mut fields: Map<String, Value>) {
    let directive = fields.remove(DIRECTIVE);
    if !target.is_object() || directive.as_ref().is_some_and(|directive| directive == "replace") {
        *target = Value::Object(Map::new());
    }
    let Some(object) = target.as_object_mut() else { return };
    for (name, value) in fields {
        if let Some(list) = name.strip_prefix(DELETE_PRIMITIVES) {
            let gone = value.as_array().cloned().unwrap_or_default();
            if let Some(items) = object.get_mut(list).and_then(Value::as_array_mut) {
                items.retain(|item| !gone.contains(item));
            }
        } else if name.starts_with('$') {
            // `$setElementOrder` and `$retainKeys` only keep what a merge leaves as it is.
        } else if value.is_null() || value.get(DIRECTIVE).is_some_and(|directive| directive == "delete") {
            object.remove(&name);
        } else {
            merge(object.entry(name.clone()).or_insert(Value::Null), value, &name);
        }
    }
}

fn merge_list(target: &mut Value, items: Vec<Value>, key: &str) {
    if !target.is_array() {
        *target = Value::Array(Vec::new());
    }
    let Some(list) = target.as_array_mut() else { return };
    if items.iter().any(|item| item.get(DIRECTIVE).is_some_and(|directive| directive == "replace")) {
        list.clear();
    }
    for item in items {
        let place = list.iter().position(|member| member.get(key) == item.get(key));
        match (item.get(DIRECTIVE).and_then(Value::as_str), place) {
            (Some("replace"), _) if item.get(key).is_none() => {}
            (Some("delete"), Some(at)) => drop(list.remove(at)),
            (Some("delete"), None) => {}
            (_, Some(at)) => {
                if let Some(member) = list.get_mut(at) {
                    merge(member, item, "");
                }
            }
            (_, None) => {
                let mut member = Value::Null;
                merge(&mut member, item, "");
                list.push(member);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(kind: PatchKind, mut object: Value, patch: &Value) -> Value {
        kind.apply(&mut object, patch.to_string().as_bytes()).unwrap();
        object
    }

    #[test]
    fn a_strategic_merge_joins_lists_by_their_keys() {
        let object = json!({"spec": {"containers": [{"name": "a", "image": "x:1"}, {"name": "b", "image": "y:1"}],
            "tolerations": [{"key": "t"}], "taints": [{"key": "k", "effect": "NoSchedule"}]}});
        let patch = json!({"spec": {
            "$setElementOrder/containers": [{"name": "a"}, {"name": "b"}],
            "containers": [{"name": "b", "image": "y:2", "env": [{"name": "E", "value": "1"}]}],
            "tolerations": [{"operator": "Exists"}],
            "taints": [{"key": "k", "$patch": "delete"}],
        }});
        assert_eq!(
            patched(PatchKind::Strategic, object.clone(), &patch),
            json!({"spec": {
                "containers": [{"name": "a", "image": "x:1"},
                    {"name": "b", "image": "y:2", "env": [{"name": "E", "value": "1"}]}],
                "tolerations": [{"operator": "Exists"}], "taints": [],
            }})
        );
        let merged = patched(PatchKind::Merge, object, &json!({"spec": {"containers": [], "taints": null}}));
        assert_eq!(merged, json!({"spec": {"containers": [], "tolerations": [{"key": "t"}]}}));
    }

    #[test]
    fn null_and_directives_take_away() {
        let object = json!({"spec": {"unschedulable": true}, "metadata": {"finalizers": ["a", "b"], "labels": {"x": "1"}}});
        let patch = json!({"spec": {"unschedulable": null}, "metadata": {
            "$deleteFromPrimitiveList/finalizers": ["a"], "labels": {"$patch": "replace", "y": "2"}}});
        assert_eq!(
            patched(PatchKind::Strategic, object, &patch),
            json!({"spec": {}, "metadata": {"finalizers": ["b"], "labels": {"y": "2"}}})
        );
    }

    #[test]
    fn json_patches_apply_or_are_refused() {
        let object = json!({"spec": {"replicas": 1}});
        let patch = json!([{"op": "replace", "path": "/spec/replicas", "value": 2}]);
        assert_eq!(patched(PatchKind::Json, object.clone(), &patch), json!({"spec": {"replicas": 2}}));
        let mut object = object;
        let missing = json!([{"op": "remove", "path": "/spec/nothing"}]);
        let refusal = PatchKind::Json.apply(&mut object, missing.to_string().as_bytes()).unwrap_err();
        assert_eq!(refusal.code, 422);
        assert_eq!(PatchKind::Merge.apply(&mut object, b"[1]").unwrap_err().code, 400);
    }

    #[test]
    fn content_types_tell_the_kind() {
        let of = PatchKind::of_content_type;
        assert_eq!(of("application/merge-patch+json; charset=utf-8"), Some(PatchKind::Merge));
        assert_eq!(of("application/json"), None);
    }
}
