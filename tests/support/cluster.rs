//! A cluster with all that is installed in it, healthy by default.

use std::collections::BTreeMap;

use eks_upgrade_core::cluster::{Addon, AmiFamily, Cluster, Insight, NodeGroup, Status};
use eks_upgrade_core::version::Minor;

use crate::fleet::home;
use crate::{catalogue, word};

/// One cluster of the fake EKS.
#[derive(Clone, Debug)]
pub struct Installed {
    /// The cluster itself.
    pub cluster: Cluster,
    /// Its managed node groups, by name.
    pub node_groups: BTreeMap<String, NodeGroup>,
    /// Its add-ons, by name.
    pub addons: BTreeMap<String, Addon>,
    /// Its Fargate profiles.
    pub fargate_profiles: Vec<String>,
    /// EKS's insights.
    pub insights: Vec<Insight>,
}

/// A healthy cluster that is opted in: the three core add-ons at EKS's default, one node group `general`.
#[must_use]
pub fn installed(name: &str, version: &str) -> Installed {
    let minor: Minor = word(version);
    let addon = |name: &str| Addon {
        name: name.to_owned(),
        version: word(&catalogue::default_version(name, minor)),
        status: Status::Active,
        role: None,
        configuration: None,
        health_issues: Vec::new(),
    };
    Installed {
        cluster: Cluster {
            arn: home().cluster(&word(name)),
            created_at: word("2025-01-15T08:00:00Z"),
            version: minor,
            status: Status::Active,
            tags: BTreeMap::from([("eks-upgrade:enabled".to_owned(), "true".to_owned())]),
            auto_mode: false,
            extended_support: true,
            health_issues: Vec::new(),
        },
        node_groups: BTreeMap::new(),
        addons: ["vpc-cni", "coredns", "kube-proxy"].map(|name| (name.to_owned(), addon(name))).into(),
        fargate_profiles: Vec::new(),
        insights: Vec::new(),
    }
    .with(node_group("general", version))
}

/// A healthy node group of three nodes.
#[must_use]
pub fn node_group(name: &str, version: &str) -> NodeGroup {
    NodeGroup {
        name: name.to_owned(),
        version: word(version),
        release: Some(format!("{version}.0-20260801")),
        ami: AmiFamily::Published,
        launch_template: None,
        status: Status::Active,
        size: 3,
        max_unavailable: 1,
        health_issues: Vec::new(),
    }
}

impl Installed {
    /// With this node group too, or instead of the one of its name.
    #[must_use]
    pub fn with(mut self, group: NodeGroup) -> Self {
        self.node_groups.insert(group.name.clone(), group);
        self
    }

    /// Without node groups.
    #[must_use]
    pub fn without_groups(mut self) -> Self {
        self.node_groups.clear();
        self
    }

    /// With this tag.
    #[must_use]
    pub fn tagged(mut self, key: &str, value: &str) -> Self {
        self.cluster.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Without an add-on: somebody installed the component otherwise, or not at all.
    #[must_use]
    pub fn without_addon(mut self, name: &str) -> Self {
        self.addons.remove(name);
        self
    }

    /// With another version of an add-on.
    #[must_use]
    pub fn with_addon(mut self, name: &str, version: &str) -> Self {
        let addon = Addon {
            name: name.to_owned(),
            version: word(version),
            status: Status::Active,
            role: None,
            configuration: None,
            health_issues: Vec::new(),
        };
        self.addons.insert(name.to_owned(), addon);
        self
    }
}
