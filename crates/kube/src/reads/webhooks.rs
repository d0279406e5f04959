//! Admission webhooks, and whether anybody answers for them.

use std::collections::{BTreeMap, BTreeSet};

use eks_upgrade_core::inside::{Backend, Webhook};
use futures_util::future::join_all;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, RuleWithOperations, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::api::core::v1::{Endpoints, ObjectReference};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{ObjectMeta, Resource};
use serde::Deserialize;

use super::meta::name;
use crate::failed::Failed;
use crate::link::{Link, Listing};

/// The label of every namespace that holds its name.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
/// The label of an endpoint slice that names its service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// What both kinds of configuration have alike.
#[derive(Clone, Debug, Deserialize)]
struct Configuration {
    metadata: ObjectMeta,
    #[serde(default)]
    webhooks: Vec<Hook>,
}

/// What both kinds of webhook have alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hook {
    name: String,
    failure_policy: Option<String>,
    #[serde(default)]
    rules: Vec<RuleWithOperations>,
    #[serde(default)]
    namespace_selector: LabelSelector,
    client_config: WebhookClientConfig,
}

/// All webhooks, each with its backend.
pub(super) async fn webhooks(link: &Link) -> Result<Vec<Webhook>, Failed> {
    let mutating =
        Listing::of::<MutatingWebhookConfiguration>("kubernetes:list mutatingwebhookconfigurations");
    let validating =
        Listing::of::<ValidatingWebhookConfiguration>("kubernetes:list validatingwebhookconfigurations");
    let (mutating, validating) = tokio::join!(link.list(&mutating, Some), link.list(&validating, Some));
    let configurations: Vec<Configuration> = [mutating?, validating?].concat();
    let mut webhooks: Vec<Webhook> = configurations.into_iter().flat_map(of_configuration).collect();
    count_endpoints(link, &mut webhooks).await;
    Ok(webhooks)
}

fn of_configuration(Configuration { metadata, webhooks }: Configuration) -> impl Iterator<Item = Webhook> {
    webhooks.into_iter().map(move |hook| webhook(name(&metadata), hook))
}

fn webhook(configuration: String, hook: Hook) -> Webhook {
    let asks = |operations: &[&str], resource: &str, scope: &str| {
        hook.rules.iter().any(|rule| matches(rule, operations, resource, scope))
    };
    Webhook {
        configuration,
        fails_closed: hook.failure_policy.as_deref() != Some("Ignore"),
        on_evictions: asks(&["CREATE"], "pods/eviction", "Namespaced"),
        on_pods: asks(&["CREATE"], "pods", "Namespaced"),
        on_nodes: asks(&["CREATE", "UPDATE"], "nodes", "Cluster"),
        not_in: not_in(&hook.namespace_selector),
        backend: backend(&hook.client_config),
        name: hook.name,
    }
}

/// Whether a rule is about one of these operations on a resource of the core group.
fn matches(rule: &RuleWithOperations, operations: &[&str], resource: &str, scope: &str) -> bool {
    let any =
        |list: &Option<Vec<String>>, is: &dyn Fn(&str) -> bool| list.iter().flatten().any(|entry| is(entry));
    any(&rule.api_groups, &|group| group.is_empty() || group == "*")
        && any(&rule.operations, &|operation| operation == "*" || operations.contains(&operation))
        && any(&rule.resources, &|pattern| names(pattern, resource))
        && rule.scope.as_deref().is_none_or(|of| of == "*" || of == scope)
}

/// Whether a pattern names a resource. `*` is all resources without what is below them, `*/*` those as well.
fn names(pattern: &str, resource: &str) -> bool {
    let fits = |pattern: &str, part: &str| pattern == "*" || pattern == part;
    match (pattern.split_once('/'), resource.split_once('/')) {
        (None, None) => fits(pattern, resource),
        (Some((of, below)), Some((resource, part))) => fits(of, resource) && fits(below, part),
        (Some(("*", "*")), None) => true,
        (Some((of, "*")), None) => of == resource,
        _ => false,
    }
}

fn not_in(selector: &LabelSelector) -> Vec<String> {
    let lines = selector.match_expressions.iter().flatten();
    let by_name = lines.filter(|line| line.key == NAMESPACE_NAME && line.operator == "NotIn");
    by_name.flat_map(|line| line.values.iter().flatten()).cloned().collect()
}

/// Who answers; how many, nobody has looked yet.
fn backend(client: &WebhookClientConfig) -> Backend {
    match &client.service {
        Some(service) => Backend::Service {
            namespace: service.namespace.clone(),
            name: service.name.clone(),
            ready_endpoints: None,
        },
        None => Backend::Url,
    }
}

/// Looks once at each service that answers for a webhook.
async fn count_endpoints(link: &Link, webhooks: &mut [Webhook]) {
    let services: BTreeSet<(String, String)> = webhooks.iter().filter_map(service_of).collect();
    let looks = services.into_iter().map(async |(namespace, name)| {
        let ready = ready_endpoints(link, &namespace, &name).await;
        let ready = ready.inspect_err(|failed| {
            tracing::warn!(
                namespace,
                service = name,
                ?failed,
                "the endpoints of a webhook could not be read"
            );
        });
        ((namespace, name), ready.ok())
    });
    let seen: BTreeMap<(String, String), Option<u32>> = join_all(looks).await.into_iter().collect();
    for webhook in webhooks {
        let Some(service) = service_of(webhook) else { continue };
        if let Backend::Service { ready_endpoints, .. } = &mut webhook.backend {
            *ready_endpoints = seen.get(&service).copied().flatten();
        }
    }
}

