//! How a server is asked that has too much to do: with patience, and only for so long. What answers here is a few
//! lines of HTTP, because no real server can be told to be busy.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::api_server::Caller;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use eks_upgrade_core::inside::Inside;
use eks_upgrade_pipeline::ports::inside::{Depth, Evicted, InsideWrites, Insides, PodName};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::product::{Found, named, seen, why};

/// Answers with what it was told to answer, in that order and then with the last, and keeps what it was asked. Of
/// pods there are none, whatever it was told: they are asked for beside the nodes.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<(u16, Value)>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Script {
    async fn served(answers: impl IntoIterator<Item = (u16, Value)>) -> (Self, Found) {
        let script = Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), ..Self::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(script.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let certificate =
            rcgen::generate_simple_self_signed(vec!["any.example".to_owned()]).unwrap().cert.pem();
        let caller = Caller {
            access_key: "ASIAANY".into(),
            secret_key: "any".into(),
            session_token: "any".into(),
            username: String::new(),
            groups: Vec::new(),
        };
        (script, Found::new(&endpoint, &certificate, &caller))
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer(State(script): State<Script>, headers: HeaderMap, uri: Uri) -> Response {
    let agent = headers.get("user-agent").and_then(|agent| agent.to_str().ok());
    if !agent.is_some_and(|agent| agent.starts_with("eks-upgrade/")) {
        return (StatusCode::BAD_REQUEST, format!("who asks? {agent:?}")).into_response();
    }
    if uri.path() == "/api/v1/pods" {
        return json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": []})
            .to_string()
            .into_response();
    }
    script.asked.lock().unwrap().push(uri.to_string());
    let mut answers = script.answers.lock().unwrap();
    let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
    let (code, body) = next.unwrap();
    (StatusCode::from_u16(code).unwrap(), body.to_string()).into_response()
}

fn refusal(code: u16, message: &str, details: &Value) -> (u16, Value) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": "TooManyRequests", "message": message, "details": details});
    (code, status)
}

fn components(found: &Found) -> impl Future<Output = Inside> + use<> {
    let reads = found.reads();
    async move { reads.inside(&named("busy"), Depth::Components).await }
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let gone = refusal(404, "none", &json!({}));
    for code in [429, 503, 504] {
        let busy = refusal(code, "later", &json!({}));
        let (script, found) = Script::served([busy.clone(), busy, gone.clone()]).await;
        let inside = components(&found).await;
        assert!(seen(&inside.components).is_empty());
        // Three components, of which the first took three calls.
        assert_eq!(script.asked().len(), 5, "{code}");
    }
}

#[tokio::test]
async fn patience_ends() {
    let (script, found) = Script::served([refusal(503, "not today", &json!({}))]).await;
    let began = Instant::now();
    let inside = components(&found).await;
    assert!(why(&inside.components).contains("503 not today"), "{}", why(&inside.components));
    assert!(began.elapsed() < Duration::from_secs(11), "{:?}", began.elapsed());
    assert!((4..8).contains(&script.asked().len()), "{:?}", script.asked());
}

#[tokio::test]
async fn a_server_that_names_a_time_out_of_reach_is_not_waited_for() {
    let (script, found) = Script::served([refusal(429, "later", &json!({"retryAfterSeconds": 60}))]).await;
    let began = Instant::now();
    let inside = components(&found).await;
    assert!(inside.components.get().is_err() && began.elapsed() < Duration::from_secs(5));
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test]
async fn what_is_no_matter_of_patience_is_asked_once() {
    let (script, found) = Script::served([refusal(500, "broken", &json!({}))]).await;
    let inside = components(&found).await;
    assert!(why(&inside.components).contains("500 broken"), "{}", why(&inside.components));
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test]
async fn a_budget_that_refuses_is_no_busy_server() {
    let pod = PodName { namespace: "shop".into(), name: "web".into(), uid: None };
    let budget =
        json!({"causes": [{"reason": "DisruptionBudget", "message": "it needs 2"}], "retryAfterSeconds": 1});
    let (script, found) = Script::served([refusal(429, "not now", &budget)]).await;
    let evicted = found.writes().evict(&named("busy"), &pod).await.unwrap();
    assert_eq!(evicted, Evicted::NotNow("not now".into()));
    assert_eq!(script.asked().len(), 1);

    let (script, found) =
        Script::served([refusal(429, "too many requests", &json!({})), (201, json!({}))]).await;
    let evicted = found.writes().evict(&named("busy"), &pod).await.unwrap();
    assert_eq!(evicted, Evicted::Leaves);
    assert_eq!(script.asked().len(), 2);
}

#[tokio::test]
async fn an_eviction_that_fails_for_another_reason_is_no_verdict_on_the_pod() {
    let pod = PodName { namespace: "shop".into(), name: "web".into(), uid: None };
    let (_, found) = Script::served([refusal(500, "etcd is away", &json!({}))]).await;
    let down = found.writes().evict(&named("busy"), &pod).await.unwrap_err();
    assert!(!down.denied && down.why.contains("etcd is away"), "{down}");
}

#[tokio::test]
async fn a_list_that_the_server_forgot_between_pages_is_read_from_its_start() {
    let list = |name: &str, next: &str| {
        let item = json!({"metadata": {"name": name}});
        (
            200,
            json!({"kind": "NodeList", "apiVersion": "v1", "metadata": {"continue": next}, "items": [item]}),
        )
    };
    let expired = refusal(410, "the continue token is too old", &json!({}));
    let (script, found) =
        Script::served([list("a", "more"), expired, list("a", "more"), list("b", "")]).await;
    let inside = found.reads().inside(&named("busy"), Depth::Vitals).await;
    let names: Vec<&str> = seen(&inside.nodes).iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["a", "b"], "{:?}", script.asked());
    assert!(script.asked()[0].contains("limit=500"), "{:?}", script.asked());
}
