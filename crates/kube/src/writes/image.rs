//! Setting the image of a core component that no add-on manages.

use eks_upgrade_core::component::Image;
use eks_upgrade_pipeline::ports::EksDown;
use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};
use kube::api::Patch;
use serde::Deserialize;
use serde_json::{Value, json};

use super::refused;
use crate::component::Core;
use crate::link::Link;

const OP: &str = "kubernetes:set image of core component";

/// What a daemon set and a deployment have alike.
#[derive(Deserialize)]
struct Templated {
    spec: Template,
}

#[derive(Deserialize)]
struct Template {
    template: PodTemplateSpec,
}

/// Sets the image of every container, initial ones too, whose repository is that of `to`. A component that has `to`
/// already is left as it is.
pub(super) async fn set_image(link: &Link, component: &str, to: &str) -> Result<(), EksDown> {
    let core: Core = component.parse().map_err(|why: String| refused(OP, why))?;
    let repository =
        Image::read(to).ok_or_else(|| refused(OP, format!("{to:?} is no image with a tag")))?.repository;
    let object: Option<Templated> = link.find(OP, &core.path()).await?;
    let pod = object.and_then(|object| object.spec.template.spec);
    let pod = pod.ok_or_else(|| refused(OP, format!("there is no {component} in kube-system")))?;
    let patch = patch(&pod, repository, to);
    let patch =
        patch.ok_or_else(|| refused(OP, format!("no container of {component} is from {repository}")))?;
    link.patch(OP, core.objects(), core.object, &Patch::Strategic(patch))
        .await?
        .ok_or_else(|| refused(OP, format!("{component} has just been deleted")))
}

/// Containers are merged by their names. `None`: no container is from the repository.
fn patch(pod: &PodSpec, repository: &str, to: &str) -> Option<Value> {
    let from = |containers: &[Container]| -> Vec<Value> {
        let is_from = |container: &&Container| {
            let image = container.image.as_deref().and_then(Image::read);
            image.is_some_and(|image| image.repository == repository)
        };
        containers
            .iter()
            .filter(is_from)
            .map(|container| json!({"name": container.name, "image": to}))
            .collect()
    };
    let containers = from(&pod.containers);
    let initial = from(pod.init_containers.as_deref().unwrap_or_default());
    if containers.is_empty() && initial.is_empty() {
        return None;
    }
    let mut spec = json!({});
    if !containers.is_empty() {
        spec["containers"] = containers.into();
    }
    if !initial.is_empty() {
        spec["initContainers"] = initial.into();
    }
    Some(json!({"spec": {"template": {"spec": spec}}}))
}

#[cfg(test)]
mod tests {
    use serde_json::from_value;

    use super::*;

    const TO: &str = "example.com/eks/kube-proxy:v1.34.1-minimal-eksbuild.3";

    #[test]
    fn every_container_from_the_repository_is_set_and_no_other() {
        let pod: PodSpec = from_value(json!({
            "containers": [
                {"name": "kube-proxy", "image": "example.com/eks/kube-proxy:v1.33.0-minimal-eksbuild.2"},
                {"name": "side", "image": "example.com/eks/kube-proxy-side:v1"}
            ],
            "initContainers": [{"name": "init", "image": "example.com/eks/kube-proxy:v1.33.0"}]
        }))
        .unwrap();
        let spec = patch(&pod, "example.com/eks/kube-proxy", TO).unwrap();
        let spec = &spec["spec"]["template"]["spec"];
        assert_eq!(spec["containers"], json!([{"name": "kube-proxy", "image": TO}]));
        assert_eq!(spec["initContainers"], json!([{"name": "init", "image": TO}]));
        assert_eq!(patch(&pod, "other.example.com/eks/kube-proxy", TO), None);
    }
}
