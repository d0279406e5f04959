//! Admission webhooks that do not answer, and what fails for that.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::object::{list, text};
use super::resource::Resource;
use super::selector::LabelSelector;
use super::status::Failure;
use super::store::{Key, Store};

/// The refusal of a request because a webhook that fails closed has nobody who answers.
pub(crate) fn refusal(store: &Store, what: &str, operation: &str, namespace: &str) -> Option<Failure> {
    let configurations = store
        .of(Resource::ValidatingWebhookConfiguration)
        .chain(store.of(Resource::MutatingWebhookConfiguration));
    let webhooks = configurations.flat_map(|(_, configuration)| list(configuration, "/webhooks"));
    let silent = webhooks.into_iter().find(|webhook| {
        text(webhook, "/failurePolicy") != Some("Ignore")
            && list(webhook, "/rules").iter().any(|rule| matches(rule, what, operation))
            && concerns(store, webhook, namespace)
            && !answers(store, webhook)
    })?;
    let name = text(silent, "/name").unwrap_or_default();
    let service = text(silent, "/clientConfig/service/name").unwrap_or_default();
    let message = format!(
        "Internal error occurred: failed calling webhook {name:?}: failed to call webhook: no endpoints available \
         for service {service:?}"
    );
    Some(Failure::new(500, "InternalError", message))
}

fn matches(rule: &Value, what: &str, operation: &str) -> bool {
    let names = |pointer: &str, wanted: &[&str]| {
        list(rule, pointer).iter().filter_map(Value::as_str).any(|name| wanted.contains(&name))
    };
    // `*` is every resource but no subresource, `*/*` is both.
    let any = if what.contains('/') { "*/*" } else { "*" };
    let parent = what.split_once('/').map_or(what.to_owned(), |(parent, _)| format!("{parent}/*"));
    names("/resources", &[what, any, "*/*", &parent]) && names("/operations", &[operation, "*"])
}

/// Whether it is asked about things of that namespace.
fn concerns(store: &Store, webhook: &Value, namespace: &str) -> bool {
    let Some(selector) = LabelSelector::of(webhook, "/namespaceSelector") else { return true };
    let object = store.get(&Key::new(Resource::Namespace, "", namespace));
    // What is in no namespace is always its concern.
    object.is_none_or(|object| selector.selects(object))
}

/// Whether somebody answers for it: a URL always does.
fn answers(store: &Store, webhook: &Value) -> bool {
    let part = |field: &str| text(webhook, &format!("/clientConfig/service/{field}"));
    let (Some(namespace), Some(name)) = (part("namespace"), part("name")) else { return true };
    let service = BTreeMap::from([("kubernetes.io/service-name", name)]);
    let wanted = json!({"selector": {"matchLabels": service}});
    let Some(selector) = LabelSelector::of(&wanted, "/selector") else { return false };
    let slices = store
        .of(Resource::EndpointSlice)
        .filter(|(key, slice)| key.namespace == namespace && selector.selects(slice));
    let mut endpoints = slices.flat_map(|(_, slice)| list(slice, "/endpoints"));
    endpoints.any(|endpoint| endpoint.pointer("/conditions/ready") != Some(&Value::Bool(false)))
}
