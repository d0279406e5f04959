//! What is done, and done again.

use eks_upgrade_core::inside::Template;
use eks_upgrade_core::version::Minor;
use eks_upgrade_pipeline::ports::inside::{GroupWrites, Groups, Sizes};

use crate::cloud::{Cloud, FLEET, cluster};

const FAMILY: &str = "amazon-linux-2023/x86_64/standard";

fn of_web(version: &str) -> Template {
    Template { id: "lt-web".into(), version: version.into() }
}

fn minor(text: &str) -> Minor {
    text.parse().unwrap()
}

async fn template(cloud: &Cloud, from: &str, token: &str) -> (Template, String) {
    cloud.groups().make_template(&cluster(), &of_web(from), FAMILY, minor("1.34"), token).await.unwrap()
}

#[tokio::test]
async fn a_template_gets_the_image_that_aws_recommends() {
    let cloud = Cloud::of(FLEET);
    let (made, image) = template(&cloud, "3", "token-1").await;
    assert_eq!(made, of_web("4"));
    assert!(image.starts_with("ami-"), "{image}");
    assert_eq!(cloud.groups().image_family(&cluster(), &made).await, Ok(Some(FAMILY.into())));
    assert_eq!(cloud.group("web").await.template, Some(of_web("3")), "nothing that runs is changed");
}

#[tokio::test]
async fn the_same_token_makes_one_version() {
    let cloud = Cloud::of(FLEET);
    let first = template(&cloud, "3", "token-1").await;
    assert_eq!(template(&cloud, "3", "token-1").await, first);
    assert_eq!(cloud.changes(), ["CreateLaunchTemplateVersion"]);
    assert_eq!(template(&cloud, "3", "token-2").await.0, of_web("5"));
}

#[tokio::test]
async fn the_same_token_makes_one_version_of_what_is_latest_too() {
    let cloud = Cloud::of(FLEET);
    let first = template(&cloud, "$Latest", "token-1").await;
    // What is the latest now is what was made: the same request is another one to EC2.
    assert_eq!(template(&cloud, "$Latest", "token-1").await, first);
    assert_eq!(cloud.changes(), ["CreateLaunchTemplateVersion"]);
}

