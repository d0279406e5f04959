//! Letting a request in: every check that needs no lease.

use eks_upgrade_core::calendar::{Calendar, SupportStatus};
use eks_upgrade_core::cluster::{Cluster, Found, Status};
use eks_upgrade_core::door::{DoorError, Reach, UpgradeRequest};
use eks_upgrade_core::ledger::RunState;
use eks_upgrade_core::observe::word;
use eks_upgrade_core::policy::{Policy, PolicyError};
use eks_upgrade_core::version::Minor;
use jiff::Timestamp;

use super::PlanRun;
use crate::error::Answer;
use crate::ports::inside::Inspects;
use crate::ports::{Eks, Time};

/// A request that was let in.
pub(super) struct Admitted {
    pub request: UpgradeRequest,
    pub cluster: Cluster,
    pub target: Minor,
    pub policy: Policy,
    pub calendar: Calendar,
}

impl<E: Eks + Inspects, L, X, T: Time> PlanRun<E, L, X, T> {
    pub(super) fn reach(&self) -> Reach<'_> {
        Reach { home: &self.home, spokes: &self.policy.spokes }
    }

    /// Every check that needs no lease. Nothing is written, whatever comes in. Of a run that is planned `again`, or gone on
    /// with, policy and target are those that it was opened with: what rule and tag say by now does not matter.
    pub(super) async fn admit(&self, request: &serde_json::Value, again: bool) -> Answer<Admitted> {
        let request = UpgradeRequest::read(request)?;
        let arn = request.cluster_at(self.reach())?;
        let stated = request.stated_target()?;
        let Found::Is(cluster) = self.eks.cluster(&arn).await? else {
            return Err(DoorError::ClusterNotFound {
                cluster: arn.name.clone(),
                region: arn.region.to_string(),
                account: arn.account.to_string(),
            }
            .into());
        };
        if request.cluster_created_at.is_some_and(|meant| meant != cluster.created_at) {
            let created_at = cluster.created_at;
            return Err(DoorError::AnotherCluster { cluster: arn.name, created_at }.into());
        }
        let calendar = self.eks.calendar(&arn.home()).await?;
        let invalid = |error: PolicyError| DoorError::InvalidPolicy(error.to_string());
        let again = again || request.resume.is_some();
        let mut policy = if again {
            Policy::default()
        } else {
            self.policy.for_cluster(&cluster.arn, &cluster.tags).map_err(invalid)?
        };
        let target = if again {
            cluster.version
        } else if request.roll_back {
            below(&cluster, stated)?
        } else {
            target_of(&cluster, stated, &policy, &calendar, self.time.now())?
        };
        if let Some(strategy) = request.strategy {
            // What is asked for by hand goes before what the policy says of single groups.
            policy.strategy = strategy;
            policy.node_group_strategy.clear();
        }
        if let Status::Unwell(_) | Status::Transient(_) = cluster.status {
            let status = word(&cluster.status).to_owned();
            return Err(DoorError::ClusterNotActive { cluster: arn.name, status }.into());
        }
        Ok(Admitted { request, cluster, target, policy, calendar })
    }
}

impl Admitted {
    /// Whether the run is one of this cluster, and not of an earlier one of its name.
    pub(super) fn is_of(&self, state: &RunState) -> bool {
        state.opened.cluster_created_at == self.cluster.created_at
    }

    /// Whether the request means the run that is open: by its name, or the same cluster, to the same target, in
    /// the same way.
    /// Whoever stops a forced upgrade and asks for a rolling one must not get the forced one back.
    pub(super) fn goes_on_with(&self, state: &RunState) -> bool {
        if self.request.resume.is_some() {
            return true;
        }
        let opened = &state.opened;
        let same_cluster = self.is_of(state);
        // Without a stated target, going on is what is meant.
        let same_target = self.request.target.is_none() || opened.target == self.target;
        let same_templates = opened.launch_templates == self.request.launch_templates;
        let same_way = opened.roll_back == self.request.roll_back;
        same_cluster && same_target && same_templates && same_way && opened.policy == self.policy
    }

    /// What the run was opened with holds for all its plans, whatever rule or tag says by now.
    pub(super) fn stand_by(&mut self, state: &RunState) {
        self.policy = state.opened.policy.clone();
        self.target = state.opened.target;
        self.request.launch_templates = state.opened.launch_templates.clone();
    }
}

/// Where the request goes, checked against what EKS offers.
fn target_of(
    cluster: &Cluster,
    stated: Option<Minor>,
    policy: &Policy,
    calendar: &Calendar,
    now: Timestamp,
) -> Result<Minor, DoorError> {
    let current = cluster.version;
    let target = match stated {
        Some(target) => target,
        // A cluster that is where the rule would take it may still have nodes that lag behind.
        None => policy.target(current, calendar, now).unwrap_or(current),
    };
    if target < current {
        return Err(DoorError::TargetNotNewer {
            cluster: cluster.arn.name.clone(),
            current,
            target,
            why: "a control plane goes down by rollBack alone".into(),
        });
    }
    let offered =
        |minor| calendar.get(minor).is_some_and(|release| release.status != SupportStatus::Unsupported);
    if target > current && !current.hops_to(target).all(offered) {
        let newest = calendar.newest().map_or(String::new(), |newest| format!("; its newest is {newest}"));
        let why = format!("EKS does not offer it, or a minor on the way{newest}");
        return Err(DoorError::UnknownTarget { target: target.to_string(), why });
    }
    Ok(target)
}

/// The minor to go back to.
fn below(cluster: &Cluster, stated: Option<Minor>) -> Result<Minor, DoorError> {
    let below = cluster.version.number().checked_sub(1).and_then(Minor::new);
    match (below, stated) {
        (Some(below), None) => Ok(below),
        (Some(below), Some(stated)) if below == stated => Ok(below),
        (_, stated) => Err(DoorError::UnknownTarget {
            target: stated.map_or_else(|| "a minor lower".to_owned(), |stated| stated.to_string()),
            why: format!("a control plane at {} goes back one minor, and no further", cluster.version),
        }),
    }
}
