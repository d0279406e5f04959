//! Looking at a wave's clusters again when it has soaked.

use std::pin::pin;

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::campaign::{Look, Outcome, Unwell, looked, unwell};
use eks_upgrade_core::cluster::Found;
use eks_upgrade_core::ids::RunId;
use eks_upgrade_core::version::Minor;
use eks_upgrade_core::waits::seconds_between;
use futures_util::{StreamExt, stream};

use super::Campaigning;
use super::record::CampaignRecord;
use crate::error::Answer;
use crate::journal::read;
use crate::ports::{CampaignLedger, Eks, Ledger, Time};

/// Clusters that are looked at at a time.
const LOOKED_AT_AT_ONCE: usize = 6;
/// How many in a row may be unreadable before the others are left for later.
const UNREADABLE_MAX: usize = 6;
/// After how many seconds the others are left for later: the function has 120.
const LOOKS_S_MAX: u32 = 60;

impl<E: Eks, L: Ledger + CampaignLedger, X: Sync, T: Time> Campaigning<E, L, X, T> {
    /// Looks at the clusters of the wave that has soaked long enough, if there is one, and records what went bad.
    ///
    /// What was seen is kept where others cannot be read: an account whose calls are throttled answers for some of two
    /// hundred clusters each time, and hardly ever for all of them at once. An error, if none could be.
    pub(super) async fn look_after_soak(&self, record: &mut CampaignRecord<'_, L, T>) -> Answer<()> {
        let state = record.state()?;
        let began = self.time.now();
        if state.soaking().is_none_or(|(_, until)| began < until) {
            return Ok(());
        }
        let unlooked: Vec<(ClusterArn, Option<RunId>, Option<Minor>)> = state
            .unlooked()
            .map(|(cluster, outcome)| match outcome {
                Outcome::Completed { run, version } => (cluster.clone(), run.clone(), *version),
                Outcome::Failed { .. } | Outcome::Untouched { .. } => (cluster.clone(), None, None),
            })
            .collect();
        let mut looks = pin!(
            stream::iter(unlooked)
                .map(|(cluster, run, version)| self.look_at(cluster, run, version))
                .buffered(LOOKED_AT_AT_ONCE)
        );
        let (mut seen, mut unseen, mut in_a_row) = (Vec::new(), None, 0);
        while let Some(look) = looks.next().await {
            in_a_row = if look.is_ok() { 0 } else { in_a_row + 1 };
            match look {
                Ok(look) => seen.push(look),
                Err(error) => unseen = Some(error),
            }
            if in_a_row == UNREADABLE_MAX || seconds_between(began, self.time.now()) >= LOOKS_S_MAX {
                break;
            }
        }
        if let Some(error) = unseen {
            if seen.is_empty() {
                return Err(error);
            }
            tracing::warn!(%error, looked = seen.len(), "the others of the wave are looked at later");
        }
        record.record(|state| state.and_then(|state| looked(state, &seen)).into_iter().collect()).await
    }

    /// The run that a cluster was upgraded by: where the campaign does not know it, the last.
    async fn run_of(&self, cluster: &ClusterArn, known: Option<RunId>) -> Answer<Option<RunId>> {
        Ok(match known {
            Some(run) => Some(run),
            None => self.ledger.lease(cluster).await?.map(|lease| lease.run),
        })
    }

    async fn look_at(&self, cluster: ClusterArn, run: Option<RunId>, version: Option<Minor>) -> Answer<Look> {
        let seen = match self.eks.cluster(&cluster).await {
            Ok(seen) => seen,
            // Another look would be denied too, and what cannot be told is not well.
            Err(down) if down.denied => {
                let (code, text) = ("NotToldAfterwards".to_owned(), down.to_string());
                let unwell = Some(Unwell { cluster: cluster.clone(), code, text });
                return Ok(Look { cluster, unwell });
            }
            Err(down) => return Err(down.into()),
        };
        let mut found = unwell(version, &seen, &[]);
        // What seems unwell is held against the run: it may have been so before, and be another cluster by now.
        if let (Some(_), Found::Is(now)) = (&found, &seen)
            && let Some(run) = self.run_of(&cluster, run).await?
        {
            let state = read(&self.ledger, &run).await?;
            let before = state.plan.map(|plan| plan.baseline.health_issues).unwrap_or_default();
            let is_same = state.opened.cluster_created_at == now.created_at;
            found = if is_same { unwell(version, &seen, &before) } else { None };
        }
        let unwell = found.map(|(code, text)| {
            let (cluster, code) = (cluster.clone(), code.to_owned());
            Unwell { cluster, code, text }
        });
        Ok(Look { cluster, unwell })
    }
}
