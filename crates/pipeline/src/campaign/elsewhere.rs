//! Looking at the other campaigns, and at the failures that stand, before a wave begins.

use std::collections::BTreeSet;

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::campaign::beyond::{Elsewhere, harmed};
use eks_upgrade_core::cluster::Found;
use eks_upgrade_core::ids::CampaignId;

use super::Campaigning;
use super::record::read;
use crate::error::{Answer, PipelineError};
use crate::ports::{CampaignLedger, Eks};

impl<E: Eks, L: CampaignLedger, X: Sync, T: Sync> Campaigning<E, L, X, T> {
    /// How the others stand.
    pub(super) async fn elsewhere(&self, ours: &CampaignId) -> Answer<Elsewhere> {
        let (mut campaigns, mut unread) = (Vec::new(), None);
        for other in self.ledger.open_campaigns().await?.iter().filter(|other| *other != ours) {
            match read(&self.ledger, other).await {
                Err(PipelineError::LedgerBroken(_)) => drop(unread.get_or_insert_with(|| other.clone())),
                state => campaigns.extend(state?),
            }
        }
        // The index lags a moment: one that ended meanwhile holds nothing up.
        campaigns.retain(|other| other.over.is_none());
        let mut leases = self.ledger.leases().await?;
        let mut gone: BTreeSet<ClusterArn> = BTreeSet::new();
        for (arn, lease) in harmed(&leases) {
            let is_there = match self.eks.cluster(arn).await {
                Ok(Found::Gone) => false,
                Ok(Found::Is(cluster)) => lease.is_of(&cluster),
                // One that cannot be looked at stands as its lease has it.
                Err(_) => true,
            };
            if !is_there {
                gone.insert(arn.clone());
            }
        }
        leases.retain(|(arn, _)| !gone.contains(arn));
        Ok(Elsewhere { campaigns, unread, leases })
    }
}
