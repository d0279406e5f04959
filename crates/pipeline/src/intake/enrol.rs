//! Writing down what a campaign is to do, before its execution starts.

use std::collections::BTreeSet;

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::campaign::{CampaignEvent, CampaignState, LISTED_MAX, Member};
use eks_upgrade_core::contract::IntakeAnswer;
use eks_upgrade_core::door::UpgradeRequest;
use eks_upgrade_core::ids::{CampaignId, digest};
use eks_upgrade_core::policy::{Before, PolicyDocument, Ring};
use eks_upgrade_core::report;
use eks_upgrade_core::screen::LeftAlone;

use super::Intake;
use crate::campaign::CampaignRecord;
use crate::error::Answer;
use crate::ports::{CampaignLedger, Campaigns, Claim, Executions, Inbox, Time};

/// Clusters left alone that a campaign's record lists: nobody reads further.
const RECORDED_MAX: usize = 1_000;
/// The subject under which the clusters that people were told about are remembered.
const TOLD: &str = "told";

/// A cluster that is to be upgraded, with the name of its ring.
pub(super) struct Wanted {
    pub cluster: ClusterArn,
    pub ring: String,
    pub request: UpgradeRequest,
}

/// What a trigger came to.
pub(super) struct Findings {
    /// The trigger, in words.
    pub reason: String,
    /// What is to be upgraded.
    pub wanted: Vec<Wanted>,
    /// What is not, and should be known of.
    pub left_alone: Vec<LeftAlone>,
    /// What is not, with nothing to say about it.
    pub at_rest: Vec<LeftAlone>,
}

impl<E: Sync, H: Sync, L: Inbox + CampaignLedger, C: Campaigns + Executions, T: Time> Intake<E, H, L, C, T> {
    /// Records what was found, and starts the campaign's execution where there is something to upgrade.
    pub(super) async fn start(&self, campaign: &CampaignId, found: &Findings) -> Answer<IntakeAnswer> {
        let news = self.not_told_yet(&found.left_alone, campaign).await?;
        let recorded = self.enrol(campaign, found, &news).await?;
        for left in &news {
            self.ledger.settle(TOLD, &told_subject(left), "told", self.time.now()).await?;
        }
        if found.wanted.is_empty() && news.is_empty() {
            return Ok(IntakeAnswer::NothingDue);
        }
        let Some(state) = recorded else { return Ok(IntakeAnswer::NothingDue) };
        let upgrades: Vec<String> = found.wanted.iter().map(|wanted| wanted.cluster.to_string()).collect();
        if !upgrades.is_empty() {
            self.drive(&state).await?;
        }
        let (campaign, left_alone) = (state.campaign, found.left_alone.clone());
        tracing::info!(%campaign, ?upgrades, left_alone = left_alone.len(), "campaign");
        Ok(IntakeAnswer::Campaign { campaign, upgrades, left_alone })
    }

    /// Writes it to the campaign's record, or to that of one that follows it where it is over.
    async fn enrol(
        &self,
        campaign: &CampaignId,
        found: &Findings,
        news: &[LeftAlone],
    ) -> Answer<Option<CampaignState>> {
        if found.wanted.is_empty() && found.left_alone.is_empty() && found.at_rest.is_empty() {
            return Ok(None);
        }
        let mut id = campaign.clone();
        loop {
            let mut record = CampaignRecord::load(&self.ledger, &self.time, &id, None).await?;
            if let Some(over) = record.begun().filter(|state| state.over.is_some()) {
                let told = |left: &LeftAlone| over.left_alone.get(&left.cluster) == Some(left);
                if news.iter().all(told) && missing(over, found).next().is_none() {
                    return Ok(Some(over.clone()));
                }
                id = follower(over, found);
                continue;
            }
            let (found, policy) = (&found, &self.policy);
            record
                .record(move |state| match state.filter(|state| state.over.is_some()) {
                    // Somebody else wrote it to its end meanwhile.
                    Some(_) => Vec::new(),
                    None => lines(state, found, news, policy),
                })
                .await?;
            return Ok(record.begun().cloned());
        }
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
}

fn told_subject(left: &LeftAlone) -> String {
    // The reason's text holds version, date and run: when any of these changes, it is news again.
    digest(&[&left.cluster, &left.text])
}

/// What the record of a campaign does not have yet.
fn missing<'a>(state: &CampaignState, found: &'a Findings) -> impl Iterator<Item = &'a Wanted> {
    let there: BTreeSet<ClusterArn> = state.members.keys().cloned().collect();
    found.wanted.iter().filter(move |wanted| !there.contains(&wanted.cluster))
}

