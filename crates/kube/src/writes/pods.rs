//! Deleting a pod, whatever its budgets say.

use eks_upgrade_pipeline::ports::inside::PodName;
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use kube::core::{Resource, request};
use serde::de::IgnoredAny;

use crate::failed::Failed;
use crate::link::Link;

const OP: &str = "kubernetes:delete pod";

/// Deletes it. Its own grace period is kept: none is named. One that is gone is no error.
pub(super) async fn delete(link: &Link, pod: &PodName) -> Result<(), Failed> {
    let path = Pod::url_path(&(), Some(&pod.namespace));
    let request = request::Request::new(path).delete(&pod.name, &DeleteParams::default());
    let request = request.map_err(|error| Failed::odd(OP, error.to_string()))?;
    match link.ask::<IgnoredAny>(OP, request).await {
        Err(failed) if failed.is_missing() => Ok(()),
        answer => answer.map(|_| ()),
    }
}
