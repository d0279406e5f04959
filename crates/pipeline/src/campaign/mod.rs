//! A campaign's part of the decide function: says which wave comes next, counts what became of one, keeps the
//! questions to people. Reads EKS only; what it decides is in its record before it is answered.

mod elsewhere;
mod record;
mod soak;
mod wave;

use eks_upgrade_core::campaign::beyond::Elsewhere;
use eks_upgrade_core::campaign::{
    CampaignDecision, CampaignEvent, CampaignState, Heard, next, said_of, settle,
};
use eks_upgrade_core::contract::{ApprovalAsked, CampaignRequest, WaveAnswer};
use eks_upgrade_core::control::{Approval, Controls, Subject};
use eks_upgrade_core::ids::{ApprovalId, CampaignId, ExecutionArn, TaskToken};
use eks_upgrade_core::ledger::Standing;

use crate::error::{Answer, PipelineError};
use crate::ports::{CampaignLedger, Eks, Executions, Ledger, Said, Time};

pub use record::{CampaignRecord, read};

/// The use case.
pub struct Campaigning<E, L, X, T> {
    /// EKS, to read.
    pub eks: E,
    /// The ledger.
    pub ledger: L,
    /// Executions, to see whether an upgrade is still at work.
    pub executions: X,
    /// The clock.
    pub time: T,
}

/// What was answered, by what was asked; on the wire just the answer.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum CampaignAnswer {
    /// To [`CampaignRequest::NextWave`].
    Decision(CampaignDecision),
    /// To [`CampaignRequest::WaveEnded`].
    Wave(WaveAnswer),
    /// To [`CampaignRequest::AskCampaign`].
    Asked(ApprovalAsked),
}

impl<E: Eks, L: Ledger + CampaignLedger + Said, X: Executions, T: Time> Campaigning<E, L, X, T> {
    /// Answers one question.
    pub async fn answer(&self, request: &CampaignRequest) -> Answer<CampaignAnswer> {
        match request {
            CampaignRequest::NextWave { campaign, generation, execution } => {
                self.next_wave(campaign, *generation, execution).await.map(CampaignAnswer::Decision)
            }
            CampaignRequest::WaveEnded { campaign, heard, execution } => {
                self.wave_ended(campaign, heard, execution).await.map(CampaignAnswer::Wave)
            }
            CampaignRequest::AskCampaign { campaign, approval, token, execution } => {
                self.ask(campaign, approval, token, execution).await.map(CampaignAnswer::Asked)
            }
        }
    }

    async fn next_wave(
        &self,
        campaign: &CampaignId,
        generation: u32,
        by: &ExecutionArn,
    ) -> Answer<CampaignDecision> {
        let mut record = CampaignRecord::load(&self.ledger, &self.time, campaign, Some(by)).await?;
        record
            .record(|state| state.and_then(|state| taken_up(state, by, generation)).into_iter().collect())
            .await?;
        require_driver(record.state()?, by)?;
        let controls = self.controls(record.state()?).await?;
        let now = self.time.now();
        record.record(|state| state.map_or_else(Vec::new, |state| settle(state, &controls, now))).await?;
        let running = self.reconcile(&mut record, &[]).await?;
        self.look_after_soak(&mut record).await?;
        let now = self.time.now();
        // How the others stand is read only where a wave could begin.
        let alone = next(record.state()?, &controls, &running, &Elsewhere::default(), now);
        let begins = matches!(alone, CampaignDecision::Wave { .. } | CampaignDecision::Ask { .. });
        let elsewhere = if begins && record.state()?.open_wave().is_none() {
            self.elsewhere(campaign).await?
        } else {
            Elsewhere::default()
        };
        let decide = |state: &CampaignState| next(state, &controls, &running, &elsewhere, now);
        record
            .record(|state| state.and_then(|state| said_of(state, &decide(state))).into_iter().collect())
            .await?;
        // Of what was recorded the same decision follows, whoever asks again.
        let decision = decide(record.state()?);
        require_driver(record.state()?, by)?;
        tracing::info!(%campaign, ?decision, "decided");
        Ok(decision)
    }

    async fn wave_ended(
        &self,
        campaign: &CampaignId,
        heard: &[Heard],
        by: &ExecutionArn,
    ) -> Answer<WaveAnswer> {
        let mut record = CampaignRecord::load(&self.ledger, &self.time, campaign, Some(by)).await?;
        require_driver(record.state()?, by)?;
        let running = self.reconcile(&mut record, heard).await?.len();
        let all = record.state()?.tally_of_all();
        let text = format!(
            "{} upgraded, {} failed, {} untouched, of {}",
            all.completed, all.failed, all.untouched, all.size
        );
        Ok(WaveAnswer { running, text })
    }

    async fn ask(
        &self,
        campaign: &CampaignId,
        id: &ApprovalId,
        token: &TaskToken,
        by: &ExecutionArn,
    ) -> Answer<ApprovalAsked> {
        let record = CampaignRecord::load(&self.ledger, &self.time, campaign, Some(by)).await?;
        let state = record.state()?;
        require_driver(state, by)?;
        let Some(Standing::Asked { before, expires_at }) = state.approvals.get(id) else {
            let what = format!("open question {id}");
            return Err(PipelineError::UnknownCampaign { campaign: campaign.clone(), what });
        };
        let approval = Approval {
            id: id.clone(),
            subject: Subject::Campaign { campaign: campaign.clone() },
            before: before.clone(),
            asked_at: self.time.now(),
            expires_at: *expires_at,
            answered: None,
        };
        self.ledger.ask(&approval, Some(token)).await?;
        Ok(ApprovalAsked { approval: id.clone() })
    }

    /// The kill switch, and the open questions. Consents are of clusters.
    async fn controls(&self, state: &CampaignState) -> Answer<Controls> {
        let switch = self.ledger.kill_switch().await?;
        let mut approvals = Vec::new();
        for (id, standing) in &state.approvals {
            if matches!(standing, Standing::Asked { .. }) {
                approvals.extend(self.ledger.approval(id).await?);
            }
        }
        Ok(Controls { switch, consents: Vec::new(), approvals })
    }
}

/// That this execution drives the campaign from here on, unless it does or did before.
fn taken_up(state: &CampaignState, by: &ExecutionArn, generation: u32) -> Option<CampaignEvent> {
    let known = state.driver.as_ref() == Some(by) || state.superseded.contains(by);
    (state.over.is_none() && !known).then(|| CampaignEvent::TakenUp { execution: by.clone(), generation })
}

/// Whoever drove a campaign before decides nothing any more; of one that is over, anybody may read the end.
fn require_driver(state: &CampaignState, by: &ExecutionArn) -> Answer<()> {
    if state.over.is_none() && state.driver.as_ref() != Some(by) {
        return Err(PipelineError::CampaignLost(state.campaign.clone()));
    }
    Ok(())
}
