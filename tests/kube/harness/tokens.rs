//! Who is let in: as on EKS.

use std::time::{Duration, SystemTime};

use crate::api_server::{Caller, Server};
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::ListParams;

use super::manifests::reads_nodes;

/// The status of a list of nodes with a token.
async fn listing(server: &Server, token: &str) -> u16 {
    match Api::<Node>::all(server.client(token)).list(&ListParams::default()).await {
        Ok(_) => 200,
        Err(kube::Error::Api(status)) => status.code,
        Err(error) => panic!("{error}"),
    }
}

fn old(age_s: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(age_s)
}

#[tokio::test]
async fn an_access_entry_may_do_what_rbac_gives_its_groups() {
    let Some(server) = Server::shared().await else { return };
    server.apply(&reads_nodes("may-read")).await;
    let (may, may_not) = (server.grant(&["may-read"]), server.grant(&["may-nothing"]));
    assert_eq!(listing(server, &may_not.token(server.cluster())).await, 403);
    let granted = async || (listing(server, &may.token(server.cluster())).await == 200).then_some(());
    server.wait_for("RBAC to know the role", granted).await;
}

#[tokio::test]
async fn a_token_proves_who_signed_it_for_this_cluster_now() {
    let Some(server) = Server::shared().await else { return };
    let known = server.grant(&["system:masters"]);
    let cluster = server.cluster();
    assert_eq!(listing(server, &known.token(cluster)).await, 200);
    assert_eq!(listing(server, &known.token_at(cluster, old(50))).await, 200);

    let other_secret = Caller { secret_key: "guessed".into(), ..known.clone() };
    let other_session = Caller { session_token: "ended".into(), ..known.clone() };
    let unknown = Caller { access_key: "ASIAUNKNOWN".into(), ..known.clone() };
    let token = known.token(cluster);
    for (why, refused) in [
        ("another cluster", known.token("another")),
        ("expired", known.token_at(cluster, old(70))),
        ("from the future", known.token_at(cluster, SystemTime::now() + Duration::from_mins(10))),
        ("another secret key", other_secret.token(cluster)),
        ("another session", other_session.token(cluster)),
        ("an unknown access key", unknown.token(cluster)),
        ("no token of EKS", "k8s-aws-v1.aHR0cHM6Ly9ldmlsLmV4YW1wbGU".into()),
        ("another version", token.replace("k8s-aws-v1.", "k8s-aws-v2.")),
        ("padded", format!("{token}==")),
    ] {
        assert_eq!(listing(server, &refused).await, 401, "{why}");
    }
}
