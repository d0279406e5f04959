//! Reads of Auto Scaling: groups, instances, activities.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::form::{Form, Page, tags_say};
use super::{clusters_of, no_group};
use crate::asg::group::{Activity, AutoScalingGroup};
use crate::asg::instance::Instance;
use crate::http::ApiError;
use crate::ops::Done;
use crate::route::Call;
use crate::state::Cluster;
use crate::time::{Ms, rfc3339};
use crate::world::World;

/// All groups that the caller sees, with their clusters, by name.
fn groups_of<'a>(world: &'a World, call: &'a Call) -> Vec<(&'a Cluster, &'a AutoScalingGroup)> {
    let of = |cluster: &'a Cluster| cluster.self_managed.values().map(move |group| (cluster, group));
    let mut groups: Vec<_> = clusters_of(world, &call.caller).flat_map(of).collect();
    groups.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
    groups
}

fn answer(key: &str, Page { items, next }: Page) -> Done {
    Done::read(json!({key: items, "NextToken": next}))
}

pub(super) fn groups(world: &World, call: &Call) -> Result<Done, ApiError> {
    let form = Form::of(call);
    form.only(&["AutoScalingGroupNames", "Filters", "IncludeInstances", "MaxRecords", "NextToken"])?;
    let (names, filters) = (form.list("AutoScalingGroupNames.member"), form.filters());
    let with_instances = form.flag("IncludeInstances")?.unwrap_or(true);
    let mut found = Vec::new();
    for (cluster, group) in groups_of(world, call) {
        let asked = names.is_empty() || names.contains(&group.name.as_str());
        if asked && form.fits(&filters, |filter| tags_say(&tag_texts(group), filter))? {
            found.push(describe(cluster, group, with_instances));
        }
    }
    Ok(answer("AutoScalingGroups", form.page(found, "MaxRecords", 50, 1..=100)?))
}

pub(super) fn instances(world: &World, call: &Call) -> Result<Done, ApiError> {
    let form = Form::of(call);
    form.only(&["InstanceIds", "MaxRecords", "NextToken"])?;
    let ids = form.list("InstanceIds.member");
    let mut found = Vec::new();
    for (cluster, group) in groups_of(world, call) {
        for instance in &group.instances {
            if ids.is_empty() || ids.contains(&instance.id.as_str()) {
                let mut body = describe_instance(cluster, instance);
                body["AutoScalingGroupName"] = json!(group.name);
                found.push(body);
            }
        }
    }
    Ok(answer("AutoScalingInstances", form.page(found, "MaxRecords", 50, 1..=50)?))
}

pub(super) fn activities(world: &World, call: &Call) -> Result<Done, ApiError> {
    let form = Form::of(call);
    form.only(&["AutoScalingGroupName", "MaxRecords", "NextToken"])?;
    let name = form.text("AutoScalingGroupName");
    let mut found = Vec::new();
    let mut groups = groups_of(world, call);
    groups.retain(|(_, group)| name.is_none_or(|name| name == group.name));
    if let (Some(name), true) = (name, groups.is_empty()) {
        return Err(no_group(name));
    }
    for (_, group) in groups {
        let newest_first = group.activities.iter().rev();
        found.extend(newest_first.map(|activity| describe_activity(group, activity, world.now)));
    }
    Ok(answer("Activities", form.page(found, "MaxRecords", 100, 1..=100)?))
}

fn tag_texts(group: &AutoScalingGroup) -> BTreeMap<&str, &str> {
    group.tags.iter().map(|(key, tag)| (key.as_str(), tag.value.as_str())).collect()
}

fn describe(cluster: &Cluster, group: &AutoScalingGroup, with_instances: bool) -> Value {
    let subnets: Vec<&str> = group.subnets.iter().map(|subnet| subnet.id.as_str()).collect();
    let zones: Vec<&str> = group.subnets.iter().map(|subnet| subnet.zone.as_str()).collect();
    let suspended = group.suspended.iter().map(
        |process| json!({"ProcessName": process.name(), "SuspensionReason": "User suspended at the API"}),
    );
    let instances = group.instances.iter().map(|instance| describe_instance(cluster, instance));
    json!({
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        "LaunchTemplate": describe_template(
            cluster, &group.template.id, &group.template.version.to_string()),
        "MinSize": group.sizes.min(),
        "MaxSize": group.sizes.max(),
        "DesiredCapacity": group.sizes.desired(),
        "DefaultCooldown": 300,
        "AvailabilityZones": zones,
        "HealthCheckType": "EC2",
        "HealthCheckGracePeriod": 0,
        "Instances": if with_instances { instances.collect::<Vec<_>>() } else { Vec::new() },
        "CreatedTime": rfc3339(group.created),
        "SuspendedProcesses": suspended.collect::<Vec<_>>(),
        "VPCZoneIdentifier": subnets.join(","),
        "Status": group.deleting.then_some("Delete in progress"),
        "Tags": describe_tags(group),
        "TerminationPolicies": ["Default"],
        "NewInstancesProtectedFromScaleIn": false,
    })
}

/// An instance, as it stands among those of its group.
fn describe_instance(cluster: &Cluster, instance: &Instance) -> Value {
    json!({
        "InstanceId": instance.id,
        "InstanceType": instance.hardware,
        "AvailabilityZone": instance.subnet.zone,
        "LifecycleState": instance.lifecycle_state(),
        "HealthStatus": "Healthy",
        "LaunchTemplate": describe_template(
            cluster, &instance.template_id, &instance.template_version.to_string()),
        "ProtectedFromScaleIn": false,
    })
}

fn describe_template(cluster: &Cluster, id: &str, version: &str) -> Value {
    let name = cluster.templates.iter().find(|template| template.id == id).map(|template| &template.name);
    json!({"LaunchTemplateId": id, "LaunchTemplateName": name, "Version": version})
}

fn describe_tags(group: &AutoScalingGroup) -> Vec<Value> {
    let tags = group.tags.iter().map(|(key, tag)| {
        json!({
            "ResourceId": group.name,
            "ResourceType": "auto-scaling-group",
            "Key": key,
            "Value": tag.value,
            "PropagateAtLaunch": tag.at_launch,
        })
    });
    tags.collect()
}

/// An activity, as it stands at `now`.
pub(super) fn describe_activity(group: &AutoScalingGroup, activity: &Activity, now: Ms) -> Value {
    let over = activity.ends <= now;
    let (status, progress) = match (&activity.failure, over) {
        (Some(_), _) => ("Failed", 100),
        (None, true) => ("Successful", 100),
        (None, false) => ("InProgress", 50),
    };
    json!({
        "ActivityId": activity.id,
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        "Description": activity.description,
        "Cause": activity.cause,
        "StartTime": rfc3339(activity.started),
        "EndTime": over.then(|| rfc3339(activity.ends)),
        "StatusCode": status,
        "StatusMessage": activity.failure,
        "Progress": progress,
    })
}
