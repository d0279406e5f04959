//! The kinds of object that the API server has, and where they are in the API.

/// A resource of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Resource {
    Namespace,
    Node,
    Pod,
    Service,
    Endpoints,
    ConfigMap,
    ServiceAccount,
    PersistentVolume,
    PersistentVolumeClaim,
    Event,
    Deployment,
    DaemonSet,
    StatefulSet,
    ReplicaSet,
    PodDisruptionBudget,
    Job,
    CronJob,
    EndpointSlice,
    ValidatingWebhookConfiguration,
    MutatingWebhookConfiguration,
    HorizontalPodAutoscaler,
    Ingress,
    NetworkPolicy,
    StorageClass,
    FlowSchema,
    PriorityLevelConfiguration,
    CustomResourceDefinition,
    NodePool,
    NodeClaim,
}

/// Where a resource is in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Empty for the core group.
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) namespaced: bool,
    /// What `kubectl` may say instead; empty for nothing.
    pub(crate) short: &'static str,
}

/// All of them, in the order in which discovery tells of them.
pub(crate) const ALL: [Resource; 29] = [
    Resource::Namespace,
    Resource::Node,
    Resource::Pod,
    Resource::Service,
    Resource::Endpoints,
    Resource::ConfigMap,
    Resource::ServiceAccount,
    Resource::PersistentVolume,
    Resource::PersistentVolumeClaim,
    Resource::Event,
    Resource::Deployment,
    Resource::DaemonSet,
    Resource::StatefulSet,
    Resource::ReplicaSet,
    Resource::PodDisruptionBudget,
    Resource::Job,
    Resource::CronJob,
    Resource::EndpointSlice,
    Resource::ValidatingWebhookConfiguration,
    Resource::MutatingWebhookConfiguration,
    Resource::HorizontalPodAutoscaler,
    Resource::Ingress,
    Resource::NetworkPolicy,
    Resource::StorageClass,
    Resource::FlowSchema,
    Resource::PriorityLevelConfiguration,
    Resource::CustomResourceDefinition,
    Resource::NodePool,
    Resource::NodeClaim,
];

const ADMISSION: &str = "admissionregistration.k8s.io";
const FLOW: &str = "flowcontrol.apiserver.k8s.io";
/// The group that is there only if Karpenter is.
pub(crate) const KARPENTER: &str = "karpenter.sh";

impl Resource {
    /// Where it is in the API.
    pub(crate) fn facts(self) -> Facts {
        let of = |group, plural, kind, short| Facts {
            group,
            version: "v1",
            plural,
            kind,
            namespaced: true,
            short,
        };
        let whole =
            |group, plural, kind, short| Facts { namespaced: false, ..of(group, plural, kind, short) };
        match self {
            Self::Namespace => whole("", "namespaces", "Namespace", "ns"),
            Self::Node => whole("", "nodes", "Node", "no"),
            Self::Pod => of("", "pods", "Pod", "po"),
            Self::Service => of("", "services", "Service", "svc"),
            Self::Endpoints => of("", "endpoints", "Endpoints", "ep"),
            Self::ConfigMap => of("", "configmaps", "ConfigMap", "cm"),
            Self::ServiceAccount => of("", "serviceaccounts", "ServiceAccount", "sa"),
            Self::PersistentVolume => whole("", "persistentvolumes", "PersistentVolume", "pv"),
            Self::PersistentVolumeClaim => of("", "persistentvolumeclaims", "PersistentVolumeClaim", "pvc"),
            Self::Event => of("", "events", "Event", "ev"),
            Self::Deployment => of("apps", "deployments", "Deployment", "deploy"),
            Self::DaemonSet => of("apps", "daemonsets", "DaemonSet", "ds"),
            Self::StatefulSet => of("apps", "statefulsets", "StatefulSet", "sts"),
            Self::ReplicaSet => of("apps", "replicasets", "ReplicaSet", "rs"),
            Self::PodDisruptionBudget => of("policy", "poddisruptionbudgets", "PodDisruptionBudget", "pdb"),
            Self::Job => of("batch", "jobs", "Job", ""),
            Self::CronJob => of("batch", "cronjobs", "CronJob", "cj"),
            Self::EndpointSlice => of("discovery.k8s.io", "endpointslices", "EndpointSlice", ""),
            Self::ValidatingWebhookConfiguration => {
                whole(ADMISSION, "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", "")
            }
            Self::MutatingWebhookConfiguration => {
                whole(ADMISSION, "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", "")
            }
            Self::HorizontalPodAutoscaler => Facts {
                version: "v2",
                ..of("autoscaling", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa")
            },
            Self::Ingress => of("networking.k8s.io", "ingresses", "Ingress", "ing"),
            Self::NetworkPolicy => of("networking.k8s.io", "networkpolicies", "NetworkPolicy", "netpol"),
            Self::StorageClass => whole("storage.k8s.io", "storageclasses", "StorageClass", "sc"),
            Self::FlowSchema => whole(FLOW, "flowschemas", "FlowSchema", ""),
            Self::PriorityLevelConfiguration => {
                whole(FLOW, "prioritylevelconfigurations", "PriorityLevelConfiguration", "")
            }
            Self::CustomResourceDefinition => {
                whole("apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition", "crd")
            }
            Self::NodePool => whole(KARPENTER, "nodepools", "NodePool", ""),
            Self::NodeClaim => whole(KARPENTER, "nodeclaims", "NodeClaim", ""),
        }
    }

    /// The resource at that place of the API.
    pub(crate) fn find(group: &str, version: &str, plural: &str) -> Option<Self> {
        ALL.into_iter().find(|resource| {
            let facts = resource.facts();
            facts.group == group && facts.version == version && facts.plural == plural
        })
    }

    /// The resource of that kind.
    pub(crate) fn of_kind(kind: &str) -> Option<Self> {
        ALL.into_iter().find(|resource| resource.facts().kind == kind)
    }

    /// Whether it has the subresource `scale`.
    pub(crate) fn scales(self) -> bool {
        matches!(self, Self::Deployment | Self::StatefulSet | Self::ReplicaSet)
    }
}

impl Facts {
    /// `v1` or `apps/v1`.
    pub(crate) fn api_version(self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_resource_is_found_at_its_own_place_and_by_its_kind() {
        for resource in ALL {
            let facts = resource.facts();
            assert_eq!(Resource::find(facts.group, facts.version, facts.plural), Some(resource));
            assert_eq!(Resource::of_kind(facts.kind), Some(resource));
        }
        assert_eq!(Resource::find("policy", "v1beta1", "poddisruptionbudgets"), None);
    }
}
