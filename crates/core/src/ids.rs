//! Names of the things that the pipeline keeps: runs, campaigns, steps, updates, tokens, fencing numbers.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// Text that cannot be such a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid {1}: letters, digits and . _ - / : @ + = , only, at most {2} of them")]
pub struct NotAnId(String, &'static str, usize);

macro_rules! id {
    ($(#[$doc:meta])* $type:ident, $what:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl FromStr for $type {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-/:@+=,".contains(&b);
                if (1..=$max).contains(&text.len()) && text.bytes().all(plain) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NotAnId(text.chars().take(80).collect(), $what, $max))
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl $type {
            /// Its text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        $crate::string_on_the_wire!($type, stringify!($type), "^[0-9A-Za-z._/:@+=,-]+$", $what);
    };
}

id!(
    /// The upgrade of one cluster from its version to its target, e.g. `prod-a-1.35-5f0c2a91`.
    RunId, "run id", 160
);
id!(
    /// What one trigger asked for, e.g. `notice-5f0c2a91d3e4`. Also the name of the campaign's execution.
    CampaignId, "campaign id", 80
);
id!(
    /// One step of a plan, e.g. `1.34/add-on/vpc-cni/v1.19.2-eksbuild.1`. Unique within a plan, and the same
    /// for the same work when the cluster is planned again.
    StepId, "step id", 300
);
id!(
    /// The id that EKS gave an update.
    UpdateId, "update id", 80
);
id!(
    /// The ARN of a Step Functions execution.
    ExecutionArn, "execution ARN", 400
);

id!(
    /// A question to people, e.g. `ap-5f0c2a91d3e4`. The same for the same question of the same run.
    ApprovalId, "approval id", 40
);
id!(
    /// A consent, e.g. `co-5f0c2a91d3e4`.
    ConsentId, "consent id", 40
);
id!(
    /// Who said something: the ARN that STS gives a caller.
    Principal, "principal", 400
);

/// The token of a Step Functions task that waits to be woken. Whoever has it can end the task: it never leaves the
/// table, and no log shows it.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct TaskToken(pub String);

impl fmt::Debug for TaskToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskToken(..)")
    }
}

/// A `clientRequestToken`: the same for the same attempt at the same step, whoever asks and however often.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// The token of `attempt` at `step` under revision `revision` of the plan of `run`.
    #[must_use]
    pub fn of(run: &RunId, revision: u32, step: &StepId, attempt: u32) -> Self {
        Self(digest(&[run.as_str(), &revision.to_string(), step.as_str(), &attempt.to_string()]))
    }

    /// Its text: 64 hexadecimal digits, EKS's maximum.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RunId {
    /// The run that `execution` opens for `cluster`: the same when its first step is retried.
    #[must_use]
    pub fn opened_by(
        execution: &ExecutionArn,
        cluster: &crate::arn::ClusterName,
        target: crate::version::Minor,
    ) -> Self {
        let short: String = digest(&[execution.as_str(), cluster.as_str()]).chars().take(8).collect();
        Self(format!("{cluster}-{target}-{short}"))
    }
}

impl ApprovalId {
    /// The question that a run or campaign asks before this.
    #[must_use]
    pub fn of(asker: &str, before: &str) -> Self {
        let short: String = digest(&[asker, before]).chars().take(12).collect();
        Self(format!("ap-{short}"))
    }
}

impl ConsentId {
    /// The consent of this person to this, at this time.
    #[must_use]
    pub fn of(parts: &[&str]) -> Self {
        let short: String = digest(parts).chars().take(12).collect();
        Self(format!("co-{short}"))
    }
}

impl CampaignId {
    /// The campaign of one delivery: the same for every copy of it.
    #[must_use]
    pub fn of(kind: &str, parts: &[&str]) -> Self {
        let short: String = digest(parts).chars().take(16).collect();
        Self(format!("{kind}-{short}"))
    }
}

/// The number of a lease's holder; each new holder's is one higher, and only the highest may write.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct Fence(pub u64);

/// SHA-256 over the parts, each with its length before it, in hexadecimal.
#[must_use]
pub fn digest(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        use fmt::Write;
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_depends_on_every_part() {
        let run: RunId = "prod-a-1.35-1".parse().unwrap();
        let step: StepId = "1.35/control-plane".parse().unwrap();
        let token = Token::of(&run, 1, &step, 1);
        assert_eq!(token, Token::of(&run, 1, &step, 1));
        assert_ne!(token, Token::of(&run, 1, &step, 2));
        assert_ne!(token, Token::of(&run, 2, &step, 1));
        assert_eq!(token.as_str().len(), 64);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
    }
}
