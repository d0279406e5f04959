//! Campaigns that are under way: their clusters are theirs, and they go on when their executions have died.

use std::collections::BTreeMap;

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::campaign::CampaignState;
use eks_upgrade_core::contract::CampaignInput;
use eks_upgrade_core::ids::CampaignId;
use eks_upgrade_core::screen::{LeftAlone, LeftAloneCode};

use super::Intake;
use crate::campaign::read;
use crate::error::{Answer, PipelineError};
use crate::ports::{CampaignLedger, Campaigns, Executions};

/// The campaigns under way.
#[derive(Default)]
pub(super) struct Open {
    /// Those whose records can be read.
    pub read: Vec<CampaignState>,
    /// Whether there are others: which clusters they have is not known then, and no upgrade is begun beside them.
    pub unread: bool,
    /// What went wrong with the first of them.
    pub failed: Option<PipelineError>,
}

impl Open {
    /// All of them, if their records can be read.
    pub fn all(self) -> Answer<Vec<CampaignState>> {
        self.failed.map_or(Ok(self.read), Err)
    }
}

/// The clusters that campaigns under way have and have not seen to yet.
#[derive(Default)]
pub(super) struct Taken(BTreeMap<ClusterArn, (CampaignId, String)>);

impl Taken {
    /// Why `campaign` leaves a cluster alone, if another has it.
    pub fn by_another(&self, cluster: &ClusterArn, campaign: &CampaignId) -> Option<LeftAlone> {
        let (theirs, ring) = self.0.get(cluster).filter(|(theirs, _)| theirs != campaign)?;
        Some(LeftAlone {
            cluster: cluster.name.to_string(),
            code: LeftAloneCode::InCampaign,
            text: format!("campaign {theirs} has it, in ring {ring}"),
        })
    }

    fn add(&mut self, state: &CampaignState) {
        for member in state.pending() {
            let theirs = (state.campaign.clone(), state.ring_name(member.ring).to_owned());
            self.0.insert(member.cluster.clone(), theirs);
        }
    }
}

impl<E, H, L: CampaignLedger, C: Campaigns + Executions, T> Intake<E, H, L, C, T> {
    /// The campaigns under way.
    pub(super) async fn open_campaigns(&self) -> Answer<Open> {
        let mut open = Open::default();
        for campaign in self.ledger.open_campaigns().await? {
            match read(&self.ledger, &campaign).await {
                Ok(state) => open.read.extend(state.filter(|state| state.over.is_none())),
                Err(error) => {
                    open.unread = true;
                    open.failed.get_or_insert(error);
                }
            }
        }
        Ok(open)
    }

    /// What they have.
    pub(super) fn taken(open: &[CampaignState]) -> Taken {
        let mut taken = Taken::default();
        for state in open {
            taken.add(state);
        }
        taken
    }

    /// Sees to it that an execution drives the campaign, unless it is over.
    pub(super) async fn drive(&self, state: &CampaignState) -> Answer<()> {
        if state.over.is_some() {
            return Ok(());
        }
        if let Some(driver) = &state.driver
            && self.campaigns.is_running(driver).await?
        {
            return Ok(());
        }
        let input = CampaignInput { campaign: state.campaign.clone(), generation: state.generation + 1 };
        Ok(self.campaigns.start(&input).await?)
    }
}
