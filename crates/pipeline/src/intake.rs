//! The intake function: a notice or the daily sweep comes in, a campaign goes out, or a record that says why
//! not. Reads EKS; starts nothing that EKS's own data does not call for.

use std::collections::{BTreeMap, BTreeSet};

use eks_upgrade_core::arn::{ClusterArn, Home};
use eks_upgrade_core::calendar::Calendar;
use eks_upgrade_core::cluster::Found;
use eks_upgrade_core::contract::{CampaignInput, IntakeAnswer};
use eks_upgrade_core::door::{Reach, UpgradeRequest};
use eks_upgrade_core::ids::{CampaignId, digest};
use eks_upgrade_core::notice;
use eks_upgrade_core::policy::PolicyDocument;
use eks_upgrade_core::report;
use eks_upgrade_core::screen::{Lease, LeftAlone, LeftAloneCode, Screened, screen};
use futures_util::{StreamExt, stream};
use serde_json::Value;

use crate::error::{Answer, PipelineError};
use crate::ports::{Affected, Campaigns, Claim, Eks, Executions, Health, Inbox, Ledger, Time};

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

/// Clusters that are looked at at once.
const CLUSTERS_AT_ONCE: usize = 6;
/// Clusters left alone that a campaign's record lists: an item of the table holds 400 KB.
const RECORDED_MAX: usize = 1_000;
/// The subject under which the clusters that people were told about are remembered.
const TOLD: &str = "told";

impl<E: Eks, H: Health, L: Ledger + Inbox, C: Campaigns + Executions, T: Time> Intake<E, H, L, C, T> {
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

