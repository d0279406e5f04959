//! Lies told to the product at its doors: each stands for a guard that is broken.
//!
//! A guard that cannot see what it guards against guards nothing. Where the product is told that the kill switch is
//! lifted, it acts as it would without that guard, and the judge, who reads the simulator's log and the ledger, has to
//! object. A lie that the judge does not object to shows that the rule behind it is never tried.

use eks_upgrade_judge::{Line, Rule, What};
use eks_upgrade_sim::{Request, Response};
use serde_json::{Value, json};

/// A lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Lie {
    /// The kill switch never looks thrown.
    SwitchLifted,
    /// The policy that functions read has no windows and no freezes.
    AlwaysOpen,
    /// The policy that functions read lets every group be forced.
    ForceEverywhere,
    /// The policy that functions read lets every add-on be overwritten.
    OverwriteEverything,
    /// The policy that functions read takes the control plane back by itself.
    RollBackByItself,
    /// The ledger has no line of any intent.
    IntentsForgotten,
    /// Each call reaches EKS with a token of its own.
    FreshTokens,
    /// EKS seems to say that every update went well.
    AllIsWell,
    /// A line of the ledger was altered afterwards.
    LineAltered,
    /// The ledger has no line of how runs ended.
    EndsForgotten,
}

impl Lie {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::SwitchLifted,
        Self::AlwaysOpen,
        Self::ForceEverywhere,
        Self::OverwriteEverything,
        Self::RollBackByItself,
        Self::IntentsForgotten,
        Self::FreshTokens,
        Self::AllIsWell,
        Self::LineAltered,
        Self::EndsForgotten,
    ];

    /// The rule that it breaks: one of these has to be objected to.
    #[must_use]
    pub fn breaks(self) -> &'static [Rule] {
        match self {
            Self::SwitchLifted => &[Rule::KillSwitch],
            Self::AlwaysOpen => &[Rule::Schedule],
            Self::ForceEverywhere | Self::OverwriteEverything | Self::RollBackByItself => &[Rule::Consent],
            Self::IntentsForgotten | Self::FreshTokens => &[Rule::IntentBeforeEffect],
            Self::AllIsWell => &[Rule::Success],
            Self::LineAltered => &[Rule::Chain],
            Self::EndsForgotten => &[Rule::Endings],
        }
    }

    /// The policy as functions read it.
    pub(crate) fn policy(self, policy: &mut Value) {
        match self {
            Self::AlwaysOpen => {
                policy["windows"] = json!([]);
                policy["freezes"] = json!([]);
            }
            Self::ForceEverywhere => {
                policy["strategy"] = json!("force");
                policy["nodeGroupStrategy"] = json!({});
            }
            Self::OverwriteEverything => {
                policy["overwriteAddons"] = json!(["vpc-cni", "coredns", "kube-proxy", "aws-ebs-csi-driver"]);
            }
            Self::RollBackByItself => policy["bake"]["onFailure"] = json!("roll-back"),
            _ => {}
        }
    }

    /// The record as the judge gets it.
    pub(crate) fn bend(self, lines: &mut Vec<Line>) {
        let event = |line: &Line| match &line.what {
            What::Ledger { body, .. } => {
                serde_json::from_str::<Value>(body).ok()?["event"].as_str().map(str::to_owned)
            }
            _ => None,
        };
        match self {
            Self::IntentsForgotten => lines.retain(|line| event(line).as_deref() != Some("intended")),
            Self::EndsForgotten => lines.retain(|line| event(line).as_deref() != Some("ended")),
            Self::LineAltered => {
                let altered = lines.iter_mut().find(|line| event(line).as_deref() == Some("succeeded"));
                if let Some(Line { what: What::Ledger { body, .. }, .. }) = altered {
                    *body = body.replacen("succeeded", "satisfied", 1);
                }
            }
            _ => {}
        }
    }

    /// What becomes of a request on its way to EKS.
    pub(crate) fn alter(self, request: &mut Request) {
        if self != Self::FreshTokens {
            return;
        }
        let Ok(Value::Object(mut body)) = serde_json::from_slice(&request.body) else { return };
        if let Some(Value::String(token)) = body.get_mut("clientRequestToken") {
            *token = format!("{}-anew", &token[..token.len().min(40)]);
            request.body = Value::Object(body).to_string().into_bytes();
        }
    }

    /// What becomes of an answer on its way back.
    pub(crate) fn tell(self, request: &Request, response: &mut Response) {
        if self != Self::AllIsWell || !request.path.contains("/updates/") {
            return;
        }
        let Ok(mut body) = serde_json::from_str::<Value>(&response.body) else { return };
        if let Some(status) = body.pointer_mut("/update/status") {
            *status = "Successful".into();
            response.body = body.to_string();
        }
    }
}
