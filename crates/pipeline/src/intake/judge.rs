//! Looking at clusters and judging which of them are to be upgraded.

use std::collections::{BTreeMap, BTreeSet};

use eks_upgrade_core::arn::{ClusterArn, Home};
use eks_upgrade_core::calendar::Calendar;
use eks_upgrade_core::campaign::beyond::{RingsStanding, harm};
use eks_upgrade_core::cluster::{Cluster, Found};
use eks_upgrade_core::door::{Reach, UpgradeRequest};
use eks_upgrade_core::ids::CampaignId;
use eks_upgrade_core::screen::{Lease, LeftAlone, LeftAloneCode, Screened, interrupted, not_found, screen};
use futures_util::{StreamExt, stream};

use super::open::Taken;
use super::{Intake, PLACES_AT_ONCE};
use crate::error::{Answer, PipelineError};
use crate::ports::{CampaignLedger, Eks, Executions, Health, Inbox, Ledger, Time};

/// Clusters that are looked at at once.
const CLUSTERS_AT_ONCE: usize = 6;

/// A cluster's judgement, and the cluster as EKS has it.
type Look = (Screened, Option<Cluster>);

/// What became of looking at many clusters.
#[derive(Default)]
pub(super) struct Judged {
    /// Each with its judgement.
    pub seen: Vec<(ClusterArn, Screened)>,
    /// Each as EKS has it.
    pub clusters: BTreeMap<ClusterArn, Cluster>,
    /// The first failure, if any could not be looked at.
    pub failed: Option<PipelineError>,
}

