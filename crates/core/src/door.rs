//! The doors: what may come in by hand, and the one clear sentence for what may not.
//!
//! The variant of a [`DoorError`] is the error's name everywhere: in the function's answer, in the state
//! machine's `ErrorEquals`, in what `eks-upgrade` prints.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arn::{ClusterArn, ClusterName, Home};
use crate::ids::{CampaignId, RunId};
use crate::policy::{NodeStrategy, Spoke};
use crate::text::{quoted, unfit_reason};
use crate::version::Minor;

/// What a person, or a campaign, asks of the upgrade state machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpgradeRequest {
    /// The cluster's name, or its ARN.
    pub cluster: String,
    /// The minor to end at, such as `1.35`. Left out: the policy's target rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How managed nodes are replaced. Left out: the policy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<NodeStrategy>,
    /// Launch template versions to move node groups to, by group name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub launch_templates: BTreeMap<String, String>,
    /// Only make the plan; it is the execution's output.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Take the control plane back one minor instead of up. Somebody has to have consented to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub roll_back: bool,
    /// Why, for the ledger; up to 500 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Go on with this run, which was interrupted, as it was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<RunId>,
    /// The campaign that asks. Automation begins nothing on a cluster that does not carry the tag by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<CampaignId>,
    /// When the cluster was made that is meant: another of its name is turned away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_created_at: Option<Timestamp>,
}

/// Why a request was turned away, before any effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DoorError {
    /// It does not read.
    #[error("the request does not read: {0}; the least is {{\"cluster\": \"NAME\", \"target\": \"1.35\"}}")]
    InvalidRequest(String),
    /// The cluster is neither a name nor an ARN.
    #[error("{0}; give a cluster's name, or its ARN")]
    MalformedCluster(String),
    /// Another account's cluster.
    #[error("cluster {cluster} belongs to account {theirs}; this deployment upgrades clusters of {ours}")]
    WrongAccount {
        /// The cluster.
        cluster: ClusterName,
        /// Its account.
        theirs: String,
        /// Ours.
        ours: String,
    },
    /// Another Region's cluster.
    #[error("cluster {cluster} is in {theirs}; this deployment upgrades clusters in {ours}")]
    WrongRegion {
        /// The cluster.
        cluster: ClusterName,
        /// Its Region.
        theirs: String,
        /// Ours.
        ours: String,
    },
    /// No such cluster.
    #[error("there is no cluster {cluster} in {region} of account {account}")]
    ClusterNotFound {
        /// The name.
        cluster: ClusterName,
        /// The Region.
        region: String,
        /// The account.
        account: String,
    },
    /// A cluster of that name, and not the one that is meant.
    #[error(
        "cluster {cluster} was made anew on {created_at}, after its upgrade was asked for; ask for the new one's"
    )]
    AnotherCluster {
        /// The name.
        cluster: ClusterName,
        /// When the one was made that there is.
        created_at: Timestamp,
    },
    /// A cluster whose owner has taken the tag away since a campaign took it in.
    #[error(
        "cluster {cluster} is not tagged {tag} any more, and automation leaves it alone; tag it, or upgrade it by hand"
    )]
    NotOptedIn {
        /// The name.
        cluster: ClusterName,
        /// The tag, `KEY=VALUE`.
        tag: String,
    },
    /// A cluster that cannot be upgraded in the state it is in.
    #[error("cluster {cluster} is {status}; it must be ACTIVE to be upgraded")]
    ClusterNotActive {
        /// The name.
        cluster: ClusterName,
        /// What EKS says.
        status: String,
    },
    /// A target that is not above the cluster's version, with nothing left to do.
    #[error("cluster {cluster} is at {current}; the target {target} is not above it: {why}")]
    TargetNotNewer {
        /// The name.
        cluster: ClusterName,
        /// Its version.
        current: Minor,
        /// The target.
        target: Minor,
        /// Why nothing is left to do for it.
        why: String,
    },
    /// A target that there is no way to.
    #[error("{target} is no target: {why}")]
    UnknownTarget {
        /// What was asked for.
        target: String,
        /// Why not.
        why: String,
    },
    /// Another run has the cluster.
    #[error("cluster {cluster} is being upgraded by run {run} ({execution}); wait for it, or stop it first")]
    LeaseHeld {
        /// The name.
        cluster: ClusterName,
        /// The run.
        run: RunId,
        /// Its execution.
        execution: String,
    },
    /// The run that should be gone on with is not open.
    #[error("run {0} is over, or was never begun: there is nothing to resume")]
    NothingToResume(RunId),
    /// Something that takes a person's consent, without one.
    #[error("nobody has consented to {what} of {cluster}: {how}")]
    ConsentWanted {
        /// The name.
        cluster: ClusterName,
        /// To what.
        what: String,
        /// How it is given.
        how: String,
    },
    /// A policy or a tag that does not read.
    #[error("{0}")]
    InvalidPolicy(String),
}

