//! What is done to groups. Every write looks first, or is harmless the second time: each says why.

use aws_sdk_autoscaling::config::Config;
use aws_sdk_autoscaling::config::retry::RetryConfig;
use aws_sdk_autoscaling::types::LaunchTemplateSpecification;
use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::inside::Template;
use eks_upgrade_core::version::Minor;
use eks_upgrade_pipeline::ports::inside::{GroupWrites, Sizes};

use crate::family::Family;
use crate::reads::DESCRIBE_GROUPS;
use crate::{AwsGroups, Read, copy, count, down, number, odd, template};

const CREATE_VERSION: &str = "ec2:CreateLaunchTemplateVersion";
const UPDATE_GROUP: &str = "autoscaling:UpdateAutoScalingGroup";
const CREATE_GROUP: &str = "autoscaling:CreateAutoScalingGroup";
const DESCRIBE_INSTANCES: &str = "autoscaling:DescribeAutoScalingInstances";
const TERMINATE: &str = "autoscaling:TerminateInstanceInAutoScalingGroup";
const DELETE_GROUP: &str = "autoscaling:DeleteAutoScalingGroup";

impl GroupWrites for AwsGroups {
    /// The token makes it one version, as `template::derive` says.
    async fn make_template(
        &self,
        cluster: &ClusterArn,
        from: &Template,
        family: &str,
        minor: Minor,
        token: &str,
    ) -> Read<(Template, String)> {
        let family: Family = family.parse().map_err(|error| odd(CREATE_VERSION, format!("{error}")))?;
        let sdks = self.at(CREATE_VERSION, cluster).await?;
        let image = template::recommended(&sdks, family, minor).await?;
        template::derive(&sdks, from, &image, minor, token).await
    }

    /// Says what shall be, not what shall change.
    async fn update_group(
        &self,
        cluster: &ClusterArn,
        name: &str,
        template: Option<&Template>,
        sizes: Option<Sizes>,
    ) -> Read<()> {
        let scaling = self.at(UPDATE_GROUP, cluster).await?.scaling;
        let call = scaling
            .update_auto_scaling_group()
            .auto_scaling_group_name(name)
            .set_launch_template(template.map(specification))
            .set_min_size(sizes.map(|sizes| number(sizes.min)))
            .set_desired_capacity(sizes.map(|sizes| number(sizes.desired)))
            .set_max_size(sizes.map(|sizes| number(sizes.max)));
        call.send().await.map(drop).map_err(down(UPDATE_GROUP))
    }

    /// A name belongs to one group. While one of that name is being deleted, this is refused: try again later.
    async fn make_group(
        &self,
        cluster: &ClusterArn,
        like: &str,
        name: &str,
        template: &Template,
        sizes: Sizes,
    ) -> Read<()> {
        if self.raw_group(cluster, name).await?.is_some() {
            return Ok(());
        }
        let like = self.raw_group(cluster, like).await?.ok_or_else(|| {
            odd(DESCRIBE_GROUPS, format!("the group {like} is not there, so that none can be made like it"))
        })?;
        let scaling = self.at(CREATE_GROUP, cluster).await?.scaling;
        let call = copy::like(scaling.create_auto_scaling_group(), &like, name)
            .launch_template(specification(template))
            .min_size(number(sizes.min))
            .desired_capacity(number(sizes.desired))
            .max_size(number(sizes.max));
        call.send().await.map(drop).map_err(down(CREATE_GROUP))
    }

    /// An instance that is gone, or on its way, is left alone: the group must not want one less a second time. The SDK,
    /// which does not look, does not repeat it either: whose answer is lost comes back and looks.
    async fn terminate(&self, cluster: &ClusterArn, instance: &str, shrink: bool) -> Read<()> {
        let scaling = self.at(DESCRIBE_INSTANCES, cluster).await?.scaling;
        let call = scaling.describe_auto_scaling_instances().instance_ids(instance);
        let answer = call.send().await.map_err(down(DESCRIBE_INSTANCES))?;
        let Some(seen) = answer.auto_scaling_instances().first() else { return Ok(()) };
        if seen.lifecycle_state().is_some_and(|state| state.starts_with("Terminat")) {
            return Ok(());
        }
        if let Some(group) = seen.auto_scaling_group_name().filter(|_| shrink) {
            self.let_shrink(cluster, group).await?;
        }
        let call = scaling.terminate_instance_in_auto_scaling_group().instance_id(instance);
        let call = call.should_decrement_desired_capacity(shrink);
        let once = Config::builder().retry_config(RetryConfig::disabled());
        call.customize().config_override(once).send().await.map(drop).map_err(down(TERMINATE))
    }

    /// A group that is gone, or on its way, is left alone. One that still has instances is refused.
    async fn delete_group(&self, cluster: &ClusterArn, name: &str) -> Read<()> {
        if self.raw_group(cluster, name).await?.is_none() {
            return Ok(());
        }
        let scaling = self.at(DELETE_GROUP, cluster).await?.scaling;
        let call = scaling.delete_auto_scaling_group().auto_scaling_group_name(name);
        call.send().await.map(drop).map_err(down(DELETE_GROUP))
    }
}

impl AwsGroups {
    /// A group cannot want fewer than its least: that has to go down first.
    async fn let_shrink(&self, cluster: &ClusterArn, name: &str) -> Read<()> {
        let Some(group) = self.raw_group(cluster, name).await? else { return Ok(()) };
        let (min, desired) = (count(group.min_size), count(group.desired_capacity));
        if min < desired || desired == 0 {
            return Ok(());
        }
        let scaling = self.at(UPDATE_GROUP, cluster).await?.scaling;
        let call = scaling.update_auto_scaling_group().auto_scaling_group_name(name);
        call.min_size(number(desired - 1)).send().await.map(drop).map_err(down(UPDATE_GROUP))
    }
}

fn specification(template: &Template) -> LaunchTemplateSpecification {
    LaunchTemplateSpecification::builder().launch_template_id(&template.id).version(&template.version).build()
}
