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
use tokio::net::TcpListener;
use tower::Service;

use crate::cbor;
use crate::control::refuse;
use crate::fleet::Fleet;
use crate::http::{Record, Request, Response};
use crate::world::World;

/// Requests that are kept for `/_sim/requests`; older ones are forgotten (the log file has them all).
const LOG_MAX: usize = 200_000;

/// A world that is being served.
pub struct Simulator {
    world: World,
    /// What it began with, for a reset without a fleet.
    fleet: Fleet,
    clock: Clock,
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
        Ok(Self { world: World::new(fleet.clone(), start), fleet, clock, log: Vec::new(), log_file })
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
                if let Some(record) = response.record.clone() {
                    self.note(record);
                }
                response
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
                self.fleet = fleet;
                self.log.clear();
                Response::json(200, &json!({}), false)
            }
            Err(error) => refuse(400, error),
        }
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

async fn serve_one(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> HttpResponse {
    let headers = headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let request = Request {
        method: method.as_str().to_owned(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: body.to_vec(),
        received: Some(Timestamp::now()),
    };
    let in_json = cbor::to_json(&request);
    let response = lock(&shared).answer(in_json.as_ref().unwrap_or(&request));
    if response.hold_s > 0.0 {
        tokio::time::sleep(Duration::from_secs_f64(response.hold_s)).await;
    }
    let mut answer = HttpResponse::builder().status(response.status);
    let (headers, body) = if in_json.is_some() {
        cbor::from_json(&response)
    } else {
        (response.headers, response.body.into_bytes())
    };
    for (name, value) in &headers {
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

/// Serves connections until `stop` is ready.
pub async fn serve(
    simulator: Simulator,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let shared: Shared = Arc::new(Mutex::new(simulator));
    let router: Router = Router::new().fallback(serve_one).with_state(shared);
    tokio::pin!(stop);
    loop {
        let (stream, _) = tokio::select! {
            () = &mut stop => return Ok(()),
            accepted = listener.accept() => accepted.context("the simulator cannot accept connections any more")?,
        };
        let router = router.clone();
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
        tokio::spawn(async move {
            // A client that hangs up, or a dropped answer, is no error of the simulator.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
