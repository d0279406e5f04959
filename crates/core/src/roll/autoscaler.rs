//! Cluster Autoscaler, as a cluster runs it.

use super::Paused;
use crate::inside::{Inside, Unseen, Workload, WorkloadKind};

/// What its deployments and images are called, whoever packs it.
const NAME: &str = "cluster-autoscaler";

/// The deployment of Cluster Autoscaler that runs, with its replicas, if there is one. Needs workloads.
pub(super) fn running(inside: &Inside) -> Result<Option<Paused>, Unseen> {
    let found = inside.workloads.get()?.iter().find(|workload| is_it(workload) && workload.wants > 0);
    Ok(found.map(|workload| Paused {
        deployment: format!("{}/{}", workload.namespace, workload.name),
        replicas: workload.wants,
    }))
}

/// By its image anywhere, by its name in `kube-system` only: others may call something of theirs like it.
fn is_it(workload: &Workload) -> bool {
    let by_name = workload.namespace == "kube-system" && workload.name.contains(NAME);
    let by_image = workload.images.iter().any(|image| repository(image).starts_with(NAME));
    workload.kind == WorkloadKind::Deployment && (by_name || by_image)
}

/// The last part of an image's repository: `a/b/c:tag@digest` is `c`.
fn repository(image: &str) -> &str {
    let last = image.rsplit_once('/').map_or(image, |(_, last)| last);
    last.split([':', '@']).next().unwrap_or(last)
}
