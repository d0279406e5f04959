//! What passes between the state machines and the functions.
//!
//! Every payload is a type of this module; the JSON schemas in `statemachine/schemas/` are generated from
//! them, and a test compares the state machines with both. Payloads are references (run, fence, hop): the
//! ledger holds the rest, so that no payload grows with the fleet or the plan. The two exceptions are the
//! requests of a wave, of which there are at most 200, and the plan that a dry run answers with.

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::arn::ClusterArn;
use crate::campaign::Heard;
use crate::control::{Approval, ConsentScope};
use crate::decide::ActionName;
use crate::door::UpgradeRequest;
use crate::ids::{
    ApprovalId, CampaignId, ConsentId, ExecutionArn, Fence, Principal, RunId, StepId, TaskToken,
};
use crate::ledger::Ending;
use crate::plan::Plan;
use crate::screen::LeftAlone;

/// Input of the campaign state machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CampaignInput {
    /// The campaign.
    pub campaign: CampaignId,
    /// The number of the execution among those of the campaign, from 1: one whose history is full, or that died, is
    /// followed by another.
    pub generation: u32,
}

/// A message to people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notification {
    /// Up to 100 characters (SNS).
    pub subject: String,
    /// Readable text.
    pub message: String,
}

/// What the upgrade state machine asks of the plan function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanRequest {
    /// The execution's input, as it came; read by [`UpgradeRequest::read`].
    pub request: serde_json::Value,
    /// The execution that asks.
    pub execution: ExecutionArn,
    /// The run to plan again, if it is not the first time.
    pub again: Option<PlanAgain>,
}

/// A run that is to be planned again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanAgain {
    /// The run.
    pub run: RunId,
    /// Its fence.
    pub fence: Fence,
    /// Whether node groups have to follow every hop from now on.
    pub nodes_each_hop: bool,
    /// Whether the control plane is to go back.
    pub roll_back: bool,
}

/// What planning waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PlanWait {
    /// Somebody else's update.
    OtherUpdate,
    /// EKS to show what an update of ours brought about.
    ControlPlane,
    /// EKS to make its insights anew.
    Insights,
    /// What stands against going on to pass by itself.
    Findings,
}

/// What the plan function answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "outcome")]
pub enum PlanAnswer {
    /// The run is planned; go on with its hops.
    Planned {
        /// The run.
        run: RunId,
        /// Its fence.
        fence: Fence,
        /// In words.
        text: String,
    },
    /// Planning has to wait; ask again after a while.
    Wait {
        /// What for.
        wait_for: PlanWait,
        /// How long, in seconds.
        seconds: u32,
        /// In words.
        text: String,
    },
    /// The plan may not be carried out; close the run.
    Blocked {
        /// The run.
        run: RunId,
        /// Its fence.
        fence: Fence,
        /// The halt to close it with.
        ending: Ending,
    },
    /// The plan, and nothing else.
    DryRun {
        /// The plan.
        plan: Box<Plan>,
    },
}

/// Input of the hop state machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HopInput {
    /// The run.
    pub run: RunId,
    /// Its fence.
    pub fence: Fence,
    /// The hop's place in the plan, from 0.
    pub hop: usize,
    /// The upgrade execution it belongs to.
    pub execution: ExecutionArn,
}

/// What the state machines ask of the decide function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields, tag = "op")]
pub enum DecideRequest {
    /// Which hop comes next? Answered with [`crate::decide::NextHop`].
    NextHop {
        /// The run.
        run: RunId,
        /// Its fence.
        fence: Fence,
        /// The upgrade execution.
        execution: ExecutionArn,
    },
    /// What now? Answered with [`crate::decide::Decision`].
    Decide {
        /// The run.
        run: RunId,
        /// Its fence.
        fence: Fence,
        /// The hop.
        hop: usize,
        /// The upgrade execution.
        execution: ExecutionArn,
    },
    /// Keep the token to be woken with when the question is answered. The task ends by the answer, not by this.
    Ask {
        /// The run.
        run: RunId,
        /// Its fence.
        fence: Fence,
        /// The question.
        approval: ApprovalId,
        /// The token.
        token: TaskToken,
        /// The upgrade execution.
        execution: ExecutionArn,
    },
    /// Is everything that the hop touched in order? Answered with [`ActAnswer`].
    Verify {
        /// The run.
        run: RunId,
        /// Its fence.
        fence: Fence,
        /// The verifying step.
        step: StepId,
        /// The upgrade execution.
        execution: ExecutionArn,
    },
    /// The run is over. Answered with [`CloseAnswer`].
    Close {
        /// The run.
        run: RunId,
        /// Its fence.
        fence: Fence,
        /// How it ended.
        ending: Ending,
        /// The upgrade execution.
        execution: ExecutionArn,
    },
}

