//! kube-proxy, CoreDNS and vpc-cni as they run, whoever installed them.

use eks_upgrade_core::inside::{Component, Rollout};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::PodTemplateSpec;

use super::meta::count;
use crate::component::{CORE, Core, Kind};
use crate::failed::Failed;
use crate::link::Link;

const OP: &str = "kubernetes:get core components";

/// Those of them that there are.
pub(super) async fn components(link: &Link) -> Result<Vec<Component>, Failed> {
    let mut components = Vec::new();
    for core in CORE {
        let rolled = match core.kind {
            Kind::DaemonSet => link.find(OP, &core.path()).await?.map(of_daemon_set),
            Kind::Deployment => link.find(OP, &core.path()).await?.map(of_deployment),
        };
        components.extend(rolled.and_then(|(template, rollout)| component(core, template, rollout)));
    }
    Ok(components)
}

/// None where it has no container at all.
fn component(core: Core, template: PodTemplateSpec, rollout: Rollout) -> Option<Component> {
    let containers = template.spec.map(|spec| spec.containers).unwrap_or_default();
    let main = containers.iter().find(|container| container.name == core.object).or(containers.first())?;
    Some(Component { name: core.addon.to_owned(), image: main.image.clone()?, rollout })
}

fn of_daemon_set(DaemonSet { metadata, spec, status }: DaemonSet) -> (PodTemplateSpec, Rollout) {
    let status = status.unwrap_or_default();
    let rollout = Rollout {
        generation: metadata.generation.unwrap_or(0),
        observed: status.observed_generation.unwrap_or(0),
        wants: count(status.desired_number_scheduled),
        updated: count(status.updated_number_scheduled),
        available: count(status.number_available),
    };
    (spec.unwrap_or_default().template, rollout)
}

fn of_deployment(Deployment { metadata, spec, status }: Deployment) -> (PodTemplateSpec, Rollout) {
    let (spec, status) = (spec.unwrap_or_default(), status.unwrap_or_default());
    let rollout = Rollout {
        generation: metadata.generation.unwrap_or(0),
        observed: status.observed_generation.unwrap_or(0),
        wants: count(spec.replicas.unwrap_or(1)),
        updated: count(status.updated_replicas),
        available: count(status.available_replicas),
    };
    (spec.template, rollout)
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn the_image_is_that_of_the_container_of_its_name() {
        let set = json!({"metadata": {"generation": 3}, "spec": {"selector": {}, "template": {"spec": {"containers": [
            {"name": "aws-eks-nodeagent", "image": "agent:1"}, {"name": "aws-node", "image": "cni:2"}]}}},
            "status": {"observedGeneration": 2, "desiredNumberScheduled": 4, "updatedNumberScheduled": 3,
                "numberAvailable": 1, "currentNumberScheduled": 4, "numberMisscheduled": 0, "numberReady": 2}});
        let (template, rollout) = of_daemon_set(from_value(set).unwrap());
        let cni = CORE.into_iter().find(|core| core.addon == "vpc-cni").unwrap();
        let read = component(cni, template, rollout).unwrap();
        assert_eq!((read.name.as_str(), read.image.as_str()), ("vpc-cni", "cni:2"));
        assert_eq!(read.rollout, Rollout { generation: 3, observed: 2, wants: 4, updated: 3, available: 1 });
    }

    #[test]
    fn a_rollout_of_a_deployment_counts_what_it_wants() {
        let deployment = json!({"metadata": {"generation": 1}, "spec": {"replicas": 2, "selector": {}, "template": {}},
            "status": {"observedGeneration": 1, "updatedReplicas": 2, "availableReplicas": 2}});
        assert!(of_deployment(from_value(deployment).unwrap()).1.is_over());
    }
}
