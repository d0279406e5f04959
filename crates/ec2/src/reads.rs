//! What is read of groups, subnets and images.

use std::collections::BTreeSet;

use aws_sdk_autoscaling::types::{AutoScalingGroup as SdkGroup, Filter};
use aws_sdk_ec2::types::Image;
use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::inside::{AutoScalingGroup, Capacity, Seen, Subnet, Template};
use eks_upgrade_pipeline::ports::inside::Groups;

use crate::family::Family;
use crate::{AwsGroups, Read, count, down, group, is_code, odd, template};

/// Auto Scaling's own name for a look at groups; every write looks first.
pub(crate) const DESCRIBE_GROUPS: &str = "autoscaling:DescribeAutoScalingGroups";

/// EC2 describes at most so many subnets by their ids at a time.
const SUBNETS_MAX: usize = 200;

impl Groups for AwsGroups {
    async fn capacity(&self, cluster: &ClusterArn, control_plane_subnets: &[String]) -> Capacity {
        let groups = match self.tagged(cluster).await {
            Ok(groups) => groups,
            // Without the groups, the subnets of nodes are not known either, and some are not all.
            Err(down) => {
                let why = down.to_string();
                return Capacity { subnets: Seen::Not(why.clone()), groups: Seen::Not(why) };
            }
        };
        let subnets = match self.subnets(cluster, control_plane_subnets, &groups).await {
            Ok(subnets) => Seen::Is(subnets),
            Err(down) => Seen::Not(down.to_string()),
        };
        let ours = groups.iter().filter(|one| !group::is_managed(one) && !group::is_deleted(one));
        Capacity { subnets, groups: Seen::Is(ours.map(group::read).collect()) }
    }

    async fn group(&self, cluster: &ClusterArn, name: &str) -> Read<Option<AutoScalingGroup>> {
        Ok(self.raw_group(cluster, name).await?.as_ref().map(group::read))
    }

    async fn image_family(&self, cluster: &ClusterArn, template: &Template) -> Read<Option<String>> {
        let sdks = self.at(template::DESCRIBE_VERSIONS, cluster).await?;
        let version = template::version(&sdks, template).await?;
        let Some(image) = version.image else { return Ok(None) };
        let family = if Family::is_resolved(&image) {
            Family::of_resolved(&image)
        } else {
            self.public_name(cluster, &image).await?.as_deref().and_then(Family::of_name)
        };
        Ok(family.map(|family| family.to_string()))
    }
}

impl AwsGroups {
    /// One group as Auto Scaling shows it; `None` where there is none, or none for long.
    pub(crate) async fn raw_group(&self, cluster: &ClusterArn, name: &str) -> Read<Option<SdkGroup>> {
        let scaling = self.at(DESCRIBE_GROUPS, cluster).await?.scaling;
        let call = scaling.describe_auto_scaling_groups().auto_scaling_group_names(name);
        let answer = call.send().await.map_err(down(DESCRIBE_GROUPS))?;
        Ok(answer.auto_scaling_groups.unwrap_or_default().into_iter().find(|one| !group::is_deleted(one)))
    }

    /// All groups whose instances are nodes of the cluster, those that EKS manages too.
    async fn tagged(&self, cluster: &ClusterArn) -> Read<Vec<SdkGroup>> {
        let scaling = self.at(DESCRIBE_GROUPS, cluster).await?.scaling;
        let tag = format!("kubernetes.io/cluster/{}", cluster.name);
        let filter = Filter::builder().name("tag-key").values(tag).build();
        let call = scaling.describe_auto_scaling_groups().filters(filter);
        let mut pages = call.into_paginator().items().send();
        let mut groups = Vec::new();
        while let Some(group) = pages.next().await {
            groups.push(group.map_err(down(DESCRIBE_GROUPS))?);
        }
        Ok(groups)
    }

    /// The subnets of the control plane, and those of all groups.
    async fn subnets(
        &self,
        cluster: &ClusterArn,
        control_plane: &[String],
        groups: &[SdkGroup],
    ) -> Read<Vec<Subnet>> {
        const OP: &str = "ec2:DescribeSubnets";
        let of_groups = groups.iter().flat_map(group::subnets);
        let wanted: BTreeSet<String> = control_plane.iter().cloned().chain(of_groups).collect();
        let wanted: Vec<String> = wanted.into_iter().collect();
        let compute = self.at(OP, cluster).await?.compute;
        let mut subnets = Vec::new();
        // In no request are there none: that one would be answered with all there are.
        for some in wanted.chunks(SUBNETS_MAX) {
            let call = compute.describe_subnets().set_subnet_ids(Some(some.to_vec()));
            let answer = call.send().await.map_err(down(OP))?;
            subnets.extend(answer.subnets().iter().filter_map(|subnet| {
                let id = subnet.subnet_id()?.to_owned();
                Some(Subnet {
                    zone: subnet.availability_zone().unwrap_or_default().to_owned(),
                    free: count(subnet.available_ip_address_count()),
                    control_plane: control_plane.contains(&id),
                    id,
                })
            }));
        }
        let missing = wanted.iter().find(|id| !subnets.iter().any(|subnet| subnet.id == **id));
        match missing {
            None => Ok(subnets),
            Some(id) => Err(odd(OP, format!("EC2's answer leaves out {id}"))),
        }
    }

    /// The name of an image of AWS's; `None` for somebody else's, and for one that is gone.
    async fn public_name(&self, cluster: &ClusterArn, image: &str) -> Read<Option<String>> {
        const OP: &str = "ec2:DescribeImages";
        let compute = self.at(OP, cluster).await?.compute;
        let answer = match compute.describe_images().image_ids(image).send().await {
            Ok(answer) => answer,
            Err(error) if is_code(&error, "InvalidAMIID.NotFound") => return Ok(None),
            Err(error) => return Err(down(OP)(error)),
        };
        Ok(answer.images().first().and_then(name_of_aws).map(str::to_owned))
    }
}

/// The name that AWS gave an image; `None` for somebody else's, who may call it as they like.
fn name_of_aws(image: &Image) -> Option<&str> {
    image.name().filter(|_| image.image_owner_alias() == Some("amazon"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_an_image_of_aws_is_not_aws_s() {
        let image = Image::builder().name("amazon-eks-node-al2023-x86_64-standard-1.33-v20251103");
        assert!(name_of_aws(&image.clone().image_owner_alias("amazon").build()).is_some());
        assert_eq!(name_of_aws(&image.clone().build()), None);
        assert_eq!(name_of_aws(&image.image_owner_alias("aws-marketplace").build()), None);
    }
}
