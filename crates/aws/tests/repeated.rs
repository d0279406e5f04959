//! What the SDK asks for once more, as the first answer got lost, has happened once.

#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_eks::config::retry::RetryConfig;
use aws_sdk_eks::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use eks_upgrade_aws::ledger::AwsLedger;
use eks_upgrade_aws::sfn::AwsExecutions;
use eks_upgrade_core::control::{Answer, Answered, Approval, Subject};
use eks_upgrade_pipeline::ports::{Hears, NotKept};
use serde_json::{Value, json};

/// A service that speaks JSON: its answers in order, `None` for one that gets lost, and what it was asked.
#[derive(Clone, Debug)]
struct Service(Arc<Mutex<Said>>);

#[derive(Debug)]
struct Said {
    answers: VecDeque<Option<(u16, Value)>>,
    asked: Vec<(String, Value)>,
}

impl Service {
    fn answering(answers: impl IntoIterator<Item = Option<(u16, Value)>>) -> Self {
        Self(Arc::new(Mutex::new(Said { answers: answers.into_iter().collect(), asked: Vec::new() })))
    }

    fn sdk(&self) -> SdkConfig {
        let connector = SharedHttpConnector::new(self.clone());
        let credentials = Credentials::new("AKIAEXAMPLE", "secret", None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)))
            .build()
    }

    /// The bodies of all calls of an operation.
    fn asked(&self, operation: &str) -> Vec<Value> {
        let said = self.0.lock().unwrap();
        said.asked.iter().filter(|(asked, _)| asked == operation).map(|(_, body)| body.clone()).collect()
    }
}

impl HttpConnector for Service {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut said = self.0.lock().unwrap();
        let target = request.headers().get("x-amz-target").unwrap();
        let operation = target.split_once('.').unwrap().1.to_owned();
        said.asked.push((operation, serde_json::from_slice(request.body().bytes().unwrap()).unwrap()));
        HttpConnectorFuture::ready(match said.answers.pop_front().unwrap() {
            Some((status, body)) => {
                Ok(HttpResponse::new(status.try_into().unwrap(), body.to_string().into()))
            }
            None => Err(ConnectorError::io("the line is cut".into())),
        })
    }
}

fn ok(body: Value) -> (u16, Value) {
    (200, body)
}

const MACHINE: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:eks-upgrade-upgrade";

#[tokio::test]
async fn an_execution_is_started_under_one_name() {
    let machines = || {
        ok(json!({"stateMachines": [{"name": "eks-upgrade-upgrade", "stateMachineArn": MACHINE,
        "type": "STANDARD", "creationDate": 0}]}))
    };
    let started = || ok(json!({"executionArn": "arn:aws:states:::execution:one", "startDate": 0}));
    let service =
        Service::answering([Some(machines()), None, Some(started()), Some(machines()), Some(started())]);
    let executions = AwsExecutions::new(&service.sdk());
    for _ in 0..2 {
        executions.start_by_name("eks-upgrade-upgrade", &json!({"cluster": "a"})).await.unwrap();
    }
    let asked = service.asked("StartExecution");
    let [first, again, other] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!(first, again, "Step Functions knows it by its name");
    let name = |body: &Value| body["name"].as_str().unwrap().to_owned();
    assert_ne!(name(first), name(other), "somebody who starts another means it");
    assert!(name(first).len() <= 80 && name(first).starts_with("by-hand-"), "{}", name(first));
}

fn question() -> Approval {
    Approval {
        id: "ap-5f0c2a91d3e4".parse().unwrap(),
        subject: Subject::Campaign { campaign: "sweep-1".parse().unwrap() },
        before: "campaign sweep-1".into(),
        asked_at: "2026-11-24T10:00:00Z".parse().unwrap(),
        expires_at: "2026-12-01T10:00:00Z".parse().unwrap(),
        answered: None,
    }
}

fn says(user: &str, answer: Answer, reason: &str) -> Answered {
    let by = format!("arn:aws:iam::123456789012:user/{user}").parse().unwrap();
    Answered { answer, by, reason: reason.into(), at: "2026-11-24T11:00:00Z".parse().unwrap() }
}

/// The question in the table, with this answer.
fn kept(answered: Option<&Answered>) -> (u16, Value) {
    let text = |text: String| json!({"S": text});
    let mut item = json!({
        "pk": text("APPROVAL#ap-5f0c2a91d3e4".into()), "sk": text("HEAD".into()),
        "body": text(serde_json::to_string(&question()).unwrap()), "task_token": text("token".into()),
    });
    if let Some(answered) = answered {
        item["answered"] = text(serde_json::to_string(answered).unwrap());
    }
    ok(json!({"Item": item}))
}

/// What becomes of ada's yes, of which the first try is lost and the second is refused, when this is kept.
async fn hears(first: Option<&Answered>) -> Result<Option<Answered>, NotKept> {
    let refused = json!({"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"});
    let service = Service::answering([Some(kept(None)), None, Some((400, refused)), Some(kept(first))]);
    let ledger = AwsLedger::new(&service.sdk(), "eks-upgrade-ledger".into());
    let answer = ledger.answer(&question().id, says("ada", Answer::Approve, "tested")).await;
    assert_eq!(service.asked("UpdateItem").len(), 2);
    let (approval, token) = answer?;
    assert_eq!(token.unwrap().0, "token", "who waits is woken");
    Ok(approval.answered)
}

#[tokio::test]
async fn an_answer_that_was_kept_counts_although_nobody_heard_of_it() {
    let mine = says("ada", Answer::Approve, "tested");
    assert_eq!(hears(Some(&mine)).await.unwrap(), Some(mine));
}

#[tokio::test]
async fn an_answer_that_came_second_does_not_count() {
    let theirs = says("bob", Answer::Reject, "not this week");
    let Err(NotKept::NotCounted(why)) = hears(Some(&theirs)).await else { panic!("it counts") };
    assert!(why.to_string().contains("rejected by arn:aws:iam::123456789012:user/bob"), "{why}");
    assert!(matches!(hears(None).await, Err(NotKept::Down(_))), "what is not kept does not count");
}
