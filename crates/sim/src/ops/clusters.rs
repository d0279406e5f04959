//! Clusters: reading them, and upgrading their control planes.

use serde_json::{Value, json};

use super::{Done, cluster, page, rollback};
use crate::calendar::platform_version;
use crate::http::ApiError;
use crate::minor::Minor;
use crate::rng::Rng;
use crate::route::Call;
use crate::state::{Cluster, Scope, Target, shown};
use crate::time::{Ms, epoch_seconds};
use crate::tokens::Claim;
use crate::updates::Start;
use crate::world::World;

/// Free addresses that each control-plane subnet must have.
const FREE_ADDRESSES_NEEDED: u32 = 5;
/// How many minors a kubelet may be behind its API server.
const KUBELET_SKEW_MAX: u16 = 3;

pub(super) fn list(world: &World, call: &Call) -> Result<Done, ApiError> {
    let seen = world
        .clusters
        .iter()
        .filter(|(_, cluster)| cluster.place.is(&call.caller.account, &call.caller.region));
    page(call, "clusters", seen.map(|(name, _)| json!(name)).collect())
}

pub(super) fn describe(world: &World, call: &Call) -> Result<Done, ApiError> {
    Ok(Done::read_of("cluster", body(world, cluster(world, call)?)))
}

/// The status that reads show: an update that just started is not seen yet.
fn status(cluster: &Cluster, now: Ms) -> &str {
    match cluster.running(&Scope::Cluster) {
        Some(update) if now >= update.visible => "UPDATING",
        _ => &cluster.status,
    }
}

fn body(world: &World, cluster: &Cluster) -> Value {
    let (spec, place) = (&cluster.spec, &cluster.place);
    let version = *shown(cluster.lag.as_ref(), world.now, &cluster.version);
    let mut ids = Rng::new(cluster.created.unsigned_abs(), &cluster.arn);
    let id = format!("{:016X}{:016X}", ids.next(), ids.next());
    let issuer = format!("https://oidc.eks.{}.amazonaws.com/id/{id}", place.region);
    let url = spec.endpoint.url.clone();
    let served = world.kubernetes_at.as_ref().filter(|_| cluster.kubernetes.is_some());
    let url = url.or_else(|| served.map(|at| at.of(cluster)));
    let url = url.unwrap_or_else(|| format!("https://{id}.gr7.{}.eks.amazonaws.com", place.region));
    let authority = spec.endpoint.certificate_authority.clone();
    let authority = authority.or_else(|| served.map(|at| at.authority.clone()));
    json!({
        "name": spec.name,
        "arn": cluster.arn,
        "createdAt": epoch_seconds(cluster.created),
        "version": version,
        "endpoint": url,
        "roleArn": format!("arn:aws:iam::{}:role/eks-cluster", place.account),
        "resourcesVpcConfig": {
            "subnetIds": spec.subnets.iter().map(|subnet| &subnet.id).collect::<Vec<_>>(),
            "securityGroupIds": ["sg-0a1b2c3d"],
            "clusterSecurityGroupId": "sg-0d3c2b1a",
            "vpcId": "vpc-0f00ba4",
            "endpointPublicAccess": spec.endpoint.public,
            "endpointPrivateAccess": spec.endpoint.private,
            "publicAccessCidrs": if spec.endpoint.public { spec.endpoint.public_cidrs.clone() } else { Vec::new() },
        },
        "kubernetesNetworkConfig": {
            "serviceIpv4Cidr": "172.20.0.0/16", "ipFamily": "ipv4",
            "elasticLoadBalancing": {"enabled": spec.auto_mode},
        },
        "logging": {"clusterLogging": [{
            "types": ["api", "audit", "authenticator", "controllerManager", "scheduler"], "enabled": false,
        }]},
        "identity": {"oidc": {"issuer": issuer}},
        "status": status(cluster, world.now),
        "certificateAuthority": {"data": authority.unwrap_or_else(|| "c2ltdWxhdGVk".to_owned())},
        "platformVersion": platform_version(version),
        "tags": cluster.tags,
        "health": {"issues": cluster.issues()},
        "accessConfig": {"authenticationMode": spec.authentication_mode},
        "upgradePolicy": {"supportType": cluster.support_type},
        "computeConfig": if spec.auto_mode {
            json!({"enabled": true, "nodePools": ["general-purpose", "system"],
                   "nodeRoleArn": format!("arn:aws:iam::{}:role/eks-auto-node", place.account)})
        } else {
            json!({"enabled": false, "nodePools": []})
        },
        "storageConfig": {"blockStorage": {"enabled": spec.auto_mode}},
        "deletionProtection": false,
    })
}

pub(super) fn update_version(world: &mut World, call: &Call) -> Result<Done, ApiError> {
    let now = world.now;
    let cluster = cluster(world, call)?;
    let name = cluster.spec.name.clone();
    let wanted = call.text("version")?;
    let force = call.flag("force")?;
    let token = call.text("clientRequestToken")?;
    let timeout = rollback::timeout(call)?;
    let wanted = wanted
        .ok_or_else(|| ApiError::invalid_parameter("version is required").with("clusterName", &name))?;
    let claim = Claim { token, scope: Scope::Cluster, asked: format!("{wanted} {force} {timeout:?}") };
    if let Some(id) = cluster.claimed(&claim, now, world.tokens_honoured)? {
        return Ok(again(cluster, id));
    }
    let back = wanted.parse().ok().filter(|wanted| *wanted == cluster.version.previous());
    let start = match back {
        Some(to) => rollback::plan(world, cluster, to, force, timeout)?,
        None => upgrade(world, cluster, wanted, force, timeout)?,
    };
    start_update(world, call, &name, start, claim)
}

