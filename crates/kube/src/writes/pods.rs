//! Deleting a pod, whatever its budgets say.

use eks_upgrade_pipeline::ports::inside::PodName;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Preconditions};
use kube::core::{Resource, request};
use serde::de::IgnoredAny;

use crate::failed::Failed;
use crate::link::Link;

const OP: &str = "kubernetes:delete pod";

/// Deletes it. Its own grace period is kept: none is named. One that is gone is no error.
pub(super) async fn delete(link: &Link, pod: &PodName) -> Result<(), Failed> {
    let path = Pod::url_path(&(), Some(&pod.namespace));
    let this_one = |uid| Preconditions { uid: Some(uid), resource_version: None };
    let params = DeleteParams { preconditions: pod.uid.clone().map(this_one), ..DeleteParams::default() };
    let request = request::Request::new(path).delete(&pod.name, &params);
    let request = request.map_err(|error| Failed::odd(OP, error.to_string()))?;
    match link.ask::<IgnoredAny>(OP, request).await {
        Err(failed) if failed.is_missing() => Ok(()),
        // Another pod has the name by now.
        Err(failed) if failed.is(409) && pod.uid.is_some() => Ok(()),
        answer => answer.map(|_| ()),
    }
}
