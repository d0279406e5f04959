//! Updates of the fake EKS: what begins them, how they end, and what EKS refuses.

use eks_upgrade_core::arn::ClusterName;
use eks_upgrade_core::cluster::{
    AmiFamily, Catalogue, NodeGroup, Resource, Status, Update, UpdateError, UpdateStatus,
};
use eks_upgrade_core::guard::Call;
use eks_upgrade_core::remedy::Refusal;
use eks_upgrade_core::version::{Minor, skew_allows};
use jiff::Timestamp;

use crate::cluster::Installed;

/// What is out of the ordinary about the next call on a resource.
#[derive(Clone, Debug)]
pub enum Twist {
    /// EKS refuses it.
    Refused(u16, &'static str, String),
    /// It is accepted, and ends so.
    Ends(Outcome),
    /// It is accepted and takes this many seconds.
    Lasts(i64),
    /// It is accepted; the answer is lost.
    AnswerLost,
    /// It never reaches EKS, and nobody says so.
    NeverArrives,
    /// The function dies before EKS has the call.
    DiesBefore,
    /// EKS has accepted it when the function dies.
    DiesAfter,
}

/// How an update ends.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Well.
    Successful,
    /// With this error code, message and resources.
    Failed(&'static str, &'static str, &'static [&'static str]),
    /// Cancelled.
    Cancelled,
    /// In a way that nobody has seen yet.
    Unheard(&'static str),
}

impl Twist {
    /// A throttled call.
    #[must_use]
    pub fn throttled() -> Self {
        Self::Refused(429, "ThrottlingException", "Rate exceeded".into())
    }

    /// An update that fails with this code.
    #[must_use]
    pub fn fails(code: &'static str, message: &'static str) -> Self {
        Self::Ends(Outcome::Failed(code, message, &[]))
    }

    /// An update that a `PodDisruptionBudget` holds up.
    #[must_use]
    pub fn eviction_fails() -> Self {
        let message = "Reached max retries while trying to evict pods from nodes in node group";
        Self::Ends(Outcome::Failed("PodEvictionFailure", message, &["ip-10-0-1-7.ec2.internal"]))
    }
}

/// One update as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub cluster: ClusterName,
    /// When that cluster was made: a later one of the same name has other updates.
    pub made_at: Timestamp,
    pub call: Call,
    pub update: Update,
    pub ends_at: Timestamp,
    pub outcome: Outcome,
}

/// How long a call's update takes, in seconds.
pub(crate) fn usual_s(call: &Call) -> i64 {
    match call {
        Call::UpdateClusterVersion { .. } | Call::RollBackClusterVersion { .. } => 600,
        Call::SetExtendedSupport => 60,
        Call::UpdateNodegroupVersion { .. } => 1_500,
        Call::UpdateAddon { .. } => 90,
    }
}

pub(crate) fn kind_of(call: &Call) -> &'static str {
    match call {
        Call::UpdateAddon { .. } => "AddonUpdate",
        Call::RollBackClusterVersion { .. } => "VersionRollback",
        Call::SetExtendedSupport => "UpgradePolicyUpdate",
        Call::UpdateClusterVersion { .. } | Call::UpdateNodegroupVersion { .. } => "VersionUpdate",
    }
}

pub(crate) fn goal_of(call: &Call) -> Option<String> {
    match call {
        Call::UpdateClusterVersion { version } | Call::RollBackClusterVersion { version, .. } => {
            Some(version.to_string())
        }
        Call::SetExtendedSupport => None,
        Call::UpdateNodegroupVersion { version, .. } => version.map(|version| version.to_string()),
        Call::UpdateAddon { version, .. } => Some(version.to_string()),
    }
}

/// A call with what is sent of it, as EKS's request log would show it. The stories compare with this, so that
/// what the ledger says of a call may be worded freely.
pub(crate) fn in_words(call: &Call) -> String {
    match call {
        Call::UpdateClusterVersion { version } => format!("UpdateClusterVersion version={version}"),
        Call::UpdateNodegroupVersion { name, version, launch_template, force } => {
            let version = version.map_or(String::new(), |version| format!(" version={version}"));
            let template = launch_template.as_ref();
            let template =
                template.map_or(String::new(), |t| format!(" launchTemplate={}:{}", t.id, t.version));
            format!("UpdateNodegroupVersion nodegroup={name}{version}{template} force={force}")
        }
        Call::RollBackClusterVersion { version, force } => {
            format!("UpdateClusterVersion version={version} back force={force}")
        }
        Call::SetExtendedSupport => "UpdateClusterConfig supportType=EXTENDED".to_owned(),
        Call::UpdateAddon { name, version, overwrite, .. } => {
            let mode = if *overwrite { " OVERWRITE" } else { "" };
            format!("UpdateAddon addon={name} version={version}{mode}")
        }
    }
}

impl Kept {
    /// Ends the update, if it is time, and changes the cluster as it says.
    pub(crate) fn settle(&mut self, installed: Option<&mut Installed>, now: Timestamp) {
        if self.update.status != UpdateStatus::InProgress || self.ends_at > now {
            return;
        }
        self.update.status = match &self.outcome {
            Outcome::Successful => UpdateStatus::Successful,
            Outcome::Cancelled => UpdateStatus::Cancelled,
            Outcome::Unheard(status) => UpdateStatus::Unknown((*status).to_owned()),
            Outcome::Failed(code, message, resources) => {
                self.update.errors = vec![UpdateError {
                    code: (*code).to_owned(),
                    message: (*message).to_owned(),
                    resources: resources.iter().map(|&name| name.to_owned()).collect(),
                }];
                UpdateStatus::Failed
            }
        };
        let Some(installed) = installed else { return };
        set_status(installed, &self.call.resource(), Status::Active);
        if self.update.status == UpdateStatus::Successful {
            apply(installed, &self.call);
        }
    }
}

