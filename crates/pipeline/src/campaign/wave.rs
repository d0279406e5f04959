//! Telling what became of the clusters of a wave, from their leases and from what was heard of them.

use std::collections::{BTreeMap, BTreeSet};

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::campaign::outcome::{OpenRun, Standing, standing};
use eks_upgrade_core::campaign::{CampaignEvent, CampaignState, ClusterEnd, Heard, Member};
use eks_upgrade_core::ids::CampaignId;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::Campaigning;
use super::record::CampaignRecord;
use crate::error::Answer;
use crate::journal::read;
use crate::ports::{CampaignLedger, Executions, Ledger, Time};

/// Clusters whose leases are read at a time.
const READ_AT_ONCE: usize = 10;

impl<E: Sync, L: Ledger + CampaignLedger, X: Executions, T: Time> Campaigning<E, L, X, T> {
    /// Records what became of the clusters of the open wave, as far as it is known; gives those that run on.
    pub(super) async fn reconcile(
        &self,
        record: &mut CampaignRecord<'_, L, T>,
        heard: &[Heard],
    ) -> Answer<BTreeSet<ClusterArn>> {
        let state = record.state()?;
        let campaign = state.campaign.clone();
        let heard: BTreeMap<&ClusterArn, &str> =
            heard.iter().map(|heard| (&heard.cluster, heard.code.as_str())).collect();
        let open: Vec<Member> = state.open_members().cloned().collect();
        let (campaign, heard) = (&campaign, &heard);
        let standings: Vec<(ClusterArn, Standing)> = stream::iter(open)
            .map(|member| async move {
                let heard = heard.get(&member.cluster).copied();
                let standing = self.standing(campaign, &member, heard).await?;
                Answer::Ok((member.cluster, standing))
            })
            .buffered(READ_AT_ONCE)
            .try_collect()
            .await?;
        let (mut running, mut over) = (BTreeSet::new(), Vec::new());
        for (cluster, standing) in standings {
            match standing {
                Standing::Over(outcome) => over.push(ClusterEnd { cluster, outcome }),
                Standing::Running => {
                    running.insert(cluster);
                }
                Standing::ToStart => {}
            }
        }
        record.record(|state| state.map_or_else(Vec::new, |state| counted(state, &over))).await?;
        Ok(running)
    }

    async fn standing(
        &self,
        campaign: &CampaignId,
        member: &Member,
        heard: Option<&str>,
    ) -> Answer<Standing> {
        let lease = self.ledger.lease(&member.cluster).await?;
        let mut open = OpenRun { running: false, touched: false };
        if let Some(held) = lease.as_ref().filter(|lease| lease.ended.is_none()) {
            open.running = self.executions.is_running(&held.execution).await?;
            // Only an interrupted run is read: of one that runs it does not matter yet.
            open.touched = !open.running && read(&self.ledger, &held.run).await?.touched;
        }
        Ok(standing(campaign, member, lease.as_ref(), open, heard))
    }
}

/// What to record of clusters that are over.
fn counted(state: &CampaignState, over: &[ClusterEnd]) -> Vec<CampaignEvent> {
    let Some(wave) = state.open_wave() else { return Vec::new() };
    let open: BTreeSet<&ClusterArn> = state.open_members().map(|member| &member.cluster).collect();
    let outcomes: Vec<ClusterEnd> = over.iter().filter(|end| open.contains(&end.cluster)).cloned().collect();
    if outcomes.len() == open.len() {
        return vec![CampaignEvent::WaveEnded { ring: wave.ring, wave: wave.number, outcomes }];
    }
    if outcomes.is_empty() { Vec::new() } else { vec![CampaignEvent::Counted { outcomes }] }
}
