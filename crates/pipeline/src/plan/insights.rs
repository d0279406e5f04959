//! Having EKS make its insights anew before the first plan.

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::contract::{PlanAnswer, PlanWait};
use eks_upgrade_core::waits::seconds_between;

use super::PlanRun;
use crate::error::Answer;
use crate::ports::inside::Inspects;
use crate::ports::{Eks, InsightsRefresh, Time};

/// Insights as old as this are as good as new, in seconds.
const INSIGHTS_FRESH_S: u32 = 3600;
/// How often a refresh is looked at, in seconds.
const INSIGHTS_PAUSE_S: u32 = 20;
/// A refresh that takes longer than this, in seconds, is not waited for.
const INSIGHTS_GIVEN_UP_S: u32 = 900;

impl<E: Eks + Inspects, L, X, T: Time> PlanRun<E, L, X, T> {
    /// Has EKS make its insights anew where they are older than an hour; the wait for that while it lasts. That they
    /// cannot be made anew is no reason not to upgrade: how old they are is a finding.
    pub(super) async fn refresh_insights(&self, cluster: &ClusterArn) -> Answer<Option<PlanAnswer>> {
        let now = self.time.now();
        let wait = || PlanAnswer::Wait {
            wait_for: PlanWait::Insights,
            seconds: INSIGHTS_PAUSE_S,
            text: "EKS to make its insights anew".into(),
        };
        match self.eks.insights_refresh(cluster).await {
            Ok(Some(InsightsRefresh { ended: Some(ended), .. }))
                if seconds_between(ended, now) < INSIGHTS_FRESH_S =>
            {
                Ok(None)
            }
            Ok(Some(InsightsRefresh { started, ended: None })) => {
                Ok((seconds_between(started, now) < INSIGHTS_GIVEN_UP_S).then(wait))
            }
            Ok(_) => match self.eks.refresh_insights(cluster).await {
                Ok(()) => Ok(Some(wait())),
                Err(down) => {
                    tracing::warn!(%cluster, %down, "the insights are as old as they are");
                    Ok(None)
                }
            },
            Err(down) if down.denied => Ok(None),
            Err(down) => Err(down.into()),
        }
    }
}
