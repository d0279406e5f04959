//! Writing a campaign's record: load, add, write; on a conflict load again and think again.

use eks_upgrade_core::campaign::{CampaignEntry, CampaignEvent, CampaignState};
use eks_upgrade_core::ids::{CampaignId, ExecutionArn};
use eks_upgrade_core::ledger::Sealed;

use crate::error::{Answer, PipelineError};
use crate::ports::{CampaignLedger, Time, WriteError};

/// How often a write is tried against others who write the same record.
const CONFLICTS_MAX: usize = 20;
/// Lines that are written at once: a transaction holds a hundred items and 4 MB, and a line up to 100 KB.
const LINES_AT_ONCE: usize = 20;

/// The record of one campaign, for one writer.
pub struct CampaignRecord<'a, L, T> {
    ledger: &'a L,
    time: &'a T,
    campaign: CampaignId,
    by: Option<ExecutionArn>,
    /// What the lines add up to; `None` while there are none.
    state: Option<CampaignState>,
}

impl<'a, L: CampaignLedger, T: Time> CampaignRecord<'a, L, T> {
    /// Opens the record, whether there is one or not. `by` is the execution that writes; none for intake.
    pub async fn load(
        ledger: &'a L,
        time: &'a T,
        campaign: &CampaignId,
        by: Option<&ExecutionArn>,
    ) -> Answer<Self> {
        let state = read(ledger, campaign).await?;
        Ok(Self { ledger, time, campaign: campaign.clone(), by: by.cloned(), state })
    }

    /// What the record adds up to, if there is one.
    #[must_use]
    pub fn begun(&self) -> Option<&CampaignState> {
        self.state.as_ref()
    }

    /// What the record adds up to.
    pub fn state(&self) -> Answer<&CampaignState> {
        self.state.as_ref().ok_or_else(|| PipelineError::UnknownCampaign {
            campaign: self.campaign.clone(),
            what: "record".into(),
        })
    }

    /// Records what `think` makes of the state, until it makes nothing more of it; thinks again when others wrote
    /// meanwhile.
    pub async fn record(
        &mut self,
        think: impl Fn(Option<&CampaignState>) -> Vec<CampaignEvent> + Send,
    ) -> Answer<()> {
        let mut conflicts = 0;
        while conflicts < CONFLICTS_MAX {
            let mut events = think(self.state.as_ref());
            let all = events.len() <= LINES_AT_ONCE;
            events.truncate(LINES_AT_ONCE);
            if events.is_empty() {
                return Ok(());
            }
            match self.write(events).await {
                Ok(()) if all => return Ok(()),
                Ok(()) => {}
                Err(Failed::Conflict) => {
                    conflicts += 1;
                    self.state = read(self.ledger, &self.campaign).await?;
                }
                Err(Failed::For(error)) => return Err(error),
            }
        }
        Err(PipelineError::CampaignBusy(self.campaign.clone()))
    }

    async fn write(&mut self, events: Vec<CampaignEvent>) -> Result<(), Failed> {
        let (lines, state) = self.seal(events).map_err(Failed::For)?;
        let Some(state) = state else { return Ok(()) };
        match self.ledger.append(&state, &lines).await {
            Ok(()) => {
                self.state = Some(state);
                Ok(())
            }
            Err(WriteError::Conflict | WriteError::LeaseLost) => Err(Failed::Conflict),
            Err(WriteError::Down(down)) => Err(Failed::For(down.into())),
        }
    }

    fn seal(&self, events: Vec<CampaignEvent>) -> Answer<(Vec<Sealed>, Option<CampaignState>)> {
        let (mut lines, mut state) = (Vec::with_capacity(events.len()), self.state.clone());
        let at = self.time.now();
        for event in events {
            let (seq, previous) = state.as_ref().map_or((0, String::new()), |s| (s.seq, s.hash.clone()));
            let entry = CampaignEntry {
                campaign: self.campaign.clone(),
                seq: seq + 1,
                at,
                actor: self.by.clone(),
                event,
                previous,
            };
            let line = entry.seal()?;
            state = Some(CampaignState::extend(state, &line)?);
            lines.push(line);
        }
        Ok((lines, state))
    }
}

enum Failed {
    Conflict,
    For(PipelineError),
}

/// Reads a campaign's record; `None` where there is none.
pub async fn read<L: CampaignLedger>(ledger: &L, campaign: &CampaignId) -> Answer<Option<CampaignState>> {
    let unread = |error: &_| tracing::warn!(%campaign, %error, "the record of a campaign cannot be read");
    ledger.campaign(campaign).await.inspect_err(unread)
}
