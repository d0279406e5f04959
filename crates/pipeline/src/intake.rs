//! The intake function: a notice or the daily sweep comes in, a campaign goes out, or a record that says why
//! not. Reads EKS; starts nothing that EKS's own data does not call for.

mod enrol;
mod judge;
mod open;

use std::collections::{BTreeMap, BTreeSet};

use eks_upgrade_core::arn::{ClusterArn, Home};
use eks_upgrade_core::contract::IntakeAnswer;
use eks_upgrade_core::ids::{CampaignId, digest};
use eks_upgrade_core::notice;
use eks_upgrade_core::policy::PolicyDocument;
use eks_upgrade_core::screen::{LeftAlone, LeftAloneCode, Screened};
use futures_util::{StreamExt, stream};
use serde_json::Value;

use crate::error::{Answer, PipelineError};
use crate::ports::{
    Affected, CampaignLedger, Campaigns, Claim, Eks, EksDown, Executions, Health, Inbox, Ledger, Time,
};
use enrol::{Findings, Wanted};
use judge::{Judged, begins, not_ours};

/// Places that are asked at once; each has quotas of its own.
const PLACES_AT_ONCE: usize = 10;

/// The use case.
pub struct Intake<E, H, L, C, T> {
    /// EKS, to read.
    pub eks: E,
    /// Health, to ask for what a notice leaves out.
    pub health: H,
    /// The record of what came in, and the leases.
    pub ledger: L,
    /// Starting campaigns.
    pub campaigns: C,
    /// The clock.
    pub time: T,
    /// The deployment's policy.
    pub policy: PolicyDocument,
    /// Where it may act.
    pub home: Home,
    /// The event sources that are believed.
    pub sources: Vec<String>,
}

