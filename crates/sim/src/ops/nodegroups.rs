//! Managed node groups.

use serde_json::{Value, json};

use super::clusters::{again, start_update};
use super::{Done, cluster, page};
use crate::catalogue::{image_exists, newest_image};
use crate::fleet::LaunchTemplateSpec;
use crate::http::ApiError;
use crate::minor::Minor;
use crate::route::Call;
use crate::state::{Cluster, NodeConfig, Nodegroup, Scope, Target, shown};
use crate::time::{Ms, epoch_seconds};
use crate::tokens::Claim;
use crate::updates::Start;
use crate::world::World;

pub(super) fn list(world: &World, call: &Call) -> Result<Done, ApiError> {
    page(call, "nodegroups", cluster(world, call)?.nodegroups.keys().map(|name| json!(name)).collect())
}

/// The node group of that name.
pub(super) fn find<'a>(cluster: &'a Cluster, name: &str) -> Result<&'a Nodegroup, ApiError> {
    cluster.nodegroups.get(name).ok_or_else(|| {
        about(ApiError::not_found(format!("No node group found for name: {name}.")), &cluster.spec.name, name)
    })
}

fn about(refusal: ApiError, cluster: &str, nodegroup: &str) -> ApiError {
    refusal.with("clusterName", cluster).with("nodegroupName", nodegroup)
}

pub(super) fn describe(world: &World, call: &Call) -> Result<Done, ApiError> {
    let cluster = cluster(world, call)?;
    let group = find(cluster, call.nodegroup.as_deref().unwrap_or_default())?;
    Ok(Done::read_of("nodegroup", body(cluster, group, world)))
}

fn status<'a>(cluster: &Cluster, group: &'a Nodegroup, now: Ms) -> &'a str {
    match cluster.running(&Scope::Nodegroup(group.spec.name.clone())) {
        Some(update) if now >= update.visible => "UPDATING",
        _ => &group.status,
    }
}

fn body(cluster: &Cluster, group: &Nodegroup, world: &World) -> Value {
    let (spec, place) = (&group.spec, &cluster.place);
    let config = shown(group.lag.as_ref(), world.now, &group.config);
    let mut update_config = json!({"updateStrategy": spec.update_strategy});
    match spec.max_unavailable_percentage {
        Some(percent) => update_config["maxUnavailablePercentage"] = json!(percent),
        None => update_config["maxUnavailable"] = json!(spec.max_unavailable.unwrap_or(1)),
    }
    let mut body = json!({
        "nodegroupName": spec.name,
        "nodegroupArn": group.arn,
        "clusterName": cluster.spec.name,
        "version": config.kubelet,
        "releaseVersion": config.release,
        "createdAt": epoch_seconds(group.created),
        "modifiedAt": epoch_seconds(group.modified),
        "status": status(cluster, group, world.now),
        "capacityType": spec.capacity_type,
        "scalingConfig": {"minSize": spec.size.min(1), "maxSize": spec.size.max(1) * 2, "desiredSize": spec.size},
        "instanceTypes": spec.instance_types,
        "subnets": cluster.spec.subnets.iter().map(|subnet| &subnet.id).collect::<Vec<_>>(),
        "amiType": spec.ami_type,
        "nodeRole": format!("arn:aws:iam::{}:role/eks-node", place.account),
        "labels": spec.labels,
        "taints": [],
        "resources": {"autoScalingGroups": [{"name": format!("eks-{}-{}", spec.name, &group.arn[group.arn.len().saturating_sub(36)..])}]},
        "health": {"issues": spec.health_issues},
        "updateConfig": update_config,
        "tags": group.tags,
    });
    match (&spec.launch_template, config.template) {
        (Some(template), Some(version)) => {
            body["launchTemplate"] =
                json!({"id": template.id, "name": template.name, "version": version.to_string()});
        }
        _ => body["diskSize"] = json!(20),
    }
    body
}

pub(super) fn update_version(world: &mut World, call: &Call) -> Result<Done, ApiError> {
    let now = world.now;
    let cluster = cluster(world, call)?;
    let group = find(cluster, call.nodegroup.as_deref().unwrap_or_default())?;
    let (name, group_name) = (cluster.spec.name.clone(), group.spec.name.clone());
    let (version, release, force) =
        (call.text("version")?, call.text("releaseVersion")?, call.flag("force")?);
    let template = call.body.get("launchTemplate").filter(|template| !template.is_null());
    let claim = Claim {
        token: call.text("clientRequestToken")?,
        scope: Scope::Nodegroup(group_name.clone()),
        asked: format!("{version:?} {release:?} {force} {template:?}"),
    };
    if let Some(id) = cluster.claimed(&claim, now, world.tokens_honoured)? {
        return Ok(again(cluster, id));
    }
    let target = may_update(cluster, group, version, release, template)
        .map_err(|refusal| about(refusal, &name, &group_name))?;
    let mut params =
        vec![("Version", target.kubelet.to_string()), ("ReleaseVersion", target.release.clone())];
    if let (Some(template), Some(version)) = (&group.spec.launch_template, target.template) {
        params.push(("LaunchTemplateName", template.name.clone()));
        params.push(("LaunchTemplateVersion", version.to_string()));
    }
    let start = Start {
        kind: "VersionUpdate",
        scope: Scope::Nodegroup(group_name),
        params,
        target: Target::Nodes(target),
        by: "api",
        at: now,
        force,
        visibility: world.visibility,
        timeout: None,
    };
    start_update(world, call, &name, start, claim)
}

