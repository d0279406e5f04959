//! Auto Scaling groups, in our words.

use aws_sdk_autoscaling::types::{self as sdk, LifecycleState};
use eks_upgrade_core::inside::{AutoScalingGroup, Template};

use crate::count;

/// EKS puts this tag on the groups behind its own node groups.
const MANAGED: &str = "eks:nodegroup-name";

/// With this tag the owner of a group lets it be rolled: the function's rights hang on it.
const RELEASED: &str = "eks-upgrade:managed";

/// Whether EKS manages the group.
pub(crate) fn is_managed(group: &sdk::AutoScalingGroup) -> bool {
    group.tags().iter().any(|tag| tag.key() == Some(MANAGED))
}

/// Whether the group is on its way out: Auto Scaling says nothing of its state before, and refuses every change then.
pub(crate) fn is_deleted(group: &sdk::AutoScalingGroup) -> bool {
    group.status().is_some()
}

/// The subnets of a group.
pub(crate) fn subnets(group: &sdk::AutoScalingGroup) -> Vec<String> {
    let listed = group.vpc_zone_identifier().unwrap_or_default().split(',');
    listed.map(str::trim).filter(|subnet| !subnet.is_empty()).map(str::to_owned).collect()
}

pub(crate) fn read(from: &sdk::AutoScalingGroup) -> AutoScalingGroup {
    let in_service =
        |instance: &&sdk::Instance| instance.lifecycle_state() == Some(&LifecycleState::InService);
    let instances = from.instances().iter().filter(in_service);
    let suspended = from.suspended_processes().iter();
    AutoScalingGroup {
        name: from.auto_scaling_group_name().unwrap_or_default().to_owned(),
        instances: instances.filter_map(|instance| instance.instance_id()).map(str::to_owned).collect(),
        min: count(from.min_size()),
        desired: count(from.desired_capacity()),
        max: count(from.max_size()),
        zones: from.availability_zones().to_vec(),
        subnets: subnets(from),
        template: template(from),
        suspended: suspended.filter_map(|one| one.process_name()).map(str::to_owned).collect(),
        released: from.tags().iter().any(|tag| tag.key() == Some(RELEASED) && tag.value() == Some("true")),
    }
}

/// A mixed-instances policy has a template too, but it is not the group's only word on what it launches.
fn template(from: &sdk::AutoScalingGroup) -> Option<Template> {
    let template = from.launch_template().filter(|_| from.mixed_instances_policy().is_none())?;
    Some(Template {
        id: template.launch_template_id()?.to_owned(),
        version: template.version().unwrap_or("$Default").to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_autoscaling::types::{
        Instance, LaunchTemplateSpecification, MixedInstancesPolicy, SuspendedProcess, TagDescription,
    };

    use super::*;

    fn instance(id: &str, state: LifecycleState) -> Instance {
        Instance::builder()
            .instance_id(id)
            .availability_zone("eu-central-1a")
            .lifecycle_state(state)
            .health_status("Healthy")
            .protected_from_scale_in(false)
            .build()
    }

    fn group() -> sdk::builders::AutoScalingGroupBuilder {
        let template = LaunchTemplateSpecification::builder().launch_template_id("lt-1").version("3").build();
        sdk::AutoScalingGroup::builder()
            .auto_scaling_group_name("web")
            .min_size(1)
            .desired_capacity(2)
            .max_size(4)
            .availability_zones("eu-central-1a")
            .vpc_zone_identifier("subnet-a, subnet-b")
            .launch_template(template)
    }

    #[test]
    fn a_group_is_read() {
        let suspended = SuspendedProcess::builder().process_name("AZRebalance").build();
        let group = group()
            .instances(instance("i-1", LifecycleState::InService))
            .instances(instance("i-2", LifecycleState::Pending))
            .instances(instance("i-3", LifecycleState::TerminatingWait))
            .suspended_processes(suspended)
            .build();
        let expected = AutoScalingGroup {
            name: "web".into(),
            instances: vec!["i-1".into()],
            min: 1,
            desired: 2,
            max: 4,
            zones: vec!["eu-central-1a".into()],
            subnets: vec!["subnet-a".into(), "subnet-b".into()],
            template: Some(Template { id: "lt-1".into(), version: "3".into() }),
            suspended: vec!["AZRebalance".into()],
            released: false,
        };
        assert_eq!(read(&group), expected);
    }

    #[test]
    fn only_a_template_by_itself_is_one_to_move() {
        let template = |group: sdk::AutoScalingGroup| read(&group).template;
        let unversioned = LaunchTemplateSpecification::builder().launch_template_id("lt-1").build();
        let default = Template { id: "lt-1".into(), version: "$Default".into() };
        assert_eq!(template(group().launch_template(unversioned).build()), Some(default));
        let mixed = MixedInstancesPolicy::builder().build();
        assert_eq!(template(group().mixed_instances_policy(mixed).build()), None);
        assert_eq!(template(group().set_launch_template(None).launch_configuration_name("lc").build()), None);
    }

    #[test]
    fn only_the_tag_with_its_value_releases_a_group() {
        let tagged = |value: &str| {
            let tag = TagDescription::builder().key(RELEASED).value(value).build();
            read(&group().tags(tag).build()).released
        };
        assert!(tagged("true"));
        assert!(!tagged("false"));
    }

    #[test]
    fn managed_and_deleted_groups_are_told_apart() {
        let managed = TagDescription::builder().key(MANAGED).value("web").build();
        assert!(is_managed(&group().tags(managed).build()));
        assert!(!is_managed(&group().build()));
        assert!(is_deleted(&group().status("Delete in progress").build()));
        assert!(!is_deleted(&group().build()));
    }
}
