//! Who we are inside a cluster: one Kubernetes group a function, and the file that says what it may do.

/// What a function is to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It looks.
    Inspect,
    /// It works on nodes and pods.
    Kube,
}

impl Role {
    /// The group that the access entry of the function's role must name.
    #[must_use]
    pub const fn group(self) -> &'static str {
        match self {
            Self::Inspect => "eks-upgrade:inspect",
            Self::Kube => "eks-upgrade:kube",
        }
    }

    /// The `ClusterRole` that is bound to the group.
    #[must_use]
    pub const fn cluster_role(self) -> &'static str {
        match self {
            Self::Inspect => "eks-upgrade-inspect",
            Self::Kube => "eks-upgrade-kube",
        }
    }

    /// The file that holds the role, its binding, and how to make the access entry.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Inspect => "infra/kubernetes/inspect.yaml",
            Self::Kube => "infra/kubernetes/kube.yaml",
        }
    }
}
