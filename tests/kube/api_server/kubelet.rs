//! A kubelet for all nodes: what is bound runs, what is told to stop stops, nodes stay ready.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::node::ready;

/// A pod with this annotation, whatever its value, runs but does not get ready; nor does such a node.
pub const NEVER_READY: &str = "eks-upgrade.test/never-ready";
/// How many seconds a pod takes to stop; without this annotation it stops at once. Its grace period is the most.
pub const STOPS_AFTER_S: &str = "eks-upgrade.test/stops-after-s";

const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Plays kubelet, without end.
pub(super) async fn run(client: Client) {
    loop {
        // Somebody else may have been faster, or the server is about to end: the next look tells.
        let _ = look_after_nodes(&client).await;
        let _ = look_after_pods(&client).await;
        sleep(LOOK_EVERY).await;
    }
}

async fn look_after_nodes(client: &Client) -> kube::Result<()> {
    let nodes = Api::<Node>::all(client.clone());
    for node in nodes.list(&ListParams::default()).await? {
        if !is_ready(&node) && !node.annotations().contains_key(NEVER_READY) {
            let patch = json!({"status": {"conditions": ready()}});
            nodes.patch_status(&node.name_any(), &PatchParams::default(), &Patch::Strategic(patch)).await?;
        }
    }
    Ok(())
}

async fn look_after_pods(client: &Client) -> kube::Result<()> {
    for pod in Api::<Pod>::all(client.clone()).list(&ListParams::default()).await? {
        if pod.spec.as_ref().is_none_or(|spec| spec.node_name.is_none()) {
            continue;
        }
        let pods = Api::<Pod>::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
        if pod.metadata.deletion_timestamp.is_some() {
            if has_stopped(&pod.metadata, Timestamp::now()) {
                let at_once = DeleteParams::default().grace_period(0);
                pods.delete(&pod.name_any(), &at_once).await.map(drop).or_else(already)?;
            }
        } else if pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Pending") {
            let patch = Patch::Merge(json!({"status": running(&pod)}));
            let started = pods.patch_status(&pod.name_any(), &PatchParams::default(), &patch).await;
            started.map(drop).or_else(already)?;
        }
    }
    Ok(())
}

/// Gone, or changed since it was looked at: nothing is left to do in this look.
fn already(error: kube::Error) -> kube::Result<()> {
    match error {
        kube::Error::Api(status) if status.code == 404 || status.code == 409 => Ok(()),
        error => Err(error),
    }
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Whether the processes of a pod that was told to stop have stopped.
fn has_stopped(pod: &ObjectMeta, now: Timestamp) -> bool {
    let Some(gone_by) = &pod.deletion_timestamp else { return false };
    let grace = pod.deletion_grace_period_seconds.unwrap_or_default();
    let takes =
        pod.annotations.as_ref().and_then(|all| all.get(STOPS_AFTER_S)).and_then(|s| s.parse::<i64>().ok());
    let left = grace - takes.unwrap_or_default().clamp(0, grace);
    now.as_second() >= gone_by.0.as_second() - left
}

fn running(pod: &Pod) -> Value {
    let is_ready = !pod.annotations().contains_key(NEVER_READY);
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let status = if is_ready { "True" } else { "False" };
    let condition =
        |kind: &str, status: &str| json!({"type": kind, "status": status, "lastTransitionTime": now});
    let images: BTreeMap<_, _> =
        pod.spec.iter().flat_map(|spec| &spec.containers).map(|c| (&c.name, &c.image)).collect();
    let containers: Vec<Value> = images
        .into_iter()
        .map(|(name, image)| {
            let image = image.clone().unwrap_or_default();
            json!({
                "name": name, "image": image, "imageID": image, "ready": is_ready, "started": true,
                "restartCount": 0, "state": {"running": {"startedAt": now}},
            })
        })
        .collect();
    json!({
        "phase": "Running",
        "startTime": now,
        "podIP": address(&pod.uid().unwrap_or_default()),
        "conditions": [
            condition("PodScheduled", "True"), condition("Initialized", "True"),
            condition("ContainersReady", status), condition("Ready", status),
        ],
        "containerStatuses": containers,
    })
}

/// An address of its own, near enough, from what identifies a pod: the last digits of a UUID are hexadecimal.
fn address(uid: &str) -> String {
    let digits = uid.get(uid.len().saturating_sub(4)..).unwrap_or_default();
    let [high, low] = u16::from_str_radix(digits, 16).unwrap_or_default().to_be_bytes();
    format!("10.244.{high}.{low}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    #[test]
    fn a_pod_stops_after_its_time_and_by_its_grace() {
        let told_at = 1_000;
        let stopped = |after_s: Option<&str>, grace_s: i64, now: i64| {
            let annotations = after_s.map(|s| [(STOPS_AFTER_S.to_owned(), s.to_owned())].into());
            let gone_by = Timestamp::from_second(told_at + grace_s).unwrap();
            let pod = ObjectMeta {
                annotations,
                deletion_timestamp: Some(Time(gone_by)),
                deletion_grace_period_seconds: Some(grace_s),
                ..ObjectMeta::default()
            };
            has_stopped(&pod, Timestamp::from_second(now).unwrap())
        };
        assert!(stopped(None, 30, told_at));
        assert!(!stopped(Some("5"), 30, told_at + 4) && stopped(Some("5"), 30, told_at + 5));
        assert!(!stopped(Some("900"), 30, told_at + 29) && stopped(Some("900"), 30, told_at + 30));
    }
}
