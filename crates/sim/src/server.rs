//! The world behind HTTP on the loopback interface. The only place that reads a clock.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response as HttpResponse;
use eks_upgrade_clock::Clock;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tower::Service;

use crate::cbor;
use crate::control::refuse;
use crate::fleet::Fleet;
use crate::http::{Record, Request, Response};
use crate::kube::KubeEndpoint;
use crate::tls::SecureListener;
use crate::world::World;

/// Requests that are kept for `/_sim/requests`; older ones are forgotten (the log file has them all).
const LOG_MAX: usize = 200_000;

/// A world that is being served.
pub struct Simulator {
    world: World,
    /// What it began with, for a reset without a fleet.
    fleet: Fleet,
    clock: Clock,
    /// Where the API servers of its clusters are, if they are anywhere.
    kubernetes_at: Option<KubeEndpoint>,
    log: Vec<Record>,
    log_file: Option<File>,
}

/// Marks an answer that is never sent.
#[derive(Clone)]
struct Dropped;

/// Ends a connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the fleet file wants no answer here")]
struct NoAnswer;

type Shared = Arc<Mutex<Simulator>>;

impl Simulator {
    /// A world of `fleet` that starts now, by `clock`. Each request is appended to `log_file` as a line of JSON.
    pub fn new(fleet: Fleet, clock: Clock, log_file: Option<&Path>) -> anyhow::Result<Self> {
        let open = |path: &Path| {
            let file = File::options().create(true).append(true).open(path);
            file.with_context(|| format!("the log file {} cannot be written", path.display()))
        };
        let log_file = log_file.map(open).transpose()?;
        // A clock may be handed over that has yet to reach the fleet's start: what the fleet says holds from then on.
        let start = fleet.start.max(clock.now());
        let world = World::new(fleet.clone(), start);
        Ok(Self { world, fleet, clock, kubernetes_at: None, log: Vec::new(), log_file })
    }

    /// Has its clusters say that their API servers are there.
    fn reach_kubernetes_at(&mut self, endpoint: KubeEndpoint) {
        self.world.reach_kubernetes_at(endpoint.clone());
        self.kubernetes_at = Some(endpoint);
    }

    /// Answers a request to an API server.
    fn answer_kubernetes(&mut self, request: &Request) -> Response {
        let response = self.world.kubernetes(self.clock.now(), request);
        self.noted(response)
    }

    fn answer(&mut self, request: &Request) -> Response {
        let now = self.clock.now();
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/_sim/requests") => Response::json(200, &json!({"requests": self.log}), false),
            ("POST", "/_sim/reset") => self.reset(&request.body),
            (method, path) if path.starts_with("/_sim") => {
                self.world.control(now, method, path, &request.body)
            }
            _ => {
                let response = self.world.handle(now, request);
                self.noted(response)
            }
        }
    }

    fn reset(&mut self, body: &[u8]) -> Response {
        let fleet = if body.trim_ascii().is_empty() {
            Ok(self.fleet.clone())
        } else {
            Fleet::parse(&String::from_utf8_lossy(body))
        };
        match fleet {
            Ok(fleet) => {
                self.world = World::new(fleet.clone(), self.clock.now());
                if let Some(endpoint) = &self.kubernetes_at {
                    self.world.reach_kubernetes_at(endpoint.clone());
                }
                self.fleet = fleet;
                self.log.clear();
                Response::json(200, &json!({}), false)
            }
            Err(error) => refuse(400, error),
        }
    }

    fn noted(&mut self, response: Response) -> Response {
        if let Some(record) = response.record.clone() {
            self.note(record);
        }
        response
    }

    fn note(&mut self, record: Record) {
        if let Some(file) = &mut self.log_file {
            // A full disk must not change what the simulated service answers.
            let _ = serde_json::to_string(&record).map(|line| writeln!(file, "{line}"));
        }
        if self.log.len() < LOG_MAX {
            self.log.push(record);
        }
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Simulator> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request as the world sees it; it arrives now.
fn read_request(method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Request {
    let headers = headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    Request {
        method: method.as_str().to_owned(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: body.to_vec(),
        received: Some(Timestamp::now()),
    }
}

async fn serve_one(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> HttpResponse {
    let request = read_request(&method, &uri, &headers, &body);
    let in_json = cbor::to_json(&request);
    let mut response = lock(&shared).answer(in_json.as_ref().unwrap_or(&request));
    let body = if in_json.is_some() {
        let (headers, body) = cbor::from_json(&response);
        response.headers = headers;
        body
    } else {
        std::mem::take(&mut response.body).into_bytes()
    };
    send(&response, body).await
}

async fn serve_kubernetes(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> HttpResponse {
    let mut response = lock(&shared).answer_kubernetes(&read_request(&method, &uri, &headers, &body));
    let body = std::mem::take(&mut response.body).into_bytes();
    send(&response, body).await
}

/// Sends an answer when it is time, with that body.
async fn send(response: &Response, body: Vec<u8>) -> HttpResponse {
    if response.hold_s > 0.0 {
        tokio::time::sleep(Duration::from_secs_f64(response.hold_s)).await;
    }
    let mut answer = HttpResponse::builder().status(response.status);
    for (name, value) in &response.headers {
        answer = answer.header(name, value);
    }
    if response.dropped {
        answer = answer.extension(Dropped);
    }
    answer.body(Body::from(body)).unwrap_or_else(|_| {
        let mut bare = HttpResponse::new(Body::empty());
        *bare.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        bare
    })
}

/// Where a simulator listens.
pub struct Listeners {
    /// For AWS's APIs.
    pub aws: TcpListener,
    /// For the API servers of its clusters.
    pub kubernetes: Option<SecureListener>,
}

/// Serves connections until `stop` is ready.
pub async fn serve(
    mut simulator: Simulator,
    listeners: Listeners,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    if let Some(listener) = &listeners.kubernetes {
        simulator.reach_kubernetes_at(listener.endpoint());
    }
    let shared: Shared = Arc::new(Mutex::new(simulator));
    let aws: Router = Router::new().fallback(serve_one).with_state(shared.clone());
    let kubernetes: Router = Router::new().fallback(serve_kubernetes).with_state(shared);
    tokio::select! {
        () = stop => Ok(()),
        ended = accept_aws(&listeners.aws, &aws) => ended,
        ended = accept_kubernetes(listeners.kubernetes.as_ref(), &kubernetes) => ended,
    }
}

const NO_MORE: &str = "the simulator cannot accept connections any more";

async fn accept_aws(listener: &TcpListener, router: &Router) -> anyhow::Result<()> {
    loop {
        let (stream, _) = listener.accept().await.context(NO_MORE)?;
        tokio::spawn(converse(stream, router.clone()));
    }
}

async fn accept_kubernetes(listener: Option<&SecureListener>, router: &Router) -> anyhow::Result<()> {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        let handshake = listener.accept().await.context(NO_MORE)?;
        let router = router.clone();
        tokio::spawn(async move {
            // A client that does not believe the certificate hangs up; that is its own affair.
            if let Ok(stream) = handshake.finish().await {
                converse(stream, router).await;
            }
        });
    }
}

/// Answers the requests of one connection.
async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
    // Plain axum cannot close a connection without an answer; hyper does when the service fails.
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut router = router.clone();
        async move {
            let answer = match router.call(request.map(Body::new)).await {
                Ok(answer) => answer,
                Err(never) => match never {},
            };
            if answer.extensions().get::<Dropped>().is_some() { Err(NoAnswer) } else { Ok(answer) }
        }
    });
    // A client that hangs up, or a dropped answer, is no error of the simulator.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
