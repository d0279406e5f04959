//! EKS, as much of it as the protocol leans on: one cluster, its node groups, one update at a time for each.
//!
//! What it refuses, and in which words, follows the EKS API reference. How long an update takes is not its business:
//! whoever explores ends it.

use std::collections::BTreeMap;

use eks_upgrade_core::cluster::{
    Cluster, Found, NodeGroup, Resource, Status, Update, UpdateError, UpdateStatus,
};
use eks_upgrade_core::guard::Call;
use eks_upgrade_core::ids::{Token, UpdateId};
use eks_upgrade_core::remedy::Refusal;
use jiff::Timestamp;

/// An update with the call that began it.
#[derive(Clone, Debug)]
struct Begun {
    call: Call,
    token: Token,
    update: Update,
}

/// One cluster, and every update that it had.
#[derive(Clone, Debug)]
pub struct Eks {
    /// The cluster.
    pub cluster: Cluster,
    /// Its node groups, by name.
    pub groups: BTreeMap<String, NodeGroup>,
    updates: Vec<Begun>,
}

impl Eks {
    /// A cluster that had no update yet.
    #[must_use]
    pub fn new(cluster: Cluster, groups: Vec<NodeGroup>) -> Self {
        let groups = groups.into_iter().map(|group| (group.name.clone(), group)).collect();
        Self { cluster, groups, updates: Vec::new() }
    }

    /// The updates of a resource.
    #[must_use]
    pub fn update_ids(&self, resource: &Resource) -> Vec<UpdateId> {
        let theirs = self.updates.iter().filter(|begun| begun.call.resource() == *resource);
        theirs.map(|begun| begun.update.id.clone()).collect()
    }

    /// One update.
    #[must_use]
    pub fn update(&self, id: &UpdateId) -> Found<Update> {
        let found = self.updates.iter().find(|begun| begun.update.id == *id);
        found.map_or(Found::Gone, |begun| Found::Is(begun.update.clone()))
    }

    /// The update that a token began.
    #[must_use]
    pub fn began(&self, token: &Token) -> Option<UpdateId> {
        self.updates.iter().find(|begun| begun.token == *token).map(|begun| begun.update.id.clone())
    }

    /// The places of the updates that are under way.
    #[must_use]
    pub fn under_way(&self) -> Vec<usize> {
        let going = |begun: &Begun| begun.update.status == UpdateStatus::InProgress;
        self.updates.iter().enumerate().filter(|(_, begun)| going(begun)).map(|(place, _)| place).collect()
    }

    /// Whether what a call wants was brought about by an update, or one is at it: one that failed counts for nothing.
    #[must_use]
    pub fn is_done_or_under_way(&self, call: &Call) -> bool {
        let counts = |begun: &Begun| {
            matches!(begun.update.status, UpdateStatus::InProgress | UpdateStatus::Successful)
        };
        let same = |begun: &&Begun| begun.call.resource() == call.resource() && call.matches(&begun.update);
        self.updates.iter().filter(same).any(counts)
    }

    /// Why a call cannot be taken while another update goes on.
    #[must_use]
    pub fn busy(&self, call: &Call) -> Option<Refusal> {
        let at = |resource: &Resource| {
            let mut going = self.under_way().into_iter().filter_map(|place| self.updates.get(place));
            going.find(|begun| begun.call.resource() == *resource)
        };
        let message = if let Some(begun) = at(&Resource::ControlPlane) {
            let (name, id) = (&self.cluster.arn.name, &begun.update.id);
            format!("Cannot VersionUpdate because cluster {name} currently has update {id} in progress")
        } else {
            at(&call.resource())?;
            "Nodegroup cannot be updated as it is currently not in Active State".to_owned()
        };
        Some(Refusal { status: 409, name: "ResourceInUseException".into(), message })
    }

    /// Why a call is not taken at all. A node group may be sent to the version that it has: EKS takes that for an update
    /// of its image.
    #[must_use]
    pub fn refused(&self, call: &Call) -> Option<Refusal> {
        let at = self.cluster.version;
        let message = match call {
            Call::UpdateClusterVersion { version } if at.next() != *version => {
                format!("Unsupported Kubernetes minor version update from {at} to {version}")
            }
            Call::UpdateNodegroupVersion { version: Some(version), .. } if *version != at => {
                format!("Nodegroup Kubernetes version should be equal to Cluster kubernetes version {at}")
            }
            _ => return None,
        };
        Some(Refusal { status: 400, name: "InvalidParameterException".into(), message })
    }

    /// Begins a call's update.
    ///
    /// # Panics
    /// When the call is none that is modelled.
    pub fn begin(&mut self, call: &Call, token: Token, now: Timestamp) -> UpdateId {
        let to = match call {
            Call::UpdateClusterVersion { version } => Some(version.to_string()),
            Call::UpdateNodegroupVersion { version, .. } => version.map(|version| version.to_string()),
            other => panic!("{other} is not modelled"),
        };
        let id: UpdateId = format!("update-{}", self.updates.len() + 1).parse().unwrap();
        let update = Update {
            id: id.clone(),
            kind: "VersionUpdate".into(),
            status: UpdateStatus::InProgress,
            created_at: now,
            to,
            errors: Vec::new(),
        };
        self.set(&call.resource(), Status::Updating);
        self.updates.push(Begun { call: call.clone(), token, update });
        id
    }

    /// Ends an update, well or not.
    pub fn end(&mut self, place: usize, well: bool) {
        let Some(begun) = self.updates.get_mut(place) else { return };
        let call = begun.call.clone();
        if well {
            begun.update.status = UpdateStatus::Successful;
        } else {
            begun.update.status = UpdateStatus::Failed;
            // One that the remedies try again.
            let (code, message) =
                ("ClusterUnreachable".to_owned(), "The API server does not answer".to_owned());
            begun.update.errors = vec![UpdateError { code, message, resources: Vec::new() }];
        }
        self.set(&call.resource(), Status::Active);
        match call {
            Call::UpdateClusterVersion { version } if well => self.cluster.version = version,
            Call::UpdateNodegroupVersion { name, version: Some(version), .. } if well => {
                if let Some(group) = self.groups.get_mut(&name) {
                    group.version = version;
                }
            }
            _ => {}
        }
    }

    fn set(&mut self, resource: &Resource, status: Status) {
        match resource {
            Resource::ControlPlane => self.cluster.status = status,
            Resource::NodeGroup(name) => {
                if let Some(group) = self.groups.get_mut(name) {
                    group.status = status;
                }
            }
            Resource::AddOn(_) => {}
        }
    }
}
