//! EKS add-ons.

use serde_json::{Value, json};

use super::clusters::{again, start_update};
use super::{Done, cluster, page};
use crate::addon_version::minors_apart;
use crate::http::ApiError;
use crate::minor::Minor;
use crate::rng::Rng;
use crate::route::Call;
use crate::state::{Addon, AddonTarget, Cluster, Scope, Target, shown};
use crate::time::{Ms, epoch_seconds};
use crate::tokens::Claim;
use crate::updates::Start;
use crate::world::World;

/// Ways to deal with fields that somebody else changed.
const CONFLICT_MODES: [&str; 3] = ["OVERWRITE", "NONE", "PRESERVE"];

pub(super) fn list(world: &World, call: &Call) -> Result<Done, ApiError> {
    page(call, "addons", cluster(world, call)?.addons.keys().map(|name| json!(name)).collect())
}

/// The add-on of that name.
pub(super) fn find<'a>(cluster: &'a Cluster, name: &str) -> Result<&'a Addon, ApiError> {
    let of = &cluster.spec.name;
    cluster.addons.get(name).ok_or_else(|| {
        about(ApiError::not_found(format!("No addon: {name} found in cluster: {of}")), of, name)
    })
}

fn about(refusal: ApiError, cluster: &str, addon: &str) -> ApiError {
    refusal.with("clusterName", cluster).with("addonName", addon)
}

fn status<'a>(cluster: &Cluster, addon: &'a Addon, now: Ms) -> &'a str {
    match cluster.running(&Scope::Addon(addon.spec.name.clone())) {
        Some(update) if now >= update.visible => "UPDATING",
        _ => &addon.status,
    }
}

pub(super) fn describe(world: &World, call: &Call) -> Result<Done, ApiError> {
    let cluster = cluster(world, call)?;
    let addon = find(cluster, call.addon.as_deref().unwrap_or_default())?;
    let mut body = json!({
        "addonName": addon.spec.name,
        "clusterName": cluster.spec.name,
        "status": status(cluster, addon, world.now),
        "addonVersion": shown(addon.lag.as_ref(), world.now, &addon.version),
        "health": {"issues": addon_issues(addon)},
        "addonArn": addon.arn,
        "createdAt": epoch_seconds(addon.created),
        "modifiedAt": epoch_seconds(addon.modified),
        "tags": addon.tags,
        "publisher": "eks",
        "owner": "aws",
        "podIdentityAssociations": addon.pod_identities,
    });
    if let Some(role) = &addon.role {
        body["serviceAccountRoleArn"] = json!(role);
    }
    if let Some(values) = &addon.configuration {
        body["configurationValues"] = json!(values);
    }
    Ok(Done::read_of("addon", body))
}

/// Health issues know fewer codes than the errors of updates.
fn addon_issues(addon: &Addon) -> Vec<Value> {
    const CODES: [&str; 10] = [
        "AccessDenied",
        "InternalFailure",
        "ClusterUnreachable",
        "InsufficientNumberOfReplicas",
        "ConfigurationConflict",
        "AdmissionRequestDenied",
        "UnsupportedAddonModification",
        "K8sResourceNotFound",
        "AddonSubscriptionNeeded",
        "AddonPermissionFailure",
    ];
    let issues = addon.issues.iter().map(|issue| {
        let code = if CODES.contains(&issue.code.as_str()) { issue.code.as_str() } else { "InternalFailure" };
        json!({"code": code, "message": issue.message, "resourceIds": issue.resource_ids})
    });
    issues.collect()
}

pub(super) fn describe_versions(world: &World, call: &Call) -> Result<Done, ApiError> {
    let minor = match call.query("kubernetesVersion") {
        None => None,
        Some(text) => Some(
            text.parse::<Minor>()
                .map_err(|_| ApiError::invalid_parameter(format!("unsupported Kubernetes version {text}")))?,
        ),
    };
    if let Some(name) = call.addon.as_deref()
        && !world.catalogue.knows(name)
    {
        return Err(ApiError::not_found(format!("Addon {name} not found")).with("addonName", name));
    }
    let released: Vec<Minor> =
        world.calendar.minors().filter(|minor| world.calendar.offers(*minor, world.now)).collect();
    page(call, "addons", world.catalogue.describe(call.addon.as_deref(), minor, &released))
}

