//! Scaling and restarting workloads.

use eks_upgrade_core::inside::WorkloadKind;
use eks_upgrade_pipeline::ports::EksDown;
use eks_upgrade_pipeline::ports::inside::PodName;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v1::Scale;
use kube::api::Patch;
use kube::core::Resource;
use serde_json::json;

use super::refused;
use crate::failed::Failed;
use crate::link::Link;

const SCALE: &str = "kubernetes:scale deployment";
const RESTART: &str = "kubernetes:restart workload";
/// Where kubectl writes a restart. Whatever changes in a template makes new pods; the same mark changes nothing.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// Sets the replicas of `namespace/name`; gives what they were.
pub(super) async fn scale(link: &Link, deployment: &str, replicas: u32) -> Result<Option<u32>, Failed> {
    let (namespace, name) = deployment
        .split_once('/')
        .ok_or_else(|| Failed::odd(SCALE, format!("{deployment:?} is not NAMESPACE/NAME")))?;
    let path = format!("{}/{name}", Deployment::url_path(&(), Some(namespace)));
    let scale: Option<Scale> = link.find(SCALE, &format!("{path}/scale")).await?;
    let Some(scale) = scale else { return Ok(None) };
    let were =
        scale.spec.and_then(|spec| spec.replicas).and_then(|were| u32::try_from(were).ok()).unwrap_or(0);
    if were != replicas {
        let change = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        let done = link.patch(SCALE, path, "scale", &change).await?;
        return Ok(done.map(|()| were));
    }
    Ok(Some(were))
}

/// Restarts a workload's pods through it. One that is gone has none.
pub(super) async fn restart(
    link: &Link,
    kind: WorkloadKind,
    workload: &PodName,
    mark: &str,
) -> Result<(), EksDown> {
    let namespace = Some(workload.namespace.as_str());
    let path = match kind {
        WorkloadKind::Deployment => Deployment::url_path(&(), namespace),
        WorkloadKind::StatefulSet => StatefulSet::url_path(&(), namespace),
        WorkloadKind::DaemonSet => DaemonSet::url_path(&(), namespace),
        WorkloadKind::ReplicaSet => {
            let why = format!("a replica set leaves its pods as they are: {} needs a hand", workload.name);
            return Err(refused(RESTART, why));
        }
    };
    let marked = json!({"metadata": {"annotations": {RESTARTED_AT: mark}}});
    let change = Patch::Strategic(json!({"spec": {"template": marked}}));
    link.patch(RESTART, path, &workload.name, &change).await?;
    Ok(())
}
