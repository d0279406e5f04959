//! What every Lambda function shares: its surroundings, its payloads, its error names.
//!
//! A function's `main` builds a [`Deployment`] once and hands [`serve`] what it does with one payload.
//! Nothing here knows what any function does.

use std::future::Future;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use aws_config::SdkConfig;
use eks_upgrade_aws::eks::AwsEks;
use eks_upgrade_aws::ledger::AwsLedger;
use eks_upgrade_aws::sdk;
use eks_upgrade_clock::{Clock, ClockError};
use eks_upgrade_core::arn::Home;
use eks_upgrade_core::policy::{PolicyDocument, PolicyError};
use eks_upgrade_core::text::quoted;
use eks_upgrade_pipeline::error::{Answer, PipelineError};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Environment variable: the table's name.
pub const TABLE: &str = "EKS_UPGRADE_TABLE";
/// Environment variable: the file that holds the policy. Unset, it is [`POLICY_FILE`] beside the executable.
pub const POLICY: &str = "EKS_UPGRADE_POLICY_FILE";
/// The name of the policy's file, which the functions are packaged with.
pub const POLICY_FILE: &str = "policy.yaml";
/// Environment variable: the inspect function's name or ARN; for plan and decide. Unset or empty, the inside of
/// clusters is unknown.
pub const INSPECT: &str = "EKS_UPGRADE_INSPECT_FUNCTION";
/// Environment variable: the campaign state machine's ARN; for intake.
pub const CAMPAIGN: &str = "EKS_UPGRADE_CAMPAIGN_ARN";
/// Environment variable: the event bus that is told of everything; for notify.
pub const EVENT_BUS: &str = "EKS_UPGRADE_EVENT_BUS";
/// Environment variable: the ARN of the topic that tells people; for notify.
pub const TOPIC: &str = "EKS_UPGRADE_TOPIC_ARN";
/// Environment variable: an event source that is believed besides `aws.health`; unset on AWS.
pub const LOCAL_SOURCE: &str = "EKS_UPGRADE_LOCAL_EVENT_SOURCE";

/// Why a function could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A variable that must be set is not.
    #[error("the environment variable {0} is not set; infra/template.yaml sets it")]
    Unset(&'static str),
    /// The policy does not read.
    #[error("{file}: {why}")]
    Policy {
        /// Its file.
        file: PathBuf,
        /// What is wrong with it.
        why: PolicyError,
    },
    /// The policy's file cannot be read.
    #[error("{file}: {why}")]
    PolicyFile {
        /// The file.
        file: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
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
    pub policy: PolicyDocument,
    /// The ledger.
    pub ledger: AwsLedger,
    reading: OnceLock<AwsEks>,
    acting: OnceLock<AwsEks>,
}

impl Deployment {
    /// Reads the environment, once a process.
    pub async fn from_env() -> Result<Self, StartError> {
        lambda_runtime::tracing::init_default_subscriber();
        let policy = policy()?;
        let clock = Clock::from_env()?;
        let table = variable(TABLE)?;
        let sdk = sdk::from_env().await;
        let ledger = AwsLedger::new(&sdk, table);
        let (reading, acting) = (OnceLock::new(), OnceLock::new());
        Ok(Self { sdk, clock, policy, ledger, reading, acting })
    }

    /// EKS to look at, at home and in the spokes. A process has one home.
    pub fn eks(&self, home: &Home) -> AwsEks {
        let spokes = || self.policy.spokes.clone();
        let inspect = || std::env::var(INSPECT).ok().filter(|function| !function.is_empty());
        let new = || AwsEks::inspecting(&self.sdk, home.clone(), spokes(), inspect());
        self.reading.get_or_init(new).clone()
    }

    /// EKS to look at and to change; for act alone.
    pub fn acting_eks(&self, home: &Home) -> AwsEks {
        let spokes = || self.policy.spokes.clone();
        self.acting.get_or_init(|| AwsEks::acting(&self.sdk, home.clone(), spokes())).clone()
    }
}

/// What Lambda calls the function that this process is.
pub fn own_name() -> Result<String, StartError> {
    variable("AWS_LAMBDA_FUNCTION_NAME")
}

/// The policy: of the file that the environment names, else of the one beside the executable, else the default.
fn policy() -> Result<PolicyDocument, StartError> {
    if let Ok(named) = std::env::var(POLICY)
        && !named.is_empty()
    {
        return read_policy(Path::new(&named));
    }
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(POLICY_FILE)));
    let file = beside.unwrap_or_else(|| POLICY_FILE.into());
    match read_policy(&file) {
        Err(StartError::PolicyFile { why, .. }) if why.kind() == ErrorKind::NotFound => {
            tracing::info!(file = %file.display(), "there is no such file: the default policy holds");
            Ok(PolicyDocument::default())
        }
        policy => policy,
    }
}

fn read_policy(file: &Path) -> Result<PolicyDocument, StartError> {
    let text =
        std::fs::read_to_string(file).map_err(|why| StartError::PolicyFile { file: file.to_owned(), why })?;
    PolicyDocument::read(&text).map_err(|why| StartError::Policy { file: file.to_owned(), why })
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
    let malformed = |why: &str| Named(PipelineError::MalformedPayload(quoted(why)));
    let home =
        Home::of_arn(&event.context.invoked_function_arn).map_err(|error| malformed(&error.to_string()))?;
    let request = serde_json::from_value(event.payload).map_err(|error| malformed(&error.to_string()))?;
    // On the heap: the use cases' futures are too deep for the compiler to lay out in one piece.
    Box::pin(handle(request, home)).await.map_err(Named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_that_comes_with_it_is_the_default() {
        let starter = include_str!("../../../infra/policy.yaml");
        assert_eq!(PolicyDocument::read(starter).unwrap(), PolicyDocument::default());
    }

    #[test]
    fn every_example_in_it_reads() {
        let starter = include_str!("../../../infra/policy.yaml");
        // An example follows the empty list that it is for.
        let lines: Vec<String> = starter.lines().map(|line| line.replacen("#:", "  ", 1)).collect();
        let examples =
            |place: usize| starter.lines().nth(place + 1).is_some_and(|next| next.starts_with("#:"));
        let filled: Vec<String> = lines
            .iter()
            .enumerate()
            .map(|(place, line)| if examples(place) { line.replace(": []", ":") } else { line.clone() })
            .collect();
        let policy = PolicyDocument::read(&filled.join("\n")).unwrap();
        assert_eq!((policy.windows.len(), policy.freezes.len(), policy.rings.order.len()), (1, 1, 2));
        assert_eq!((policy.approvals.len(), policy.overrides.len(), policy.spokes.len()), (1, 1, 1));
    }

    #[test]
    fn a_policy_that_does_not_read_is_an_error_with_its_file_and_line() {
        let folder = std::env::temp_dir().join(format!("eks-upgrade-policy-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(POLICY_FILE);
        assert!(matches!(read_policy(&file), Err(StartError::PolicyFile { .. })));
        std::fs::write(&file, "leadDays: 90\nattempts: 9\n").unwrap();
        let message = read_policy(&file).unwrap_err().to_string();
        assert!(message.contains("policy.yaml: line 2"), "{message}");
        std::fs::write(&file, "leadDays: 90\n").unwrap();
        assert_eq!(read_policy(&file).unwrap().lead_days, 90);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