impl DoorError {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "InvalidRequest",
            Self::MalformedCluster(_) => "MalformedCluster",
            Self::WrongAccount { .. } => "WrongAccount",
            Self::WrongRegion { .. } => "WrongRegion",
            Self::ClusterNotFound { .. } => "ClusterNotFound",
            Self::AnotherCluster { .. } => "AnotherCluster",
            Self::NotOptedIn { .. } => "NotOptedIn",
            Self::ClusterNotActive { .. } => "ClusterNotActive",
            Self::TargetNotNewer { .. } => "TargetNotNewer",
            Self::UnknownTarget { .. } => "UnknownTarget",
            Self::LeaseHeld { .. } => "LeaseHeld",
            Self::NothingToResume(_) => "NothingToResume",
            Self::ConsentWanted { .. } => "ConsentWanted",
            Self::InvalidPolicy(_) => "InvalidPolicy",
        }
    }
}

/// What a nested Step Functions execution carries in its input, so that the console links it to its parent.
const STARTED_BY: &str = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID";
/// Node groups that a request may name: EKS has 30 a cluster unless its quota was raised.
const GROUPS_MAX: usize = 200;
/// Longest name of a node group, in bytes (`CreateNodegroup` in EKS's API reference).
const GROUP_BYTES_MAX: usize = 63;
/// Longest version of a launch template, in bytes: a 64-bit number, `$Latest` or `$Default`.
const VERSION_BYTES_MAX: usize = 20;

impl UpgradeRequest {
    /// Reads a request. `null` and `{}` are turned away like anything else without a cluster.
    pub fn read(value: &serde_json::Value) -> Result<Self, DoorError> {
        let mut value = value.clone();
        if let Some(fields) = value.as_object_mut() {
            fields.remove(STARTED_BY);
        }
        let request: Self = serde_json::from_value(value)
            .map_err(|error| DoorError::InvalidRequest(quoted(&error.to_string())))?;
        request.unfit().map_or(Ok(request), |what| Err(DoorError::InvalidRequest(what)))
    }

    /// What of it is larger than anybody needs, or would do more than stand there. All of it is kept in the ledger, and
    /// shown on terminals.
    fn unfit(&self) -> Option<String> {
        let reason = self.reason.as_deref().filter(|reason| !reason.is_empty());
        if let Some(unfit) = reason.and_then(unfit_reason) {
            return Some(unfit);
        }
        if self.launch_templates.len() > GROUPS_MAX {
            return Some(format!("launchTemplates names more than {GROUPS_MAX} node groups"));
        }
        let too_long = |(group, version): (&String, &String)| {
            group.len() > GROUP_BYTES_MAX || version.len() > VERSION_BYTES_MAX
        };
        self.launch_templates.iter().any(too_long).then(|| {
            "launchTemplates has what is no name of a node group, or no version of a template".into()
        })
    }

    /// The cluster it means, if that is one within `reach`. A name alone means one at home.
    pub fn cluster_at(&self, reach: Reach<'_>) -> Result<ClusterArn, DoorError> {
        if !self.cluster.starts_with("arn:") {
            let name: ClusterName =
                self.cluster.parse().map_err(|error| DoorError::MalformedCluster(format!("{error}")))?;
            return Ok(reach.home.cluster(&name));
        }
        let arn: ClusterArn =
            self.cluster.parse().map_err(|error| DoorError::MalformedCluster(format!("{error}")))?;
        reach.check(&arn)?;
        Ok(arn)
    }

    /// The target it states.
    pub fn stated_target(&self) -> Result<Option<Minor>, DoorError> {
        let unknown = |target: &String| DoorError::UnknownTarget {
            target: quoted(&target.chars().take(40).collect::<String>()),
            why: "write one like 1.35".into(),
        };
        self.target.as_ref().map(|target| target.parse().map_err(|_| unknown(target))).transpose()
    }
}

/// Where a deployment may act: at home, and in the spokes of its policy.
#[derive(Clone, Copy, Debug)]
pub struct Reach<'a> {
    /// The account and Region that it runs in.
    pub home: &'a Home,
    /// The accounts and Regions that it may reach from there.
    pub spokes: &'a [Spoke],
}

