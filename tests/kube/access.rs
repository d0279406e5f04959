//! Who is let in, and what is said to whoever is not: words that name what to mend, and never a token.

use std::io::{self, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use crate::api_server::{Caller, Server};
use eks_upgrade_core::inside::Inside;
use eks_upgrade_kube::Role;
use eks_upgrade_pipeline::ports::inside::{Depth, InsideWrites, Insides, PodName, TriesEvictions};
use tracing_subscriber::fmt::MakeWriter;

use crate::product::{Found, cluster, named, why};

/// A certificate that nobody has signed but itself.
fn stranger() -> String {
    rcgen::generate_simple_self_signed(vec!["stranger.example".to_owned()]).unwrap().cert.pem()
}

async fn vitals(found: Found, name: &str) -> Inside {
    found.reads().inside(&named(name), Depth::Vitals).await
}

#[tokio::test]
async fn a_role_that_the_cluster_does_not_know_is_told_to_get_an_entry() {
    let Some(server) = Server::shared().await else { return };
    let caller = server.grant(&["system:masters"]);
    let forged = Caller { secret_key: "another".into(), ..caller.clone() };
    let here = server.cluster();
    for (caller, name) in [(&forged, here), (&caller, "another-cluster")] {
        let inside = vitals(Found::of(server, caller), name).await;
        let words = why(&inside.nodes);
        assert!(words.contains("make an access entry") && words.contains("eks-upgrade:inspect"), "{words}");
        assert!(words.contains(Role::Inspect.file()), "{words}");
    }
    let writes = Found::of(server, &forged).writes();
    let down = writes.cordon(&named(here), "node", None).await.unwrap_err();
    assert!(down.denied && down.why.contains("eks-upgrade:kube"), "{down}");
    // The same keys with their secret are let in: it was the token.
    let inside = vitals(Found::of(server, &caller), here).await;
    assert!(inside.nodes.get().is_ok(), "{:?}", inside.nodes);
}

#[tokio::test]
async fn a_link_is_kept_while_it_serves_and_made_anew_once_it_does_not() {
    let Some(server) = Server::shared().await else { return };
    let caller = server.grant(&["system:masters"]);
    let found = Found::of(server, &caller);
    let reads = found.reads();
    for _ in 0..3 {
        reads.inside(&cluster(server), Depth::Vitals).await;
    }
    assert_eq!(found.asked(), 1);
    for _ in 0..2 {
        reads.inside(&named("another-cluster"), Depth::Vitals).await;
    }
    assert_eq!(found.asked(), 3, "a refused token is not tried again");
    assert_eq!(reads.control_plane_subnets(&cluster(server)).await.unwrap(), ["subnet-a", "subnet-b"]);
}

#[tokio::test]
async fn a_server_that_is_not_the_one_described_is_not_believed() {
    let Some(server) = Server::shared().await else { return };
    let caller = server.grant(&["system:masters"]);
    let found = Found::new(server.endpoint(), &stranger(), &caller);
    let inside = vitals(found, server.cluster()).await;
    let words = why(&inside.nodes);
    assert!(words.contains("is not the API server that EKS describes"), "{words}");
    for nothing in ["", "no certificate"] {
        let inside = vitals(Found::new(server.endpoint(), nothing, &caller), server.cluster()).await;
        assert!(why(&inside.nodes).contains("certificate authority"), "{}", why(&inside.nodes));
    }
}

#[tokio::test]
async fn an_endpoint_without_a_way_to_it_is_told_as_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("https://{}", listener.local_addr().unwrap());
    drop(listener);
    for endpoint in [closed.as_str(), "https://nowhere.invalid"] {
        let inside = vitals(Found::new(endpoint, &stranger(), &nobody()), "harness").await;
        let words = why(&inside.nodes);
        let host = endpoint.trim_start_matches("https://");
        assert!(words.contains(&format!("no route to its endpoint {host}")), "{words}");
        assert!(words.contains("VPC"), "{words}");
    }
}

fn nobody() -> Caller {
    Caller {
        access_key: "ASIANOBODY".into(),
        secret_key: "canary-secret".into(),
        session_token: "canary-session".into(),
        username: String::new(),
        groups: Vec::new(),
    }
}

/// What is traced, kept.
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

/// Every call that can fail, in all the ways that somebody without rights can make it fail.
async fn everything(found: Found, name: &str) -> String {
    let (reads, writes) = (found.reads(), found.writes());
    let cluster = named(name);
    let pod = PodName { namespace: "default".into(), name: "web".into(), uid: None };
    let inside = reads.inside(&cluster, Depth::All).await;
    let evicted = reads.try_eviction(&cluster, &pod).await;
    let cordoned = writes.cordon(&cluster, "node", Some("run")).await;
    let scaled = writes.scale(&cluster, "default/web", 1).await;
    let set = writes.set_image(&cluster, "kube-proxy", "example.com/kube-proxy:v1").await;
    let words = [evicted.err(), cordoned.err(), scaled.err(), set.err()];
    let shown: Vec<String> = words.iter().flatten().map(ToString::to_string).collect();
    format!("{inside:?} {words:?} {shown:?}")
}

#[tokio::test]
async fn no_token_is_in_any_error_or_trace() {
    let Some(server) = Server::shared().await else { return };
    let kept = Kept::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(kept.clone())
        .finish();
    // For all threads: what only one of them wants to hear may be taken for what nobody does by the server's own.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let caller = server.grant(&["nobody:knows"]);
    let mut said = String::new();
    for found in [
        Found::of(server, &caller),
        Found::of(server, &Caller { access_key: "ASIAOTHER".into(), ..caller.clone() }),
        Found::new(server.endpoint(), &stranger(), &caller),
        Found::new("https://127.0.0.1:1", &stranger(), &caller),
    ] {
        said += &everything(found, server.cluster()).await;
    }
    said += &String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    for expected in
        ["forbidden", "access entry", "not the API server", "no route", "requesting", "signing request"]
    {
        assert!(said.contains(expected), "not even {expected:?} is told");
    }
    let in_base64 = base64_of("https://sts.");
    let secrets = ["k8s-aws-v1.", &in_base64, "X-Amz-Signature", &caller.secret_key, &caller.session_token];
    for secret in secrets {
        let at =
            said.find(secret).map(|at| said[at.saturating_sub(200)..].chars().take(400).collect::<String>());
        assert_eq!(at, None, "{secret} is told");
    }
}

/// How a token begins after its prefix.
fn base64_of(text: &str) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(text)
}
