//! Admission webhooks of the fleet file, with the services behind them.

use serde_json::{Value, json};

use super::namespace;
use crate::fleet::{WebhookKind, WebhookSpec};
use crate::kube::resource::Resource;
use crate::kube::store::{Key, Store};
use crate::time::Ms;

/// Puts a configuration there, and the service that answers for it.
pub(super) fn plant(store: &mut Store, spec: &WebhookSpec, now: Ms) {
    let service = spec.service.as_deref().and_then(|service| service.split_once('/'));
    let client = match service {
        Some((namespace, name)) => json!({"service": {"namespace": namespace, "name": name, "port": 443}}),
        None => json!({"url": "https://webhooks.example.com/"}),
    };
    let mut webhook = json!({
        "name": format!("{}.example.com", spec.name), "clientConfig": client, "admissionReviewVersions": ["v1"],
        "sideEffects": "None", "failurePolicy": if spec.fails_closed { "Fail" } else { "Ignore" },
        "rules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"],
                   "resources": spec.on, "scope": "*"}],
        "timeoutSeconds": 10,
    });
    if !spec.not_in.is_empty() {
        webhook["namespaceSelector"] = json!({"matchExpressions": [
            {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": spec.not_in}]});
    }
    let resource = match spec.kind {
        WebhookKind::Validating => Resource::ValidatingWebhookConfiguration,
        WebhookKind::Mutating => Resource::MutatingWebhookConfiguration,
    };
    store.insert(Key::new(resource, "", &spec.name), json!({"webhooks": [webhook]}), now);
    if let Some((namespace, name)) = service {
        plant_service(store, namespace, name, spec.endpoints, now);
    }
}

fn plant_service(store: &mut Store, place: &str, name: &str, endpoints: u32, now: Ms) {
    namespace(store, place, now);
    let key = Key::new(Resource::Service, place, name);
    if store.get(&key).is_some() {
        return;
    }
    let ports = json!([{"port": 443, "protocol": "TCP", "targetPort": 9443}]);
    let spec =
        json!({"clusterIP": "172.20.7.7", "type": "ClusterIP", "ports": ports, "selector": {"app": name}});
    store.insert(key, json!({"spec": spec}), now);
    let addresses: Vec<String> =
        (0..endpoints).map(|number| format!("10.0.130.{}", 4 + number % 250)).collect();
    let ready: Vec<Value> = addresses
        .iter()
        .map(|address| json!({"addresses": [address], "conditions": {"ready": true, "serving": true}}))
        .collect();
    let slice = json!({
        "metadata": {"labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4", "endpoints": ready, "ports": [{"port": 9443, "protocol": "TCP"}],
    });
    store.insert(Key::new(Resource::EndpointSlice, place, &format!("{name}-x7k2p")), slice, now);
    let subsets: Vec<Value> = if addresses.is_empty() {
        Vec::new()
    } else {
        let list: Vec<Value> = addresses.iter().map(|address| json!({"ip": address})).collect();
        vec![json!({"addresses": list, "ports": [{"port": 9443, "protocol": "TCP"}]})]
    };
    store.insert(Key::new(Resource::Endpoints, place, name), json!({"subsets": subsets}), now);
}
