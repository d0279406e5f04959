//! What is read.

use eks_upgrade_core::inside::{AutoScalingGroup, Capacity, Seen, Template};
use eks_upgrade_pipeline::ports::inside::Groups;

use crate::cloud::{Cloud, FLEET, cluster};

fn at(version: &str) -> Template {
    Template { id: "lt-web".into(), version: version.into() }
}

fn groups(capacity: &Capacity) -> &[AutoScalingGroup] {
    capacity.groups.get().unwrap()
}

/// The subnets in the order of their ids: id, and whether it is one of the control plane's.
fn subnets(capacity: &Capacity) -> Vec<(&str, bool)> {
    let subnets = capacity.subnets.get().unwrap().iter();
    let mut subnets: Vec<_> = subnets.map(|subnet| (subnet.id.as_str(), subnet.control_plane)).collect();
    subnets.sort_unstable();
    subnets
}

#[tokio::test]
async fn a_group_is_read_as_it_is() {
    let group = Cloud::of(FLEET).group("web").await;
    assert_eq!((group.min, group.desired, group.max), (2, 3, 5));
    assert_eq!(group.instances.len(), 3);
    assert_eq!(group.template, Some(at("3")));
    assert_eq!(group.subnets.len(), 3);
    assert_eq!(group.zones.len(), 3);
}

#[tokio::test]
async fn a_group_that_is_not_there_is_none() {
    assert_eq!(Cloud::of(FLEET).groups().group(&cluster(), "other").await, Ok(None));
}

#[tokio::test]
async fn the_groups_and_subnets_of_a_cluster_are_all_its_room() {
    let cloud = Cloud::with(&["subnets: [subnet-0a11]"]);
    let capacity = cloud.groups().capacity(&cluster(), &["subnet-0b22".into()]).await;
    assert_eq!(groups(&capacity).iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["web"]);
    assert_eq!(subnets(&capacity), [("subnet-0a11", false), ("subnet-0b22", true)]);
    assert!(capacity.subnets.get().unwrap().iter().all(|subnet| subnet.free > 0 && !subnet.zone.is_empty()));
}

#[tokio::test]
async fn groups_of_eks_s_own_are_left_out_but_their_subnets_count() {
    let cloud = Cloud::with(&["tags: {'eks:nodegroup-name': web}"]);
    let capacity = cloud.groups().capacity(&cluster(), &[]).await;
    assert_eq!(groups(&capacity), []);
    assert_eq!(subnets(&capacity).len(), 3);
}

#[tokio::test]
async fn a_cluster_without_groups_has_the_subnets_of_its_control_plane() {
    let cloud = Cloud::of("clusters: [{name: a, version: '1.34'}]");
    let capacity = cloud.groups().capacity(&cluster(), &["subnet-0a11".into()]).await;
    assert_eq!((groups(&capacity), subnets(&capacity)), (&[][..], vec![("subnet-0a11", true)]));
    // To ask for no subnet in particular would be to ask for all.
    let capacity = cloud.groups().capacity(&cluster(), &[]).await;
    assert_eq!(subnets(&capacity), []);
}

#[tokio::test]
async fn what_cannot_be_read_is_not_empty() {
    let cloud = Cloud::refusing("DescribeAutoScalingGroups", "AccessDenied", 403);
    let capacity = cloud.groups().capacity(&cluster(), &["subnet-0a11".into()]).await;
    for why in [capacity.groups.get().unwrap_err().0, capacity.subnets.get().unwrap_err().0] {
        assert!(why.starts_with("autoscaling:DescribeAutoScalingGroups: "), "{why}");
    }
    let cloud = Cloud::refusing("DescribeSubnets", "UnauthorizedOperation", 403);
    let capacity = cloud.groups().capacity(&cluster(), &["subnet-0a11".into()]).await;
    assert!(matches!(&capacity.subnets, Seen::Not(why) if why.starts_with("ec2:DescribeSubnets: ")));
    assert_eq!(groups(&capacity).len(), 1);
    let cloud = Cloud::of(FLEET);
    let capacity = cloud.groups().capacity(&cluster(), &["subnet-gone".into()]).await;
    assert!(matches!(&capacity.subnets, Seen::Not(why) if why.contains("subnet-gone")));
}

#[tokio::test]
async fn a_refusal_is_told_from_an_outage() {
    for (kind, status, denied) in [
        ("AccessDenied", 403, true),
        ("UnauthorizedOperation", 403, true),
        ("ServiceUnavailable", 503, false),
    ] {
        let cloud = Cloud::refusing("DescribeAutoScalingGroups", kind, status);
        let down = cloud.groups().group(&cluster(), "web").await.unwrap_err();
        assert_eq!(
            (down.denied, down.operation),
            (denied, "autoscaling:DescribeAutoScalingGroups"),
            "{kind}"
        );
    }
}

#[tokio::test]
async fn an_image_of_aws_tells_its_family() {
    let rows = [
        (vec!["family: al2023_standard"], "amazon-linux-2023/x86_64/standard"),
        (vec!["family: al2023_standard", "architecture: arm64"], "amazon-linux-2023/arm64/standard"),
        (vec!["family: al2023_nvidia"], "amazon-linux-2023/x86_64/nvidia"),
        (vec!["family: bottlerocket"], "bottlerocket/x86_64/standard"),
    ];
    for (more, expected) in rows {
        let cloud = Cloud::with(&more);
        for version in ["3", "$Latest", "$Default"] {
            let family = cloud.groups().image_family(&cluster(), &at(version)).await.unwrap();
            assert_eq!(family.as_deref(), Some(expected), "{more:?} {version}");
        }
    }
}

#[tokio::test]
async fn an_image_of_somebody_else_has_no_family() {
    let cloud = Cloud::of(
        "
clusters:
  - name: a
    version: '1.34'
    self_managed:
      - name: web
        image: ami-0c0ffee
        images: {ami-0c0ffee: '1.33'}
        launch_template: {id: lt-web, name: web}
",
    );
    assert_eq!(cloud.groups().image_family(&cluster(), &at("1")).await, Ok(None));
}

#[tokio::test]
async fn a_template_that_is_not_there_is_no_image_of_somebody_else() {
    let cloud = Cloud::of(FLEET);
    let down = cloud.groups().image_family(&cluster(), &at("9")).await.unwrap_err();
    assert_eq!(down.operation, "ec2:DescribeLaunchTemplateVersions");
}