impl Reach<'_> {
    /// Every account and Region within reach, home first.
    #[must_use]
    pub fn places(&self) -> Vec<Home> {
        let spokes = self.spokes.iter().flat_map(|spoke| spoke.homes(&self.home.partition));
        std::iter::once(self.home.clone()).chain(spokes.filter(|place| place != self.home)).collect()
    }

    /// Refuses a cluster of another account, Region or partition.
    pub fn check(&self, arn: &ClusterArn) -> Result<(), DoorError> {
        let places = self.places();
        let place = arn.home();
        if places.contains(&place) {
            return Ok(());
        }
        let mut accounts: Vec<String> = places.iter().map(|place| place.account.to_string()).collect();
        accounts.dedup();
        if !accounts.contains(&arn.account.to_string()) {
            return Err(DoorError::WrongAccount {
                cluster: arn.name.clone(),
                theirs: arn.account.to_string(),
                ours: accounts.join(", "),
            });
        }
        let here = |other: &&Home| other.account == arn.account;
        let regions: Vec<String> = places.iter().filter(here).map(|place| place.region.to_string()).collect();
        if !regions.contains(&arn.region.to_string()) {
            return Err(DoorError::WrongRegion {
                cluster: arn.name.clone(),
                theirs: arn.region.to_string(),
                ours: regions.join(", "),
            });
        }
        // Only the partition is left to differ.
        let ours = self.home.cluster(&arn.name);
        Err(DoorError::MalformedCluster(format!("{arn} is of another partition than {ours}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn home() -> Home {
        Home::of_arn("arn:aws:lambda:us-east-1:123456789012:function:f").unwrap()
    }

    #[test]
    fn a_request_names_no_more_node_groups_than_there_can_be() {
        let naming = |groups: usize| {
            let templates: BTreeMap<String, String> =
                (0..groups).map(|number| (format!("group-{number}"), "4".into())).collect();
            UpgradeRequest::read(&json!({"cluster": "a", "launchTemplates": templates}))
        };
        assert!(naming(GROUPS_MAX).is_ok());
        let refused = naming(GROUPS_MAX + 1).unwrap_err().to_string();
        assert!(refused.contains("more than 200 node groups"), "{refused}");
    }

    #[test]
    fn a_reason_is_a_line_and_does_nothing_to_a_terminal() {
        let giving = |reason: &str| UpgradeRequest::read(&json!({"cluster": "a", "reason": reason}));
        assert!(giving("tested in staging – it works").is_ok());
        for reason in ["two\nlines", "\u{1b}[31mred"] {
            assert!(giving(reason).unwrap_err().to_string().contains("one line"), "{reason:?}");
        }
    }

    #[test]
    fn what_does_not_read_is_refused_in_one_sentence_however_it_is_written() {
        let endless = "x\n".repeat(50_000);
        for value in
            [json!({"cluster": "a", endless.clone(): 1}), json!({"cluster": "a", "strategy": endless})]
        {
            let refused = UpgradeRequest::read(&value).unwrap_err().to_string();
            assert!(refused.len() < 700 && refused.lines().count() == 1, "{refused}");
        }
    }

    fn name_of(value: &serde_json::Value) -> &'static str {
        let refused = UpgradeRequest::read(value).and_then(|request| {
            request.stated_target().and(request.cluster_at(Reach { home: &home(), spokes: &[] }))
        });
        refused.map_or_else(|error| error.name(), |_| "accepted")
    }

    #[test]
    fn each_bad_request_has_its_name() {
        let arn = |region: &str, account: &str| format!("arn:aws:eks:{region}:{account}:cluster/a");
        assert_eq!(name_of(&json!({"cluster": "a", "target": "1.35"})), "accepted");
        assert_eq!(name_of(&json!({"cluster": arn("us-east-1", "123456789012")})), "accepted");
        for (value, name) in [
            (json!(null), "InvalidRequest"),
            (json!({}), "InvalidRequest"),
            (json!({"cluster": "a", "targt": "1.35"}), "InvalidRequest"),
            (json!({"cluster": "a", "strategy": "brute"}), "InvalidRequest"),
            (json!({"cluster": "a", "reason": "x".repeat(501)}), "InvalidRequest"),
            (json!({"cluster": "a", "launchTemplates": {"g".repeat(64): "4"}}), "InvalidRequest"),
            (json!({"cluster": "a", "launchTemplates": {"web": "4".repeat(21)}}), "InvalidRequest"),
            (json!({"cluster": ""}), "MalformedCluster"),
            (json!({"cluster": "arn:aws:eks:us-east-1:1:cluster/a"}), "MalformedCluster"),
            (json!({"cluster": arn("us-east-1", "999999999999")}), "WrongAccount"),
            (json!({"cluster": arn("eu-west-1", "123456789012")}), "WrongRegion"),
            (json!({"cluster": "arn:aws-cn:eks:us-east-1:123456789012:cluster/a"}), "MalformedCluster"),
            (json!({"cluster": "a", "target": "one"}), "UnknownTarget"),
        ] {
            assert_eq!(name_of(&value), name, "{value}");
        }
    }

    #[test]
    fn a_refusal_is_one_line_and_short_whatever_was_sent() {
        let long = "x".repeat(100_000);
        for value in [
            json!({"cluster": "a", &long: 1}),
            json!({"cluster": "a", "two\nlines": 1}),
            json!({"cluster": "a", "strategy": long}),
            json!({"cluster": "a", "target": "1\n35"}),
            json!({"cluster": long}),
        ] {
            let refused = UpgradeRequest::read(&value).and_then(|request| {
                request.stated_target().and(request.cluster_at(Reach { home: &home(), spokes: &[] }))
            });
            let message = refused.unwrap_err().to_string();
            assert!(message.chars().count() < 1_000 && !message.contains('\n'), "{message}");
        }
    }
}
