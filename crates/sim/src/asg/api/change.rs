//! Changes of an Auto Scaling group.

use serde_json::{Value, json};

use super::form::Form;
use super::look::describe_activity;
use super::{invalid, no_group, template};
use crate::asg::group::{Activity, AutoScalingGroup, GroupTag, Process, Sizes};
use crate::asg::instance::Instance;
use crate::http::ApiError;
use crate::ops::Done;
use crate::route::Call;
use crate::state::Cluster;
use crate::time::Ms;
use crate::world::World;

fn in_progress(message: impl Into<String>) -> ApiError {
    ApiError::new("ScalingActivityInProgress", 400, message)
}

/// The cluster of the group that the call names, and the group's name.
fn named<'a>(
    world: &'a mut World,
    call: &Call,
    form: &Form<'_>,
) -> Result<(&'a mut Cluster, String), ApiError> {
    let name = form.required("AutoScalingGroupName")?;
    let cluster = call.cluster.as_ref().and_then(|cluster| world.clusters.get_mut(cluster));
    cluster.map(|cluster| (cluster, name.to_owned())).ok_or_else(|| no_group(name))
}

/// Does something to a group, and lets the group act on it. `act` tells whether it changed anything.
fn change(
    cluster: &mut Cluster,
    name: &str,
    now: Ms,
    act: impl FnOnce(&mut AutoScalingGroup) -> Result<bool, ApiError>,
) -> Result<Done, ApiError> {
    let group = cluster.self_managed.get_mut(name).ok_or_else(|| no_group(name))?;
    if group.deleting {
        return Err(in_progress(format!("AutoScalingGroup '{name}' is pending delete")));
    }
    let changed = act(group)?;
    cluster.balance(name, now);
    Ok(Done::changed(Value::Null, changed))
}

/// Puts something in the place of what was there; whether it is another.
fn put<T: PartialEq>(place: &mut T, value: T) -> bool {
    let changed = *place != value;
    *place = value;
    changed
}

pub(super) fn update(world: &mut World, call: &Call) -> Result<Done, ApiError> {
    let (form, now) = (Form::of(call), world.now);
    form.only(&["AutoScalingGroupName", "LaunchTemplate", "MinSize", "MaxSize", "DesiredCapacity"])?;
    let (cluster, name) = named(world, call, &form)?;
    let template = template::asked(cluster, &form)?;
    change(cluster, &name, now, |group| {
        let sizes = new_sizes(&form, group.sizes)?;
        let sizes = put(&mut group.sizes, sizes);
        let template = template.is_some_and(|template| put(&mut group.template, template));
        Ok(sizes || template)
    })
}

/// The sizes that are asked for. A bound that is moved past what the group wants takes that along (API reference,
/// `UpdateAutoScalingGroup`).
fn new_sizes(form: &Form<'_>, old: Sizes) -> Result<Sizes, ApiError> {
    let min = form.number("MinSize")?.unwrap_or(old.min());
    let max = form.number("MaxSize")?.unwrap_or(old.max());
    let desired = form.number("DesiredCapacity")?.unwrap_or_else(|| old.desired().max(min).min(max));
    Sizes::new(min, desired, max).map_err(invalid)
}

pub(super) fn set_desired(world: &mut World, call: &Call) -> Result<Done, ApiError> {
    let (form, now) = (Form::of(call), world.now);
    form.only(&["AutoScalingGroupName", "DesiredCapacity", "HonorCooldown"])?;
    let (cluster, name) = named(world, call, &form)?;
    let missing = || invalid("DesiredCapacity is required");
    let desired = form.number("DesiredCapacity")?.ok_or_else(missing)?;
    change(cluster, &name, now, |group| {
        let (min, max) = (group.sizes.min(), group.sizes.max());
        let out = |side: &str, bound| {
            invalid(format!(
                "New SetDesiredCapacity value {desired} is {side} value {bound} for the AutoScalingGroup."
            ))
        };
        if desired > max {
            return Err(out("above max", max));
        }
        if desired < min {
            return Err(out("below min", min));
        }
        Ok(put(&mut group.sizes, Sizes::new(min, desired, max).map_err(invalid)?))
    })
}

pub(super) fn delete(world: &mut World, call: &Call) -> Result<Done, ApiError> {
    let (form, now) = (Form::of(call), world.now);
    form.only(&["AutoScalingGroupName", "ForceDelete"])?;
    let force = form.flag("ForceDelete")?.unwrap_or(false);
    let (cluster, name) = named(world, call, &form)?;
    change(cluster, &name, now, |group| {
        let in_use = group.instances.iter().any(Instance::counts) || group.sizes.desired() > 0;
        if in_use && !force {
            return Err(ApiError::new(
                "ResourceInUse",
                400,
                "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance \
                 request(s) still in the group.",
            ));
        }
        if !group.instances.is_empty() && !force {
            return Err(in_progress(
                "You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.",
            ));
        }
        group.deleting = true;
        Ok(true)
    })
}

