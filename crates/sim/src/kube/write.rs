//! Making, changing and deleting objects.

use serde_json::{Value, json};

use super::Kube;
use super::admission;
use super::api::{Answer, Ask, check_identity, keep_what_is_fixed};
use super::eviction::grace;
use super::object::{entry, name, remove, text, uid};
use super::patch::PatchKind;
use super::pods;
use super::resource::Resource;
use super::route::Objects;
use super::status::{Failure, full, success};
use super::store::Key;

/// 415: a patch of a kind that nobody knows.
pub(super) fn unsupported_media() -> Failure {
    let kinds = "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, \
                 application/apply-patch+yaml";
    let message =
        format!("the body of the request was in an unknown format - accepted media types include: {kinds}");
    Failure::new(415, "UnsupportedMediaType", message)
}

/// Makes an object.
pub(super) fn create(kube: &mut Kube, ask: &Ask<'_>, objects: &Objects) -> Result<Answer, Failure> {
    let mut object = ask.json()?;
    let namespace = objects.namespace.as_deref().unwrap_or_default();
    let name = match text(&object, "/metadata/name") {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => made_up_name(kube, objects, &object)?,
    };
    let key = Key::new(objects.resource, namespace, &name);
    check_kind(&key, &object)?;
    remove(&mut object, &["metadata", "resourceVersion"]);
    add(kube, ask, &key, object)
}

/// The name of an object that only says how it begins.
fn made_up_name(kube: &mut Kube, objects: &Objects, object: &Value) -> Result<String, Failure> {
    let prefix = text(object, "/metadata/generateName").unwrap_or_default().trim_end_matches('-');
    if prefix.is_empty() {
        let problem = "name or generateName is required";
        return Err(Failure::invalid(objects.resource.facts(), "", "metadata.name", problem));
    }
    Ok(kube.store.fresh_name(prefix))
}

/// An object that says that it is of another kind belongs elsewhere.
fn check_kind(key: &Key, object: &Value) -> Result<(), Failure> {
    let facts = key.resource.facts();
    let fits = text(object, "/kind").is_none_or(|kind| kind == facts.kind)
        && text(object, "/apiVersion").is_none_or(|version| version == facts.api_version());
    let place = text(object, "/metadata/namespace").is_none_or(|namespace| namespace == key.namespace);
    if fits && place {
        return Ok(());
    }
    Err(Failure::new(400, "BadRequest", "the object does not belong to the URL that it was sent to"))
}

fn add(kube: &mut Kube, ask: &Ask<'_>, key: &Key, mut object: Value) -> Result<Answer, Failure> {
    let facts = key.resource.facts();
    if kube.store.get(key).is_some() {
        return Err(Failure::already_exists(facts, &key.name));
    }
    let home = Key::new(Resource::Namespace, "", &key.namespace);
    if facts.namespaced && kube.store.get(&home).is_none() {
        return Err(Failure::not_found(Resource::Namespace.facts(), &key.namespace));
    }
    validate(key, &object)?;
    if let Some(refusal) = admission::refusal(&kube.store, facts.plural, "CREATE", &key.namespace) {
        return Err(refusal);
    }
    match key.resource {
        Resource::Pod => pods::admit(&mut object),
        Resource::Namespace => {
            *entry(&mut object, &["metadata", "labels", "kubernetes.io/metadata.name"]) = json!(key.name);
            object["status"] = json!({"phase": "Active"});
        }
        _ => remove(&mut object, &["status"]),
    }
    if ask.dry_run() {
        return Ok(Answer::changed(201, object, false));
    }
    kube.store.insert(key.clone(), object, ask.now);
    Ok(Answer::changed(201, kube.existing(key)?.clone(), true))
}

/// Puts another object in the place of one.
pub(super) fn replace(kube: &mut Kube, ask: &Ask<'_>, key: &Key) -> Result<Answer, Failure> {
    let object = ask.json()?;
    check_kind(key, &object)?;
    let before = kube.existing(key)?.clone();
    store(kube, ask, key, &before, object)
}

/// Changes an object; server-side apply makes it if it is not there.
pub(super) fn patch(kube: &mut Kube, ask: &Ask<'_>, key: &Key) -> Result<Answer, Failure> {
    let kind = PatchKind::of_content_type(ask.content_type).ok_or_else(unsupported_media)?;
    if kind == PatchKind::Apply && kube.store.get(key).is_none() {
        let object = kind.read(ask.body).map_err(|error| Failure::new(400, "BadRequest", error))?;
        check_kind(key, &object)?;
        return add(kube, ask, key, object);
    }
    let before = kube.existing(key)?.clone();
    let mut object = before.clone();
    kind.apply(&mut object, ask.body)?;
    store(kube, ask, key, &before, object)
}

