//! Where the core components are: names that EKS gives them in every cluster, as an add-on or not.

use std::str::FromStr;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use kube::core::Resource;

/// A core component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Core {
    /// The name of its EKS add-on.
    pub(crate) addon: &'static str,
    /// The name of its object, and of its main container.
    pub(crate) object: &'static str,
    /// What the object is.
    pub(crate) kind: Kind,
}

/// What a core component's object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    DaemonSet,
    Deployment,
}

/// All of them.
pub(crate) const CORE: [Core; 3] = [
    Core { addon: "kube-proxy", object: "kube-proxy", kind: Kind::DaemonSet },
    Core { addon: "coredns", object: "coredns", kind: Kind::Deployment },
    Core { addon: "vpc-cni", object: "aws-node", kind: Kind::DaemonSet },
];

impl Core {
    /// The path of the objects of its kind, where it is.
    pub(crate) fn objects(self) -> String {
        let namespace = Some("kube-system");
        match self.kind {
            Kind::DaemonSet => DaemonSet::url_path(&(), namespace),
            Kind::Deployment => Deployment::url_path(&(), namespace),
        }
    }

    /// The path of its object.
    pub(crate) fn path(self) -> String {
        format!("{}/{}", self.objects(), self.object)
    }
}

impl FromStr for Core {
    type Err = String;

    /// By the name of the add-on.
    fn from_str(addon: &str) -> Result<Self, String> {
        let core = CORE.into_iter().find(|core| core.addon == addon);
        core.ok_or_else(|| format!("{addon:?} is no core component"))
    }
}
