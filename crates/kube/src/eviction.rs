//! Evictions: asking a pod to leave, with its budgets' consent, in earnest or not.

use eks_upgrade_pipeline::ports::inside::{Evicted, PodName};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::Eviction;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions;
use kube::api::PostParams;
use kube::core::{ObjectMeta, Resource, request};
use serde::de::IgnoredAny;

use crate::failed::Failed;
use crate::link::Link;

const OP: &str = "kubernetes:evict pod";

/// Whether the pod really goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It does.
    Real,
    /// It stays: the server only says what would become of it.
    None,
}

impl Link {
    /// Asks for an eviction. The pod's own grace period is kept: none is named.
    pub(crate) async fn evict(&self, pod: &PodName, effect: Effect) -> Result<Evicted, Failed> {
        let asked = request(pod, effect)?;
        match self.ask::<IgnoredAny>(OP, asked).await {
            Ok(_) => Ok(Evicted::Leaves),
            Err(failed) => outcome(failed),
        }
    }
}

/// By hand: the client's own call names the options `delete_options`, which no server reads.
fn request(pod: &PodName, effect: Effect) -> Result<http::Request<Vec<u8>>, Failed> {
    let dry_run = effect == Effect::None;
    // Said twice, and the server refuses what is not said alike: a lost parameter must not evict anybody.
    let options = DeleteOptions { dry_run: Some(vec!["All".to_owned()]), ..DeleteOptions::default() };
    let eviction = Eviction {
        metadata: ObjectMeta {
            name: Some(pod.name.clone()),
            namespace: Some(pod.namespace.clone()),
            ..ObjectMeta::default()
        },
        delete_options: dry_run.then_some(options),
    };
    let odd = |error: &dyn std::error::Error| Failed::odd(OP, error.to_string());
    let body = serde_json::to_vec(&eviction).map_err(|error| odd(&error))?;
    let params = PostParams { dry_run, ..PostParams::default() };
    request::Request::new(Pod::url_path(&(), Some(&pod.namespace)))
        .create_subresource("eviction", &pod.name, &params, body)
        .map_err(|error| odd(&error))
}

/// What a refusal means for the pod, where it is about the pod.
fn outcome(failed: Failed) -> Result<Evicted, Failed> {
    let Some(status) = failed.status() else { return Err(failed) };
    // Several budgets on one pod: the server calls its own state broken, with a 500 and no word of its own for it.
    let unsure = failed.is(500) && status.message.contains("PodDisruptionBudget");
    if failed.is_missing() {
        Ok(Evicted::Gone)
    } else if failed.is_of_a_budget() {
        Ok(Evicted::NotNow(status.message.clone()))
    } else if unsure || failed.is_of_a_webhook() {
        Ok(Evicted::Refused(status.message.clone()))
    } else {
        Err(failed)
    }
}