        let judged = self.judge_all(named, &campaign).await;
        let mut upgrades = Vec::new();
        for (_, screened) in &judged.seen {
            match screened.clone() {
                Screened::Upgrade(request) => upgrades.push(request),
                Screened::LeftAlone(left) => left_alone.push(left),
            }
        }
        let answer = self.start(&campaign, upgrades, &left_alone, &[]).await?;
        let seen = judged.seen.iter().map(|(arn, _)| arn.clone()).collect();
        self.settle(&notice.key, &seen, &notice.refused_entities, &left_alone, &campaign).await?;
        judged.failed.map_or(Ok(answer), Err)
    }

    async fn sweep(&self) -> Answer<IntakeAnswer> {
        let now = self.time.now();
        let key = format!("sweep-{}", now.strftime("%Y-%m-%d"));
        let mut all: BTreeSet<ClusterArn> = BTreeSet::new();
        let mut unseen = None;
        for place in self.reach().places() {
            match self.eks.clusters(&place).await {
                Ok(clusters) => all.extend(clusters),
                // One account that cannot be reached holds up no other; the sweep is tried again for it.
                Err(down) => {
                    tracing::warn!(account = %place.account, region = %place.region, %down, "not swept");
                    unseen.get_or_insert(down);
                }
            }
        }
        // The campaign's name follows from what is due, and what is due does not depend on its name.
        let provisional = CampaignId::of("sweep", &[&key]);
        let Judged { seen: judged, failed } = self.judge_all(all, &provisional).await;
        let due: BTreeSet<ClusterArn> = judged
            .iter()
            .filter(|(_, screened)| concerns_sweep(screened))
            .map(|(arn, _)| arn.clone())
            .collect();
        let listed: Vec<String> = due.iter().map(ToString::to_string).collect();
        let campaign = CampaignId::of("sweep", &[&key, &listed.join(",")]);
        let ours = self.claim(&key, &campaign, due.iter().cloned()).await?;
        let mut upgrades = Vec::new();
        let (mut left_alone, mut at_rest) = (Vec::new(), Vec::new());
        for (arn, screened) in judged {
            match screened {
                Screened::Upgrade(request) if ours.contains(&arn) => {
                    upgrades.push(UpgradeRequest { campaign: Some(campaign.clone()), ..request });
                }
                Screened::LeftAlone(left) if ours.contains(&arn) => left_alone.push(left),
                Screened::LeftAlone(left) if !due.contains(&arn) => at_rest.push(left),
                // An earlier sweep of the same day has it.
                Screened::Upgrade(_) | Screened::LeftAlone(_) => {}
            }
        }
        let answer = self.start(&campaign, upgrades, &left_alone, &at_rest).await?;
        self.settle(&key, &ours, &[], &left_alone, &campaign).await?;
        failed.or(unseen.map(PipelineError::from)).map_or(Ok(answer), Err)
    }

    fn reach(&self) -> Reach<'_> {
        Reach { home: &self.home, spokes: &self.policy.spokes }
    }

    /// The calendar of each place that has one of these clusters.
    async fn calendars(&self, clusters: &BTreeSet<ClusterArn>) -> BTreeMap<Home, Answer<Calendar>> {
        let places: BTreeSet<Home> = clusters.iter().map(ClusterArn::home).collect();
        let reachable = self.reach().places();
        let mut calendars = BTreeMap::new();
        for place in places.into_iter().filter(|place| reachable.contains(place)) {
            let calendar = self.eks.calendar(&place).await.map_err(PipelineError::from);
            calendars.insert(place, calendar);
        }
        calendars
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

    /// Judges each. One that cannot be read does not keep the others from being looked at: its failure is handed
    /// on at the end, so that the trigger is tried again for it alone.
    async fn judge_all(&self, clusters: BTreeSet<ClusterArn>, campaign: &CampaignId) -> Judged {
        let calendars = self.calendars(&clusters).await;
        let calendars = &calendars;
        let answers: Vec<(ClusterArn, Answer<Screened>)> = stream::iter(clusters)
            .map(|arn| async move {
                let answer = self.judge(&arn, calendars, campaign).await;
                (arn, answer)
            })
            .buffered(CLUSTERS_AT_ONCE)
            .collect()
            .await;
        let mut judged = Judged::default();
        for (arn, answer) in answers {
            match answer {
                Ok(screened) => judged.seen.push((arn, screened)),
                Err(error) => {
                    tracing::warn!(%arn, %error, "could not be looked at");
                    judged.failed.get_or_insert(error);
                }
            }
        }
        judged
    }

    async fn judge(
        &self,
        arn: &ClusterArn,
        calendars: &BTreeMap<Home, Answer<Calendar>>,
        campaign: &CampaignId,
    ) -> Answer<Screened> {
        if let Err(error) = self.reach().check(arn) {
            return Ok(Screened::LeftAlone(not_ours(arn.to_string(), error.to_string())));
        }
        let Found::Is(cluster) = self.eks.cluster(arn).await? else {
            let (cluster, text) = (arn.name.to_string(), "EKS knows no such cluster".to_owned());
            return Ok(Screened::LeftAlone(LeftAlone { cluster, code: LeftAloneCode::NotFound, text }));
        };
        let lease = self.ledger.lease(arn).await?;
        if let Some(open) = lease.as_ref().filter(|lease| lease.ended.is_none())
            && self.policy.opted_in(&cluster.tags)
            && !self.campaigns.is_running(&open.execution).await?
        {
            return Ok(Screened::Upgrade(pick_up(arn, open, campaign)));
        }
        let calendar = match calendars.get(&arn.home()) {
            Some(Ok(calendar)) => calendar,
            _ => &self.eks.calendar(&arn.home()).await?,
        };
        Ok(screen(&cluster, lease.as_ref(), &self.policy, calendar, campaign, self.time.now()))
    }

    async fn start(
        &self,
        campaign: &CampaignId,
        clusters: Vec<UpgradeRequest>,
        left_alone: &[LeftAlone],
        at_rest: &[LeftAlone],
    ) -> Answer<IntakeAnswer> {
        let news = self.not_told_yet(left_alone, campaign).await?;
        let notification = report::of_left_alone(&news);
        let input = CampaignInput {
            campaign: campaign.clone(),
            clusters,
            clusters_at_once: self.policy.clusters_at_once,
            left_alone: news.iter().take(report::LISTED_MAX).cloned().collect(),
            notification,
        };
        let now = self.time.now();
        let seen: Vec<LeftAlone> = left_alone.iter().chain(at_rest).take(RECORDED_MAX).cloned().collect();
        if !(input.clusters.is_empty() && seen.is_empty()) {
            self.ledger.campaign(&input, &seen, now).await?;
        }
        if input.clusters.is_empty() && input.left_alone.is_empty() {
            return Ok(IntakeAnswer::NothingDue);
        }
        if !input.clusters.is_empty() || input.notification.is_some() {
            self.campaigns.start(&input).await?;
        }
        for left in &news {
            self.ledger.settle(TOLD, &told_subject(left), "told", now).await?;
        }
        let upgrades = input.clusters.iter().map(|request| request.cluster.clone()).collect();
        tracing::info!(%campaign, ?upgrades, left_alone = left_alone.len(), "campaign");
        Ok(IntakeAnswer::Campaign { campaign: campaign.clone(), upgrades, left_alone: left_alone.to_vec() })
    }

    /// What is new among the clusters left alone: a daily sweep must not repeat itself daily.
    async fn not_told_yet(&self, left_alone: &[LeftAlone], campaign: &CampaignId) -> Answer<Vec<LeftAlone>> {
        let mut news = Vec::new();
        for left in left_alone {
            let claim = self.ledger.claim(TOLD, &told_subject(left), campaign, self.time.now()).await?;
            if claim == Claim::Ours {
                news.push(left.clone());
            }
        }
        Ok(news)
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

/// What became of looking at many clusters.
#[derive(Default)]
struct Judged {
    seen: Vec<(ClusterArn, Screened)>,
    /// The first failure, if any could not be looked at.
    failed: Option<PipelineError>,
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
    }
}

fn not_ours(cluster: String, text: String) -> LeftAlone {
    LeftAlone { cluster, code: LeftAloneCode::NotOurs, text }
}

fn told_subject(left: &LeftAlone) -> String {
    // The reason's text holds version, date and run: when any of these changes, it is news again.
    digest(&[&left.cluster, &left.text])
}

/// What the sweep keeps a record of: not the many clusters with nothing to say about.
fn concerns_sweep(screened: &Screened) -> bool {
    match screened {
        Screened::Upgrade(_) => true,
        Screened::LeftAlone(left) => !matches!(
            left.code,
            LeftAloneCode::NotDue | LeftAloneCode::NotFound | LeftAloneCode::RunInProgress
        ),
    }
}