impl<E: Eks, H: Health, L: Ledger + Inbox + CampaignLedger, C: Executions, T: Time> Intake<E, H, L, C, T> {
    pub(super) fn reach(&self) -> Reach<'_> {
        Reach { home: &self.home, spokes: &self.policy.spokes }
    }

    /// The calendar of each place that has one of these clusters.
    async fn calendars(&self, clusters: &BTreeSet<ClusterArn>) -> BTreeMap<Home, Answer<Calendar>> {
        let places: BTreeSet<Home> = clusters.iter().map(ClusterArn::home).collect();
        let reachable = self.reach().places();
        stream::iter(places.into_iter().filter(|place| reachable.contains(place)))
            .map(|place| async move {
                let calendar = self.eks.calendar(&place).await.map_err(PipelineError::from);
                (place, calendar)
            })
            .buffered(PLACES_AT_ONCE)
            .collect()
            .await
    }

    /// Judges each. One that cannot be read does not keep the others from being looked at: its failure is handed
    /// on at the end, so that the trigger is tried again for it alone.
    pub(super) async fn judge_all(
        &self,
        clusters: BTreeSet<ClusterArn>,
        campaign: &CampaignId,
        taken: &Taken,
    ) -> Answer<Judged> {
        let calendars = self.calendars(&clusters).await;
        let calendars = &calendars;
        let answers: Vec<(ClusterArn, Answer<Look>)> = stream::iter(clusters)
            .map(|arn| async move {
                let answer = self.judge(&arn, calendars, campaign, taken).await;
                (arn, answer)
            })
            .buffered(CLUSTERS_AT_ONCE)
            .collect()
            .await;
        let mut judged = Judged::default();
        for (arn, answer) in answers {
            match answer {
                Ok((screened, cluster)) => {
                    judged.clusters.extend(cluster.map(|cluster| (arn.clone(), cluster)));
                    judged.seen.push((arn, screened));
                }
                Err(error) => {
                    tracing::warn!(%arn, %error, "could not be looked at");
                    judged.failed.get_or_insert(error);
                }
            }
        }
        self.hold_back(&mut judged).await?;
        Ok(judged)
    }

    async fn judge(
        &self,
        arn: &ClusterArn,
        calendars: &BTreeMap<Home, Answer<Calendar>>,
        campaign: &CampaignId,
        taken: &Taken,
    ) -> Answer<Look> {
        if let Err(error) = self.reach().check(arn) {
            return Ok((Screened::LeftAlone(not_ours(arn.to_string(), error.to_string())), None));
        }
        let Found::Is(cluster) = self.eks.cluster(arn).await? else {
            // A run that was interrupted and whose cluster is gone is ended, so that its lease is free.
            if let Some(open) = self.ledger.lease(arn).await?.filter(|lease| lease.ended.is_none())
                && !self.campaigns.is_running(&open.execution).await?
            {
                return Ok((Screened::Upgrade(pick_up(arn, &open, campaign)), None));
            }
            return Ok((Screened::LeftAlone(not_found(arn)), None));
        };
        if let Some(left) = taken.by_another(arn, campaign) {
            return Ok((Screened::LeftAlone(left), Some(cluster)));
        }
        let lease = self.ledger.lease(arn).await?;
        if let Some(open) = lease.as_ref().filter(|lease| lease.ended.is_none())
            && !self.campaigns.is_running(&open.execution).await?
        {
            let screened = if self.policy.opted_in(&cluster.tags) {
                Screened::Upgrade(pick_up(arn, open, campaign))
            } else {
                Screened::LeftAlone(interrupted(arn, open, &self.policy))
            };
            return Ok((screened, Some(cluster)));
        }
        let calendar = match calendars.get(&arn.home()) {
            Some(Ok(calendar)) => calendar,
            _ => &self.eks.calendar(&arn.home()).await?,
        };
        let screened = screen(&cluster, lease.as_ref(), &self.policy, calendar, campaign, self.time.now());
        Ok((screened, Some(cluster)))
    }

    /// Leaves alone what would be upgraded while its ring, or one before it, has failures that stand. A run that was
    /// interrupted is gone on with all the same: its cluster is safer at the end than midway.
    async fn hold_back(&self, judged: &mut Judged) -> Answer<()> {
        if !judged.seen.iter().any(|(_, screened)| begins(screened)) {
            return Ok(());
        }
        let mut leases = self.ledger.leases().await?;
        let mut clusters = judged.clusters.clone();
        let gone = self.look_at_the_harmed(&leases, &mut clusters).await;
        leases.retain(|(arn, _)| !gone.contains(arn));
        let rings = RingsStanding::of(&self.policy.rings, &clusters, &leases);
        for (arn, screened) in judged.seen.iter_mut().filter(|(_, screened)| begins(screened)) {
            let Some(cluster) = judged.clusters.get(arn) else { continue };
            let (place, _) = self.policy.rings.of(arn, &cluster.tags);
            if let Some(left) = rings.holds_back(arn, place) {
                *screened = Screened::LeftAlone(left);
            }
        }
        Ok(())
    }

    /// Looks at the clusters that their runs harmed and that the trigger does not name: gives those that exist
    /// no more. One that cannot be looked at stays as its lease has it.
    async fn look_at_the_harmed(
        &self,
        leases: &[(ClusterArn, Lease)],
        clusters: &mut BTreeMap<ClusterArn, Cluster>,
    ) -> BTreeSet<ClusterArn> {
        let harmed: Vec<ClusterArn> = leases
            .iter()
            .filter(|(arn, lease)| !clusters.contains_key(arn) && harm(lease, None).is_some())
            .map(|(arn, _)| arn.clone())
            .filter(|arn| self.reach().check(arn).is_ok())
            .collect();
        let found: Vec<(ClusterArn, Option<Found<Cluster>>)> = stream::iter(harmed)
            .map(|arn| async move {
                let found = self.eks.cluster(&arn).await.ok();
                (arn, found)
            })
            .buffered(CLUSTERS_AT_ONCE)
            .collect()
            .await;
        let mut gone = BTreeSet::new();
        for (arn, found) in found {
            match found {
                Some(Found::Gone) => {
                    gone.insert(arn);
                }
                Some(Found::Is(cluster)) => {
                    clusters.insert(arn, cluster);
                }
                None => {}
            }
        }
        gone
    }
}

/// Whether an upgrade begins with it: no run that was interrupted is gone on with.
pub(super) fn begins(screened: &Screened) -> bool {
    matches!(screened, Screened::Upgrade(request) if request.resume.is_none())
}

/// The request that goes on with a run whose execution has ended before the run did.
fn pick_up(arn: &ClusterArn, lease: &Lease, campaign: &CampaignId) -> UpgradeRequest {
    UpgradeRequest {
        cluster: arn.to_string(),
        target: None,
        strategy: None,
        launch_templates: BTreeMap::default(),
        dry_run: false,
        reason: Some(format!("run {} was interrupted", lease.run)),
        resume: Some(lease.run.clone()),
        roll_back: false,
        campaign: Some(campaign.clone()),
        cluster_created_at: None,
    }
}

pub(super) fn not_ours(cluster: String, text: String) -> LeftAlone {
    LeftAlone { cluster, code: LeftAloneCode::NotOurs, text }
}
