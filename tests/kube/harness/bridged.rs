//! Whatever the server's age, it is spoken to as to one of today.

use std::collections::BTreeMap;

use crate::api_server::Server;
use futures_util::TryStreamExt as _;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use serde_json::json;

use super::manifests::budget;

#[tokio::test]
async fn the_server_tells_a_version_of_eks() {
    let Some(server) = Server::shared().await else { return };
    let version = server.admin().apiserver_version().await.unwrap();
    assert_eq!(version.major, "1");
    assert!(version.git_version.starts_with("v1."), "{version:?}");
}

#[tokio::test]
async fn typed_clients_read_and_write_budgets() {
    let Some(server) = Server::shared().await else { return };
    let namespace = server.namespace("typed").await;
    server.apply(&budget(&namespace, "web", "web", 1)).await;
    let budgets = Api::<PodDisruptionBudget>::namespaced(server.admin(), &namespace);
    let listed = budgets.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(listed.len(), 1);
    let patch = Patch::Merge(json!({"spec": {"minAvailable": 2}}));
    let patched = budgets.patch("web", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(serde_json::to_value(&patched).unwrap()["apiVersion"], "policy/v1");
    assert_eq!(serde_json::to_value(&patched).unwrap()["spec"]["minAvailable"], 2);
    let told = server.kubectl(&["get", "pdb", "-n", &namespace, "-o", "yaml"]).await;
    assert!(told.stdout.contains("apiVersion: policy/v1\n"), "{told:?}");
}

#[tokio::test]
async fn a_watch_tells_the_same_version() {
    let Some(server) = Server::shared().await else { return };
    let namespace = server.namespace("watch").await;
    server.apply(&budget(&namespace, "web", "web", 1)).await;
    let budgets = Api::<PodDisruptionBudget>::namespaced(server.admin(), &namespace);
    let events = budgets.watch(&WatchParams::default(), "0").await.unwrap();
    let first = Box::pin(events).try_next().await.unwrap();
    assert!(
        matches!(first, Some(WatchEvent::Added(budget)) if budget.metadata.name.as_deref() == Some("web"))
    );
}

#[tokio::test]
async fn slices_cron_jobs_and_autoscalers_are_of_todays_versions() {
    let Some(server) = Server::shared().await else { return };
    let namespace = server.namespace("versions").await;
    let objects = "
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1], zone: eu-west-1a, nodeName: a}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: '0 3 * * *'
  jobTemplate:
    spec:
      template:
        spec: {restartPolicy: Never, containers: [{name: app, image: registry.example/app:1}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  maxReplicas: 3
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
";
    let applied = objects.replace("metadata: {", &format!("metadata: {{namespace: {namespace}, "));
    server.apply(&applied).await;
    let client = server.admin();
    let slice = Api::<EndpointSlice>::namespaced(client.clone(), &namespace).get("web").await.unwrap();
    assert_eq!(slice.endpoints[0].zone.as_deref(), Some("eu-west-1a"));
    assert_eq!(slice.endpoints[0].node_name.as_deref(), Some("a"));
    let jobs =
        Api::<CronJob>::namespaced(client.clone(), &namespace).list(&ListParams::default()).await.unwrap();
    assert_eq!(jobs.items.len(), 1);
    let scaler = Api::<HorizontalPodAutoscaler>::namespaced(client, &namespace).get("web").await.unwrap();
    assert_eq!(scaler.spec.unwrap().max_replicas, 3);
}

#[tokio::test]
async fn discovery_tells_todays_versions_once() {
    let Some(server) = Server::shared().await else { return };
    let client = server.admin();
    let groups = client.list_api_groups().await.unwrap().groups;
    let versions: BTreeMap<String, Vec<String>> = groups
        .into_iter()
        .map(|group| (group.name, group.versions.into_iter().map(|v| v.version).collect()))
        .collect();
    assert_eq!(versions["policy"], ["v1"]);
    assert!(versions["discovery.k8s.io"].contains(&"v1".to_owned()), "{versions:?}");
    assert!(versions["autoscaling"].contains(&"v2".to_owned()), "{versions:?}");
    let batch = client.list_api_group_resources("batch/v1").await.unwrap().resources;
    for name in ["jobs", "cronjobs"] {
        assert_eq!(batch.iter().filter(|resource| resource.name == name).count(), 1, "{name}");
    }
    let core = client.list_core_api_resources("v1").await.unwrap().resources;
    let eviction = core.iter().find(|resource| resource.name == "pods/eviction").unwrap();
    assert_eq!(eviction.version.as_deref(), Some("v1"));
}