/// The campaign that takes what came for one that is over: the same for the same.
fn follower(over: &CampaignState, found: &Findings) -> CampaignId {
    let id = over.campaign.as_str();
    let kind = id.split_once('-').map_or(id, |(kind, _)| kind);
    let names: Vec<String> = missing(over, found).map(|wanted| wanted.cluster.to_string()).collect();
    CampaignId::of(kind, &[id, &names.join(",")])
}

/// The lines that are to follow those there are. What was left alone comes first: its lines are few, and are written
/// in one go with what people are told about them.
fn lines(
    state: Option<&CampaignState>,
    found: &Findings,
    news: &[LeftAlone],
    policy: &PolicyDocument,
) -> Vec<CampaignEvent> {
    let mut events = Vec::new();
    let rings = state.map_or_else(|| policy.rings.all(), |state| state.opened.rings.clone());
    if state.is_none() {
        events.push(CampaignEvent::Opened {
            reason: found.reason.clone(),
            rings: rings.clone(),
            approvals: policy
                .approvals
                .iter()
                .filter(|rule| matches!(rule.before, Before::Campaign | Before::Ring))
                .cloned()
                .collect(),
            clusters_at_once: policy.clusters_at_once,
        });
    }
    events.extend(left_alone(state, found, news));
    let wanted: Vec<&Wanted> = match state {
        Some(state) => missing(state, found).collect(),
        None => found.wanted.iter().collect(),
    };
    let mut members: Vec<Member> = wanted.into_iter().map(|wanted| member(wanted, &rings)).collect();
    members.sort_by(|a, b| (a.ring, &a.cluster).cmp(&(b.ring, &b.cluster)));
    if members.is_empty() && state.is_none_or(|state| state.members.is_empty()) {
        events.push(CampaignEvent::Ended { completed: 0, failed: 0, untouched: 0 });
    }
    events.extend(members.chunks(LISTED_MAX).map(|part| CampaignEvent::Enrolled { members: part.to_vec() }));
    events
}

fn left_alone(state: Option<&CampaignState>, found: &Findings, news: &[LeftAlone]) -> Vec<CampaignEvent> {
    let known =
        |left: &LeftAlone| state.is_some_and(|state| state.left_alone.get(&left.cluster) == Some(left));
    let all = found.left_alone.iter().chain(&found.at_rest).take(RECORDED_MAX);
    let fresh: Vec<LeftAlone> = all.filter(|left| !known(left)).cloned().collect();
    let tell: Vec<LeftAlone> = news.iter().filter(|left| !known(left)).cloned().collect();
    let mut notification = report::of_left_alone(&tell);
    let parts = fresh.chunks(LISTED_MAX);
    parts
        .map(|part| CampaignEvent::LeftAlone { clusters: part.to_vec(), notification: notification.take() })
        .collect()
}

fn member(wanted: &Wanted, rings: &[Ring]) -> Member {
    // A ring that the policy has got since the campaign was opened comes last in it.
    let place = rings.iter().position(|ring| ring.name == wanted.ring);
    let request = &wanted.request;
    Member {
        cluster: wanted.cluster.clone(),
        ring: place.unwrap_or(rings.len().saturating_sub(1)),
        created_at: request.cluster_created_at,
        target: request.target.as_ref().and_then(|target| target.parse().ok()),
        reason: request.reason.clone(),
        resume: request.resume.clone(),
    }
}
