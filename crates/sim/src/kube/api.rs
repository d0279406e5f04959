//! What the API server answers: reads here, writes in the modules of their verbs.

use serde_json::Value;

use super::discovery;
use super::list;
use super::object::{entry, text};
use super::route::{Objects, Route, Subresource, Target, Verb};
use super::status::Failure;
use super::store::Key;
use super::{Kube, eviction, scale, write};
use crate::minor::Minor;
use crate::time::Ms;

/// A request whose sender is known and whose path makes sense.
pub(super) struct Ask<'a> {
    pub(super) route: &'a Route,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: &'a [u8],
    pub(super) content_type: &'a str,
    pub(super) accept: &'a str,
    pub(super) now: Ms,
    /// The control plane's minor and patch release.
    pub(super) version: Minor,
    pub(super) patch: &'a str,
}

/// An answer that is no refusal.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Body,
    /// Whether anything is other than before.
    pub(super) mutated: bool,
    /// Real seconds that it is held.
    pub(super) hold_s: f64,
}

/// How long a watch is held, so that clients do not list again and again without a pause.
const WATCH_HOLD_S: f64 = 0.5;

/// The body of an answer.
pub(super) enum Body {
    Json(Value),
    Text(String),
}

impl Answer {
    /// 200, and nothing has changed.
    pub(super) fn read(body: Value) -> Self {
        Self::changed(200, body, false)
    }

    pub(super) fn changed(status: u16, body: Value, mutated: bool) -> Self {
        Self { status, body: Body::Json(body), mutated, hold_s: 0.0 }
    }

    fn text(body: String) -> Self {
        Self { status: 200, body: Body::Text(body), mutated: false, hold_s: 0.0 }
    }

    fn watch() -> Self {
        Self { body: Body::Json(list::expired_watch()), hold_s: WATCH_HOLD_S, ..Self::text(String::new()) }
    }
}

impl Ask<'_> {
    /// The first query parameter of that name.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether the query says that nothing is to be changed.
    pub(super) fn dry_run(&self) -> bool {
        self.query("dryRun") == Some("All")
    }

    /// The body as JSON; an object, and an empty one if there is none.
    pub(super) fn json(&self) -> Result<Value, Failure> {
        let bad =
            |error: String| Failure::new(400, "BadRequest", format!("the body cannot be read: {error}"));
        if self.body.trim_ascii().is_empty() {
            return Ok(serde_json::json!({}));
        }
        // kubectl sends JSON, people who use curl may send YAML, of which JSON is a part.
        let yaml = self.content_type.contains("yaml");
        let body: Value = if yaml {
            serde_yaml_ng::from_slice(self.body).map_err(|error| bad(error.to_string()))?
        } else {
            serde_json::from_slice(self.body).map_err(|error| bad(error.to_string()))?
        };
        if body.is_object() { Ok(body) } else { Err(bad("it is not an object".to_owned())) }
    }

    /// Whether only metadata is wanted, of one object or of a list.
    fn metadata_only(&self) -> bool {
        self.accept.contains("as=PartialObjectMetadata")
    }
}

impl Kube {
    /// Whether it has Karpenter's part of the API.
    pub(super) fn has_karpenter(&self) -> bool {
        self.karpenter.is_some()
    }

    /// Answers a request.
    pub(super) fn answer(&mut self, ask: &Ask<'_>) -> Result<Answer, Failure> {
        match &ask.route.target {
            Target::Version => Ok(Answer::read(discovery::version(ask.version, ask.patch))),
            Target::Health => Ok(Answer::text("ok".to_owned())),
            Target::Metrics => Ok(Answer::text(discovery::metrics(&self.spec.deprecated_callers))),
            Target::Core => Ok(Answer::read(discovery::core())),
            Target::Groups => Ok(Answer::read(discovery::all_groups(self.has_karpenter()))),
            Target::Group(group) => discovery::group(group, self.has_karpenter()).map(Answer::read),
            Target::GroupVersion(group, version) => discovery::resources(group, version).map(Answer::read),
            Target::Objects(objects) => self.answer_objects(ask, objects),
        }
    }

    fn answer_objects(&mut self, ask: &Ask<'_>, objects: &Objects) -> Result<Answer, Failure> {
        let namespace = objects.namespace.as_deref().unwrap_or_default();
        let key = objects.name.as_deref().map(|name| Key::new(objects.resource, namespace, name));
        match (ask.route.verb, objects.subresource, key) {
            (Verb::List, ..) if list::is_watch(ask) => Ok(Answer::watch()),
            (Verb::List, ..) => list::list(&self.store, ask, objects, ask.metadata_only()).map(Answer::read),
            (Verb::Create, None, _) => write::create(self, ask, objects),
            (Verb::Create, Some(Subresource::Eviction), Some(key)) => eviction::evict(self, ask, &key),
            (_, Some(Subresource::Scale), Some(key)) => scale::answer(self, ask, &key),
            (Verb::Get, _, Some(key)) => {
                let object = self.existing(&key)?;
                Ok(Answer::read(if ask.metadata_only() { list::metadata_of(object) } else { object.clone() }))
            }
            (Verb::Update, None, Some(key)) => write::replace(self, ask, &key),
            (Verb::Patch, None, Some(key)) => write::patch(self, ask, &key),
            (Verb::Delete, None, Some(key)) => write::delete(self, ask, &key),
            _ => Err(Failure::method_not_allowed()),
        }
    }

    /// The object, or the refusal that says that it is not there.
    pub(super) fn existing(&self, key: &Key) -> Result<&Value, Failure> {
        self.store.get(key).ok_or_else(|| Failure::not_found(key.resource.facts(), &key.name))
    }
}

/// Refuses a change of an object that has become another one meanwhile, or that names another one.
pub(super) fn check_identity(key: &Key, before: &Value, after: &Value) -> Result<(), Failure> {
    let name = text(after, "/metadata/name").unwrap_or(&key.name);
    let namespace = text(after, "/metadata/namespace").unwrap_or(&key.namespace);
    if name != key.name || namespace != key.namespace {
        let message =
            format!("the name of the object ({name}) does not match the name on the URL ({})", key.name);
        return Err(Failure::new(400, "BadRequest", message));
    }
    let differs = |pointer: &str| {
        let told = text(after, pointer).filter(|told| !told.is_empty());
        told.is_some_and(|told| text(before, pointer) != Some(told))
    };
    if differs("/metadata/resourceVersion") || differs("/metadata/uid") {
        return Err(Failure::conflict(key.resource.facts(), &key.name));
    }
    Ok(())
}

/// Puts back what nobody may change: identity, history, status.
pub(super) fn keep_what_is_fixed(before: &Value, after: &mut Value) {
    let fixed = [
        "uid",
        "creationTimestamp",
        "resourceVersion",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "name",
        "namespace",
        "ownerReferences",
        "generateName",
    ];
    for field in fixed {
        match before["metadata"].get(field) {
            Some(value) => *entry(after, &["metadata", field]) = value.clone(),
            None => super::object::remove(after, &["metadata", field]),
        }
    }
    for field in ["apiVersion", "kind", "status"] {
        match before.get(field) {
            Some(value) => after[field] = value.clone(),
            None => super::object::remove(after, &[field]),
        }
    }
}
