//! What callers may ask of self-managed groups: Auto Scaling, EC2 and SSM, one module each (Auto Scaling two).

mod change;
mod compute;
mod create;
mod form;
mod look;
mod parameters;
mod template;

use crate::caller::Caller;
use crate::http::ApiError;
use crate::ops::Done;
use crate::route::Call;
use crate::state::Cluster;
use crate::world::World;
use crate::xml::Dialect;
use form::Form;

/// Operations of EC2 Auto Scaling.
const SCALING: [&str; 11] = [
    "DescribeAutoScalingGroups",
    "DescribeAutoScalingInstances",
    "DescribeScalingActivities",
    "CreateAutoScalingGroup",
    "UpdateAutoScalingGroup",
    "DeleteAutoScalingGroup",
    "SetDesiredCapacity",
    "TerminateInstanceInAutoScalingGroup",
    "SuspendProcesses",
    "ResumeProcesses",
    "CreateOrUpdateTags",
];
/// Operations of EC2.
const COMPUTE: [&str; 5] = [
    "DescribeLaunchTemplateVersions",
    "CreateLaunchTemplateVersion",
    "DescribeSubnets",
    "DescribeInstances",
    "DescribeImages",
];
/// Operations of SSM.
const PARAMETERS: [&str; 2] = ["GetParameter", "GetParameters"];
const PARAMETER_TARGET: &str = "AmazonSSM.";

/// The operation that a form of that dialect means by `action`.
pub(crate) fn operation(dialect: Dialect, action: &str) -> Option<&'static str> {
    let known: &[&'static str] = match dialect {
        Dialect::Sts => &[],
        Dialect::AutoScaling => &SCALING,
        Dialect::Ec2 => &COMPUTE,
    };
    known.iter().copied().find(|name| *name == action)
}

/// The operation of SSM that a header names.
pub(crate) fn targeted(target: &str) -> Option<&'static str> {
    let action = target.strip_prefix(PARAMETER_TARGET)?;
    PARAMETERS.into_iter().find(|name| *name == action)
}

/// Whether an operation is about groups, or about what EC2 has of them.
pub(crate) fn takes(operation: &str) -> bool {
    SCALING.contains(&operation) || COMPUTE.contains(&operation)
}

/// Performs a call of one of these operations.
pub(crate) fn perform(world: &mut World, call: &Call) -> Result<Done, ApiError> {
    match call.operation {
        "DescribeAutoScalingGroups" => look::groups(world, call),
        "DescribeAutoScalingInstances" => look::instances(world, call),
        "DescribeScalingActivities" => look::activities(world, call),
        "CreateAutoScalingGroup" => create::create(world, call),
        "UpdateAutoScalingGroup" => change::update(world, call),
        "DeleteAutoScalingGroup" => change::delete(world, call),
        "SetDesiredCapacity" => change::set_desired(world, call),
        "TerminateInstanceInAutoScalingGroup" => change::terminate(world, call),
        "SuspendProcesses" => change::suspend(world, call),
        "ResumeProcesses" => change::resume(world, call),
        "CreateOrUpdateTags" => change::tag(world, call),
        "DescribeLaunchTemplateVersions" => template::versions(world, call),
        "CreateLaunchTemplateVersion" => template::create_version(world, call),
        "DescribeSubnets" => compute::subnets(world, call),
        "DescribeInstances" => compute::instances(world, call),
        "DescribeImages" => compute::images(world, call),
        "GetParameter" => parameters::one(world, call),
        "GetParameters" => parameters::several(world, call),
        _ => Err(ApiError::new("UnknownOperationException", 404, "The simulator has no such operation.")),
    }
}

/// Finds the cluster and the group that the call is about, for those who log it and for faults to match.
pub(crate) fn locate(world: &World, call: &mut Call) {
    if !takes(call.operation) {
        return;
    }
    let form = Form::of(call);
    let instance = form.text("InstanceId").or_else(|| form.text("InstanceId.1"));
    let group = match call.operation {
        "DescribeAutoScalingGroups" => form.only_entry("AutoScalingGroupNames.member"),
        "CreateOrUpdateTags" => form.text("Tags.member.1.ResourceId"),
        _ => form.text("AutoScalingGroupName"),
    };
    let template = (form.text("LaunchTemplateId"), form.text("LaunchTemplateName"));
    let found = match (call.operation, group, instance) {
        ("CreateAutoScalingGroup", name, _) => {
            create::cluster_asked(world, &call.caller, &form).map(|cluster| (cluster, name))
        }
        (_, Some(name), _) => holder(world, &call.caller, name).map(|cluster| (cluster, Some(name))),
        (_, None, Some(id)) => of_instance(world, &call.caller, id),
        (_, None, None) => {
            let cluster =
                clusters_of(world, &call.caller).find(|cluster| template::find(cluster, template).is_some());
            cluster.map(|cluster| (cluster, None))
        }
    };
    let Some((cluster, group)) = found else { return };
    let (cluster, group) = (cluster.spec.name.clone(), group.map(str::to_owned));
    (call.cluster, call.nodegroup) = (Some(cluster), group);
}

/// The clusters that a caller sees.
fn clusters_of<'a>(world: &'a World, caller: &'a Caller) -> impl Iterator<Item = &'a Cluster> {
    world.clusters.values().filter(|cluster| cluster.place.is(&caller.account, &caller.region))
}

/// The cluster that has the group of that name.
fn holder<'a>(world: &'a World, caller: &'a Caller, group: &str) -> Option<&'a Cluster> {
    clusters_of(world, caller).find(|cluster| cluster.self_managed.contains_key(group))
}

/// The cluster and the name of the group that has the instance of that id.
fn of_instance<'a>(world: &'a World, caller: &'a Caller, id: &str) -> Option<(&'a Cluster, Option<&'a str>)> {
    clusters_of(world, caller).find_map(|cluster| {
        let mut groups = cluster.self_managed.values();
        let group = groups.find(|group| group.instances.iter().any(|instance| instance.id == id))?;
        Some((cluster, Some(group.name.as_str())))
    })
}

/// Auto Scaling's refusal of what makes no sense.
fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationError", 400, message)
}

fn no_group(name: &str) -> ApiError {
    invalid(format!("AutoScalingGroup name not found - AutoScalingGroup '{name}' not found"))
}
