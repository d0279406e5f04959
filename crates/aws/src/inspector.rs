//! The inspect function, asked by whoever cannot reach the cluster's network.

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::DisplayErrorContext;
use aws_sdk_lambda::primitives::Blob;
use eks_upgrade_core::inspection::{InspectAnswer, InspectRequest};
use std::time::Duration;

/// The longest that an answer is waited for: the function's own limit is 60 seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(70);
/// Tries within that time, after growing pauses. A function in a VPC that was not invoked for weeks has lost its network
/// interfaces: until it has them again, Lambda answers `ResourceNotReadyException`
/// (<https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html>).
const TRIES: u32 = 8;

/// The function, by its name or ARN.
#[derive(Clone, Debug)]
pub struct Inspector {
    client: Client,
    function: String,
}

impl Inspector {
    pub(crate) fn new(sdk: &SdkConfig, function: String) -> Self {
        let timeouts = TimeoutConfig::builder().operation_timeout(ANSWER_WITHIN).build();
        let config = aws_sdk_lambda::config::Builder::from(sdk)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(TRIES))
            .build();
        Self { client: Client::from_conf(config), function }
    }

    /// Its answer. Whatever keeps it from answering is the reason why nothing was seen.
    pub(crate) async fn ask(&self, request: &InspectRequest) -> InspectAnswer {
        self.invoke(request).await.unwrap_or_else(|why| {
            tracing::warn!(function = self.function, why, "the inspect function did not answer");
            InspectAnswer::Unseen(why)
        })
    }

    async fn invoke(&self, request: &InspectRequest) -> Result<InspectAnswer, String> {
        let payload = serde_json::to_vec(request).map_err(|error| error.to_string())?;
        let call = self.client.invoke().function_name(&self.function).payload(Blob::new(payload));
        let answer = call.send().await.map_err(|error| {
            format!("the inspect function cannot be invoked: {}", DisplayErrorContext(&error))
        })?;
        let payload = answer.payload().map_or(&[][..], Blob::as_ref);
        if let Some(kind) = answer.function_error() {
            return Err(format!(
                "the inspect function failed ({kind}): {}",
                String::from_utf8_lossy(payload)
            ));
        }
        serde_json::from_slice(payload)
            .map_err(|_| "the inspect function answers what does not read; is it of another version?".into())
    }
}
