//! What people have said that binds the pipeline: the kill switch, consents, approvals.
//!
//! All of it is read strongly before each mutating call, and each word is recorded with who said it. Who that is
//! comes from AWS (STS), never from what the speaker claims.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arn::ClusterArn;
use crate::finding::{Code, Finding, Level};
use crate::ids::{ApprovalId, CampaignId, ConsentId, Principal, RunId};
use crate::ledger::{Event, RunState, Standing};

/// The kill switch: thrown, nothing mutates any more anywhere; updates that run are watched to their end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KillSwitch {
    /// Whether it is thrown.
    pub thrown: bool,
    /// By whom it was put so.
    pub by: Principal,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// What a consent allows, and nothing beyond.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "to")]
pub enum ConsentScope {
    /// That pods of this node group are deleted where they do not leave, after a rolling update failed on them.
    Force {
        /// The node group.
        node_group: String,
    },
    /// That a finding which blocks does not.
    Override {
        /// The finding.
        finding: Code,
        /// On what; left out: on anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<String>,
    },
    /// That what people changed in this add-on is overwritten, after `PRESERVE` found a conflict.
    Overwrite {
        /// The add-on.
        addon: String,
    },
    /// That the control plane goes back one minor, inside a window or not.
    RollBack,
}

impl std::fmt::Display for ConsentScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Force { node_group } => write!(f, "force node group {node_group}"),
            Self::Override { finding, subject: None } => write!(f, "override {finding}"),
            Self::Override { finding, subject: Some(subject) } => {
                write!(f, "override {finding} on {subject}")
            }
            Self::Overwrite { addon } => write!(f, "overwrite add-on {addon}"),
            Self::RollBack => f.write_str("roll the control plane back"),
        }
    }
}

/// A recorded, scoped, expiring yes by a named person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Consent {
    /// Its id.
    pub id: ConsentId,
    /// For which cluster.
    pub cluster: ClusterArn,
    /// To what.
    pub scope: ConsentScope,
    /// By whom.
    pub by: Principal,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Yes.
    Approve,
    /// No.
    Reject,
}

/// An answer, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answered {
    /// Yes or no.
    pub answer: Answer,
    /// By whom.
    pub by: Principal,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// What wants the yes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "of")]
pub enum Subject {
    /// A run.
    Run {
        /// The run.
        run: RunId,
        /// Its cluster.
        cluster: ClusterArn,
    },
    /// A campaign.
    Campaign {
        /// The campaign.
        campaign: CampaignId,
    },
}

/// A question to people, and its answer once there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// What wants it.
    pub subject: Subject,
    /// Before what, in words: `control plane 1.34 → 1.35 of prod-a`.
    pub before: String,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When it counts as a no.
    pub expires_at: Timestamp,
    /// The answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Answered>,
}

/// Why an answer does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCounted {
    /// There is no such question.
    #[error("there is no approval {0}; `eks-upgrade approvals` lists those that are wanted")]
    Unknown(ApprovalId),
    /// Somebody was faster.
    #[error("{id} was answered before: {before} by {by} on {at}; the first answer stands")]
    Late {
        /// The question.
        id: ApprovalId,
        /// What the answer was.
        before: &'static str,
        /// Whose it was.
        by: Principal,
        /// When.
        at: Timestamp,
    },
    /// It is too late for any answer.
    #[error("{id} expired on {at}, which counts as a no; start the upgrade again to be asked again")]
    Expired {
        /// The question.
        id: ApprovalId,
        /// When.
        at: Timestamp,
    },
    /// The asker is the answerer.
    #[error("{0}")]
    Foreign(String),
}

impl Approval {
    /// The question with this answer, if it counts. What the same person says again was said already: whoever got no
    /// answer may ask once more.
    pub fn answer(self, answered: Answered) -> Result<Self, NotCounted> {
        if let Some(first) = &self.answered {
            if first.by == answered.by && first.answer == answered.answer {
                return Ok(self);
            }
            let before = match first.answer {
                Answer::Approve => "approved",
                Answer::Reject => "rejected",
            };
            return Err(NotCounted::Late { id: self.id, before, by: first.by.clone(), at: first.at });
        }
        if answered.at >= self.expires_at {
            return Err(NotCounted::Expired { id: self.id, at: self.expires_at });
        }
        Ok(Self { answered: Some(answered), ..self })
    }
}

/// Everything that people have said about one cluster and about all, as it was read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Controls {
    /// The kill switch, if it was ever touched.
    pub switch: Option<KillSwitch>,
    /// The consents for the cluster, expired ones too.
    pub consents: Vec<Consent>,
    /// The questions of the run that were asked.
    pub approvals: Vec<Approval>,
}

impl Controls {
    /// The kill switch, if it is thrown.
    #[must_use]
    pub fn thrown(&self) -> Option<&KillSwitch> {
        self.switch.as_ref().filter(|switch| switch.thrown)
    }

    fn valid(&self, now: Timestamp) -> impl Iterator<Item = &Consent> {
        self.consents.iter().filter(move |consent| now < consent.expires_at)
    }

    /// A consent to exactly this that holds at `now`.
    #[must_use]
    pub fn consent(&self, to: &ConsentScope, now: Timestamp) -> Option<&Consent> {
        self.valid(now).find(|consent| consent.scope == *to)
    }

    /// Whether some consent overrides findings of this code at `now`, on whatever.
    #[must_use]
    pub fn overrides(&self, code: Code, now: Timestamp) -> bool {
        self.valid(now).any(
            |consent| matches!(&consent.scope, ConsentScope::Override { finding, .. } if *finding == code),
        )
    }

    /// Lets findings that block, or could not be told, pass as warnings that say whose word it is, where a consent overrides them at `now`.
    pub fn override_findings(&self, findings: &mut [Finding], now: Timestamp) {
        let may = |finding: &&mut Finding| match finding.level {
            Level::Pass | Level::Warn => false,
            // What nobody could see a person may judge.
            Level::Unknown => true,
            Level::Block => finding.code.may_be_overridden(),
        };
        for finding in findings.iter_mut().filter(may) {
            if let Some(consent) = self.overriding(finding, now) {
                finding.level = Level::Warn;
                finding.overridden_by = Some(consent.id.clone());
                finding.message =
                    format!("{} (overridden by {}: {})", finding.message, consent.by, consent.reason);
            }
        }
    }

    /// A consent that overrides this finding at `now`.
    #[must_use]
    pub fn overriding(&self, found: &Finding, now: Timestamp) -> Option<&Consent> {
        self.valid(now).find(|consent| match &consent.scope {
            ConsentScope::Override { finding, subject } => {
                *finding == found.code && subject.as_ref().is_none_or(|subject| *subject == found.subject)
            }
            _ => false,
        })
    }
}

/// What the answers, and the time, mean for a run's ledger.
#[must_use]
pub fn settle(state: &RunState, controls: &Controls, now: Timestamp) -> Vec<Event> {
    let open = state.approvals.iter().filter_map(|(id, standing)| match standing {
        Standing::Asked { before, expires_at } => Some((id, before, *expires_at)),
        _ => None,
    });
    open.filter_map(|(id, before, expires_at)| {
        let asked = controls.approvals.iter().find(|approval| approval.id == *id);
        match asked.and_then(|approval| approval.answered.clone()) {
            Some(answered) => {
                Some(Event::ApprovalAnswered { approval: id.clone(), before: before.clone(), answered })
            }
            None if now >= expires_at => {
                Some(Event::ApprovalExpired { approval: id.clone(), before: before.clone() })
            }
            None => None,
        }
    })
    .collect()
}
