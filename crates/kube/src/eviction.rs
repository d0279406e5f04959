//! Evictions: asking a pod to leave, with its budgets' consent, in earnest or not.

use eks_upgrade_pipeline::ports::inside::{Evicted, PodName};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::Eviction;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{DeleteOptions, Preconditions};
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
            // Another pod has the name by now; what else conflicts is asked for again with the next look.
            Err(failed) if failed.is(409) && pod.uid.is_some() => Ok(Evicted::Gone),
            Err(failed) => outcome(failed),
        }
    }
}

/// By hand: the client's own call names the options `delete_options`, which no server reads.
fn request(pod: &PodName, effect: Effect) -> Result<http::Request<Vec<u8>>, Failed> {
    let dry_run = effect == Effect::None;
    // Said twice, and the server refuses what is not said alike: a lost parameter must not evict anybody.
    let options = DeleteOptions {
        dry_run: dry_run.then(|| vec!["All".to_owned()]),
        preconditions: pod.uid.clone().map(|uid| Preconditions { uid: Some(uid), resource_version: None }),
        ..DeleteOptions::default()
    };
    let says_something = dry_run || pod.uid.is_some();
    let eviction = Eviction {
        metadata: ObjectMeta {
            name: Some(pod.name.clone()),
            namespace: Some(pod.namespace.clone()),
            ..ObjectMeta::default()
        },
        delete_options: says_something.then_some(options),
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn body(uid: Option<&str>, effect: Effect) -> Value {
        let (namespace, name) = ("shop".to_owned(), "db-0".to_owned());
        let pod = PodName { namespace, name, uid: uid.map(str::to_owned) };
        serde_json::from_slice(request(&pod, effect).unwrap().body()).unwrap()
    }

    #[test]
    fn the_very_pod_is_meant_and_no_grace_period_is_named() {
        let named = body(Some("u-1"), Effect::Real);
        assert_eq!(named["deleteOptions"]["preconditions"], json!({"uid": "u-1"}));
        assert_eq!(named["deleteOptions"].get("dryRun"), None);
        assert_eq!(named["deleteOptions"].get("gracePeriodSeconds"), None);
        assert_eq!(body(None, Effect::Real).get("deleteOptions"), None);
    }

    #[test]
    fn a_try_is_one_in_its_body_too() {
        let tried = body(Some("u-1"), Effect::None);
        assert_eq!(tried["deleteOptions"]["dryRun"], json!(["All"]));
        assert_eq!(tried["deleteOptions"]["preconditions"], json!({"uid": "u-1"}));
    }
}