impl<E: Eks, H: Health, L: Ledger + Inbox + CampaignLedger, C: Campaigns + Executions, T: Time>
    Intake<E, H, L, C, T>
{
    /// Takes in whatever arrives: an EventBridge event, or `{"trigger": "sweep"}` from the schedule.
    pub async fn take(&self, event: &Value) -> Answer<IntakeAnswer> {
        if event.get("trigger").and_then(Value::as_str) == Some("sweep") {
            return self.sweep().await;
        }
        let sources: Vec<&str> = self.sources.iter().map(String::as_str).collect();
        match notice::read(event, &sources) {
            Ok(notice) => self.notice(&notice).await,
            Err(error) => {
                let what = digest(&[&event.to_string()]);
                let (code, message) = (error.name().to_owned(), error.to_string());
                tracing::warn!(code, message, "refused an event");
                self.ledger.refuse(&what, &code, &message, self.time.now()).await?;
                Ok(IntakeAnswer::Refused { code, message })
            }
        }
    }

    async fn notice(&self, notice: &notice::Notice) -> Answer<IntakeAnswer> {
        let campaign = notice.campaign();
        let mut named = self.claim(&notice.key, &campaign, notice.clusters.iter().cloned()).await?;
        let mut left_alone: Vec<LeftAlone> = Vec::new();
        for entity in &notice.refused_entities {
            if self.ledger.claim(&notice.key, entity, &campaign, self.time.now()).await? == Claim::Ours {
                left_alone.push(not_ours(entity.clone(), "it is not the ARN of an EKS cluster".into()));
            }
        }
        if named.is_empty() && left_alone.is_empty() {
            return Ok(IntakeAnswer::Duplicate);
        }
        // Health knows the whole list where a page has a part of it, if the support plan lets us ask.
        let more = self.ask_health(&notice.event_arn).await;
        named.extend(self.claim(&notice.key, &campaign, more.difference(&named).cloned()).await?);

        let open = self.open_campaigns().await?.all()?;
        let mut judged = self.judge_all(named, &campaign, &Self::taken(&open)).await?;
        let failed = judged.failed.take();
        let seen = judged.seen.iter().map(|(arn, _)| arn.clone()).collect();
        let (wanted, left) = self.sorted(judged);
        left_alone.extend(left);
        let reason = format!("AWS Health notice {}", notice.event_arn);
        let found = Findings { reason, wanted, left_alone, at_rest: Vec::new() };
        let answer = self.start(&campaign, &found).await?;
        self.settle(&notice.key, &seen, &notice.refused_entities, &found.left_alone, &campaign).await?;
        failed.map_or(Ok(answer), Err)
    }

    /// What is to be upgraded, with its ring, and what is not.
    fn sorted(&self, judged: Judged) -> (Vec<Wanted>, Vec<LeftAlone>) {
        let (mut wanted, mut left_alone) = (Vec::new(), Vec::new());
        for (cluster, screened) in judged.seen {
            match screened {
                Screened::Upgrade(request) => {
                    let tags = judged.clusters.get(&cluster).map(|cluster| &cluster.tags);
                    let (_, ring) = self.policy.rings.of(&cluster, tags.unwrap_or(&BTreeMap::new()));
                    wanted.push(Wanted { ring: ring.to_owned(), cluster, request });
                }
                Screened::LeftAlone(left) => left_alone.push(left),
            }
        }
        (wanted, left_alone)
    }

    async fn sweep(&self) -> Answer<IntakeAnswer> {
        let now = self.time.now();
        let key = format!("sweep-{}", now.strftime("%Y-%m-%d"));
        let mut open = self.open_campaigns().await?;
        for state in &open.read {
            // One that cannot be started again keeps no other from it.
            if let Err(error) = self.drive(state).await {
                tracing::warn!(campaign = %state.campaign, %error, "not started again");
                open.failed.get_or_insert(error);
            }
        }
        let (mut all, unseen) = self.listed().await;
        all.extend(self.held().await?);
        // The campaign's name follows from what is due, and what is due does not depend on its name.
        let provisional = CampaignId::of("sweep", &[&key]);
        let mut judged = self.judge_all(all, &provisional, &Self::taken(&open.read)).await?;
        let failed = judged.failed.take();
        if open.unread {
            judged.seen.retain(|(_, screened)| !begins(screened));
        }
        let due: BTreeSet<ClusterArn> = judged
            .seen
            .iter()
            .filter(|(_, screened)| concerns_sweep(screened))
            .map(|(arn, _)| arn.clone())
            .collect();
        let listed: Vec<String> = due.iter().map(ToString::to_string).collect();
        let campaign = CampaignId::of("sweep", &[&key, &listed.join(",")]);
        let ours = self.claim(&key, &campaign, due.iter().cloned()).await?;
        // What is due and not ours, an earlier sweep of the same day has.
        judged.seen.retain(|(arn, _)| ours.contains(arn) || !due.contains(arn));
        let (ours_seen, at_rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut judged.seen).into_iter().partition(|(arn, _)| ours.contains(arn));
        let at_rest = at_rest.into_iter().filter_map(|(_, screened)| match screened {
            Screened::LeftAlone(left) => Some(left),
            Screened::Upgrade(_) => None,
        });
        let at_rest = at_rest.collect();
        judged.seen = ours_seen;
        let (wanted, left_alone) = self.sorted(judged);
        let reason = format!("the sweep of {}", now.strftime("%Y-%m-%d"));
        let found = Findings { reason, wanted, left_alone, at_rest };
        let answer = self.start(&campaign, &found).await?;
        self.settle(&key, &ours, &[], &found.left_alone, &campaign).await?;
        failed.or(unseen.map(PipelineError::from)).or(open.failed).map_or(Ok(answer), Err)
    }

    /// The clusters of every place within reach, and the first failure. One account that cannot be reached holds up no
    /// other; the sweep is tried again for it.
    async fn listed(&self) -> (BTreeSet<ClusterArn>, Option<EksDown>) {
        let list = |place: Home| async move {
            let listed = self.eks.clusters(&place).await;
            if let Err(down) = &listed {
                tracing::warn!(account = %place.account, region = %place.region, %down, "not swept");
            }
            listed
        };
        let places = stream::iter(self.reach().places()).map(list).buffered(PLACES_AT_ONCE);
        let (mut all, mut unseen) = (BTreeSet::new(), None);
        for listed in places.collect::<Vec<_>>().await {
            match listed {
                Ok(clusters) => all.extend(clusters),
                Err(down) => unseen = unseen.or(Some(down)),
            }
        }
        (all, unseen)
    }

    /// The clusters within reach that a run holds: one that is gone by now is in no list of EKS's.
    async fn held(&self) -> Answer<impl Iterator<Item = ClusterArn>> {
        let places = self.reach().places();
        let leases = self.ledger.leases().await?.into_iter().filter(|(_, lease)| lease.ended.is_none());
        Ok(leases.map(|(arn, _)| arn).filter(move |arn| places.contains(&arn.home())))
    }

    /// The clusters among `named` that this campaign is to work on.
    async fn claim(
        &self,
        key: &str,
        campaign: &CampaignId,
        named: impl Iterator<Item = ClusterArn> + Send,
    ) -> Answer<BTreeSet<ClusterArn>> {
        let mut ours = BTreeSet::new();
        for arn in named.collect::<Vec<_>>() {
            let claim = self.ledger.claim(key, &arn.to_string(), campaign, self.time.now()).await?;
            if claim == Claim::Ours {
                ours.insert(arn);
            }
        }
        Ok(ours)
    }

    async fn ask_health(&self, event_arn: &str) -> BTreeSet<ClusterArn> {
        match self.health.affected(event_arn).await {
            Ok(Affected::Entities(entities)) => entities.iter().filter_map(|e| e.parse().ok()).collect(),
            Ok(Affected::NoSubscription) => BTreeSet::new(),
            Err(down) => {
                // The notice itself, the other pages and the sweep name the same clusters.
                tracing::warn!(%down, "Health did not answer; going on with what the notice names");
                BTreeSet::new()
            }
        }
    }

    async fn settle(
        &self,
        key: &str,
        clusters: &BTreeSet<ClusterArn>,
        refused_entities: &[String],
        left_alone: &[LeftAlone],
        campaign: &CampaignId,
    ) -> Answer<()> {
        let now = self.time.now();
        let outcome_of = |name: &str, arn: &str| {
            let left = left_alone.iter().find(|left| left.cluster == name || left.cluster == arn);
            left.map_or_else(|| format!("in campaign {campaign}"), |left| left.text.clone())
        };
        for arn in clusters {
            let text = arn.to_string();
            self.ledger.settle(key, &text, &outcome_of(arn.name.as_str(), &text), now).await?;
        }
        for entity in refused_entities {
            self.ledger.settle(key, entity, &outcome_of(entity, entity), now).await?;
        }
        Ok(())
    }
}

/// What the sweep keeps a record of: not the many clusters with nothing to say about.
fn concerns_sweep(screened: &Screened) -> bool {
    match screened {
        Screened::Upgrade(_) => true,
        Screened::LeftAlone(left) => !matches!(
            left.code,
            LeftAloneCode::NotDue
                | LeftAloneCode::NotFound
                | LeftAloneCode::RunInProgress
                | LeftAloneCode::InCampaign
        ),
    }
}