/// What the campaign state machine asks of the decide function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields, tag = "op")]
pub enum CampaignRequest {
    /// What now? Answered with [`crate::campaign::CampaignDecision`].
    NextWave {
        /// The campaign.
        campaign: CampaignId,
        /// The number of the execution among those of the campaign, from 1.
        generation: u32,
        /// The campaign's execution.
        execution: ExecutionArn,
    },
    /// The upgrades of the wave that were started are over, as far as their executions can tell. Answered with
    /// [`WaveAnswer`].
    WaveEnded {
        /// The campaign.
        campaign: CampaignId,
        /// What the executions answered.
        heard: Vec<Heard>,
        /// The campaign's execution.
        execution: ExecutionArn,
    },
    /// Keep the token to be woken with when the question is answered. The task ends by the answer, not by this.
    AskCampaign {
        /// The campaign.
        campaign: CampaignId,
        /// The question.
        approval: ApprovalId,
        /// The token.
        token: TaskToken,
        /// The campaign's execution.
        execution: ExecutionArn,
    },
}

/// What the decide function is asked: of a run, or of a campaign.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "serde_json::Value")]
pub enum Question {
    /// Of a run.
    Run(DecideRequest),
    /// Of a campaign.
    Campaign(CampaignRequest),
}

impl TryFrom<serde_json::Value> for Question {
    type Error = serde_json::Error;

    fn try_from(payload: serde_json::Value) -> Result<Self, Self::Error> {
        match payload.get("op").and_then(serde_json::Value::as_str) {
            Some("next-wave" | "wave-ended" | "ask-campaign") => {
                serde_json::from_value(payload).map(Self::Campaign)
            }
            _ => serde_json::from_value(payload).map(Self::Run),
        }
    }
}

/// How a wave stands, for whoever reads the execution; the record has it all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaveAnswer {
    /// Upgrades of it that another execution of the campaign started, and that run on.
    pub running: usize,
    /// In words.
    pub text: String,
}

/// What the hop state machine asks of the act function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActRequest {
    /// The run.
    pub run: RunId,
    /// Its fence.
    pub fence: Fence,
    /// What to do.
    pub action: ActionName,
    /// On which step.
    pub step: StepId,
    /// The upgrade execution.
    pub execution: ExecutionArn,
}

/// What came of one action, for whoever reads the execution; the ledger has it all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActAnswer {
    /// The step.
    pub step: StepId,
    /// What was done, in words.
    pub text: String,
}

/// That a question was asked, for whoever reads the execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalAsked {
    /// The question.
    pub approval: ApprovalId,
}

/// The run's end, for whoever reads the execution; people are told by [`crate::news`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CloseAnswer {
    /// The run.
    pub run: RunId,
    /// How it ended.
    pub ending: Ending,
}

/// What the intake function answers, for whoever invoked it by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "outcome")]
pub enum IntakeAnswer {
    /// A campaign was started, or was started before by a copy of the same delivery.
    Campaign {
        /// The campaign.
        campaign: CampaignId,
        /// The clusters that it upgrades.
        upgrades: Vec<String>,
        /// The clusters that were not taken.
        left_alone: Vec<LeftAlone>,
    },
    /// Nothing new in it.
    Duplicate,
    /// No cluster calls for an upgrade.
    NothingDue,
    /// Refused.
    Refused {
        /// Why, as a name.
        code: String,
        /// Why, in words.
        message: String,
    },
}

/// A presigned `sts:GetCallerIdentity` request. Whoever has it can say for a minute what it was made for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// Its URL. It signs the header `x-eks-upgrade-say`, which holds the digest of the voice function's ARN and of what is
    /// said to it.
    pub url: String,
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proof(..)")
    }
}

/// What a person asks of the voice function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VoiceRequest {
    /// Who says it.
    #[serde(deserialize_with = "unshown")]
    pub proof: Proof,
    /// What is said.
    pub say: Say,
}

/// Reads a proof; the error does not repeat what it did not expect, as it would do by itself.
fn unshown<'de, D: Deserializer<'de>>(from: D) -> Result<Proof, D::Error> {
    Proof::deserialize(from)
        .map_err(|_| D::Error::custom("the proof does not read; it is an object with a `url`"))
}

