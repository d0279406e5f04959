//! The endpoint that tests hand out: TLS of the harness's own authority, and a [`Bridge`] to the server behind it.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::io::StreamReader;

use super::bridge::{Bridge, Renamed, Way};
use super::certs::Authority;

/// A failure of the way to the server.
type Failure = Box<dyn std::error::Error + Send + Sync>;
/// A body of either direction.
type Body = BoxBody<Bytes, Failure>;

/// An endpoint before a server.
#[derive(Clone)]
pub(super) struct Proxy {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    server: u16,
    bridge: Arc<Bridge>,
}

impl Proxy {
    /// Before the server that listens on this port.
    pub(super) fn new(authority: &Authority, server: u16, bridge: Bridge) -> Self {
        let provider = Arc::new(default_provider());
        let (certificate, key) = authority.issue().into_der();
        let inward = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("the key is of the certificate");
        let mut roots = RootCertStore::empty();
        roots.add(authority.der()).expect("an authority");
        let outward = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (acceptor, connector) = (Arc::new(inward).into(), Arc::new(outward).into());
        Self { acceptor, connector, server, bridge: Arc::new(bridge) }
    }

    /// Serves, without end.
    pub(super) async fn serve(self, listener: TcpListener) {
        loop {
            // What fails here is one client's connection; the client sees it.
            if let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(self.clone().connection(stream));
            }
        }
    }

    async fn connection(self, stream: TcpStream) {
        let Ok(stream) = self.acceptor.accept(stream).await else { return };
        let service = service_fn(|request| self.answer(request));
        let _ =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        Ok(self.forward(request).await.unwrap_or_else(|failure| {
            let mut response = Response::new(whole(format!("the harness: {failure}")));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }))
    }

    async fn forward(&self, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
        match self.bridge.way(request.uri().path()) {
            Way::Through => self.send(request.map(|body| body.map_err(Into::into).boxed())).await,
            Way::Discovery => self.discovery(request).await,
            Way::Resources(renamed) => self.resources(request, renamed).await,
            Way::Resource(renamed) => self.resource(request, renamed).await,
        }
    }

    async fn discovery(&self, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
        let (mut parts, _) = request.into_parts();
        only_json(&mut parts, "application/json");
        let response = self.send(Request::from_parts(parts, whole(""))).await?;
        changed(response, |answer| self.bridge.discovery(answer)).await
    }

    async fn resources(
        &self,
        request: Request<Incoming>,
        renamed: Renamed,
    ) -> Result<Response<Body>, Failure> {
        let (mut parts, _) = request.into_parts();
        only_json(&mut parts, "application/json");
        let asked = self.send(Request::from_parts(parts.clone(), whole(""))).await?;
        let asked = if asked.status().is_success() { Some(json_of(asked).await?) } else { None };
        parts.uri = at(&parts.uri, &renamed)?;
        let served = self.send(Request::from_parts(parts, whole(""))).await?;
        changed(served, |answer| *answer = renamed.resources(asked, answer)).await
    }

    async fn resource(
        &self,
        request: Request<Incoming>,
        renamed: Renamed,
    ) -> Result<Response<Body>, Failure> {
        let (mut parts, body) = request.into_parts();
        let watch = parts.method == Method::GET && parts.uri.query().is_some_and(is_watch);
        parts.uri = at(&parts.uri, &renamed)?;
        let accepted = parts.headers.get(ACCEPT).and_then(|value| value.to_str().ok()).map(without_protobuf);
        only_json(&mut parts, &accepted.unwrap_or_default());
        let body = edit(&body.collect().await?.to_bytes(), |body| renamed.request(body));
        parts.headers.remove(TRANSFER_ENCODING);
        parts.headers.insert(CONTENT_LENGTH, body.len().into());
        let response = self.send(Request::from_parts(parts, whole(body))).await?;
        if watch && response.status().is_success() {
            return Ok(watched(response, renamed));
        }
        changed(response, |answer| renamed.answer(answer)).await
    }

    /// Sends a request on, over a connection of its own.
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, Failure> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.server)).await?;
        let stream = self
            .connector
            .connect(ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST)), stream)
            .await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let response = sender.send_request(request).await?;
        Ok(response.map(|body| body.map_err(Into::into).boxed()))
    }
}

/// The same request at the version that the server has.
fn at(uri: &Uri, renamed: &Renamed) -> Result<Uri, http::Error> {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Ok(format!("{}{query}", renamed.path(uri.path())).parse::<Uri>()?)
}

/// Has the answer be of a form that can be read here.
fn only_json(parts: &mut Parts, accepted: &str) {
    parts.headers.remove(ACCEPT_ENCODING);
    let json = HeaderValue::from_static("application/json");
    parts.headers.insert(
        ACCEPT,
        HeaderValue::from_str(accepted).ok().filter(|value| !value.is_empty()).unwrap_or(json),
    );
}

/// What a client accepts, protobuf apart: tables are JSON as well.
fn without_protobuf(accepted: &str) -> String {
    let kept: Vec<&str> = accepted.split(',').filter(|one| !one.contains("protobuf")).collect();
    kept.join(",")
}

fn is_watch(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes())
        .any(|(name, value)| name == "watch" && (value == "true" || value == "1"))
}

/// Changes JSON; leaves what is none as it is.
fn edit(body: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return body.to_vec() };
    change(&mut value);
    value.to_string().into_bytes()
}

/// An answer with its body changed.
async fn changed(
    response: Response<Body>,
    change: impl FnOnce(&mut Value),
) -> Result<Response<Body>, Failure> {
    let (mut parts, body) = response.into_parts();
    let body = edit(&body.collect().await?.to_bytes(), change);
    parts.headers.remove(TRANSFER_ENCODING);
    parts.headers.insert(CONTENT_LENGTH, body.len().into());
    Ok(Response::from_parts(parts, whole(body)))
}

/// A watch with each of its events changed: one a line.
fn watched(response: Response<Body>, renamed: Renamed) -> Response<Body> {
    response.map(|body| {
        let bytes = StreamReader::new(body.into_data_stream().map_err(std::io::Error::other));
        let events = FramedRead::new(bytes, LinesCodec::new()).map_err(Failure::from);
        let frames = events.map_ok(move |event| {
            let mut event = edit(event.as_bytes(), |event| renamed.answer(event));
            event.push(b'\n');
            Frame::data(event.into())
        });
        BodyExt::boxed(StreamBody::new(frames))
    })
}

async fn json_of(response: Response<Body>) -> Result<Value, Failure> {
    Ok(serde_json::from_slice(&response.into_body().collect().await?.to_bytes())?)
}

fn whole(body: impl Into<Bytes>) -> Body {
    Full::new(body.into()).map_err(|never| match never {}).boxed()
}
