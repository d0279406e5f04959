//! A group like another one.

use std::collections::BTreeMap;

use aws_sdk_autoscaling::operation::create_auto_scaling_group::builders::CreateAutoScalingGroupFluentBuilder;
use aws_sdk_autoscaling::types::{AutoScalingGroup, Tag, TagDescription, TrafficSourceIdentifier};

/// Keys that only AWS may write, such as those of the stack that made the group.
const RESERVED: &str = "aws:";
/// Auto Scaling's word for a target group of VPC Lattice.
const LATTICE: &str = "vpc-lattice";

/// The request for a group, with all of `like` that a request may say, except its name, its sizes and what it launches.
///
/// Lifecycle hooks, scaling policies, scheduled actions and warm pools are no part of a group's description, and are
/// left out.
pub(crate) fn like(
    call: CreateAutoScalingGroupFluentBuilder,
    like: &AutoScalingGroup,
    name: &str,
) -> CreateAutoScalingGroupFluentBuilder {
    let by_subnets = like.vpc_zone_identifier().is_some_and(|subnets| !subnets.is_empty());
    let call = call
        .auto_scaling_group_name(name)
        .set_vpc_zone_identifier(like.vpc_zone_identifier.clone().filter(|_| by_subnets))
        .set_availability_zones(like.availability_zones.clone().filter(|_| !by_subnets))
        .set_tags(Some(tags(like, name)))
        .set_default_cooldown(like.default_cooldown)
        .set_health_check_type(like.health_check_type.clone())
        .set_health_check_grace_period(like.health_check_grace_period)
        .set_placement_group(like.placement_group.clone())
        .set_termination_policies(like.termination_policies.clone())
        .set_new_instances_protected_from_scale_in(like.new_instances_protected_from_scale_in)
        .set_service_linked_role_arn(like.service_linked_role_arn.clone())
        .set_max_instance_lifetime(like.max_instance_lifetime)
        .set_capacity_rebalance(like.capacity_rebalance)
        .set_context(like.context.clone())
        .set_desired_capacity_type(like.desired_capacity_type.clone())
        .set_default_instance_warmup(like.default_instance_warmup)
        .set_instance_maintenance_policy(like.instance_maintenance_policy.clone())
        .set_availability_zone_distribution(like.availability_zone_distribution.clone())
        .set_availability_zone_impairment_policy(like.availability_zone_impairment_policy.clone())
        .set_capacity_reservation_specification(like.capacity_reservation_specification.clone());
    balanced(call, like)
}

fn tags(like: &AutoScalingGroup, name: &str) -> Vec<Tag> {
    let ours = |tag: &&TagDescription| tag.key().is_some_and(|key| !key.starts_with(RESERVED));
    let tags = like.tags().iter().filter(ours).map(|tag| {
        Tag::builder()
            .resource_id(name)
            .resource_type("auto-scaling-group")
            .set_key(tag.key.clone())
            .set_value(tag.value.clone())
            .set_propagate_at_launch(tag.propagate_at_launch)
            .build()
    });
    tags.collect()
}

/// Its load balancers. A request names them in the one way or in the other: as names and target groups, or, where one is
/// of VPC Lattice, as traffic sources all of them.
fn balanced(
    call: CreateAutoScalingGroupFluentBuilder,
    like: &AutoScalingGroup,
) -> CreateAutoScalingGroupFluentBuilder {
    if like.traffic_sources().iter().any(|source| source.r#type() == Some(LATTICE)) {
        return call.set_traffic_sources(Some(sources(like)));
    }
    call.set_load_balancer_names(like.load_balancer_names.clone().filter(|names| !names.is_empty()))
        .set_target_group_arns(like.target_group_arns.clone().filter(|arns| !arns.is_empty()))
}

