//! Two nodes with the same pods: `kubectl drain` empties one, the roll of a self-managed group the other, with the rights
//! that the kube function has. The same pods leave, the same stay.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::api_server::{FakeNode, Server};
use eks_upgrade_core::ids::Token;
use eks_upgrade_core::remedy::{Failure, POD_EVICTION_FAILURE};
use eks_upgrade_core::roll::{Move, Moved, Roll, Verdict, Way, pause_after};
use eks_upgrade_pipeline::nodes::{Rolling, Wanted};
use eks_upgrade_pipeline::ports::inside::PodName;
use jiff::Timestamp;
use tokio::time::sleep;

use super::facts::{on_node, settle};
use super::objects::{EVERYTHING, deployment, everything, lone_pod};
use super::workers::Workers;
use super::{LIMIT_S, drain_with};
use crate::product::{Found, INSPECT, KUBE, cluster};

/// One of the two: a node, and the namespace with its pods.
struct Twin<'s> {
    server: &'s Server,
    namespace: String,
    node: String,
    instance: String,
    pods: BTreeSet<String>,
}

impl<'s> Twin<'s> {
    /// With these objects, of which `least` pods come to be on the node.
    async fn with(
        server: &'s Server,
        name: &str,
        objects: impl Fn(&str, &str) -> String,
        least: usize,
    ) -> Self {
        let namespace = server.namespace(name).await;
        let old = FakeNode::new(&format!("{namespace}-old")).label("test", &namespace).room(60, 60);
        let instance = old.instance();
        let node = old.create(server).await;
        server.apply(&objects(&namespace, &node)).await;
        let pods = settle(server, &namespace, &node, least).await;
        Self { server, namespace, node, instance, pods }
    }

    /// How many pods of each app are still on the node.
    async fn stayed(&self) -> BTreeMap<String, usize> {
        let there = on_node(self.server, &self.namespace, &self.node, 0).await;
        let mut apps = BTreeMap::new();
        for pod in self.pods.intersection(&there) {
            let app = pod.split('-').next().unwrap_or(pod);
            *apps.entry(app.to_owned()).or_default() += 1;
        }
        apps
    }

    /// `kubectl drain`, with a second node for those who leave; gives what it said.
    async fn drained_by_kubectl(&self, more: &[&str]) -> String {
        let Self { server, namespace, node, .. } = self;
        let new = FakeNode::new(&format!("{namespace}-new")).label("test", namespace).room(60, 60);
        new.create(server).await;
        drain_with(server, node, more).await
    }

    /// The roll, until the node is empty or the roll is given up; gives why it was.
    async fn drained_by_the_product(&self, may_force: bool) -> Option<Failure> {
        let caller = self.server.grant(&["eks-upgrade:kube"]);
        let writes = Found::of(self.server, &caller).writes();
        let workers = Workers::of(self.server, &self.namespace, self.instance.clone());
        let rolling = Rolling { inside: &writes, groups: &workers };
        let cluster = cluster(self.server);
        let wanted = wanted(may_force);
        let mut roll = None;
        loop {
            let moves = match rolling.pass(&cluster, &wanted, roll.as_ref(), None, Timestamp::now()).await {
                Verdict::Do(moves) => moves,
                Verdict::Wait { .. } => {
                    sleep(Duration::from_secs(1)).await;
                    continue;
                }
                over => panic!("over before the node was: {over:?}"),
            };
            let pause = pause_after(&moves);
            for one in moves {
                let line = match one {
                    Move::Do(Moved::GivenUp { failure, .. }) => return Some(failure),
                    Move::Do(Moved::Emptied { .. }) => return None,
                    Move::Do(meant) => {
                        roll = Some(Roll::after(roll, &meant, Timestamp::now()).unwrap());
                        rolling.make(&cluster, &wanted, &meant, roll.as_ref().unwrap()).await.unwrap()
                    }
                    Move::Evict { namespace, name, uid } => {
                        let pod = PodName { namespace, name, uid: Some(uid) };
                        rolling.evict(&cluster, &pod).await.unwrap()
                    }
                };
                if let Some(line) = line {
                    roll = Some(Roll::after(roll, &line, Timestamp::now()).unwrap());
                }
            }
            sleep(Duration::from_secs(pause.unwrap_or_default().into())).await;
        }
    }
}

fn wanted(may_force: bool) -> Wanted {
    Wanted {
        group: Workers::NAME.into(),
        to: "1.34".parse().unwrap(),
        control_plane: "1.34".parse().unwrap(),
        way: Way::InPlace,
        surge: 1,
        family: "amazon-linux-2023/x86_64/standard".into(),
        drain_limit_s: LIMIT_S,
        may_force,
        paused_elsewhere: None,
        needed_elsewhere: false,
        since: Timestamp::now(),
        token: Token::of(&"twin".parse().unwrap(), 1, &"workers".parse().unwrap(), 1),
    }
}

/// A server to itself: the roll judges how all pods of a cluster do.
async fn server() -> Option<Server> {
    let server = Server::start().await?;
    server.with_controllers()?;
    for roles in [INSPECT, KUBE] {
        server.apply(roles).await;
    }
    Some(server)
}

#[tokio::test]
async fn the_same_pods_leave_and_the_same_stay() {
    let Some(server) = server().await else { return };
    let all = |namespace: &str, node: &str| everything(namespace, namespace, node);
    let theirs = Twin::with(&server, "kubectl", all, EVERYTHING).await;
    let ours = Twin::with(&server, "product", all, EVERYTHING).await;

    let (said, failure) = (theirs.drained_by_kubectl(&[]).await, ours.drained_by_the_product(false).await);

    let stayed = theirs.stayed().await;
    assert_eq!(ours.stayed().await, stayed, "kubectl said: {said}");
    let held = ["daemon", "down", "file", "fixed", "limping", "none", "share", "slow", "twice"];
    assert_eq!(stayed.keys().collect::<Vec<_>>(), held);
    let failure = failure.unwrap();
    assert_eq!(failure.code, POD_EVICTION_FAILURE);
    let budget = format!("PodDisruptionBudget {}/fixed", ours.namespace);
    assert!(failure.message.contains(&budget), "{}", failure.message);
}

#[tokio::test]
async fn what_nobody_would_make_again_leaves_only_by_force() {
    let Some(server) = server().await else { return };
    let lone = |namespace: &str, node: &str| {
        deployment(namespace, "free", namespace, 1).yaml() + &lone_pod(namespace, "lone", node)
    };
    for (force, stays) in [(false, 1), (true, 0)] {
        let theirs = Twin::with(&server, "kubectl", lone, 2).await;
        let ours = Twin::with(&server, "product", lone, 2).await;
        let more: &[&str] = if force { &["--force"] } else { &[] };
        let said = theirs.drained_by_kubectl(more).await;
        let failure = ours.drained_by_the_product(force).await;
        let of_lone = |stayed: BTreeMap<String, usize>| stayed.get("lone").copied().unwrap_or_default();
        assert_eq!(of_lone(theirs.stayed().await), stays, "{said}");
        assert_eq!(of_lone(ours.stayed().await), stays, "{failure:?}");
        assert_eq!(failure.is_some(), !force, "{failure:?}");
    }
}
