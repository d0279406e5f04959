//! A link with one cluster's API server: single calls, with patience for a busy server, and whole lists by pages.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use eks_upgrade_pipeline::ports::EksDown;
use eks_upgrade_pipeline::ports::inside::ApiServer;
use futures_util::StreamExt;
use futures_util::io::AsyncBufReadExt;
use http::header::USER_AGENT;
use http::{HeaderValue, Request};
use kube::api::{ListParams, Patch, PatchParams};
use kube::config::AuthInfo;
use kube::core::{ObjectList, Resource, request};
use kube::{Client, Config};
use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::failed::Failed;
use crate::role::Role;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the server may be silent within a call.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a busy server is asked again.
const PATIENCE: Duration = Duration::from_secs(10);
/// The first pause before that; each is twice the one before.
const PAUSE: Duration = Duration::from_millis(250);
/// How many calls are under way at once: the server shares its own among all who ask.
const CALLS_MAX: usize = 6;
/// How many objects a page of a list holds: what kubectl asks for.
const PAGE: u32 = 500;
/// The longest list that is read, in pages: twice the pods of the largest cluster that Kubernetes is tested with.
const PAGES_MAX: usize = 600;
/// Who the server is told changes a field.
const MANAGER: &str = "eks-upgrade";
/// Who the server's audit log is told asks.
const AGENT: &str = concat!("eks-upgrade/", env!("CARGO_PKG_VERSION"));

/// A link.
#[derive(Clone)]
pub(crate) struct Link(Arc<Ends>);

struct Ends {
    client: Client,
    host: String,
    role: Role,
    turns: Semaphore,
    refused: AtomicBool,
}

/// A list to be read: of what, and how much of it.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    operation: &'static str,
    path: String,
    params: ListParams,
    metadata: bool,
}

impl Listing {
    /// All of a kind, in all namespaces.
    pub(crate) fn of<K: Resource<DynamicType = ()>>(operation: &'static str) -> Self {
        Self::at(operation, K::url_path(&(), None))
    }

    /// All of a kind in one namespace.
    pub(crate) fn within<K: Resource<DynamicType = ()>>(operation: &'static str, namespace: &str) -> Self {
        Self::at(operation, K::url_path(&(), Some(namespace)))
    }

    /// All at this path.
    pub(crate) fn at(operation: &'static str, path: impl Into<String>) -> Self {
        let params = ListParams::default().limit(PAGE);
        Self { operation, path: path.into(), params, metadata: false }
    }

    /// Only those with such fields.
    pub(crate) fn fields(self, selector: &str) -> Self {
        Self { params: self.params.fields(selector), ..self }
    }

    /// Only those with such labels.
    pub(crate) fn labels(self, selector: &str) -> Self {
        Self { params: self.params.labels(selector), ..self }
    }

    /// Only their metadata.
    pub(crate) fn metadata(self) -> Self {
        Self { metadata: true, ..self }
    }

    fn page(&self, from: &str) -> Result<Request<Vec<u8>>, Failed> {
        let params = match from {
            "" => self.params.clone(),
            from => self.params.clone().continue_token(from),
        };
        let request = request::Request::new(&self.path);
        let page = if self.metadata { request.list_metadata(&params) } else { request.list(&params) };
        page.map_err(|error| Failed::odd(self.operation, error.to_string()))
    }
}

impl Link {
    /// A link for whoever has this token, over the client that is made so. Nothing is sent.
    pub(crate) fn new(
        server: &ApiServer,
        token: SecretString,
        role: Role,
        client: impl FnOnce(Config) -> Result<Client, kube::Error>,
    ) -> Result<Self, EksDown> {
        let odd = |why: String| EksDown { operation: "kubernetes:connect", denied: false, why };
        let url: http::Uri =
            server.endpoint.parse().map_err(|_| odd("the cluster's endpoint is no URL".into()))?;
        let host = url.authority().map(ToString::to_string).unwrap_or_default();
        let mut config = Config::new(url);
        config.root_cert = Some(authorities(&server.ca).map_err(odd)?);
        config.auth_info = AuthInfo { token: Some(token), ..AuthInfo::default() };
        config.headers = vec![(USER_AGENT, HeaderValue::from_static(AGENT))];
        config.connect_timeout = Some(CONNECT);
        config.read_timeout = Some(SILENCE);
        config.write_timeout = Some(SILENCE);
        // Else the time that a kept connection lay idle counts as silence.
        config.reset_reader_on_write = true;
        // It asks again up to 15 times, even where a 429 is a budget's answer: an eviction took minutes to be refused.
        config.default_retry = false;
        let client = client(config).map_err(|error| odd(error.to_string()))?;
        let (turns, refused) = (Semaphore::new(CALLS_MAX), AtomicBool::new(false));
        Ok(Self(Arc::new(Ends { client, host, role, turns, refused })))
    }

