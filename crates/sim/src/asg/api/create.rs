//! A new Auto Scaling group.

use std::collections::BTreeMap;

use serde_json::Value;

use super::change::read_tag;
use super::form::Form;
use super::{clusters_of, holder, invalid, template};
use crate::asg::group::{AutoScalingGroup, GroupTag, Manner, Sizes, Subnet, TERMINATING};
use crate::caller::Caller;
use crate::http::ApiError;
use crate::ops::Done;
use crate::route::Call;
use crate::state::Cluster;
use crate::world::World;

/// The tag that says whose nodes a group's instances are.
const CLUSTER_TAG: &str = "kubernetes.io/cluster/";
/// What has no effect here: health checks, load balancers, and when to scale in.
const WITHOUT_EFFECT: [&str; 11] = [
    "CapacityRebalance",
    "DefaultCooldown",
    "DefaultInstanceWarmup",
    "HealthCheckGracePeriod",
    "HealthCheckType",
    "LoadBalancerNames",
    "MaxInstanceLifetime",
    "NewInstancesProtectedFromScaleIn",
    "ServiceLinkedRoleARN",
    "TargetGroupARNs",
    "TerminationPolicies",
];
const NAME_MAX: usize = 255;

/// The cluster that the tags of a request name.
pub(super) fn cluster_asked<'a>(
    world: &'a World,
    caller: &'a Caller,
    form: &Form<'_>,
) -> Option<&'a Cluster> {
    let keys = form.entries("Tags.member").into_iter().filter_map(|entry| form.text(&format!("{entry}.Key")));
    let named: Vec<&str> = keys.filter_map(|key| key.strip_prefix(CLUSTER_TAG)).collect();
    clusters_of(world, caller).find(|cluster| named.contains(&cluster.spec.name.as_str()))
}

pub(super) fn create(world: &mut World, call: &Call) -> Result<Done, ApiError> {
    let (form, now) = (Form::of(call), world.now);
    let effective = [
        "AutoScalingGroupName",
        "LaunchTemplate",
        "MinSize",
        "MaxSize",
        "DesiredCapacity",
        "VPCZoneIdentifier",
        "Tags",
    ];
    form.only(&[effective.as_slice(), &WITHOUT_EFFECT].concat())?;
    let name = form.required("AutoScalingGroupName")?;
    if name.len() > NAME_MAX {
        return Err(invalid(format!("AutoScalingGroupName has at most {NAME_MAX} characters")));
    }
    if holder(world, &call.caller, name).is_some() {
        let message = format!(
            "AutoScalingGroup by this name already exists - A group with the name {name} already exists"
        );
        return Err(ApiError::new("AlreadyExists", 400, message));
    }
    let cluster = call.cluster.as_ref().and_then(|cluster| world.clusters.get_mut(cluster));
    let cluster = cluster.ok_or_else(|| {
        invalid("The simulator wants a tag kubernetes.io/cluster/NAME with the name of a cluster of this account and Region")
    })?;
    let template = template::asked(cluster, &form)?;
    let template = template.ok_or_else(|| {
        invalid("Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.")
    })?;
    let (sizes, subnets, tags) = (read_sizes(&form)?, read_subnets(cluster, &form)?, read_tags(&form)?);
    let manner = cluster.manner_of(&template.id);
    let arn = cluster.group_arn(name);
    let mut group = AutoScalingGroup::new(name.to_owned(), arn, now, sizes, template, subnets, manner);
    group.tags = tags;
    cluster.self_managed.insert(name.to_owned(), group);
    cluster.balance(name, now);
    Ok(Done::changed(Value::Null, true))
}

fn read_sizes(form: &Form<'_>) -> Result<Sizes, ApiError> {
    let required = |name| form.number(name)?.ok_or_else(|| invalid(format!("{name} is required")));
    let (min, max) = (required("MinSize")?, required("MaxSize")?);
    Sizes::new(min, form.number("DesiredCapacity")?.unwrap_or(min), max).map_err(invalid)
}

fn read_subnets(cluster: &Cluster, form: &Form<'_>) -> Result<Vec<Subnet>, ApiError> {
    let Some(ids) = form.text("VPCZoneIdentifier") else {
        return Err(invalid("At least one Availability Zone or VPC Subnet is required."));
    };
    let find = |id: &str| {
        let found = cluster.subnets().map(|(subnet, _)| subnet).find(|subnet| subnet.id == id);
        found.ok_or_else(|| invalid(format!("The subnet ID '{id}' does not exist")))
    };
    ids.split(',').map(|id| find(id.trim())).collect()
}

fn read_tags(form: &Form<'_>) -> Result<BTreeMap<String, GroupTag>, ApiError> {
    form.entries("Tags.member").iter().map(|entry| read_tag(form, entry)).collect()
}

impl Cluster {
    /// How a group fares that is made with that template: as the one of the fleet file whose template it is.
    fn manner_of(&self, template: &str) -> Manner {
        let like = self.self_managed.values().find(|group| group.template.id == template);
        like.map_or(Manner { fails_to_join: false, launch_fails: None, terminating: TERMINATING }, |group| {
            group.manner.clone()
        })
    }
}