pub(super) fn update(world: &mut World, call: &Call) -> Result<Done, ApiError> {
    let now = world.now;
    let cluster = cluster(world, call)?;
    let addon = find(cluster, call.addon.as_deref().unwrap_or_default())?;
    let (name, addon_name) = (cluster.spec.name.clone(), addon.spec.name.clone());
    let mut asked = call.body.clone();
    if let Value::Object(fields) = &mut asked {
        fields.remove("clientRequestToken");
    }
    let claim = Claim {
        token: call.text("clientRequestToken")?,
        scope: Scope::Addon(addon_name.clone()),
        asked: asked.to_string(),
    };
    if let Some(id) = cluster.claimed(&claim, now, world.tokens_honoured)? {
        return Ok(again(cluster, id));
    }
    let refused = |refusal: ApiError| about(refusal, &name, &addon_name);
    let version = call.text("addonVersion")?;
    may_update(world, cluster, addon, version).map_err(refused)?;
    let mode = call.text("resolveConflicts")?;
    if let Some(mode) = mode
        && !CONFLICT_MODES.contains(&mode)
    {
        let message = format!("resolveConflicts is one of {}, not {mode}", CONFLICT_MODES.join(", "));
        return Err(refused(ApiError::invalid_parameter(message)));
    }
    let target = AddonTarget {
        version: version.map(str::to_owned),
        configuration: configuration(call).map_err(refused)?,
        role: call.text("serviceAccountRoleArn")?.map(str::to_owned),
        pod_identities: pod_identities(cluster, call),
    };
    let start = Start {
        kind: "AddonUpdate",
        scope: Scope::Addon(addon_name),
        params: params(call, &target, mode),
        target: Target::Addon(target),
        by: "api",
        at: now,
        force: false,
        visibility: world.visibility,
        timeout: None,
    };
    start_update(world, call, &name, start, claim)
}

fn params(call: &Call, target: &AddonTarget, mode: Option<&str>) -> Vec<(&'static str, String)> {
    let associations = call.body.get("podIdentityAssociations").filter(|list| !list.is_null());
    let params = [
        ("AddonVersion", target.version.clone()),
        ("ServiceAccountRoleArn", target.role.clone()),
        ("ResolveConflicts", mode.map(str::to_owned)),
        ("ConfigurationValues", target.configuration.clone()),
        ("PodIdentityAssociations", associations.map(Value::to_string)),
    ];
    params.into_iter().filter_map(|(kind, value)| value.map(|value| (kind, value))).collect()
}

fn configuration(call: &Call) -> Result<Option<String>, ApiError> {
    let Some(values) = call.text("configurationValues")? else { return Ok(None) };
    if !values.is_empty() && serde_json::from_str::<Value>(values).is_err() {
        return Err(ApiError::invalid_parameter(
            "ConfigurationValue provided in request is not supported: not JSON",
        ));
    }
    Ok(Some(values.to_owned()))
}

/// The associations after the update: `None` leaves them, an empty list deletes them.
fn pod_identities(cluster: &Cluster, call: &Call) -> Option<Vec<String>> {
    let list = call.body.get("podIdentityAssociations")?.as_array()?;
    let arn = |entry: &Value| {
        let id = Rng::new(cluster.place.seed, &entry.to_string()).uuid();
        cluster.place.arn(&format!("podidentityassociation/{}/a-{}", cluster.spec.name, &id[..18]))
    };
    Some(list.iter().map(arn).collect())
}

/// Whether the add-on may go to that version (unset: keep its own) now.
pub(super) fn may_update(
    world: &World,
    cluster: &Cluster,
    addon: &Addon,
    version: Option<&str>,
) -> Result<(), ApiError> {
    let name = &addon.spec.name;
    let running = cluster.running(&Scope::Addon(name.clone())).is_some();
    let status = if running { "UPDATING" } else { addon.status.as_str() };
    if !["ACTIVE", "DEGRADED", "UPDATE_FAILED"].contains(&status) {
        return Err(ApiError::in_use(format!(
            "Addon {name} cannot be updated as it is currently in {status} state"
        )));
    }
    let Some(version) = version else { return Ok(()) };
    if name == "vpc-cni"
        && minors_apart(&addon.version, version) > 1
        && world.catalogue.version(name, version).is_some()
    {
        return Err(ApiError::invalid_parameter(
            "Updating VPC-CNI can only go up or down 1 minor version at a time",
        ));
    }
    match world.catalogue.version(name, version) {
        Some(offer) if offer.minors.contains(&cluster.version) => Ok(()),
        _ => Err(ApiError::invalid_parameter("Addon version specified is not supported")),
    }
}