#[tokio::test]
async fn a_minor_without_an_image_is_told_in_words() {
    let cloud = Cloud::of(FLEET);
    let (groups, cluster, from) = (cloud.groups(), cluster(), of_web("3"));
    let down = groups.make_template(&cluster, &from, FAMILY, minor("1.99"), "token-1").await.unwrap_err();
    assert_eq!((down.operation, down.denied), ("ssm:GetParameter", false));
    assert!(down.why.contains("no image of amazon-linux-2023/x86_64/standard for 1.99"), "{}", down.why);
    let down = groups.make_template(&cluster, &from, "my-own", minor("1.34"), "token-1").await.unwrap_err();
    assert!(down.why.contains("\"my-own\" is no family"), "{}", down.why);
    assert_eq!(cloud.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_group_gets_its_template_and_its_sizes() {
    let cloud = Cloud::of(FLEET);
    let (made, _) = template(&cloud, "3", "token-1").await;
    let sizes = Sizes { min: 2, desired: 4, max: 6 };
    let groups = cloud.groups();
    groups.update_group(&cluster(), "web", Some(&made), Some(sizes)).await.unwrap();
    let group = cloud.group("web").await;
    assert_eq!((group.min, group.desired, group.max), (2, 4, 6));
    assert_eq!(group.template, Some(made));
    // What is not said stays.
    groups.update_group(&cluster(), "web", Some(&of_web("3")), None).await.unwrap();
    let group = cloud.group("web").await;
    assert_eq!((group.desired, group.template), (4, Some(of_web("3"))));
    groups.update_group(&cluster(), "web", None, Some(Sizes { min: 2, desired: 3, max: 5 })).await.unwrap();
    let group = cloud.group("web").await;
    assert_eq!((group.desired, group.template), (3, Some(of_web("3"))));
}

#[tokio::test]
async fn a_new_group_is_like_the_old_one_and_made_once() {
    let cloud = Cloud::with(&["tags: {team: blue, 'aws:cloudformation:stack-name': web}"]);
    let again = || async {
        let sizes = Sizes { min: 0, desired: 2, max: 5 };
        cloud.groups().make_group(&cluster(), "web", "web-2", &of_web("3"), sizes).await
    };
    again().await.unwrap();
    let made = cloud.group("web-2").await;
    assert_eq!((made.min, made.desired, made.max), (0, 2, 5));
    assert_eq!((made.template, made.subnets), (Some(of_web("3")), cloud.group("web").await.subnets));
    let capacity = cloud.groups().capacity(&cluster(), &[]).await;
    assert_eq!(capacity.groups.get().unwrap().len(), 2, "it is tagged as the cluster's");
    again().await.unwrap();
    assert_eq!(cloud.changes(), ["CreateAutoScalingGroup"]);
}

#[tokio::test]
async fn a_group_like_none_is_not_made() {
    let cloud = Cloud::of(FLEET);
    let sizes = Sizes { min: 0, desired: 2, max: 5 };
    let made = cloud.groups().make_group(&cluster(), "gone", "web-2", &of_web("3"), sizes).await;
    assert!(made.unwrap_err().why.contains("the group gone is not there"));
    assert_eq!(cloud.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn an_instance_ends_and_the_group_replaces_it() {
    let cloud = Cloud::of(FLEET);
    let old = cloud.group("web").await.instances[0].clone();
    cloud.groups().terminate(&cluster(), &old, false).await.unwrap();
    cloud.wait(300);
    let group = cloud.group("web").await;
    assert_eq!((group.desired, group.instances.len()), (3, 3));
    assert!(!group.instances.contains(&old));
}

#[tokio::test]
async fn an_instance_that_ends_is_not_ended_again() {
    let cloud = Cloud::of(FLEET);
    let instance = cloud.group("web").await.instances[0].clone();
    let end = || async { cloud.groups().terminate(&cluster(), &instance, true).await.unwrap() };
    end().await;
    end().await;
    cloud.wait(300);
    end().await;
    let group = cloud.group("web").await;
    assert_eq!((group.desired, group.instances.len()), (2, 2), "one less, once");
    assert_eq!(cloud.changes(), ["TerminateInstanceInAutoScalingGroup"]);
}

#[tokio::test]
async fn an_instance_whose_end_was_not_heard_of_is_looked_at_before_it_is_ended_again() {
    let cloud = Cloud::of(FLEET);
    let instance = cloud.group("web").await.instances[0].clone();
    cloud.lose("TerminateInstanceInAutoScalingGroup");
    let end = || async { cloud.groups().terminate(&cluster(), &instance, true).await };
    let down = end().await.unwrap_err();
    assert!(down.why.contains("the line is cut"), "{}", down.why);
    end().await.unwrap();
    assert_eq!(cloud.changes(), ["TerminateInstanceInAutoScalingGroup"]);
}

#[tokio::test]
async fn a_group_shrinks_below_its_least_size() {
    let cloud = Cloud::of(FLEET);
    for instance in cloud.group("web").await.instances {
        cloud.groups().terminate(&cluster(), &instance, true).await.unwrap();
        cloud.wait(60);
    }
    let group = cloud.group("web").await;
    assert_eq!((group.min, group.desired, group.instances.len()), (0, 0, 0));
}

#[tokio::test]
async fn an_empty_group_is_deleted_and_one_with_instances_is_not() {
    let cloud = Cloud::of(FLEET);
    let groups = cloud.groups();
    let refused = groups.delete_group(&cluster(), "web").await.unwrap_err();
    assert_eq!((refused.operation, refused.denied), ("autoscaling:DeleteAutoScalingGroup", false));
    for instance in cloud.group("web").await.instances {
        groups.terminate(&cluster(), &instance, true).await.unwrap();
        cloud.wait(60);
    }
    cloud.changes();
    groups.delete_group(&cluster(), "web").await.unwrap();
    cloud.wait(60);
    groups.delete_group(&cluster(), "web").await.unwrap();
    assert_eq!(groups.group(&cluster(), "web").await, Ok(None));
    assert_eq!(cloud.changes(), ["DeleteAutoScalingGroup"]);
}

#[tokio::test]
async fn without_the_right_to_it_nothing_is_done_and_it_is_said() {
    let rows = [
        ("UpdateAutoScalingGroup", "autoscaling:UpdateAutoScalingGroup"),
        ("TerminateInstanceInAutoScalingGroup", "autoscaling:TerminateInstanceInAutoScalingGroup"),
        ("CreateAutoScalingGroup", "autoscaling:CreateAutoScalingGroup"),
    ];
    for (operation, named) in rows {
        let cloud = Cloud::refusing(operation, "AccessDenied", 403);
        let groups = cloud.groups();
        let instance = cloud.group("web").await.instances[0].clone();
        let sizes = Sizes { min: 2, desired: 3, max: 5 };
        let done = match operation {
            "UpdateAutoScalingGroup" => groups.update_group(&cluster(), "web", None, Some(sizes)).await,
            "CreateAutoScalingGroup" => {
                groups.make_group(&cluster(), "web", "web-2", &of_web("3"), sizes).await
            }
            _ => groups.terminate(&cluster(), &instance, false).await,
        };
        let down = done.unwrap_err();
        assert_eq!((down.operation, down.denied), (named, true));
    }
}
