//! What can go wrong in a use case. The variant's name is the name that the state machines catch.

use eks_upgrade_core::control::NotCounted;
use eks_upgrade_core::door::DoorError;
use eks_upgrade_core::ids::{CampaignId, RunId};
use eks_upgrade_core::ledger::LedgerError;
use eks_upgrade_core::roll::Paused;

use crate::ports::{EksDown, LedgerDown};

/// Why a use case ended without an answer.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The request was turned away.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// The payload is not what a state machine of ours sends.
    #[error("the payload does not read: {0}")]
    MalformedPayload(String),
    /// The ledger cannot be read or written: nothing is done without it.
    #[error("the ledger does not answer: {0}")]
    LedgerUnavailable(#[from] LedgerDown),
    /// The ledger of the run is not what was written: somebody changed it, or a newer version wrote it.
    #[error("the ledger of the run cannot be used: {0}")]
    LedgerBroken(#[from] LedgerError),
    /// Another execution has taken the run over, or ended it.
    #[error("run {0} is over, or belongs to another execution by now")]
    LeaseLost(RunId),
    /// There is no such run, plan, hop or step.
    #[error("run {run} has no {what}")]
    UnknownWork {
        /// The run.
        run: RunId,
        /// What was asked for.
        what: String,
    },
    /// EKS, Health or Step Functions does not answer a read, or denies it (`EksDenied`).
    #[error("{0}")]
    EksUnavailable(#[from] EksDown),
    /// A mutating call was sent and its answer lost.
    #[error("the answer to {call} was lost: {why}")]
    FateUnknown {
        /// The call.
        call: String,
        /// What the client saw.
        why: String,
    },
    /// Others write the same run's ledger faster than this could.
    #[error("the ledger of run {0} is too busy")]
    LedgerBusy(RunId),
    /// Another execution drives the campaign.
    #[error("campaign {0} belongs to another execution by now")]
    CampaignLost(CampaignId),
    /// There is no such campaign, or it has no such thing.
    #[error("campaign {campaign} has no {what}")]
    UnknownCampaign {
        /// The campaign.
        campaign: CampaignId,
        /// What was asked for.
        what: String,
    },
    /// Others write the same campaign's record faster than this could.
    #[error("the record of campaign {0} is too busy")]
    CampaignBusy(CampaignId),
    /// It is not known who speaks.
    #[error("it is not proven who speaks: {0}")]
    Unproven(String),
    /// Something that a person may not say, or not so.
    #[error("{0}")]
    NotSayable(String),
    /// Something that a person said, and that does not count.
    #[error("{0}")]
    NotCounted(#[from] NotCounted),
}

impl PipelineError {
    /// The same of a run that has Cluster Autoscaler paused: should it be interrupted, people are told.
    #[must_use]
    pub fn with_paused(self, paused: Option<&Paused>) -> Self {
        match (self, paused) {
            (Self::EksUnavailable(EksDown { operation, denied, why }), Some(paused)) => {
                let why = format!("{why}; {} ({})", paused.in_words(), paused.restore_command());
                Self::EksUnavailable(EksDown { operation, denied, why })
            }
            (other, _) => other,
        }
    }

    /// Its name, for `ErrorEquals`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Door(error) => error.name(),
            Self::MalformedPayload(_) => "MalformedPayload",
            Self::LedgerUnavailable(_) | Self::LedgerBusy(_) | Self::CampaignBusy(_) => "LedgerUnavailable",
            Self::LedgerBroken(_) => "LedgerBroken",
            Self::LeaseLost(_) | Self::CampaignLost(_) => "LeaseLost",
            Self::UnknownWork { .. } | Self::UnknownCampaign { .. } => "UnknownWork",
            Self::EksUnavailable(down) if down.denied => "EksDenied",
            Self::EksUnavailable(_) => "EksUnavailable",
            Self::FateUnknown { .. } => "FateUnknown",
            Self::Unproven(_) => "Unproven",
            Self::NotSayable(_) => "NotSayable",
            Self::NotCounted(_) => "NotCounted",
        }
    }
}

/// What a use case answers.
pub type Answer<T> = Result<T, PipelineError>;