/// Sets the status of the cluster or of something in it.
pub(crate) fn set_status(installed: &mut Installed, resource: &Resource, status: Status) {
    match resource {
        Resource::ControlPlane => installed.cluster.status = status,
        Resource::NodeGroup(name) => {
            if let Some(group) = installed.node_groups.get_mut(name) {
                group.status = status;
            }
        }
        Resource::AddOn(name) => {
            if let Some(addon) = installed.addons.get_mut(name) {
                addon.status = status;
            }
        }
    }
}

fn apply(installed: &mut Installed, call: &Call) {
    match call {
        Call::UpdateClusterVersion { version } => installed.cluster.version = *version,
        Call::RollBackClusterVersion { version, .. } => {
            installed.cluster.version = *version;
            // What the newer version broke is whole again.
            installed.cluster.health_issues.clear();
        }
        Call::SetExtendedSupport => installed.cluster.extended_support = true,
        Call::UpdateNodegroupVersion { name, version, launch_template, .. } => {
            let cluster = installed.cluster.version;
            if let Some(group) = installed.node_groups.get_mut(name) {
                group.version = version.unwrap_or(cluster);
                if launch_template.is_some() {
                    group.launch_template.clone_from(launch_template);
                }
            }
        }
        Call::UpdateAddon { name, version, role, configuration, .. } => {
            if let Some(addon) = installed.addons.get_mut(name) {
                // As EKS does it: what is not sent falls back.
                addon.version = version.clone();
                addon.role.clone_from(role);
                addon.configuration.clone_from(configuration);
            }
        }
    }
}

fn refusal(status: u16, name: &str, message: impl Into<String>) -> Refusal {
    Refusal { status, name: name.to_owned(), message: message.into() }
}

fn invalid(message: impl Into<String>) -> Refusal {
    refusal(400, "InvalidParameterException", message)
}

fn not_found(what: &str) -> Refusal {
    refusal(404, "ResourceNotFoundException", format!("No {what} found"))
}

/// Why EKS does not accept a call, in its own words.
pub(crate) fn refused(installed: &Installed, catalogue: &Catalogue, call: &Call) -> Option<Refusal> {
    let now_at = installed.cluster.version;
    match call {
        Call::UpdateClusterVersion { version } => (now_at.next() != *version).then(|| {
            invalid(format!("Unsupported Kubernetes minor version update from {now_at} to {version}"))
        }),
        // The rules of the way back are the simulator's to keep; here only the one that no call may break.
        Call::RollBackClusterVersion { version, .. } => {
            let newer = installed.node_groups.values().any(|group| group.version > *version);
            (version.next() != now_at || newer).then(|| {
                refusal(400, "InvalidRequestException", format!("Cannot be rolled back to {version}"))
            })
        }
        Call::SetExtendedSupport => None,
        Call::UpdateNodegroupVersion { name, version, .. } => match installed.node_groups.get(name) {
            None => Some(not_found("node group")),
            Some(group) => refused_group(now_at, group, *version),
        },
        Call::UpdateAddon { name, version, .. } => {
            let Some(addon) = installed.addons.get(name) else { return Some(not_found("addon")) };
            let offers = catalogue.get(name).and_then(|by_minor| by_minor.get(&now_at));
            if !offers.is_some_and(|offers| offers.iter().any(|offer| offer.version == *version)) {
                return Some(invalid("Addon version specified is not supported"));
            }
            let far = version.major_minor().1.abs_diff(addon.version.major_minor().1) > 1;
            (name == "vpc-cni" && far)
                .then(|| invalid("Updating VPC-CNI can only go up or down 1 minor version at a time"))
        }
    }
}

fn refused_group(cluster: Minor, group: &NodeGroup, version: Option<Minor>) -> Option<Refusal> {
    let custom = group.ami == AmiFamily::Custom;
    match version {
        None if custom => None,
        None => Some(invalid("version is missing")),
        Some(_) if custom => Some(invalid("You cannot specify an image or version for a custom AMI")),
        Some(version) if version != cluster && version != group.version => Some(invalid(format!(
            "Nodegroup Kubernetes version should be equal to Cluster kubernetes version {cluster} or NodeGroup \
             kubernetes version {}",
            group.version
        ))),
        Some(version) if group.ami == AmiFamily::AmazonLinux2 && version.number() > 32 => {
            Some(invalid("AMI Type AL2_x86_64 is only supported for kubernetes versions 1.32 or earlier"))
        }
        Some(_) => None,
    }
}

/// What is wrong with a cluster that no upgrade may bring about.
pub(crate) fn wrongs(installed: &Installed) -> Vec<String> {
    let at = installed.cluster.version;
    let groups = installed.node_groups.values().filter(|group| !skew_allows(at, group.version));
    let name = &installed.cluster.arn.name;
    let groups = groups.map(|group| format!("{name} at {at}: group {} at {}", group.name, group.version));
    let proxy = installed
        .addons
        .get("kube-proxy")
        .filter(|proxy| proxy.version.major_minor().1 > u32::from(at.number()));
    groups.chain(proxy.map(|proxy| format!("{name} at {at}: kube-proxy at {}", proxy.version))).collect()
}
