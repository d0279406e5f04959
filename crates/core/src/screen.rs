//! Whether a cluster that a notice or the sweep points at is to be upgraded, judged by EKS's own data.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arn::ClusterArn;
use crate::calendar::{Calendar, Due};
use crate::cluster::{Cluster, Status};
use crate::command;
use crate::door::UpgradeRequest;
use crate::ids::{CampaignId, ExecutionArn, Fence, RunId};
use crate::ledger::{Ending, Harm, Opened};
use crate::observe::word;
use crate::policy::{PolicyDocument, TargetRule};
use crate::version::Minor;

/// What is known of the run that a cluster has, or had last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// The run.
    pub run: RunId,
    /// When its cluster was made: one that was made anew under its name is another one.
    pub cluster_created_at: Timestamp,
    /// Where it started.
    pub from: Minor,
    /// Where it is going.
    pub target: Minor,
    /// The execution that holds it.
    pub execution: ExecutionArn,
    /// Its fencing number.
    pub fence: Fence,
    /// The campaign of the run, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<CampaignId>,
    /// The ring that the cluster was in, if rings are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<String>,
    /// Whether the run had meant a mutating call when the lease was last written: true to its end once it has ended.
    #[serde(default)]
    pub touched: bool,
    /// What an earlier run did to the cluster and what stands until this one, or a later one, completes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harm: Option<Harm>,
    /// How it ended; `None` while it is held.
    pub ended: Option<Ending>,
}

impl Lease {
    /// The lease of a run that was opened so, as it is taken first.
    #[must_use]
    pub fn of(run: RunId, opened: &Opened, execution: ExecutionArn, fence: Fence) -> Self {
        Self {
            run,
            cluster_created_at: opened.cluster_created_at,
            from: opened.from,
            target: opened.target,
            execution,
            fence,
            campaign: opened.campaign.clone(),
            ring: opened.policy.ring.clone(),
            touched: false,
            harm: opened.harm.clone(),
            ended: None,
        }
    }

    /// Whether the run was one of this cluster, and not of an earlier one of its name.
    #[must_use]
    pub fn is_of(&self, cluster: &Cluster) -> bool {
        self.cluster_created_at == cluster.created_at
    }
}

/// Why a cluster was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LeftAloneCode {
    /// It does not carry the tag.
    NotOptedIn,
    /// The end of support is not near, whatever the notice says.
    NotDue,
    /// It is due, and there is nowhere to go yet.
    NoTarget,
    /// A run has it.
    RunInProgress,
    /// A run has it, nobody is at work on that any more, and automation does not go on with it: the tag is not there.
    RunInterrupted,
    /// Its last run stopped and wants a person; automation does not try again.
    HaltedBefore,
    /// EKS knows no such cluster.
    NotFound,
    /// It is of another account or Region, or no cluster at all.
    NotOurs,
    /// It is not in a state that can be upgraded.
    NotActive,
    /// Its tags do not read.
    InvalidTags,
    /// A campaign that is under way has it, and has not come to it yet.
    InCampaign,
    /// Its ring, or one before it, has failures that stand.
    EarlierRingFailed,
}

/// A cluster that was not taken, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftAlone {
    /// The cluster, as it was named.
    pub cluster: String,
    /// Why, as a name.
    pub code: LeftAloneCode,
    /// Why, in words.
    pub text: String,
}

/// The judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Screened {
    /// To be upgraded, so.
    Upgrade(UpgradeRequest),
    /// Not to be.
    LeftAlone(LeftAlone),
}