    /// Whether the server has not known us: then a link with a new token may do better.
    pub(crate) fn was_refused(&self) -> bool {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// A call that may be repeated, with patience.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        request: Request<Vec<u8>>,
    ) -> Result<T, Failed> {
        let text = self.patiently(operation, || self.0.client.request_text(request.clone())).await?;
        // Not by the client: it logs the whole answer when it does not read.
        serde_json::from_str(&text)
            .map_err(|error| Failed::odd(operation, format!("its answer does not read: {error}")))
    }

    /// The object at `path`, if there is one.
    pub(crate) async fn find<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        path: &str,
    ) -> Result<Option<T>, Failed> {
        let request = Request::get(path).body(Vec::new());
        let request = request.map_err(|error| Failed::odd(operation, error.to_string()))?;
        match self.ask(operation, request).await {
            Err(failed) if failed.is_missing() => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Changes the object `name` among those at `path`, in a way that may be repeated. `None`: there is no such object.
    pub(crate) async fn patch<P: Serialize>(
        &self,
        operation: &'static str,
        path: String,
        name: &str,
        change: &Patch<P>,
    ) -> Result<Option<()>, Failed> {
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let request = request::Request::new(path).patch(name, &params, change);
        let request = request.map_err(|error| Failed::odd(operation, error.to_string()))?;
        match self.ask::<serde::de::IgnoredAny>(operation, request).await {
            Ok(_) => Ok(Some(())),
            Err(failed) if failed.is_missing() => Ok(None),
            Err(failed) => Err(failed),
        }
    }

    /// A whole list, of which each object is looked at once, and what `keep` makes of it is kept.
    pub(crate) async fn list<T, R>(
        &self,
        listing: &Listing,
        keep: impl Fn(T) -> Option<R>,
    ) -> Result<Vec<R>, Failed>
    where
        T: DeserializeOwned + Clone,
    {
        match self.pages(listing, &keep).await {
            // The server forgot the list between two pages (its history is five minutes long): once more, from the start.
            Err(failed) if failed.is(410) => self.pages(listing, &keep).await,
            answer => answer,
        }
    }

    async fn pages<T, R>(&self, listing: &Listing, keep: &impl Fn(T) -> Option<R>) -> Result<Vec<R>, Failed>
    where
        T: DeserializeOwned + Clone,
    {
        let mut kept = Vec::new();
        let mut from = String::new();
        for _ in 0..PAGES_MAX {
            let page: ObjectList<T> = self.ask(listing.operation, listing.page(&from)?).await?;
            kept.extend(page.items.into_iter().filter_map(keep));
            match page.metadata.continue_ {
                Some(next) if !next.is_empty() => from = next,
                _ => return Ok(kept),
            }
        }
        Err(Failed::odd(listing.operation, format!("there are more than {PAGES_MAX} pages of {PAGE}")))
    }

    /// The lines of a text at `path`, of which what `keep` makes of each is kept. The whole is never held.
    pub(crate) async fn lines<R>(
        &self,
        operation: &'static str,
        path: &str,
        keep: impl Fn(&str) -> Option<R>,
    ) -> Result<Vec<R>, Failed> {
        self.patiently(operation, || self.lines_once(path, &keep)).await
    }

    async fn lines_once<R>(
        &self,
        path: &str,
        keep: &impl Fn(&str) -> Option<R>,
    ) -> Result<Vec<R>, kube::Error> {
        let request = Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
        let stream = self.0.client.request_stream(request).await?;
        let mut lines = pin!(stream.lines());
        let mut kept = Vec::new();
        while let Some(line) = lines.next().await {
            kept.extend(keep(&line.map_err(kube::Error::ReadEvents)?));
        }
        Ok(kept)
    }

    async fn patiently<T, C>(&self, operation: &'static str, mut call: impl FnMut() -> C) -> Result<T, Failed>
    where
        C: Future<Output = Result<T, kube::Error>>,
    {
        let until = Instant::now() + PATIENCE;
        let mut pause = PAUSE;
        loop {
            let turn = self.0.turns.acquire().await;
            let turn = turn.map_err(|error| Failed::odd(operation, error.to_string()))?;
            let answer = call().await;
            drop(turn);
            let failed = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => Failed::of(operation, self.0.role, &self.0.host, error),
            };
            if failed.is(401) {
                self.0.refused.store(true, Ordering::Relaxed);
            }
            let wait = failed.wants_pause().unwrap_or(pause);
            if !failed.is_busy() || Instant::now() + wait > until {
                return Err(failed);
            }
            sleep(wait).await;
            pause *= 2;
        }
    }
}

/// The certificates in a PEM, as DER.
fn authorities(pem: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let blocks =
        pem::parse_many(pem).map_err(|_| "the cluster's certificate authority is no PEM".to_owned())?;
    let certificates = blocks.into_iter().filter(|block| block.tag() == "CERTIFICATE");
    let certificates: Vec<Vec<u8>> = certificates.map(pem::Pem::into_contents).collect();
    // With none the machine's own authorities would be believed.
    if certificates.is_empty() {
        Err("the cluster has no certificate authority".into())
    } else {
        Ok(certificates)
    }
}