/// What can be said. All but `approvals` wants a reason of 1 to 500 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields, tag = "op")]
pub enum Say {
    /// Yes to a question.
    Approve {
        /// The question.
        id: ApprovalId,
        /// Why.
        reason: String,
    },
    /// No to a question.
    Reject {
        /// The question.
        id: ApprovalId,
        /// Why.
        reason: String,
    },
    /// Yes to something that nobody asked yet.
    Consent {
        /// For which cluster.
        cluster: ClusterArn,
        /// To what.
        scope: ConsentScope,
        /// For how many seconds: 5 minutes to 30 days.
        expires_s: u32,
        /// Why.
        reason: String,
    },
    /// A consent ends now.
    Revoke {
        /// The consent's cluster.
        cluster: ClusterArn,
        /// The consent.
        id: ConsentId,
        /// Why.
        reason: String,
    },
    /// The kill switch is thrown: nothing mutates any more.
    Throw {
        /// Why.
        reason: String,
    },
    /// The kill switch is lifted.
    Lift {
        /// Why.
        reason: String,
    },
    /// Which questions are open?
    Approvals {},
}

impl Say {
    /// The text that the proof is bound to: this, as JSON.
    #[must_use]
    pub fn text(&self) -> String {
        // Nothing in it can fail to be written: it has no maps with keys that are no text.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Why it is said; `approvals` needs no reason.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Approve { reason, .. }
            | Self::Reject { reason, .. }
            | Self::Consent { reason, .. }
            | Self::Revoke { reason, .. }
            | Self::Throw { reason }
            | Self::Lift { reason } => Some(reason),
            Self::Approvals {} => None,
        }
    }
}

/// What the voice function answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VoiceAnswer {
    /// What came of it, in words.
    pub text: String,
    /// Who spoke.
    pub principal: Principal,
    /// The question that was answered, or those that are open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// The consent that was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<ConsentId>,
}

/// Errors of functions that another try may cure; state machines retry on exactly these of ours.
pub const RETRYABLE_ERRORS: [&str; 3] = ["LedgerUnavailable", "EksUnavailable", "FateUnknown"];

/// Every payload type, and the detail of every event, with its name, for the schemas.
#[must_use]
pub fn schemas() -> Vec<(&'static str, schemars::Schema)> {
    use schemars::schema_for;
    let payloads = vec![
        ("campaign-input", schema_for!(CampaignInput)),
        ("upgrade-request", schema_for!(UpgradeRequest)),
        ("hop-input", schema_for!(HopInput)),
        ("plan-request", schema_for!(PlanRequest)),
        ("plan-answer", schema_for!(PlanAnswer)),
        ("decide-request", schema_for!(DecideRequest)),
        ("campaign-request", schema_for!(CampaignRequest)),
        ("campaign-decision", schema_for!(crate::campaign::CampaignDecision)),
        ("wave-answer", schema_for!(WaveAnswer)),
        ("next-hop", schema_for!(crate::decide::NextHop)),
        ("decision", schema_for!(crate::decide::Decision)),
        ("act-request", schema_for!(ActRequest)),
        ("act-answer", schema_for!(ActAnswer)),
        ("close-answer", schema_for!(CloseAnswer)),
        ("intake-answer", schema_for!(IntakeAnswer)),
        ("voice-request", schema_for!(VoiceRequest)),
        ("voice-answer", schema_for!(VoiceAnswer)),
        ("policy", schema_for!(crate::policy::PolicyDocument)),
    ];
    payloads.into_iter().chain(crate::news::schemas()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_that_does_not_read_is_not_repeated() {
        let said = r#""say":{"op":"throw","reason":"drill"}"#;
        let whole: VoiceRequest =
            serde_json::from_str(&format!(r#"{{"proof":{{"url":"canary"}},{said}}}"#)).unwrap();
        assert_eq!(whole.proof.url, "canary");
        assert!(!format!("{whole:?}").contains("canary"));
        for proof in [r#""canary""#, r#"{"url":["canary"]}"#, r#"{"canary":"canary"}"#] {
            let error =
                serde_json::from_str::<VoiceRequest>(&format!(r#"{{"proof":{proof},{said}}}"#)).unwrap_err();
            assert!(!error.to_string().contains("canary"), "{proof}: {error}");
            assert!(error.to_string().contains("an object with a `url`"), "{proof}: {error}");
        }
    }
}
