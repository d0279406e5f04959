//! Drains against their oracle, `kubectl drain`: what is foretold of a node is what that does to it, and what the product
//! itself does to a node is what that does to its twin ([`twin`]).
//!
//! The facts are read by the product itself, a moment before the drain.

mod facts;
mod objects;
mod twin;
mod workers;

use std::collections::BTreeSet;

use crate::api_server::{FakeNode, Server};
use eks_upgrade_core::drain::{HeldBy, NodeForecast, forecast, held_on};
use eks_upgrade_core::inside::Inside;
use facts::{on_node, read, settle};
use objects::{EVERYTHING, deployment, everything, lone_pod, webhook};

/// How long a drain may take here, in seconds: enough for three pods one by one, of which kubectl asks every 5 seconds.
const LIMIT_S: u32 = 30;

/// What a drain of `node` is foretold to do.
fn foretold(inside: &Inside, node: &str) -> NodeForecast {
    let all = forecast(inside, LIMIT_S).unwrap();
    all.into_iter().find(|forecast| forecast.node == node).unwrap()
}

/// The pods that are foretold to be held.
fn held(forecast: &NodeForecast) -> BTreeSet<String> {
    forecast.held.iter().map(|held| held.pod.clone()).collect()
}

/// The apps of these pods, each once: `shop-x7k2p/fixed-5d9c-abcde` is of `fixed`.
fn apps(pods: &BTreeSet<String>) -> Vec<&str> {
    let names = pods.iter().filter_map(|pod| pod.split_once('/')?.1.split('-').next());
    names.collect::<BTreeSet<&str>>().into_iter().collect()
}

async fn drain(server: &Server, node: &str) -> String {
    drain_with(server, node, &[]).await
}

async fn drain_with(server: &Server, node: &str, more: &[&str]) -> String {
    let timeout = format!("--timeout={LIMIT_S}s");
    let args = ["drain", node, "--ignore-daemonsets", "--delete-emptydir-data", &timeout];
    server.kubectl(&[&args, more].concat()).await.stderr
}

/// Everything that a budget can come to, on one node.
#[tokio::test]
async fn budgets_hold_whom_they_are_foretold_to_hold() {
    let Some(server) = Server::shared().await.and_then(Server::with_controllers) else { return };
    let namespace = server.namespace("drain").await;
    let (old, new) = (format!("{namespace}-old"), format!("{namespace}-new"));
    FakeNode::new(&old).label("test", &namespace).room(60, 60).create(server).await;
    server.apply(&everything(&namespace, &namespace, &old)).await;
    let pods = settle(server, &namespace, &old, EVERYTHING).await;
    FakeNode::new(&new).label("test", &namespace).room(60, 60).create(server).await;

    let inside = read(server).await;
    let told = foretold(&inside, &old);
    let said = drain(server, &old).await;
    let there = on_node(server, &namespace, &old, 0).await;
    let named = |pod: &String| format!("{namespace}/{pod}");
    let stayed: BTreeSet<String> = pods.intersection(&there).map(named).collect();
    let of_the_node = |pod: &&String| pod.starts_with("daemon") || *pod == "file";
    let belongs: BTreeSet<String> = pods.iter().filter(of_the_node).map(named).collect();

    assert_eq!(&held(&told) | &belongs, stayed, "kubectl said: {said}");
    assert_eq!(told.stay, 2, "those that belong there");
    assert_eq!(apps(&held(&told)), ["down", "fixed", "limping", "none", "share", "slow", "twice"]);
    assert_eq!(told.leave as usize + told.held.len() + 2, pods.len());
    assert_eq!(told.takes_s, 3 * 5 + 2 * 60, "three pods, one after another");
    // Afterwards the same are named. Who is slow is on its way; a third one starts elsewhere for those who limp.
    let after = held_on(&read(server).await, std::slice::from_ref(&old), LIMIT_S).unwrap();
    let after: BTreeSet<String> = after.into_iter().map(|held| held.pod).collect();
    assert_eq!(apps(&after), ["down", "fixed", "none", "share", "twice"]);
}

/// `kubectl drain` touches nothing on a node with such a pod, so that it has one to itself.
#[tokio::test]
async fn a_pod_without_a_controller_is_not_drained() {
    let Some(server) = Server::shared().await.and_then(Server::with_controllers) else { return };
    let namespace = server.namespace("lone").await;
    let node = FakeNode::new(&format!("{namespace}-a")).create(server).await;
    server.apply(&lone_pod(&namespace, "lone", &node)).await;
    let pods = on_node(server, &namespace, &node, 1).await;
    let told = foretold(&read(server).await, &node);
    let said = drain(server, &node).await;
    assert!(said.contains("use --force to override"), "{said}");
    assert_eq!(on_node(server, &namespace, &node, 0).await, pods);
    assert_eq!(told.held.iter().map(|held| held.why.clone()).collect::<Vec<_>>(), [HeldBy::NoController]);
}

/// It judges the evictions of the whole cluster, so that it has a server to itself.
#[tokio::test]
async fn a_webhook_with_nobody_behind_it_holds_everybody() {
    let Some(server) = Server::start().await else { return };
    let Some(server) = server.with_controllers() else { return };
    let namespace = server.namespace("judged").await;
    let node = FakeNode::new("judged-a").label("test", &namespace).create(server).await;
    let objects = [deployment(&namespace, "free", &namespace, 2).yaml(), webhook("judge", &namespace)];
    server.apply(&objects.concat()).await;
    let pods = on_node(server, &namespace, &node, 2).await;
    FakeNode::new("judged-b").label("test", &namespace).create(server).await;
    let told = foretold(&read(server).await, &node);
    let said = drain(server, &node).await;
    assert!(said.contains("failed calling webhook"), "{said}");
    assert_eq!(on_node(server, &namespace, &node, 0).await, pods);
    let by_webhook =
        |held: &HeldBy| matches!(held, HeldBy::Webhook { webhook } if webhook == "judge.example.com");
    assert!(told.held.len() == 2 && told.held.iter().all(|held| by_webhook(&held.why)), "{told:?}");
}
