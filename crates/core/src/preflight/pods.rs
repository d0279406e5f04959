//! Pods that a move to another node loses, kills or keeps waiting.
//!
//! Pods of daemon sets are left out: they stay on their node. Those of system namespaces are left out where somebody
//! who upgrades could do nothing about them; pods that nothing makes again, and grace periods, count everywhere.

use std::collections::BTreeMap;

use super::budgets::owner_of;
use super::report::Hit;
use super::{Look, Upgrade};
use crate::finding::Level;
use crate::inside::{Inside, Pod, Unseen};

/// The pods that a drain moves.
fn moved(inside: &Inside) -> Result<impl Iterator<Item = &Pod>, Unseen> {
    Ok(inside.pods.get()?.iter().filter(|pod| !pod.is_daemon() && !pod.mirror))
}

/// Whether AWS or Kubernetes itself runs what is in there.
fn is_system(namespace: &str) -> bool {
    matches!(namespace, "kube-system" | "kube-node-lease") || namespace.starts_with("amazon-")
}

/// One hit for each owner of such pods.
fn by_owner<'a>(pods: impl Iterator<Item = &'a Pod>, what: impl Fn(&'a Pod) -> String) -> Vec<Hit> {
    let mut owners: BTreeMap<(String, String), u32> = BTreeMap::new();
    for pod in pods {
        *owners.entry((owner_of(pod), what(pod))).or_default() += 1;
    }
    let hits = owners.into_iter().map(|((owner, what), count)| {
        let pods = if count == 1 { "1 pod".to_owned() } else { format!("{count} pods") };
        Hit::new(Level::Warn, owner, format!("{pods}: {what}"))
    });
    hits.collect()
}

/// Pods without a controller.
pub(super) fn bare(inside: &Inside, _: Upgrade) -> Look {
    let bare = moved(inside)?.filter(|pod| pod.owner.is_none());
    Ok(by_owner(bare, |_| "nothing makes it again once its node is drained".into()))
}

/// Pods that keep data in an `emptyDir`.
pub(super) fn local_storage(inside: &Inside, _: Upgrade) -> Look {
    let local =
        moved(inside)?.filter(|pod| pod.local_storage && pod.owner.is_some() && !is_system(&pod.namespace));
    Ok(by_owner(local, |_| "what is in its emptyDir is lost with the node".into()))
}

/// Pods with no time to end, or with more than a drain has.
pub(super) fn grace(inside: &Inside, upgrade: Upgrade) -> Look {
    let limit = upgrade.drain_limit_s;
    let odd = moved(inside)?.filter(|pod| pod.grace_s == 0 || pod.grace_s > limit);
    Ok(by_owner(odd, |pod| match pod.grace_s {
        0 => "killed at once when it has to go".into(),
        grace => format!("takes up to {grace} s to end, and a drain has {limit} s"),
    }))
}

/// Pods that go back to the node from which they were evicted.
pub(super) fn tolerate_everything(inside: &Inside, _: Upgrade) -> Look {
    let tolerant = moved(inside)?.filter(|pod| pod.tolerates_all && !is_system(&pod.namespace));
    Ok(by_owner(tolerant, |_| "tolerates every taint, a cordon's too".into()))
}

/// Pods whose replacement counts as ready at once, so that the next one goes too early.
pub(super) fn without_readiness(inside: &Inside, _: Upgrade) -> Look {
    let serving = |pod: &Pod| {
        let kind = pod.owner.as_ref().map(|owner| owner.kind.as_str());
        matches!(kind, Some("Deployment" | "StatefulSet" | "ReplicaSet")) && !is_system(&pod.namespace)
    };
    let unready = moved(inside)?.filter(|pod| !pod.readiness_probes && serving(pod));
    Ok(by_owner(unready, |_| "a container of it has no readiness probe".into()))
}