fn store(
    kube: &mut Kube,
    ask: &Ask<'_>,
    key: &Key,
    before: &Value,
    mut after: Value,
) -> Result<Answer, Failure> {
    check_identity(key, before, &after)?;
    keep_what_is_fixed(before, &mut after);
    validate(key, &after)?;
    let facts = key.resource.facts();
    let selector = "/spec/selector";
    if facts.group == "apps" && before.pointer(selector) != after.pointer(selector) {
        return Err(Failure::invalid(facts, &key.name, "spec.selector", "field is immutable"));
    }
    if let Some(refusal) = admission::refusal(&kube.store, facts.plural, "UPDATE", &key.namespace) {
        return Err(refusal);
    }
    if ask.dry_run() {
        return Ok(Answer::read(after));
    }
    let mutated = kube.store.replace(key, after);
    Ok(Answer::changed(200, kube.existing(key)?.clone(), mutated))
}

/// Whether an object can be what it says; only what the simulator relies on is looked at.
fn validate(key: &Key, object: &Value) -> Result<(), Failure> {
    let facts = key.resource.facts();
    let invalid = |field: &str, problem: &str| Err(Failure::invalid(facts, &key.name, field, problem));
    for field in ["labels", "annotations"] {
        let map = object["metadata"].get(field).filter(|map| !map.is_null());
        let texts = |map: &Value| map.as_object().is_some_and(|map| map.values().all(Value::is_string));
        if map.is_some_and(|map| !texts(map)) {
            return invalid(&format!("metadata.{field}"), "must be a map of texts");
        }
    }
    let replicas = object.pointer("/spec/replicas").filter(|replicas| !replicas.is_null());
    if replicas.is_some_and(|replicas| replicas.as_u64().is_none()) {
        return invalid("spec.replicas", "must be greater than or equal to 0");
    }
    let cordoned = object.pointer("/spec/unschedulable").filter(|cordoned| !cordoned.is_null());
    if key.resource == Resource::Node && cordoned.is_some_and(|cordoned| !cordoned.is_boolean()) {
        return invalid("spec.unschedulable", "must be true or false");
    }
    if facts.group == "apps" {
        for field in ["selector", "template"] {
            if object.pointer(&format!("/spec/{field}")).is_none_or(|value| !value.is_object()) {
                return invalid(&format!("spec.{field}"), "Required value");
            }
        }
    }
    Ok(())
}

/// Deletes an object: a pod gets its time, everything else is gone at once.
pub(super) fn delete(kube: &mut Kube, ask: &Ask<'_>, key: &Key) -> Result<Answer, Failure> {
    let body = ask.json()?;
    let object = kube.existing(key)?.clone();
    if text(&body, "/preconditions/uid").is_some_and(|wanted| wanted != uid(&object)) {
        return Err(Failure::conflict(key.resource.facts(), &key.name));
    }
    let facts = key.resource.facts();
    if key.resource == Resource::Namespace {
        let message =
            format!("{} {:?} is forbidden: the simulator keeps namespaces", full(facts), name(&object));
        return Err(Failure::new(403, "Forbidden", message));
    }
    let dry = ask.dry_run() || super::object::list(&body, "/dryRun").iter().any(|stage| stage == "All");
    if key.resource != Resource::Pod {
        if !dry {
            kube.store.remove(key);
            if key.resource == Resource::Node {
                kube.expelled.insert(key.name.clone());
                pods::lose_node(&mut kube.store, &key.name);
            }
        }
        return Ok(Answer::changed(200, success(200), !dry));
    }
    let asked = match ask.query("gracePeriodSeconds") {
        Some(text) => {
            let seconds =
                text.parse().map_err(|_| Failure::new(400, "BadRequest", "gracePeriodSeconds is a number"));
            Some(seconds?)
        }
        None => grace(&body, "/gracePeriodSeconds")?,
    };
    if !dry {
        let (store, around) = kube.parts(ask.now, ask.version, false);
        pods::ask_to_go(store, &around, key, asked);
    }
    let left = kube.store.get(key).cloned().unwrap_or(object);
    Ok(Answer::changed(200, left, !dry))
}
