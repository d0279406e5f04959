//! What the forecast comes to for people: a line for all that goes well, and one for each cause of what does not.

use std::collections::{BTreeMap, BTreeSet};

use super::{Held, HeldBy, NAMED_MAX, NodeForecast};
use crate::finding::{Code, Finding, Level};
use crate::inside::{NodeGroupOf, Seen};

/// How many causes are told one by one; a person who mends these looks again.
const CAUSES_MAX: usize = 20;

/// What the forecast comes to for people; `may_force` says of which groups' nodes pods may be deleted.
#[must_use]
pub fn findings(
    forecast: &Seen<Vec<NodeForecast>>,
    may_force: &dyn Fn(&NodeGroupOf) -> bool,
) -> Vec<Finding> {
    let nodes = match forecast {
        Seen::Is(nodes) => nodes,
        Seen::Not(why) => return vec![untold(why)],
    };
    let mut findings: Vec<Finding> = passed(nodes).into_iter().collect();
    let causes = causes(nodes, may_force);
    findings.extend(causes.iter().take(CAUSES_MAX).map(|(cause, held)| blocked(cause, held)));
    findings.extend(rest(&causes));
    findings
}

fn untold(why: &str) -> Finding {
    Finding::new(
        Code::InsideUnread,
        Level::Unknown,
        "drains",
        format!("whether pods would leave their nodes cannot be told: {why}"),
        "let the inspect function reach the cluster (docs/kubernetes.md), or judge it by yourself",
    )
}

fn passed(nodes: &[NodeForecast]) -> Option<Finding> {
    let slowest = nodes.iter().max_by_key(|node| node.takes_s)?;
    let leave: u32 = nodes.iter().map(|node| node.leave).sum();
    let message = format!(
        "{} node(s), of which {leave} pod(s) leave; the longest drain, of {}, takes about {}",
        nodes.len(),
        slowest.node,
        about(slowest.takes_s),
    );
    Some(Finding::new(Code::DrainForecast, Level::Pass, "nodes", message, ""))
}

fn about(seconds: u32) -> String {
    match seconds {
        0..=90 => format!("{seconds} s"),
        _ => format!("{} min", seconds.div_ceil(60)),
    }
}

/// What one line is about: a cause, on nodes of which pods may be deleted or on others. Blocking ones come first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    forced: bool,
    subject: String,
    why: HeldBy,
}

impl Cause {
    /// A budget or a webhook is one cause, whomever it holds; what is a pod's own is its workload's.
    fn of(held: &Held, forced: bool) -> Self {
        let subject = match &held.why {
            HeldBy::Budget { budget, .. } => budget.clone(),
            HeldBy::Budgets { budgets } => budgets.join(" and "),
            HeldBy::Webhook { webhook } => webhook.clone(),
            HeldBy::Mirror | HeldBy::NoController => held.pod.clone(),
            HeldBy::Slow { .. } => workload(held),
        };
        Self { forced, subject, why: held.why.clone() }
    }

    fn level(&self) -> Level {
        if self.forced { Level::Warn } else { Level::Block }
    }
}

/// `Deployment namespace/name` of a pod's controller; the pod where it has none.
fn workload(held: &Held) -> String {
    let namespace = held.pod.split_once('/').map_or("", |(namespace, _)| namespace);
    match held.owner.split_once(' ') {
        Some((kind, name)) => format!("{kind} {namespace}/{name}"),
        None => held.pod.clone(),
    }
}

fn causes<'a>(
    nodes: &'a [NodeForecast],
    may_force: &dyn Fn(&NodeGroupOf) -> bool,
) -> Vec<(Cause, Vec<&'a Held>)> {
    let mut causes: BTreeMap<Cause, Vec<&Held>> = BTreeMap::new();
    for node in nodes {
        let forced = may_force(&node.group);
        for held in &node.held {
            causes.entry(Cause::of(held, forced)).or_default().push(held);
        }
    }
    causes.into_iter().collect()
}

fn blocked(cause: &Cause, held: &[&Held]) -> Finding {
    let nodes: BTreeSet<&str> = held.iter().map(|held| held.node.as_str()).collect();
    let forced = if cause.forced { "; they are deleted at the end of the drain" } else { "" };
    let message = format!(
        "{} pod(s) would not leave {}: {}{forced} ({})",
        held.len(),
        if nodes.len() == 1 { held[0].node.clone() } else { format!("{} nodes", nodes.len()) },
        cause.why,
        named(held),
    );
    Finding::new(Code::DrainBlocked, cause.level(), &cause.subject, message, cure(&cause.why))
}

/// The first pods by name, the rest counted.
fn named(held: &[&Held]) -> String {
    let names = held.iter().take(NAMED_MAX).map(|held| match held.owner.as_str() {
        "" => held.pod.clone(),
        owner => format!("{} of {owner}", held.pod),
    });
    let more = held.len().saturating_sub(NAMED_MAX);
    names.chain((more > 0).then(|| format!("and {more} more"))).collect::<Vec<_>>().join(", ")
}

/// The next safe thing to do.
fn cure(why: &HeldBy) -> String {
    match why {
        HeldBy::Budget { budget, .. } => format!(
            "let {budget} spare a pod: bring its pods to health, add a replica, or loosen it (kubectl describe pdb)"
        ),
        HeldBy::Budgets { .. } => "leave one budget over these pods".into(),
        HeldBy::Webhook { webhook } => {
            format!("bring back who answers for {webhook}, or take pods/eviction out of its rules")
        }
        HeldBy::Mirror => "take its file from the node".into(),
        HeldBy::NoController => "give it a controller, or delete it by hand when it may be lost".into(),
        HeldBy::Slow { grace_s } => {
            format!("bring terminationGracePeriodSeconds, now {grace_s}, below what a drain may take")
        }
    }
}

/// What is said of the causes that are too many to be told.
fn rest(causes: &[(Cause, Vec<&Held>)]) -> Option<Finding> {
    let rest = causes.get(CAUSES_MAX..).filter(|rest| !rest.is_empty())?;
    let pods: usize = rest.iter().map(|(_, held)| held.len()).sum();
    let level = rest.iter().map(|(cause, _)| cause.level()).max()?;
    let message = format!("{} more causes hold {pods} more pods", rest.len());
    Some(Finding::new(Code::DrainBlocked, level, "others", message, "mend those above, and look again"))
}
