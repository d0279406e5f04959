//! Pods, each with the workload that would make it anew.

use std::collections::{BTreeMap, BTreeSet};

use eks_upgrade_core::inside::{Owner, Phase, Pod};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::core::PartialObjectMeta;

use super::meta::{annotation, controller, count, do_not_disrupt, labels, made_at, name, namespace};
use crate::failed::Failed;
use crate::link::{Link, Listing};

const REPLICA_SET: &str = "ReplicaSet";
const DEPLOYMENT: &str = "Deployment";
/// On pods that a kubelet makes of a file.
const MIRROR: &str = "kubernetes.io/config.mirror";
/// `terminationGracePeriodSeconds` where nothing is said.
const GRACE_S: u32 = 30;
/// Why a container waits that is only on its way.
const STARTING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// All pods that are not over.
pub(super) async fn pods(link: &Link) -> Result<Vec<Pod>, Failed> {
    let listing =
        Listing::of::<v1::Pod>("kubernetes:list pods").fields("status.phase!=Succeeded,status.phase!=Failed");
    let mut pods = link.list(&listing, pod).await?;
    let of_replica_sets = |pod: &Pod| pod.owner.as_ref().is_some_and(|owner| owner.kind == REPLICA_SET);
    if pods.iter().any(of_replica_sets) {
        // After the pods: a set that is made in between has no pods here.
        let deployments = deployments(link).await?;
        for pod in &mut pods {
            resolve(pod, &deployments);
        }
    }
    Ok(pods)
}

/// The deployment of each replica set that one owns, by namespace and name of the set.
type Deployments = BTreeMap<(String, String), String>;

async fn deployments(link: &Link) -> Result<Deployments, Failed> {
    let listing = Listing::of::<ReplicaSet>("kubernetes:list replicasets").metadata();
    let of = |set: PartialObjectMeta<ReplicaSet>| {
        let owner = controller(&set.metadata).filter(|owner| owner.kind == DEPLOYMENT)?;
        Some(((namespace(&set.metadata), name(&set.metadata)), owner.name.clone()))
    };
    Ok(link.list(&listing, of).await?.into_iter().collect())
}

/// Gives a pod of a deployment's replica set the deployment as its owner.
fn resolve(pod: &mut Pod, deployments: &Deployments) {
    let Some(owner) = pod.owner.as_mut().filter(|owner| owner.kind == REPLICA_SET) else { return };
    if let Some(deployment) = deployments.get(&(pod.namespace.clone(), owner.name.clone())) {
        *owner = Owner { kind: DEPLOYMENT.to_owned(), name: deployment.clone() };
    }
}

/// A pod; none of one that is over.
fn pod(one: v1::Pod) -> Option<Pod> {
    let v1::Pod { metadata: meta, spec, status } = one;
    let (spec, status) = (spec.unwrap_or_default(), status.unwrap_or_default());
    let phase = phase(status.phase.as_deref())?;
    let ready = status.conditions.iter().flatten().find(|condition| condition.type_ == "Ready");
    let volumes = spec.volumes.as_deref().unwrap_or_default();
    let grace_s = spec.termination_grace_period_seconds.map(u32::try_from);
    let owner = controller(&meta).map(|owner| Owner { kind: owner.kind.clone(), name: owner.name.clone() });
    Some(Pod {
        namespace: namespace(&meta),
        name: name(&meta),
        uid: meta.uid.clone().unwrap_or_default(),
        labels: labels(&meta),
        node: spec.node_name.filter(|node| !node.is_empty()),
        phase,
        ready: ready.is_some_and(|condition| condition.status == "True"),
        owner,
        mirror: annotation(&meta, MIRROR).is_some(),
        grace_s: grace_s.transpose().ok().flatten().unwrap_or(GRACE_S),
        local_storage: volumes.iter().any(|volume| volume.empty_dir.is_some()),
        host_path: volumes.iter().any(|volume| volume.host_path.is_some()),
        tolerates_all: spec.tolerations.iter().flatten().any(is_of_every_taint),
        readiness_probes: spec.containers.iter().all(|container| container.readiness_probe.is_some()),
        claims: volumes.iter().filter_map(|volume| claim(&meta, volume)).collect(),
        restarts: statuses(&status).map(|container| count(container.restart_count)).sum(),
        waiting: waiting(&status),
        do_not_disrupt: do_not_disrupt(&meta),
        deleting_since: deleting_since(&meta),
        made_at: made_at(&meta),
    })
}

fn phase(phase: Option<&str>) -> Option<Phase> {
    match phase {
        None | Some("Pending") => Some(Phase::Pending),
        Some("Running") => Some(Phase::Running),
        Some("Succeeded" | "Failed") => None,
        Some(_) => Some(Phase::Unknown),
    }
}

/// Without a key it is of every taint; without an effect, of whatever the taint does.
fn is_of_every_taint(toleration: &v1::Toleration) -> bool {
    let nothing = |text: &Option<String>| text.as_deref().unwrap_or_default().is_empty();
    nothing(&toleration.key)
        && nothing(&toleration.effect)
        && toleration.operator.as_deref() == Some("Exists")
}

/// The claim of a volume. That of an ephemeral one is made for the pod, under both names.
fn claim(pod: &ObjectMeta, volume: &v1::Volume) -> Option<String> {
    let named = volume.persistent_volume_claim.as_ref().map(|claim| claim.claim_name.clone());
    named.or_else(|| volume.ephemeral.as_ref().map(|_| format!("{}-{}", name(pod), volume.name)))
}

