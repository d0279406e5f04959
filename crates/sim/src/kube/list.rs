//! Lists: of a namespace or of all, selected, a page at a time.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::api::Ask;
use super::object::{name, namespace};
use super::route::Objects;
use super::selector::{FieldSelector, LabelSelector};
use super::status::Failure;
use super::store::Store;

/// The list that is asked for.
pub(super) fn list(
    store: &Store,
    ask: &Ask<'_>,
    objects: &Objects,
    metadata: bool,
) -> Result<Value, Failure> {
    let labels = LabelSelector::parse(ask.query("labelSelector").unwrap_or_default())?;
    let fields = FieldSelector::parse(ask.query("fieldSelector").unwrap_or_default())?;
    let after = ask.query("continue").filter(|token| !token.is_empty()).map(read_token).transpose()?;
    let limit = match ask.query("limit") {
        None | Some("0") => usize::MAX,
        Some(text) => text.parse().map_err(|_| bad("limit must be a whole number"))?,
    };
    let all = store.of(objects.resource).map(|(_, object)| object).filter(|object| {
        objects.namespace.as_deref().is_none_or(|wanted| namespace(object) == wanted)
            && labels.selects(object)
            && fields.selects(object)
    });
    let rest: Vec<&Value> =
        all.filter(|object| after.as_ref().is_none_or(|after| place(object) > *after)).collect();
    let page: Vec<&Value> = rest.iter().take(limit).copied().collect();
    let mut meta = json!({"resourceVersion": store.revision().to_string()});
    if let Some(last) = page.last().filter(|_| rest.len() > page.len()) {
        meta["continue"] = json!(token(&place(last)));
        meta["remainingItemCount"] = json!(rest.len() - page.len());
    }
    let facts = objects.resource.facts();
    Ok(if metadata {
        let items: Vec<Value> = page.into_iter().map(metadata_of).collect();
        json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "items": items})
    } else {
        let items: Vec<Value> = page.into_iter().map(bare).collect();
        json!({"kind": format!("{}List", facts.kind), "apiVersion": facts.api_version(), "metadata": meta, "items": items})
    })
}

/// Whether a list is to be followed.
pub(super) fn is_watch(ask: &Ask<'_>) -> bool {
    matches!(ask.query("watch"), Some("true" | "1"))
}

/// What follows a list here: nothing but the word that the revision is too old, upon which clients list again.
pub(super) fn expired_watch() -> Value {
    let gone = Failure::new(410, "Expired", "too old resource version: the simulator keeps no history");
    json!({"type": "ERROR", "object": gone.body()})
}

fn bad(message: &str) -> Failure {
    Failure::new(400, "BadRequest", message)
}

/// A member of a list does not repeat its kind.
fn bare(object: &Value) -> Value {
    let mut object = object.clone();
    super::object::remove(&mut object, &["kind"]);
    super::object::remove(&mut object, &["apiVersion"]);
    object
}

/// An object without all but its metadata.
pub(super) fn metadata_of(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

/// Where an object stands in a list.
fn place(object: &Value) -> (String, String) {
    (namespace(object).to_owned(), name(object).to_owned())
}

/// What names the last object of a page.
fn token((namespace, name): &(String, String)) -> String {
    URL_SAFE_NO_PAD.encode(format!("{namespace}/{name}"))
}

fn read_token(token: &str) -> Result<(String, String), Failure> {
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let parts = text.as_deref().and_then(|text| text.split_once('/'));
    let parts = parts.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
    parts.ok_or_else(|| bad("continue key is not valid"))
}
