//! What a drain of each node would do.

use std::collections::BTreeMap;

use super::judge::{Judge, has_to_leave};
use super::{Held, NodeForecast};
use crate::inside::{Inside, Node, NodeGroupOf, Owner, Pod, Unseen};

/// How long a pod takes to be ready again elsewhere, in seconds: an image that has to be pulled, and a probe or two.
/// The next one behind the same budget waits for it.
const READY_AGAIN_S: u32 = 60;

/// What a drain of each node would do, when no drain may take longer than `limit_s` seconds. Needs nodes, pods, budgets
/// and webhooks. Nodes of Fargate are left out: nobody drains them.
pub fn forecast(inside: &Inside, limit_s: u32) -> Result<Vec<NodeForecast>, Unseen> {
    let judge = Judge::of(inside, limit_s)?;
    let pods = by_node(inside.pods.get()?);
    let drained = inside.nodes.get()?.iter().filter(|node| node.group != NodeGroupOf::Fargate);
    let none = Vec::new();
    drained
        .map(|node| of_node(&judge, node, pods.get(node.name.as_str()).unwrap_or(&none), limit_s))
        .collect()
}

/// Who holds these nodes. Needs pods, budgets and webhooks; the nodes themselves need not have been read.
pub fn held_on(inside: &Inside, nodes: &[String], limit_s: u32) -> Result<Vec<Held>, Unseen> {
    let judge = Judge::of(inside, limit_s)?;
    let pods = by_node(inside.pods.get()?);
    let mut held = Vec::new();
    for node in nodes {
        for pod in pods.get(node.as_str()).into_iter().flatten().filter(|pod| has_to_leave(pod)) {
            held.extend(hold(&judge, node, pod)?);
        }
    }
    Ok(held)
}

fn by_node(pods: &[Pod]) -> BTreeMap<&str, Vec<&Pod>> {
    let mut by_node: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
    for pod in pods {
        if let Some(node) = &pod.node {
            by_node.entry(node).or_default().push(pod);
        }
    }
    by_node
}

fn of_node(judge: &Judge<'_>, node: &Node, pods: &[&Pod], limit_s: u32) -> Result<NodeForecast, Unseen> {
    let (leaving, staying): (Vec<&Pod>, Vec<&Pod>) = pods.iter().copied().partition(|pod| has_to_leave(pod));
    let mut held = Vec::new();
    for pod in &leaving {
        held.extend(hold(judge, &node.name, pod)?);
    }
    Ok(NodeForecast {
        node: node.name.clone(),
        group: node.group.clone(),
        leave: count(leaving.len()) - count(held.len()),
        stay: count(staying.len()),
        held,
        takes_s: takes_s(judge, &leaving, limit_s),
    })
}

fn hold(judge: &Judge<'_>, node: &str, pod: &Pod) -> Result<Option<Held>, Unseen> {
    let why = judge.held_by(pod)?;
    Ok(why.map(|why| Held {
        node: node.to_owned(),
        pod: pod.full_name(),
        owner: Owner::in_words(pod.owner.as_ref()),
        why,
        confirmed: None,
    }))
}

/// How long it takes until all of them are gone, in seconds. Evictions are asked for side by side; those behind one
/// budget go in waves as large as it lets, each of which ends with the longest grace period in it and waits until the
/// pods of the one before are ready again. The slowest budget is the node's time. An upper bound for pods that end
/// when they are told to, and a lower one where there is no room for them elsewhere.
fn takes_s(judge: &Judge<'_>, leaving: &[&Pod], limit_s: u32) -> u32 {
    let mut alone_s = 0;
    let mut behind: BTreeMap<String, Behind> = BTreeMap::new();
    for pod in leaving {
        let grace_s = pod.grace_s.min(limit_s);
        match judge.pace(pod) {
            None => alone_s = alone_s.max(grace_s),
            Some(room) => {
                let one = behind.entry(room.budget.full_name()).or_default();
                one.pods += 1;
                one.at_once = room.at_once().max(1);
                one.grace_s = one.grace_s.max(grace_s);
            }
        }
    }
    behind.values().map(Behind::takes_s).chain([alone_s]).max().unwrap_or(0)
}

/// The pods of a node that wait for the same budget.
#[derive(Default)]
struct Behind {
    pods: u32,
    at_once: u32,
    grace_s: u32,
}

impl Behind {
    fn takes_s(&self) -> u32 {
        let waves = self.pods.div_ceil(self.at_once.max(1));
        let waits = waves.saturating_sub(1).saturating_mul(READY_AGAIN_S);
        waves.saturating_mul(self.grace_s).saturating_add(waits)
    }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