fn sources(like: &AutoScalingGroup) -> Vec<TrafficSourceIdentifier> {
    let names = like.load_balancer_names().iter().map(|name| (name.as_str(), "elb"));
    let arns = like.target_group_arns().iter().map(|arn| (arn.as_str(), "elbv2"));
    let listed = like.traffic_sources().iter();
    let listed = listed.filter_map(|source| Some((source.identifier()?, source.r#type()?)));
    let all: BTreeMap<&str, &str> = names.chain(arns).chain(listed).collect();
    let source = |(identifier, kind): (&str, &str)| {
        TrafficSourceIdentifier::builder().identifier(identifier).r#type(kind).build()
    };
    all.into_iter().map(source).collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_autoscaling::config::BehaviorVersion;
    use aws_sdk_autoscaling::types::builders::AutoScalingGroupBuilder;
    use aws_sdk_autoscaling::{Client, Config};

    use super::*;

    fn call() -> CreateAutoScalingGroupFluentBuilder {
        let config = Config::builder().behavior_version(BehaviorVersion::latest()).build();
        Client::from_conf(config).create_auto_scaling_group()
    }

    fn group() -> AutoScalingGroupBuilder {
        AutoScalingGroup::builder()
            .auto_scaling_group_name("web")
            .vpc_zone_identifier("subnet-a,subnet-b")
            .availability_zones("eu-central-1a")
            .health_check_type("ELB")
            .load_balancer_names("classic")
            .target_group_arns("arn:tg")
    }

    fn tag(key: &str) -> TagDescription {
        TagDescription::builder().key(key).value("v").propagate_at_launch(true).resource_id("web").build()
    }

    #[test]
    fn a_copy_is_like_the_group_but_for_its_name() {
        let copy = like(call(), &group().tags(tag("team")).build(), "web-2");
        assert_eq!(copy.get_auto_scaling_group_name().as_deref(), Some("web-2"));
        assert_eq!(copy.get_vpc_zone_identifier().as_deref(), Some("subnet-a,subnet-b"));
        assert_eq!(*copy.get_availability_zones(), None, "subnets have their zones");
        assert_eq!(copy.get_health_check_type().as_deref(), Some("ELB"));
        assert_eq!(copy.get_load_balancer_names().as_deref(), Some(&["classic".to_owned()][..]));
        assert_eq!(copy.get_target_group_arns().as_deref(), Some(&["arn:tg".to_owned()][..]));
        assert_eq!(*copy.get_traffic_sources(), None);
        let tags = copy.get_tags().clone().unwrap();
        assert_eq!(
            (tags[0].key(), tags[0].value(), tags[0].resource_id()),
            (Some("team"), Some("v"), Some("web-2"))
        );
        assert_eq!(tags[0].propagate_at_launch(), Some(true));
        assert_eq!(*copy.get_min_size(), None, "sizes are the caller's");
    }

    #[test]
    fn tags_of_aws_are_left_out() {
        let copy = like(call(), &group().tags(tag("aws:cloudformation:stack-name")).build(), "web-2");
        assert_eq!(copy.get_tags().as_deref(), Some(&[][..]));
    }

    #[test]
    fn without_subnets_zones_are_named() {
        let copy = like(call(), &group().vpc_zone_identifier("").build(), "web-2");
        assert_eq!(copy.get_vpc_zone_identifier().as_deref(), None);
        assert_eq!(copy.get_availability_zones().as_deref(), Some(&["eu-central-1a".to_owned()][..]));
    }

    #[test]
    fn with_vpc_lattice_all_balancers_are_traffic_sources() {
        let source = |identifier: &str, kind: &str| {
            TrafficSourceIdentifier::builder().identifier(identifier).r#type(kind).build()
        };
        let mixed =
            group().traffic_sources(source("arn:tg", "elbv2")).traffic_sources(source("arn:l", LATTICE));
        let copy = like(call(), &mixed.build(), "web-2");
        let expected = [source("arn:l", LATTICE), source("arn:tg", "elbv2"), source("classic", "elb")];
        assert_eq!(copy.get_traffic_sources().as_deref(), Some(&expected[..]));
        assert_eq!((copy.get_load_balancer_names(), copy.get_target_group_arns()), (&None, &None));
    }
}