fn upgrade(
    world: &World,
    cluster: &Cluster,
    wanted: &str,
    force: bool,
    timeout: Option<Ms>,
) -> Result<Start, ApiError> {
    let version = may_upgrade(world, cluster, wanted)?;
    if timeout.is_some() {
        let refusal = ApiError::invalid_parameter("rollbackConfig is for rollbacks only");
        return Err(refusal.with("clusterName", &cluster.spec.name));
    }
    Ok(Start { force, ..to_version(world, "VersionUpdate", version) })
}

/// An update of a control plane to `version`, asked for through the API now.
pub(super) fn to_version(world: &World, kind: &'static str, version: Minor) -> Start {
    Start {
        kind,
        scope: Scope::Cluster,
        params: vec![("Version", version.to_string()), ("PlatformVersion", platform_version(version))],
        target: Target::Version(version),
        by: "api",
        at: world.now,
        force: false,
        visibility: world.visibility,
        timeout: None,
    }
}

/// Starts what was found to be in order, and answers with it.
pub(super) fn start_update(
    world: &mut World,
    call: &Call,
    name: &str,
    start: Start,
    claim: Claim<'_>,
) -> Result<Done, ApiError> {
    let shape = world.faults.shape(call);
    let now = world.now;
    let cluster = world.clusters.get_mut(name).ok_or_else(|| super::no_cluster(name))?;
    let id = cluster.begin(start, shape);
    cluster.remember(claim, &id, now);
    Ok(Done { mutated: true, ..again(cluster, &id) })
}

/// The answer that names an update, as it is now.
pub(super) fn again(cluster: &Cluster, id: &str) -> Done {
    let update = cluster.updates.iter().find(|update| update.id == id).map(crate::state::Update::describe);
    Done { body: json!({"update": update}), update_id: Some(id.to_owned()), mutated: false }
}

/// Whether an update of that kind may start: one at a time, of a cluster that is ACTIVE.
pub(super) fn idle(cluster: &Cluster, kind: &str) -> Result<(), ApiError> {
    one_at_a_time(cluster, kind)?;
    if cluster.status == "ACTIVE" {
        return Ok(());
    }
    let message = format!("Cluster {} is not ACTIVE but {}", cluster.spec.name, cluster.status);
    Err(ApiError::invalid_request(message).with("clusterName", &cluster.spec.name))
}

/// Whether no update of the cluster runs.
pub(super) fn one_at_a_time(cluster: &Cluster, kind: &str) -> Result<(), ApiError> {
    let Some(running) = cluster.running(&Scope::Cluster) else { return Ok(()) };
    let (name, id) = (&cluster.spec.name, &running.id);
    let message = format!("Cannot {kind} because cluster {name} currently has update {id} in progress");
    Err(ApiError::in_use(message).with("clusterName", name))
}

/// Whether the control plane may go to `wanted` now, and which version that is.
pub(super) fn may_upgrade(world: &World, cluster: &Cluster, wanted: &str) -> Result<Minor, ApiError> {
    idle(cluster, "VersionUpdate")?;
    let refused = |refusal: ApiError| refusal.with("clusterName", &cluster.spec.name);
    let from = cluster.version;
    let unsupported =
        || refused(ApiError::invalid_parameter(format!("unsupported Kubernetes version {wanted}")));
    let to: Minor = wanted.parse().map_err(|_| unsupported())?;
    if to != from.next() {
        let message = format!("Unsupported Kubernetes minor version update from {from} to {to}");
        return Err(refused(ApiError::invalid_parameter(message)));
    }
    if !world.calendar.offers(to, world.now) {
        return Err(unsupported());
    }
    let behind: Vec<&str> = cluster
        .nodegroups
        .values()
        .filter(|group| {
            let oldest = group.nodes.iter().map(|node| node.config.kubelet).min();
            let oldest = oldest.unwrap_or(group.config.kubelet).min(group.config.kubelet);
            oldest.behind(to) > KUBELET_SKEW_MAX || cluster.spec.strict_node_match && oldest != from
        })
        .map(|group| group.spec.name.as_str())
        .collect();
    if !behind.is_empty() {
        let message = format!(
            "Nodegroups {} must be updated to match cluster version {from} before updating cluster version",
            behind.join(", ")
        );
        return Err(refused(ApiError::invalid_request(message)));
    }
    let full = cluster.spec.subnets.iter().filter(|subnet| subnet.free_addresses < FREE_ADDRESSES_NEEDED);
    let full: Vec<String> =
        full.map(|subnet| format!("{} Free IPs: {}", subnet.id, subnet.free_addresses)).collect();
    if !full.is_empty() {
        let message = format!(
            "Provided subnets {} , need at least {FREE_ADDRESSES_NEEDED} IPs in each subnet to be free for this \
             operation",
            full.join(", ")
        );
        return Err(refused(ApiError::invalid_request(message)));
    }
    Ok(to)
}
