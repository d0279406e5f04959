//! What every Lambda function shares: its surroundings, its payloads, its error names.
//!
//! A function's `main` builds a [`Deployment`] once and hands [`serve`] what it does with one payload.
//! Nothing here knows what any function does.

use std::future::Future;

use aws_config::{BehaviorVersion, SdkConfig};
use eks_upgrade_aws::ledger::AwsLedger;
use eks_upgrade_clock::{Clock, ClockError};
use eks_upgrade_core::arn::Home;
use eks_upgrade_core::policy::{Policy, PolicyError};
use eks_upgrade_pipeline::error::{Answer, PipelineError};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Environment variable: the table's name.
pub const TABLE: &str = "EKS_UPGRADE_TABLE";
/// Environment variable: the policy, as JSON; may be unset.
pub const POLICY: &str = "EKS_UPGRADE_POLICY";
/// Environment variable: the campaign state machine's ARN; for intake.
pub const CAMPAIGN: &str = "EKS_UPGRADE_CAMPAIGN_ARN";
/// Environment variable: an event source that is believed besides `aws.health`; unset on AWS.
pub const LOCAL_SOURCE: &str = "EKS_UPGRADE_LOCAL_EVENT_SOURCE";

/// Why a function could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A variable that must be set is not.
    #[error("the environment variable {0} is not set; infra/template.yaml sets it")]
    Unset(&'static str),
    /// The policy does not read.
    #[error("{POLICY}: {0}")]
    Policy(#[from] PolicyError),
    /// The clock does not read.
    #[error("EKS_UPGRADE_CLOCK: {0}")]
    Clock(#[from] ClockError),
}

/// What a deployment gives each of its functions.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// How to reach AWS.
    pub sdk: SdkConfig,
    /// The clock.
    pub clock: Clock,
    /// The policy.
    pub policy: Policy,
    /// The ledger.
    pub ledger: AwsLedger,
}

impl Deployment {
    /// Reads the environment, once a process.
    pub async fn from_env() -> Result<Self, StartError> {
        let policy = Policy::read(&std::env::var(POLICY).unwrap_or_default())?;
        let clock = Clock::from_env()?;
        let table = variable(TABLE)?;
        let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;
        let ledger = AwsLedger::new(&sdk, table);
        Ok(Self { sdk, clock, policy, ledger })
    }
}

/// A variable that must be set.
pub fn variable(name: &'static str) -> Result<String, StartError> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or(StartError::Unset(name))
}

/// An error on its way to Step Functions, under the name that the state machines know.
#[derive(Debug)]
struct Named(PipelineError);

impl From<Named> for Diagnostic {
    fn from(Named(error): Named) -> Self {
        Self { error_type: error.name().to_owned(), error_message: error.to_string() }
    }
}

/// Serves invocations until the process is stopped: reads each payload, hands it to `handle` with the
/// account and Region of the function itself, and answers.
pub async fn serve<Request, Reply, Handle, Running>(handle: Handle) -> Result<(), lambda_runtime::Error>
where
    Request: DeserializeOwned,
    Reply: Serialize,
    Handle: Fn(Request, Home) -> Running,
    Running: Future<Output = Answer<Reply>>,
{
    lambda_runtime::tracing::init_default_subscriber();
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| {
        let handle = &handle;
        async move {
            let answer = one(event, handle).await;
            if let Err(Named(error)) = &answer {
                tracing::error!(error = error.name(), "{error}");
            }
            answer
        }
    }))
    .await
}

async fn one<Request, Reply, Handle, Running>(
    event: LambdaEvent<Value>,
    handle: &Handle,
) -> Result<Reply, Named>
where
    Request: DeserializeOwned,
    Handle: Fn(Request, Home) -> Running,
    Running: Future<Output = Answer<Reply>>,
{
    let malformed = |why: String| Named(PipelineError::MalformedPayload(why));
    let home =
        Home::of_arn(&event.context.invoked_function_arn).map_err(|error| malformed(error.to_string()))?;
    let request = serde_json::from_value(event.payload).map_err(|error| malformed(error.to_string()))?;
    // On the heap: the use cases' futures are too deep for the compiler to lay out in one piece.
    Box::pin(handle(request, home)).await.map_err(Named)
}
