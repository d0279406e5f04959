//! Objects that somebody applied under another version of their API than the one they are read under.
//!
//! kubectl keeps the manifest in an annotation. The object lives on whatever becomes of that version, but the next
//! apply of the same file fails once it is gone.

use eks_upgrade_core::inside::Applied;
use futures_util::future::try_join_all;
use kube::core::PartialObjectMeta;
use serde::Deserialize;

use super::meta::{annotation, name, namespace};
use crate::failed::Failed;
use crate::link::{Link, Listing};

const MANIFEST: &str = "kubectl.kubernetes.io/last-applied-configuration";
const OP: &str = "kubernetes:list applied objects";

/// A kind that people apply.
struct Kind {
    group: &'static str,
    /// The versions to read it under, the best first. A server that serves none of them has none of it.
    versions: &'static [&'static str],
    resource: &'static str,
    called: &'static str,
}

const fn kind(
    group: &'static str,
    versions: &'static [&'static str],
    resource: &'static str,
    called: &'static str,
) -> Kind {
    Kind { group, versions, resource, called }
}

const V1: &[&str] = &["v1"];
const AUTOSCALING: &[&str] = &["v2", "v1"];
const FLOWCONTROL: &[&str] = &["v1", "v1beta3", "v1beta1"];
const ADMISSION: &str = "admissionregistration.k8s.io";
const FLOW: &str = "flowcontrol.apiserver.k8s.io";
const NETWORK: &str = "networking.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const STORAGE: &str = "storage.k8s.io";

/// The kinds whose API ever had another version (Kubernetes' guide of deprecated APIs, 1.16 and later).
const KINDS: [Kind; 25] = [
    kind(ADMISSION, V1, "mutatingwebhookconfigurations", "MutatingWebhookConfiguration"),
    kind(ADMISSION, V1, "validatingwebhookconfigurations", "ValidatingWebhookConfiguration"),
    kind("apiextensions.k8s.io", V1, "customresourcedefinitions", "CustomResourceDefinition"),
    kind("apiregistration.k8s.io", V1, "apiservices", "APIService"),
    kind("apps", V1, "daemonsets", "DaemonSet"),
    kind("apps", V1, "deployments", "Deployment"),
    kind("apps", V1, "replicasets", "ReplicaSet"),
    kind("apps", V1, "statefulsets", "StatefulSet"),
    kind("autoscaling", AUTOSCALING, "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
    kind("batch", &["v1", "v1beta1"], "cronjobs", "CronJob"),
    kind(FLOW, FLOWCONTROL, "flowschemas", "FlowSchema"),
    kind(FLOW, FLOWCONTROL, "prioritylevelconfigurations", "PriorityLevelConfiguration"),
    kind(NETWORK, V1, "ingresses", "Ingress"),
    kind(NETWORK, V1, "ingressclasses", "IngressClass"),
    kind(NETWORK, V1, "networkpolicies", "NetworkPolicy"),
    kind("node.k8s.io", V1, "runtimeclasses", "RuntimeClass"),
    kind("policy", V1, "poddisruptionbudgets", "PodDisruptionBudget"),
    kind("policy", &["v1beta1"], "podsecuritypolicies", "PodSecurityPolicy"),
    kind(RBAC, V1, "clusterroles", "ClusterRole"),
    kind(RBAC, V1, "clusterrolebindings", "ClusterRoleBinding"),
    kind(RBAC, V1, "roles", "Role"),
    kind(RBAC, V1, "rolebindings", "RoleBinding"),
    kind("scheduling.k8s.io", V1, "priorityclasses", "PriorityClass"),
    kind(STORAGE, V1, "csidrivers", "CSIDriver"),
    kind(STORAGE, V1, "storageclasses", "StorageClass"),
];

/// What the annotation holds, of which the version alone is read.
#[derive(Deserialize)]
struct Manifest {
    #[serde(rename = "apiVersion")]
    api_version: String,
}

/// All objects whose manifest names another version than they are read under, or a beta.
pub(super) async fn applied(link: &Link) -> Result<Vec<Applied>, Failed> {
    let kinds = try_join_all(KINDS.iter().map(|kind| of_kind(link, kind))).await?;
    Ok(kinds.concat())
}

async fn of_kind(link: &Link, kind: &Kind) -> Result<Vec<Applied>, Failed> {
    for version in kind.versions {
        let read_under = format!("{}/{version}", kind.group);
        let path = format!("/apis/{read_under}/{}", kind.resource);
        let listing = Listing::at(OP, path).metadata();
        let kept = |object: PartialObjectMeta| of_object(&object, kind.called, &read_under);
        match link.list(&listing, kept).await {
            Err(failed) if failed.is_missing() => {}
            answer => return answer,
        }
    }
    Ok(Vec::new())
}

fn of_object(object: &PartialObjectMeta, kind: &str, read_under: &str) -> Option<Applied> {
    let meta = &object.metadata;
    let Manifest { api_version } = serde_json::from_str(annotation(meta, MANIFEST)?).ok()?;
    let of_interest = api_version != read_under || api_version.contains("beta");
    of_interest.then(|| Applied {
        api_version,
        kind: kind.to_owned(),
        namespace: namespace(meta),
        name: name(meta),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    fn seen(manifest: &str, read_under: &str) -> Option<String> {
        let object =
            json!({"metadata": {"name": "web", "namespace": "shop", "annotations": {MANIFEST: manifest}}});
        of_object(&from_value(object).unwrap(), "Ingress", read_under).map(|applied| applied.api_version)
    }

    #[test]
    fn a_manifest_of_another_version_or_of_a_beta_is_told() {
        let manifest = |version: &str| json!({"apiVersion": version, "kind": "Ingress"}).to_string();
        let (v1, beta) = ("networking.k8s.io/v1", "networking.k8s.io/v1beta1");
        assert_eq!(seen(&manifest(v1), v1), None);
        assert_eq!(seen(&manifest(beta), v1).as_deref(), Some(beta));
        assert_eq!(seen(&manifest(beta), beta).as_deref(), Some(beta));
        assert_eq!(seen("no manifest", v1), None);
    }

    #[test]
    fn what_was_never_applied_is_not_told() {
        let object = json!({"metadata": {"name": "web"}});
        assert_eq!(of_object(&from_value(object).unwrap(), "Ingress", "networking.k8s.io/v1"), None);
    }
}
