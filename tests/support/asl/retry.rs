//! What a state tries again, and what it goes on from.

use serde::Deserialize;

use crate::asl::definition::Assign;
use crate::asl::expression::Template;

/// One rule of `Retry`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Retrier {
    #[serde(rename = "Comment")]
    _comment: Option<String>,
    /// The errors that it is for.
    pub error_equals: Vec<String>,
    #[serde(default = "one")]
    interval_seconds: u32,
    #[serde(default = "three")]
    max_attempts: u32,
    #[serde(default = "twice")]
    backoff_rate: f64,
    max_delay_seconds: Option<u32>,
    #[serde(default)]
    jitter_strategy: Jitter,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Jitter {
    Full,
    #[default]
    None,
}

/// One rule of `Catch`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Catcher {
    #[serde(rename = "Comment")]
    _comment: Option<String>,
    /// The errors that it is for.
    pub error_equals: Vec<String>,
    /// Variables to set.
    #[serde(default)]
    pub assign: Assign,
    /// The output, if it is not the error.
    pub output: Option<Template>,
    /// Where it leads.
    pub next: String,
}

fn one() -> u32 {
    1
}

fn three() -> u32 {
    3
}

fn twice() -> f64 {
    2.0
}

impl Retrier {
    /// The bounds that Step Functions sets.
    pub(crate) fn check(&self) -> Result<(), String> {
        let longer = self.max_delay_seconds.is_none_or(|longest| longest > self.interval_seconds);
        if self.interval_seconds == 0 || self.backoff_rate < 1.0 || !longer {
            return Err(
                "IntervalSeconds is 0, BackoffRate below 1, or MaxDelaySeconds no more than IntervalSeconds"
                    .into(),
            );
        }
        Ok(())
    }

    /// Whether the delay is drawn from all up to the one that [`Self::delay_s`] gives.
    pub(crate) fn is_jittered(&self) -> bool {
        self.jitter_strategy == Jitter::Full
    }

    /// How long to wait at most before trying again after this many tries more; `None` when it is enough.
    pub(crate) fn delay_s(&self, tried: u32) -> Option<i64> {
        if tried >= self.max_attempts {
            return None;
        }
        let exponent = i32::try_from(tried).unwrap_or(i32::MAX);
        let delay = f64::from(self.interval_seconds) * self.backoff_rate.powi(exponent);
        let longest = self.max_delay_seconds.map_or(f64::from(u32::MAX), f64::from);
        #[allow(clippy::cast_possible_truncation)] // No longer than u32::MAX seconds.
        Some(delay.min(longest).ceil() as i64)
    }
}

/// Whether a rule that lists these names is for this error.
pub(crate) fn is_for(names: &[String], error: &str) -> bool {
    names.iter().any(|name| match name.as_str() {
        "States.ALL" => error != "States.Runtime",
        "States.TaskFailed" => error != "States.Timeout" && error != "States.Runtime",
        name => name == error,
    })
}
