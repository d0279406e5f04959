//! Looking at a wave's clusters again when it has soaked.

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::campaign::{CampaignEvent, Outcome, Unwell, unwell};
use eks_upgrade_core::cluster::Found;
use eks_upgrade_core::ids::RunId;
use eks_upgrade_core::version::Minor;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::Campaigning;
use super::record::CampaignRecord;
use crate::error::Answer;
use crate::journal::read;
use crate::ports::{CampaignLedger, Eks, Ledger, Time};

/// Clusters that are looked at at a time.
const LOOKED_AT_AT_ONCE: usize = 6;

impl<E: Eks, L: Ledger + CampaignLedger, X: Sync, T: Time> Campaigning<E, L, X, T> {
    /// Looks at the clusters of the wave that has soaked long enough, if there is one, and records what went bad.
    pub(super) async fn look_after_soak(&self, record: &mut CampaignRecord<'_, L, T>) -> Answer<()> {
        let state = record.state()?;
        let Some((wave, until)) = state.soaking() else { return Ok(()) };
        if self.time.now() < until {
            return Ok(());
        }
        let upgraded: Vec<(ClusterArn, Option<RunId>, Option<Minor>)> = state
            .completed_of(wave)
            .map(|(cluster, outcome)| match outcome {
                Outcome::Completed { run, version } => (cluster.clone(), run.clone(), *version),
                Outcome::Failed { .. } | Outcome::Untouched { .. } => (cluster.clone(), None, None),
            })
            .collect();
        let seen: Vec<Option<Unwell>> = stream::iter(upgraded)
            .map(|(cluster, run, version)| self.look_at(cluster, run, version))
            .buffered(LOOKED_AT_AT_ONCE)
            .try_collect()
            .await?;
        let failures: Vec<Unwell> = seen.into_iter().flatten().collect();
        record
            .record(|state| match state.and_then(|state| state.soaking()) {
                Some(_) => vec![CampaignEvent::Soaked { failures: failures.clone() }],
                None => Vec::new(),
            })
            .await
    }

    async fn look_at(
        &self,
        cluster: ClusterArn,
        run: Option<RunId>,
        version: Option<Minor>,
    ) -> Answer<Option<Unwell>> {
        let seen = match self.eks.cluster(&cluster).await {
            Ok(seen) => seen,
            // Another look would be denied too, and what cannot be told is not well.
            Err(down) if down.denied => {
                let (code, text) = ("NotToldAfterwards".to_owned(), down.to_string());
                return Ok(Some(Unwell { cluster, code, text }));
            }
            Err(down) => return Err(down.into()),
        };
        let baseline = match (&seen, run) {
            (Found::Is(seen), Some(run)) if !seen.health_issues.is_empty() => {
                let plan = read(&self.ledger, &run).await?.plan;
                plan.map_or_else(Vec::new, |plan| plan.baseline.health_issues.into_iter().collect())
            }
            _ => Vec::new(),
        };
        let found = unwell(version, &seen, &baseline);
        Ok(found.map(|(code, text)| Unwell { cluster, code: code.to_owned(), text }))
    }
}
