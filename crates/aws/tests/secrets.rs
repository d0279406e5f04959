//! What gives power to whoever reads it is in no error, no debug output and no log line: external ids, tokens of tasks
//! that wait, proofs of who speaks, credentials.

#![allow(clippy::unwrap_used)]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_eks::config::retry::RetryConfig;
use aws_sdk_eks::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use eks_upgrade_aws::eks::AwsEks;
use eks_upgrade_aws::identity::{AwsIdentities, prove};
use eks_upgrade_aws::ledger::AwsLedger;
use eks_upgrade_aws::sfn::AwsExecutions;
use eks_upgrade_core::arn::{ClusterArn, Home};
use eks_upgrade_core::control::{Answer, Answered, Approval, Subject};
use eks_upgrade_core::ids::TaskToken;
use eks_upgrade_core::policy::Spoke;
use eks_upgrade_pipeline::ports::{Eks, Identifies, Said, Wakes};
use jiff::Timestamp;
use tracing_subscriber::fmt::MakeWriter;

const EXTERNAL_ID: &str = "canary-external-id";
const TASK_TOKEN: &str = "canary-task-token";
const SECRET_KEY: &str = "canary-secret-key";
const SESSION_TOKEN: &str = "canary-session-token";

/// How a service of AWS fails.
#[derive(Clone, Copy, Debug)]
enum Fails {
    /// It says no, with this body.
    Refusing(&'static str),
    /// It does not answer.
    Unreachable,
}

impl HttpConnector for Fails {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        // Of the services that are given a task's token only Step Functions repeats it.
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let repeated = if target.contains("StepFunctions") { TASK_TOKEN } else { "it" };
        HttpConnectorFuture::ready(match *self {
            Self::Refusing(body) => {
                Ok(HttpResponse::new(400.try_into().unwrap(), body.replace("WHAT", repeated).into()))
            }
            Self::Unreachable => Err(ConnectorError::io("the line is cut".into())),
        })
    }
}

/// In the protocols of STS, of Step Functions and of EKS; the second repeats what it did not accept.
const ANSWERS: [Fails; 4] = [
    Fails::Refusing(
        "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not for you</Message></Error>\
         </ErrorResponse>",
    ),
    Fails::Refusing(
        r#"{"__type":"ValidationException","message":"Value 'WHAT' at 'taskToken' is too short"}"#,
    ),
    Fails::Refusing("no protocol at all"),
    Fails::Unreachable,
];

async fn sdk(fails: Fails) -> SdkConfig {
    let connector = SharedHttpConnector::new(fails);
    let credentials = Credentials::new("AKIAEXAMPLE", SECRET_KEY, Some(SESSION_TOKEN.into()), None, "test");
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .retry_config(RetryConfig::disabled())
        .load()
        .await
}

/// What is logged, kept.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Kept {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

fn now() -> Timestamp {
    "2026-11-24T10:00:00Z".parse().unwrap()
}

fn approval() -> Approval {
    Approval {
        id: "ap-5f0c2a91d3e4".parse().unwrap(),
        subject: Subject::Campaign { campaign: "sweep-1".parse().unwrap() },
        before: "campaign sweep-1".into(),
        asked_at: now(),
        expires_at: now(),
        answered: None,
    }
}

fn answered() -> Answered {
    let by = "arn:aws:iam::123456789012:user/ada".parse().unwrap();
    Answered { answer: Answer::Approve, by, reason: "tested in dev".into(), at: now() }
}

/// Everything that a secret goes through and that can fail; what is said of it.
async fn everything(fails: Fails) -> String {
    let sdk = sdk(fails).await;
    let home = Home::of_arn("arn:aws:lambda:us-east-1:123456789012:function:act").unwrap();
    let spoke = Spoke {
        account: "222222222222".parse().unwrap(),
        regions: vec!["eu-west-1".parse().unwrap()],
        role: "eks-upgrade-spoke".into(),
        external_id: EXTERNAL_ID.into(),
    };
    let token = TaskToken(TASK_TOKEN.into());
    let cluster: ClusterArn = "arn:aws:eks:eu-west-1:222222222222:cluster/prod-a".parse().unwrap();
    let eks = AwsEks::acting(&sdk, home, vec![spoke.clone()]);
    let executions = AwsExecutions::new(&sdk);
    let ledger = AwsLedger::new(&sdk, "eks-upgrade-ledger".into());
    let identities = AwsIdentities::new(&sdk);
    let proof = prove(&sdk, "arn:voice", "throw").await.unwrap();

    let assumed = eks.cluster(&cluster).await.unwrap_err();
    let woken = executions.wake(&token, &answered()).await.unwrap_err();
    let asked = ledger.ask(&approval(), Some(&token)).await.unwrap_err();
    let heard = identities.verify(&proof, "arn:voice", "throw").await.unwrap_err();
    let signature = proof.url.split_once("X-Amz-Signature=").unwrap().1.split('&').next().unwrap();
    let said = format!(
        "{assumed} {assumed:?} {woken} {woken:?} {asked} {asked:?} {heard:?} {spoke:?} {token:?} {proof:?} {eks:?} \
         {executions:?} {ledger:?} {identities:?}"
    );
    assert!(!said.contains(signature), "{fails:?}: the proof is told");
    said
}

#[tokio::test]
async fn no_secret_is_in_any_error_or_log_line() {
    let kept = Kept::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(kept.clone())
        .finish();
    let _here = tracing::subscriber::set_default(subscriber);
    let mut said = String::new();
    for fails in ANSWERS {
        said += &everything(fails).await;
    }
    said += &String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    for expected in
        ["not for you", "too short", "the line is cut", "sts:GetCallerIdentity", "eks-upgrade-spoke"]
    {
        assert!(said.contains(expected), "not even {expected:?} is told");
    }
    for secret in [EXTERNAL_ID, TASK_TOKEN, SECRET_KEY, SESSION_TOKEN, "X-Amz-Signature"] {
        let around = |at: usize| -> String {
            said.get(at.saturating_sub(300)..).unwrap_or(&said).chars().take(500).collect()
        };
        assert_eq!(said.find(secret).map(around), None, "{secret} is told");
    }
}