/// Judges one cluster.
#[must_use]
pub fn screen(
    cluster: &Cluster,
    lease: Option<&Lease>,
    policy: &PolicyDocument,
    calendar: &Calendar,
    campaign: &CampaignId,
    now: Timestamp,
) -> Screened {
    let name = cluster.arn.name.as_str();
    let current = cluster.version;
    let left = |code, text: String| Screened::LeftAlone(LeftAlone { cluster: name.to_owned(), code, text });
    let Some(due) = calendar.due(current, now, policy.lead()) else {
        return left(LeftAloneCode::NotDue, format!("{current} is not near the end of its standard support"));
    };
    if !policy.opted_in(&cluster.tags) {
        let (key, value) = (&policy.opt_in.key, &policy.opt_in.value);
        return left(
            LeftAloneCode::NotOptedIn,
            format!("{}; tag it {key}={value} to have it upgraded", because(current, due)),
        );
    }
    if let Some(lease) = lease {
        match &lease.ended {
            None => {
                let text = format!("run {} has it, on its way to {}", lease.run, lease.target);
                return left(LeftAloneCode::RunInProgress, text);
            }
            Some(Ending::Halted { code, next_action, .. } | Ending::RolledBack { code, next_action, .. })
                if lease.is_of(cluster) =>
            {
                let text = format!("run {} stopped with {code}: {next_action}", lease.run);
                return left(LeftAloneCode::HaltedBefore, text);
            }
            Some(_) => {}
        }
    }
    if let Status::Unwell(_) | Status::Transient(_) = cluster.status {
        return left(LeftAloneCode::NotActive, format!("the cluster is {}", word(&cluster.status)));
    }
    let settings = match policy.for_cluster(&cluster.arn, &cluster.tags) {
        Ok(settings) => settings,
        Err(error) => return left(LeftAloneCode::InvalidTags, error.to_string()),
    };
    if let TargetRule::Fixed(held) = settings.target
        && held <= current
    {
        let text = format!("{}, and its target is held at {held}; name a later one", because(current, due));
        return left(LeftAloneCode::NoTarget, text);
    }
    // A cluster that is due has to go somewhere, even when it is where a rule that moves would take it.
    let next = || calendar.standard().map(|release| release.minor).find(|minor| *minor > current);
    match settings.target(current, calendar, now).or_else(next) {
        None => left(
            LeftAloneCode::NoTarget,
            format!("EKS offers nothing newer than {current} in standard support"),
        ),
        Some(target) => Screened::Upgrade(UpgradeRequest {
            cluster: cluster.arn.to_string(),
            target: Some(target.to_string()),
            strategy: None,
            launch_templates: std::collections::BTreeMap::default(),
            dry_run: false,
            reason: Some(because(current, due)),
            resume: None,
            roll_back: false,
            campaign: Some(campaign.clone()),
            cluster_created_at: Some(cluster.created_at),
        }),
    }
}

/// A cluster that EKS knows no more, or never knew.
#[must_use]
pub fn not_found(cluster: &ClusterArn) -> LeftAlone {
    LeftAlone {
        cluster: cluster.name.to_string(),
        code: LeftAloneCode::NotFound,
        text: "EKS knows no such cluster".to_owned(),
    }
}

/// A run that nobody is at work on, of a cluster that automation keeps its hands off.
#[must_use]
pub fn interrupted(cluster: &ClusterArn, open: &Lease, policy: &PolicyDocument) -> LeftAlone {
    let (key, value) = (&policy.opt_in.key, &policy.opt_in.value);
    LeftAlone {
        cluster: cluster.name.to_string(),
        code: LeftAloneCode::RunInterrupted,
        text: format!(
            "run {} to {} was interrupted, and is not gone on with, as the cluster is not tagged {key}={value}: \
             tag it, or go on by hand ({})",
            open.run,
            open.target,
            command::resume(cluster, &open.run),
        ),
    }
}

/// Why a cluster is due, in words.
#[must_use]
pub fn because(current: Minor, due: Due) -> String {
    let date = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    match due {
        Due::StandardSupportEnds { at } => format!("standard support of {current} ends on {}", date(at)),
        Due::InExtendedSupport { until: Some(until) } => {
            format!("{current} is in extended support, which costs extra and ends on {}", date(until))
        }
        Due::InExtendedSupport { until: None } => {
            format!("{current} is in extended support, which costs extra")
        }
        Due::Unsupported => format!("{current} is no longer supported"),
    }
}