pub(super) fn terminate(world: &mut World, call: &Call) -> Result<Done, ApiError> {
    let (form, now) = (Form::of(call), world.now);
    form.only(&["InstanceId", "ShouldDecrementDesiredCapacity"])?;
    let id = form.required("InstanceId")?;
    let missing = || invalid("ShouldDecrementDesiredCapacity is required");
    let decrement = form.flag("ShouldDecrementDesiredCapacity")?.ok_or_else(missing)?;
    let unknown =
        || invalid(format!("Instance Id not found - No managed instance found for instance ID: {id}"));
    let (cluster, name) = call.cluster.as_ref().zip(call.nodegroup.as_ref()).ok_or_else(unknown)?;
    let cluster = world.clusters.get_mut(cluster).ok_or_else(unknown)?;
    let activity_id = cluster.rng.uuid();
    let mut activity = Value::Null;
    let done = change(cluster, name, now, |group| {
        let done = end_instance(group, id, activity_id, decrement, now)?;
        activity = describe_activity(group, &done, now);
        group.activities.push(done);
        Ok(true)
    })?;
    Ok(Done { body: json!({"Activity": activity}), ..done })
}

/// Begins the end of an instance that somebody asks for. A suspended `Terminate` keeps the group from ending
/// instances by itself, not from doing what it is told.
fn end_instance(
    group: &mut AutoScalingGroup,
    id: &str,
    activity_id: String,
    decrement: bool,
    now: Ms,
) -> Result<Activity, ApiError> {
    if !group.instances.iter().any(|instance| instance.id == id && instance.counts()) {
        return Err(in_progress(format!("Instance {id} is being terminated already")));
    }
    let sizes = if decrement {
        group.sizes.one_less().ok_or_else(|| {
            invalid(format!(
                "Currently, desiredSize equals minSize ({}). Terminating instance without replacement will violate \
                 group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower \
                 group's min size.",
                group.sizes.min()
            ))
        })?
    } else {
        group.sizes
    };
    let ends = now + group.manner.terminating;
    for instance in group.instances.iter_mut().filter(|instance| instance.id == id) {
        instance.terminate(ends);
    }
    group.sizes = sizes;
    Ok(Activity {
        id: activity_id,
        description: format!("Terminating EC2 instance: {id}"),
        cause: "an instance was taken out of service in response to a user request".to_owned(),
        started: now,
        ends,
        failure: None,
    })
}

pub(super) fn suspend(world: &mut World, call: &Call) -> Result<Done, ApiError> {
    processes(world, call, |group, process| group.suspended.insert(process))
}

pub(super) fn resume(world: &mut World, call: &Call) -> Result<Done, ApiError> {
    processes(world, call, |group, process| group.suspended.remove(&process))
}

/// Does something with each process that is named, or with all when none is.
fn processes(
    world: &mut World,
    call: &Call,
    act: impl Fn(&mut AutoScalingGroup, Process) -> bool,
) -> Result<Done, ApiError> {
    let (form, now) = (Form::of(call), world.now);
    form.only(&["AutoScalingGroupName", "ScalingProcesses"])?;
    let (cluster, name) = named(world, call, &form)?;
    let read = |name: &str| name.parse().map_err(|()| invalid(format!("{name} is not a scaling process")));
    let mut processes =
        form.list("ScalingProcesses.member").into_iter().map(read).collect::<Result<Vec<Process>, _>>()?;
    if processes.is_empty() {
        processes = Process::ALL.to_vec();
    }
    change(cluster, &name, now, |group| {
        let changed: Vec<bool> = processes.into_iter().map(|process| act(group, process)).collect();
        Ok(changed.contains(&true))
    })
}

pub(super) fn tag(world: &mut World, call: &Call) -> Result<Done, ApiError> {
    let form = Form::of(call);
    form.only(&["Tags"])?;
    let (key, resource) = (call.cluster.as_ref(), call.nodegroup.as_ref());
    let tags = form.entries("Tags.member");
    let named = |entry: &String| form.required(&format!("{entry}.ResourceId"));
    for name in tags.iter().map(named) {
        let name = name?;
        // One group a call keeps a refusal from being half done; nobody asks for more.
        if resource.is_none_or(|resource| resource != name) {
            return Err(no_group(name));
        }
    }
    let tags = tags.iter().map(|entry| read_tag(&form, entry)).collect::<Result<Vec<_>, _>>()?;
    let (Some(cluster), Some(name)) = (key.and_then(|key| world.clusters.get_mut(key)), resource) else {
        return Err(invalid("Tags are required"));
    };
    change(cluster, name, world.now, |group| {
        let before = group.tags.clone();
        group.tags.extend(tags);
        Ok(group.tags != before)
    })
}

/// The key and the rest of a tag.
pub(super) fn read_tag(form: &Form<'_>, entry: &str) -> Result<(String, GroupTag), ApiError> {
    let key = form.required(&format!("{entry}.Key"))?.to_owned();
    let value = form.text(&format!("{entry}.Value")).unwrap_or_default().to_owned();
    let at_launch = form.flag(&format!("{entry}.PropagateAtLaunch"))?.unwrap_or(false);
    Ok((key, GroupTag { value, at_launch }))
}
