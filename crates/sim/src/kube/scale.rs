//! The subresource `scale`: how many pods a workload wants.

use serde_json::{Value, json};

use super::Kube;
use super::api::{Answer, Ask, check_identity};
use super::object::{count, name, namespace, uid};
use super::patch::PatchKind;
use super::route::Verb;
use super::status::Failure;
use super::store::Key;
use super::write::unsupported_media;

/// Reads or sets the scale of a workload.
pub(super) fn answer(kube: &mut Kube, ask: &Ask<'_>, key: &Key) -> Result<Answer, Failure> {
    let before = scale_of(kube.existing(key)?);
    let after = match ask.route.verb {
        Verb::Get => return Ok(Answer::read(before)),
        Verb::Patch => {
            let kind = PatchKind::of_content_type(ask.content_type).ok_or_else(unsupported_media)?;
            let mut after = before.clone();
            kind.apply(&mut after, ask.body)?;
            after
        }
        _ => ask.json()?,
    };
    check_identity(key, &before, &after)?;
    let replicas = count(&after, "/spec/replicas").ok_or_else(|| {
        Failure::invalid(key.resource.facts(), &key.name, "spec.replicas", "must be a whole number")
    })?;
    if ask.dry_run() {
        let mut body = before;
        body["spec"]["replicas"] = json!(replicas);
        return Ok(Answer::read(body));
    }
    let mutated = kube.store.change(key, |object| object["spec"]["replicas"] = json!(replicas));
    Ok(Answer::changed(200, scale_of(kube.existing(key)?), mutated))
}

fn scale_of(object: &Value) -> Value {
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {"name": name(object), "namespace": namespace(object), "uid": uid(object),
                     "resourceVersion": object["metadata"]["resourceVersion"],
                     "creationTimestamp": object["metadata"]["creationTimestamp"]},
        "spec": {"replicas": count(object, "/spec/replicas").unwrap_or(0)},
        "status": {"replicas": count(object, "/status/replicas").unwrap_or(0)},
    })
}
