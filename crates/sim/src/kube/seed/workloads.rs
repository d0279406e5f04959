//! Workloads of the fleet file as the API has them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::fleet::{StrategySpec, WorkloadKind, WorkloadSpec};
use crate::kube::hosts::{GROUP_LABEL, GUARDED_LABEL};
use crate::kube::object::entry;
use crate::kube::pods::{self, CRASHES};
use crate::kube::resource::Resource;
use crate::kube::store::{Key, Store};
use crate::time::Ms;

/// Puts a workload there. Its pods follow by themselves.
pub(in crate::kube) fn plant(store: &mut Store, spec: &WorkloadSpec, now: Ms) {
    let template = template(spec);
    let resource = match spec.kind {
        WorkloadKind::Deployment => Resource::Deployment,
        WorkloadKind::StatefulSet => Resource::StatefulSet,
        WorkloadKind::DaemonSet => Resource::DaemonSet,
        WorkloadKind::Bare => {
            for number in 0..spec.replicas {
                let pod =
                    if spec.replicas == 1 { spec.name.clone() } else { format!("{}-{number}", spec.name) };
                pods::make(store, None, &template, &pod, &spec.namespace, now);
            }
            return;
        }
    };
    let mut body = json!({"selector": {"matchLabels": {"app": spec.name}}, "template": template});
    if spec.kind != WorkloadKind::DaemonSet {
        body["replicas"] = json!(spec.replicas);
    }
    match spec.kind {
        WorkloadKind::Deployment => body["strategy"] = strategy(spec.strategy),
        WorkloadKind::StatefulSet => {
            body["serviceName"] = json!(spec.name);
            if spec.volumes {
                body["volumeClaimTemplates"] = json!([claim()]);
            }
        }
        WorkloadKind::DaemonSet | WorkloadKind::Bare => {}
    }
    let object = json!({"metadata": {"labels": {"app": spec.name}}, "spec": body});
    store.insert(Key::new(resource, &spec.namespace, &spec.name), object, now);
}

fn strategy(strategy: StrategySpec) -> Value {
    match strategy {
        StrategySpec::Recreate => json!({"type": "Recreate"}),
        StrategySpec::RollingUpdate => {
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}})
        }
    }
}

fn claim() -> Value {
    json!({"metadata": {"name": "data"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "gp3",
        "resources": {"requests": {"storage": "10Gi"}},
    }})
}

/// The template of its pods.
fn template(spec: &WorkloadSpec) -> Value {
    let mut labels = json!({"app": spec.name});
    for (key, value) in &spec.labels {
        labels[key] = json!(value);
    }
    let image = spec.image.clone().unwrap_or_else(|| format!("registry.example.com/{}:1.0", spec.name));
    let mut container = json!({"name": spec.name, "image": image});
    if spec.readiness {
        container["readinessProbe"] =
            json!({"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 10});
    }
    let mut template = json!({
        "metadata": {"labels": labels},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": spec.grace_s},
    });
    let mut annotations = spec.annotations.clone();
    if spec.crashes {
        annotations.insert(CRASHES.to_owned(), "true".to_owned());
    }
    if !annotations.is_empty() {
        template["metadata"]["annotations"] = json!(annotations);
    }
    let pod = &mut template["spec"];
    let mut volumes = Vec::new();
    if spec.local_storage {
        volumes.push(json!({"name": "scratch", "emptyDir": {}}));
    }
    if spec.host_path {
        volumes.push(json!({"name": "host", "hostPath": {"path": "/var/log"}}));
    }
    if !volumes.is_empty() {
        pod["volumes"] = json!(volumes);
    }
    if spec.tolerates_all {
        pod["tolerations"] = json!([{"operator": "Exists"}]);
    }
    if spec.fargate {
        pod["schedulerName"] = json!("fargate-scheduler");
        template["metadata"]["labels"]["eks.amazonaws.com/fargate-profile"] = json!("default");
    } else if let Some(group) = &spec.group {
        *entry(&mut template, &["spec", "affinity"]) = bound_to(group);
    }
    template
}

/// Bound to the nodes of a group, whoever manages it.
fn bound_to(group: &str) -> Value {
    let term =
        |label: &str| json!({"matchExpressions": [{"key": label, "operator": "In", "values": [group]}]});
    json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [term("eks.amazonaws.com/nodegroup"), term(GROUP_LABEL)],
    }}})
}

/// A workload of one pod on the node of a managed group that its budget holds.
pub(in crate::kube) fn guard(name: &str, crashes: bool) -> WorkloadSpec {
    WorkloadSpec { crashes, ..plain(name, "default") }
}

/// Binds a guard to the node that carries its group's name.
pub(in crate::kube) fn bind_guard(object: &mut Value, group: &str) {
    *entry(object, &["spec", "template", "spec", "nodeSelector"]) =
        json!(BTreeMap::from([(GUARDED_LABEL, group)]));
}

/// Cluster Autoscaler as its chart installs it.
pub(super) fn cluster_autoscaler() -> WorkloadSpec {
    WorkloadSpec {
        image: Some("registry.k8s.io/autoscaling/cluster-autoscaler:v1.33.0".to_owned()),
        ..plain("cluster-autoscaler", "kube-system")
    }
}

/// One pod that does nothing special.
pub(super) fn plain(name: &str, namespace: &str) -> WorkloadSpec {
    WorkloadSpec {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        kind: WorkloadKind::Deployment,
        replicas: 1,
        group: None,
        grace_s: 30,
        readiness: true,
        local_storage: false,
        host_path: false,
        tolerates_all: false,
        strategy: StrategySpec::RollingUpdate,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        image: None,
        crashes: false,
        fargate: false,
        volumes: false,
    }
}