fn statuses(status: &v1::PodStatus) -> impl Iterator<Item = &v1::ContainerStatus> {
    status.init_container_statuses.iter().chain(&status.container_statuses).flatten()
}

/// Why a container waits: what is wrong before what merely takes its time.
fn waiting(status: &v1::PodStatus) -> Option<String> {
    let state = statuses(status).filter_map(|container| container.state.as_ref()?.waiting.as_ref());
    let reasons: BTreeSet<&str> = state.filter_map(|waiting| waiting.reason.as_deref()).collect();
    let wrong = reasons.iter().find(|reason| !STARTING.contains(reason));
    wrong.or_else(|| reasons.first()).map(|reason| (*reason).to_owned())
}

/// When the deletion was asked for. The object has when its grace ends.
fn deleting_since(meta: &ObjectMeta) -> Option<Timestamp> {
    let Time(ends) = meta.deletion_timestamp.as_ref()?;
    let grace = SignedDuration::from_secs(meta.deletion_grace_period_seconds.unwrap_or(0));
    Some(ends.checked_sub(grace).unwrap_or(*ends))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(pod_json: Value) -> Option<Pod> {
        pod(serde_json::from_value(pod_json).unwrap())
    }

    fn of_spec(spec: &Value) -> Pod {
        read(json!({"metadata": {"name": "web-0", "namespace": "shop"}, "spec": spec})).unwrap()
    }

    #[test]
    fn a_pod_that_is_over_is_left_out() {
        for (phase, kept) in [
            ("Succeeded", None),
            ("Failed", None),
            ("Running", Some(Phase::Running)),
            ("odd", Some(Phase::Unknown)),
        ] {
            let pod = read(json!({"metadata": {"name": "a"}, "status": {"phase": phase}}));
            assert_eq!(pod.map(|pod| pod.phase), kept, "{phase}");
        }
    }

    #[test]
    fn what_is_in_a_spec_is_told() {
        let pod = of_spec(&json!({
            "nodeName": "node-a", "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "a", "readinessProbe": {}}, {"name": "b"}],
            "tolerations": [{"operator": "Exists"}],
            "volumes": [
                {"name": "tmp", "emptyDir": {}}, {"name": "host", "hostPath": {"path": "/"}},
                {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0"}},
                {"name": "scratch", "ephemeral": {}}
            ]
        }));
        assert!(pod.local_storage && pod.host_path && pod.tolerates_all && !pod.readiness_probes);
        assert_eq!((pod.grace_s, pod.node.as_deref()), (0, Some("node-a")));
        assert_eq!(pod.claims.into_iter().collect::<Vec<_>>(), ["data-web-0", "web-0-scratch"]);
        let plain = of_spec(&json!({"containers": [{"name": "a", "readinessProbe": {}}]}));
        assert!(!plain.local_storage && !plain.host_path && !plain.tolerates_all && plain.readiness_probes);
        assert_eq!(plain.grace_s, 30);
    }

    #[test]
    fn a_toleration_of_one_key_or_one_effect_is_not_of_every_taint() {
        for toleration in [
            json!({"operator": "Exists", "effect": "NoExecute"}),
            json!({"operator": "Exists", "key": "gpu"}),
            json!({"operator": "Equal", "value": "x"}),
        ] {
            let spec = json!({"containers": [], "tolerations": [toleration]});
            assert!(!of_spec(&spec).tolerates_all, "{toleration}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_before_what_takes_its_time() {
        let waits = |reason: &str| {
            json!({"name": "a", "restartCount": 2, "state": {"waiting": {"reason": reason}},
            "image": "", "imageID": "", "ready": false})
        };
        let pod = read(json!({"metadata": {"name": "a"}, "status": {
            "containerStatuses": [waits("ContainerCreating"), waits("ImagePullBackOff")],
            "initContainerStatuses": [waits("PodInitializing")]
        }}));
        let pod = pod.unwrap();
        assert_eq!((pod.waiting.as_deref(), pod.restarts), (Some("ImagePullBackOff"), 6));
    }

    #[test]
    fn a_deletion_began_before_its_grace() {
        let pod = read(json!({"metadata": {"name": "a",
            "deletionTimestamp": "2026-11-01T00:10:00Z", "deletionGracePeriodSeconds": 600}}));
        assert_eq!(pod.unwrap().deleting_since, Some("2026-11-01T00:00:00Z".parse().unwrap()));
    }

    #[test]
    fn a_pod_of_a_deployment_has_it_as_its_owner_and_other_sets_stay() {
        let owned = |set: &str| {
            read(json!({"metadata": {"name": "a", "namespace": "shop", "ownerReferences": [
                {"apiVersion": "v1", "kind": "Other", "name": "x", "uid": ""},
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": set, "uid": "", "controller": true}]}}))
            .unwrap()
        };
        let deployments = Deployments::from([(("shop".into(), "web-1".into()), "web".into())]);
        let (mut of_deployment, mut alone) = (owned("web-1"), owned("alone"));
        resolve(&mut of_deployment, &deployments);
        resolve(&mut alone, &deployments);
        assert_eq!(of_deployment.owner.unwrap().to_string(), "Deployment web");
        assert_eq!(alone.owner.unwrap().to_string(), "ReplicaSet alone");
    }
}