fn service_of(webhook: &Webhook) -> Option<(String, String)> {
    match &webhook.backend {
        Backend::Service { namespace, name, .. } => Some((namespace.clone(), name.clone())),
        Backend::Url => None,
    }
}

/// How many ready endpoints a service has: none where there is no such service.
async fn ready_endpoints(link: &Link, namespace: &str, service: &str) -> Result<u32, Failed> {
    let slices = Listing::within::<EndpointSlice>("kubernetes:list endpointslices", namespace)
        .labels(&format!("{SERVICE_NAME}={service}"));
    let ready = match link.list(&slices, |slice: EndpointSlice| Some(ready_in(slice))).await {
        Ok(slices) => slices.concat(),
        // A server without endpoint slices.
        Err(failed) if failed.is_missing() => {
            let path = format!("{}/{service}", Endpoints::url_path(&(), Some(namespace)));
            let endpoints: Option<Endpoints> = link.find("kubernetes:get endpoints", &path).await?;
            endpoints.map(ready_of).unwrap_or_default()
        }
        Err(failed) => return Err(failed),
    };
    // A pod with two addresses is in two slices.
    let distinct: BTreeSet<String> = ready.into_iter().collect();
    Ok(u32::try_from(distinct.len()).unwrap_or(u32::MAX))
}

/// The ready endpoints of a slice, by what they are: one whose state is not told is ready, says the API.
fn ready_in(slice: EndpointSlice) -> Vec<String> {
    let ready = slice.endpoints.into_iter().filter(|endpoint| {
        endpoint.conditions.as_ref().is_none_or(|conditions| conditions.ready != Some(false))
    });
    ready.map(|endpoint| target(endpoint.target_ref, endpoint.addresses.into_iter().next())).collect()
}

fn ready_of(endpoints: Endpoints) -> Vec<String> {
    let addresses = endpoints.subsets.into_iter().flatten().filter_map(|subset| subset.addresses);
    addresses.flatten().map(|address| target(address.target_ref, Some(address.ip))).collect()
}

fn target(reference: Option<ObjectReference>, address: Option<String>) -> String {
    reference.and_then(|reference| reference.name).or(address).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn hook(more: &Value) -> Webhook {
        let mut hook = json!({"name": "judge.example.com", "clientConfig": {"url": "https://example.com"}});
        hook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let configuration = json!({"metadata": {"name": "judge"}, "webhooks": [hook]});
        of_configuration(from_value(configuration).unwrap()).next().unwrap()
    }

    fn rule(groups: &[&str], operations: &[&str], resources: &[&str], scope: Option<&str>) -> Webhook {
        hook(&json!({"rules": [{"apiGroups": groups, "apiVersions": ["v1"], "operations": operations,
            "resources": resources, "scope": scope}]}))
    }

    #[test]
    fn rules_say_what_a_webhook_is_asked_about() {
        let asked = |webhook: Webhook| (webhook.on_evictions, webhook.on_pods, webhook.on_nodes);
        for (groups, operations, resources, scope, expected) in [
            (&[""][..], &["CREATE"][..], &["pods"][..], None, (false, true, false)),
            (&[""], &["CREATE"], &["pods/eviction"], Some("*"), (true, false, false)),
            (&[""], &["CREATE"], &["pods/*"], None, (true, true, false)),
            (&["*"], &["*"], &["*"], None, (false, true, true)),
            (&["*"], &["*"], &["*/*"], None, (true, true, true)),
            (&["*"], &["*"], &["*/*"], Some("Cluster"), (false, false, true)),
            (&["*"], &["*"], &["*/*"], Some("Namespaced"), (true, true, false)),
            (&[""], &["UPDATE"], &["pods", "nodes", "pods/eviction"], None, (false, false, true)),
            (&["apps"], &["*"], &["*/*"], None, (false, false, false)),
            (&[""], &["DELETE"], &["*/*"], None, (false, false, false)),
        ] {
            assert_eq!(
                asked(rule(groups, operations, resources, scope)),
                expected,
                "{resources:?} {scope:?}"
            );
        }
    }

    #[test]
    fn a_webhook_fails_closed_unless_it_says_otherwise() {
        assert!(hook(&json!({})).fails_closed && hook(&json!({"failurePolicy": "Fail"})).fails_closed);
        assert!(!hook(&json!({"failurePolicy": "Ignore"})).fails_closed);
    }

    #[test]
    fn namespaces_that_are_left_out_by_name_are_told() {
        let selector = json!({"namespaceSelector": {"matchExpressions": [
            {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]},
            {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["a"]},
            {"key": "team", "operator": "NotIn", "values": ["b"]}]}});
        assert_eq!(hook(&selector).not_in, ["kube-system"]);
    }

    #[test]
    fn ready_endpoints_are_those_that_are_not_said_to_be_otherwise() {
        let slice = json!({"addressType": "IPv4", "metadata": {}, "endpoints": [
            {"addresses": ["10.0.0.1"], "targetRef": {"name": "judge-1"}, "conditions": {"ready": true}},
            {"addresses": ["10.0.0.2"], "conditions": {}},
            {"addresses": ["10.0.0.3"], "conditions": {"ready": false}}]});
        assert_eq!(ready_in(from_value(slice).unwrap()), ["judge-1", "10.0.0.2"]);
        let endpoints = json!({"metadata": {}, "subsets": [
            {"addresses": [{"ip": "10.0.0.1"}], "notReadyAddresses": [{"ip": "10.0.0.9"}]}]});
        assert_eq!(ready_of(from_value(endpoints).unwrap()), ["10.0.0.1"]);
    }
}
