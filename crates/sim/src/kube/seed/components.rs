//! The core components: kube-proxy, the VPC CNI, CoreDNS, with the images that EKS gives them.

use serde_json::{Value, json};

use crate::fleet::{ComponentName, ProxyModeSpec};
use crate::kube::object::entry;
use crate::kube::resource::Resource;
use crate::kube::store::{Key, Store};
use crate::time::Ms;

/// All core components.
pub(in crate::kube) const ALL: [ComponentName; 3] =
    [ComponentName::KubeProxy, ComponentName::Coredns, ComponentName::VpcCni];

impl ComponentName {
    /// The name of its EKS add-on.
    pub(crate) fn addon(self) -> &'static str {
        match self {
            Self::KubeProxy => "kube-proxy",
            Self::Coredns => "coredns",
            Self::VpcCni => "vpc-cni",
        }
    }

    fn key(self) -> Key {
        let (resource, name) = match self {
            Self::KubeProxy => (Resource::DaemonSet, "kube-proxy"),
            Self::Coredns => (Resource::Deployment, "coredns"),
            Self::VpcCni => (Resource::DaemonSet, "aws-node"),
        };
        Key::new(resource, "kube-system", name)
    }

    /// Repositories of its images that have its version's tag, each with the list of containers that it is in.
    fn images(self) -> &'static [(&'static str, &'static str, &'static str)] {
        match self {
            Self::KubeProxy => &[("containers", "kube-proxy", "eks/kube-proxy")],
            Self::Coredns => &[("containers", "coredns", "eks/coredns")],
            Self::VpcCni => &[
                ("initContainers", "aws-vpc-cni-init", "amazon-k8s-cni-init"),
                ("containers", "aws-node", "amazon-k8s-cni"),
            ],
        }
    }
}

fn registry(region: &str) -> String {
    format!("602401143452.dkr.ecr.{region}.amazonaws.com")
}

/// Puts a component there.
pub(in crate::kube) fn plant(store: &mut Store, component: ComponentName, tag: &str, region: &str, now: Ms) {
    let key = component.key();
    let label = match component {
        ComponentName::Coredns => "kube-dns",
        _ => &key.name,
    };
    let labels = json!({"k8s-app": label});
    let mut template = json!({
        "metadata": {"labels": labels},
        "spec": {"tolerations": [{"operator": "Exists"}], "terminationGracePeriodSeconds": 30,
                 "priorityClassName": "system-node-critical"},
    });
    for (list, name, repository) in component.images() {
        let image = format!("{}/{repository}:{tag}", registry(region));
        let containers = entry(&mut template, &["spec", list]);
        if !containers.is_array() {
            *containers = json!([]);
        }
        if let Some(containers) = containers.as_array_mut() {
            containers.push(json!({"name": name, "image": image}));
        }
    }
    let mut spec = json!({"selector": {"matchLabels": labels}, "template": template});
    if component == ComponentName::Coredns {
        spec["replicas"] = json!(2);
        spec["strategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}});
        spec["template"]["spec"]["tolerations"] =
            json!([{"key": "CriticalAddonsOnly", "operator": "Exists"}]);
        plant_budget(store, &labels, now);
    } else {
        spec["updateStrategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}});
    }
    store.insert(key, json!({"metadata": {"labels": labels}, "spec": spec}), now);
}

/// The budget that EKS installs with CoreDNS.
fn plant_budget(store: &mut Store, labels: &Value, now: Ms) {
    let key = Key::new(Resource::PodDisruptionBudget, "kube-system", "coredns");
    let spec = json!({"maxUnavailable": 1, "selector": {"matchLabels": labels}});
    store.insert(key, json!({"spec": spec}), now);
}

/// The configuration of kube-proxy.
pub(in crate::kube) fn plant_proxy_config(store: &mut Store, mode: ProxyModeSpec, now: Ms) {
    let config = format!(
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nbindAddress: 0.0.0.0\nclusterCIDR: \"\"\nkind: \
         KubeProxyConfiguration\nmode: {}\n",
        json!(mode)
    );
    let key = Key::new(Resource::ConfigMap, "kube-system", "kube-proxy-config");
    store.insert(key, json!({"data": {"config": config}}), now);
}

/// The EKS add-on was updated: its component gets the images of the new version.
pub(in crate::kube) fn set_tag(store: &mut Store, component: ComponentName, tag: &str, region: &str) {
    store.change(&component.key(), |object| {
        for (list, name, repository) in component.images() {
            let containers = entry(object, &["spec", "template", "spec", list]).as_array_mut();
            for container in containers.into_iter().flatten().filter(|it| it["name"] == *name) {
                container["image"] = json!(format!("{}/{repository}:{tag}", registry(region)));
            }
        }
    });
}
