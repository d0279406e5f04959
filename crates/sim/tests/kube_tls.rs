//! The API server over TLS, as a client sees it that believes nothing but what `DescribeCluster` says.
#![allow(clippy::unwrap_used, reason = "helpers of tests are outside test functions")]
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use eks_upgrade_clock::Clock;
use eks_upgrade_sim::fleet::Fleet;
use eks_upgrade_sim::server::{Listeners, Simulator, serve};
use eks_upgrade_sim::tls::SecureListener;
use inside::token;
use jiff::Timestamp;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

mod inside;
mod story;

const FLEET: &str = "
start: 2026-08-18T09:15:00Z
clusters:
  - {name: a, version: '1.33', nodegroups: [{name: web, size: 2}], kubernetes: {}}
  - {name: shy, version: '1.33', kubernetes: {unreachable: true}}
";

/// Starts a simulator; gives the addresses of its two listeners.
async fn start() -> (String, String) {
    let fleet = Fleet::parse(FLEET).unwrap();
    let clock = Clock::starting_at(fleet.start, 1.0).unwrap();
    let simulator = Simulator::new(fleet, clock, None).unwrap();
    let aws = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let kubernetes = SecureListener::bind(0).await.unwrap();
    let places = (aws.local_addr().unwrap().to_string(), kubernetes.endpoint().url);
    let listeners = Listeners { aws, kubernetes: Some(kubernetes) };
    tokio::spawn(serve(simulator, listeners, std::future::pending()));
    places
}

/// Sends one request and reads to the end of the connection: status and body, nothing where nobody answered.
async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    path: &str,
    bearer: &str,
) -> Option<(u16, String)> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{bearer}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A server that hangs up without a word may do so rudely.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().unwrap(), body.to_owned()))
}

async fn connect(address: &str, roots: RootCertStore) -> std::io::Result<TlsStream<TcpStream>> {
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("127.0.0.1").unwrap(), stream).await
}

#[tokio::test]
async fn whoever_believes_the_authority_of_describe_cluster_is_served() {
    let (aws, _) = start().await;
    let describe = |name: &str| {
        let (aws, path) = (aws.clone(), format!("/clusters/{name}"));
        async move {
            let stream = TcpStream::connect(&aws).await.unwrap();
            let (_, body) = exchange(stream, &path, "").await.unwrap();
            serde_json::from_str::<Value>(&body).unwrap()["cluster"].clone()
        }
    };
    let cluster = describe("a").await;
    let pem = STANDARD.decode(cluster["certificateAuthority"]["data"].as_str().unwrap()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let endpoint = cluster["endpoint"].as_str().unwrap().strip_prefix("https://").unwrap().to_owned();
    let (address, path) = endpoint.split_once('/').unwrap();

    let bearer = format!("authorization: Bearer {}\r\n", token("AKID", Timestamp::now()));
    let nodes = format!("/{path}/api/v1/nodes");
    let stream = connect(address, roots.clone()).await.unwrap();
    let (status, body) = exchange(stream, &nodes, &bearer).await.unwrap();
    assert_eq!(status, 200, "{body}");
    let nodes_seen: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(nodes_seen["items"].as_array().unwrap().len(), 2);

    let stream = connect(address, roots.clone()).await.unwrap();
    assert_eq!(exchange(stream, &nodes, "").await.unwrap().0, 401);
    let stream = connect(address, roots.clone()).await.unwrap();
    let shy = nodes.replace("/a/", "/shy/");
    assert_eq!(exchange(stream, &shy, &bearer).await, None, "nobody answers");

    let stranger = SecureListener::bind(0).await.unwrap().endpoint();
    let other = STANDARD.decode(stranger.authority).unwrap();
    let mut strange = RootCertStore::empty();
    strange.add(CertificateDer::from_pem_slice(&other).unwrap()).unwrap();
    assert!(connect(address, strange).await.is_err(), "another authority is not believed");

    let stream = TcpStream::connect(&aws).await.unwrap();
    let (_, log) = exchange(stream, "/_sim/requests", "").await.unwrap();
    let log: Value = serde_json::from_str(&log).unwrap();
    let seen: Vec<(&str, u64)> = log["requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["operation"].as_str().unwrap(), line["status"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        seen,
        [
            ("DescribeCluster", 200),
            ("kube:list nodes", 200),
            ("kube:list nodes", 401),
            ("kube:list nodes", 0)
        ]
    );
}