/// Whether the group may be updated like that now, and what its nodes will run then.
pub(super) fn may_update(
    cluster: &Cluster,
    group: &Nodegroup,
    version: Option<&str>,
    release: Option<&str>,
    template: Option<&Value>,
) -> Result<NodeConfig, ApiError> {
    let running = cluster.running(&Scope::Nodegroup(group.spec.name.clone()));
    if group.status != "ACTIVE" || running.is_some() {
        return Err(ApiError::in_use("Nodegroup cannot be updated as it is currently not in Active State"));
    }
    if let Some(running) = cluster.running(&Scope::Cluster) {
        return Err(ApiError::in_use(format!(
            "Nodegroup cannot be updated because cluster {} currently has update {} in progress",
            cluster.spec.name, running.id
        )));
    }
    let chosen = launch_template(group, template)?;
    if group.spec.ami_type == "CUSTOM" {
        return custom_image(cluster, group, version, release, chosen, template.is_some());
    }
    let kubelet = kubelet(cluster, group, version)?;
    let ami = &group.spec.ami_type;
    if ami.starts_with("AL2_") && kubelet > Minor::new(32) {
        return Err(ApiError::invalid_parameter(format!(
            "AMI Type {ami} is only supported for kubernetes versions 1.32 or earlier"
        )));
    }
    let release = match release {
        None => newest_image(kubelet),
        // Release versions of other image families do not follow the Kubernetes version.
        Some(release) if !ami.starts_with("AL2") || image_exists(kubelet, release) => release.to_owned(),
        Some(release) => {
            return Err(ApiError::invalid_parameter(format!(
                "Requested release version {release} is not valid for kubernetes version {kubelet}."
            )));
        }
    };
    Ok(NodeConfig { kubelet, release, template: chosen })
}

fn kubelet(cluster: &Cluster, group: &Nodegroup, version: Option<&str>) -> Result<Minor, ApiError> {
    let (theirs, own) = (cluster.version, group.config.kubelet);
    let Some(wanted) = version else { return Ok(own) };
    wanted.parse().ok().filter(|wanted| *wanted == theirs || *wanted == own).ok_or_else(|| {
        ApiError::invalid_parameter(format!(
            "Nodegroup Kubernetes version should be equal to Cluster kubernetes version {theirs} or NodeGroup \
             kubernetes version {own}"
        ))
    })
}

/// A group of custom images moves by its launch template alone.
fn custom_image(
    cluster: &Cluster,
    group: &Nodegroup,
    version: Option<&str>,
    release: Option<&str>,
    chosen: Option<u32>,
    template_sent: bool,
) -> Result<NodeConfig, ApiError> {
    for (sent, field) in [(version, "version"), (release, "releaseVersion")] {
        if sent.is_some() {
            return Err(ApiError::invalid_parameter(format!(
                "You cannot specify the field {field} when using custom AMIs."
            )));
        }
    }
    let (Some(spec), Some(chosen), true) = (&group.spec.launch_template, chosen, template_sent) else {
        return Err(ApiError::invalid_parameter(
            "A node group with a custom AMI is updated by a launch template version: none was specified.",
        ));
    };
    let kubelet = spec.kubelets.get(&chosen).copied();
    // Without a table the owner is taken to have built the image for the cluster's version.
    let kubelet = kubelet.unwrap_or(if group.config.template == Some(chosen) {
        group.config.kubelet
    } else {
        cluster.version
    });
    Ok(NodeConfig { kubelet, release: format!("ami-0c0ffee{chosen:010}"), template: Some(chosen) })
}

/// The template version that the group will use: the one sent, or its own.
fn launch_template(group: &Nodegroup, sent: Option<&Value>) -> Result<Option<u32>, ApiError> {
    let Some(sent) = sent else { return Ok(group.config.template) };
    let Some(spec) = &group.spec.launch_template else {
        return Err(ApiError::invalid_parameter(
            "Node group was not created with a launch template: none can be specified now.",
        ));
    };
    let text = |member: &str| sent.get(member).and_then(Value::as_str);
    let same = match (text("id"), text("name")) {
        (Some(id), None) => id == spec.id,
        (None, Some(name)) => name == spec.name,
        _ => return Err(ApiError::invalid_parameter("A launch template has an id or a name, and not both.")),
    };
    if !same {
        return Err(ApiError::invalid_parameter(format!(
            "You must specify the launch template that the node group was created with: {}.",
            spec.id
        )));
    }
    template_version(spec, text("version")).map(Some)
}

fn template_version(spec: &LaunchTemplateSpec, asked: Option<&str>) -> Result<u32, ApiError> {
    let newest = spec.latest.unwrap_or(spec.version).max(spec.version);
    match asked {
        None | Some("$Default" | "$Latest") => Ok(newest),
        Some(text) => text.parse().ok().filter(|version| (1..=newest).contains(version)).ok_or_else(|| {
            ApiError::invalid_request(format!(
                "Version {text} of launch template {} does not exist.",
                spec.id
            ))
        }),
    }
}
