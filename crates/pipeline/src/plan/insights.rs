//! Having EKS make its insights anew before a plan.

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::contract::{PlanAnswer, PlanWait};
use eks_upgrade_core::planner::PLAN_AGAIN_S;
use eks_upgrade_core::waits::seconds_between;
use jiff::Timestamp;

use super::PlanRun;
use crate::error::Answer;
use crate::ports::inside::Inspects;
use crate::ports::{Eks, InsightsRefresh, Time};

/// Insights as old as this are as good as new, in seconds: long enough for whoever waits for a refresh, and so short that
/// hardly anybody has changed the cluster since.
const INSIGHTS_FRESH_S: u32 = 1200;
/// How far the clocks of EKS and of this function may differ, in seconds; EKS's has whole ones.
const CLOCKS_DIFFER_S: u32 = 2;
/// When a refresh is looked at first, in seconds, and how often from then on.
const INSIGHTS_EARLY_S: u32 = 60;
const INSIGHTS_PAUSE_S: u32 = 10;
/// A refresh that takes longer than this, in seconds, is not waited for: a window that is open has room for it.
const INSIGHTS_GIVEN_UP_S: u32 = PLAN_AGAIN_S - 60;

impl<E: Eks + Inspects, L, X, T: Time> PlanRun<E, L, X, T> {
    /// Has EKS make its insights anew where it began the last time before `changed_at`, when something of the cluster
    /// changed, or ended it some minutes ago; the wait for that while it lasts. That it may not be asked for that is no
    /// reason not to upgrade: how old they are is a finding.
    pub(super) async fn refresh_insights(
        &self,
        cluster: &ClusterArn,
        changed_at: Option<Timestamp>,
    ) -> Answer<Option<PlanAnswer>> {
        let now = self.time.now();
        let wait = |since: Timestamp| PlanAnswer::Wait {
            wait_for: PlanWait::Insights,
            seconds: INSIGHTS_EARLY_S.saturating_sub(seconds_between(since, now)).max(INSIGHTS_PAUSE_S),
            text: "EKS to make its insights anew".into(),
        };
        let since_change = |started: Timestamp| {
            changed_at.is_none_or(|changed_at| seconds_between(started, changed_at) <= CLOCKS_DIFFER_S)
        };
        match self.eks.insights_refresh(cluster).await {
            Ok(Some(InsightsRefresh { started, ended: Some(ended) }))
                if since_change(started) && seconds_between(ended, now) < INSIGHTS_FRESH_S =>
            {
                Ok(None)
            }
            Ok(Some(InsightsRefresh { started, ended: None })) => {
                Ok((seconds_between(started, now) < INSIGHTS_GIVEN_UP_S).then(|| wait(started)))
            }
            Ok(_) => match self.eks.refresh_insights(cluster).await {
                Ok(()) => Ok(Some(wait(now))),
                Err(down) if down.denied => {
                    tracing::warn!(%cluster, %down, "the insights are as old as they are");
                    Ok(None)
                }
                Err(down) => Err(down.into()),
            },
            Err(down) if down.denied => Ok(None),
            Err(down) => Err(down.into()),
        }
    }
}
