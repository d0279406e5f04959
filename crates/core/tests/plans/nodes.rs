//! Node groups: when they roll, how far they go, and what is said of those that stay.

use eks_upgrade_core::cluster::{AmiFamily, Status};
use eks_upgrade_core::finding::{Code, Level};
use eks_upgrade_core::plan::StepKind;
use eks_upgrade_core::policy::NodeHops;

use crate::given::{Case, found, ids, minor, step, template, waits_for};

fn rolls(case: &Case) -> Vec<String> {
    let plan = case.plan();
    ids(&plan).into_iter().filter(|id| id.contains("node-group")).map(str::to_owned).collect()
}

#[test]
fn nodes_roll_once_at_the_target_or_after_each_hop() {
    let mut case = Case::to(35);
    assert_eq!(rolls(&case), ["1.35/node-group/a"]);
    case.policy.nodes = NodeHops::EachHop;
    assert_eq!(rolls(&case), ["1.34/node-group/a", "1.35/node-group/a"]);
}

#[test]
fn nodes_wait_for_the_network_plugin_and_not_for_other_addons() {
    let plan = Case::to(34).plan();
    assert!(waits_for(&plan, "1.34/node-group/a", "1.34/add-on/vpc-cni/v1.18.0-eksbuild.1"));
    assert!(!waits_for(&plan, "1.34/node-group/a", "1.34/add-on/kube-proxy/v1.34.0-eksbuild.1"));
}

#[test]
fn an_image_of_the_owners_goes_to_the_target_by_a_launch_template_or_stays() {
    let mut case = Case::to(35);
    case.policy.nodes = NodeHops::EachHop;
    case.group().ami = AmiFamily::Custom;
    case.group().launch_template = Some(template());
    assert_eq!(rolls(&case), [""; 0]);
    assert_eq!(found(&case.plan(), Code::CustomAmi), [(Level::Warn, "a")]);
    case.launch_templates.insert("a".into(), "2".into());
    assert_eq!(rolls(&case), ["1.35/node-group/a"]);
    let plan = case.plan();
    assert_eq!(found(&plan, Code::CustomAmi), []);
    let StepKind::NodeGroup { launch_template: Some(sent), custom_ami: true, .. } =
        &step(&plan, "1.35/node-group/a").kind
    else {
        panic!("{plan:?}")
    };
    assert_eq!((sent.id.as_str(), sent.version.as_str()), ("lt-1", "2"));
}

#[test]
fn a_launch_template_that_drives_a_published_image_is_told() {
    let mut case = Case::to(34);
    assert_eq!(found(&case.plan(), Code::LaunchTemplate), []);
    case.group().launch_template = Some(template());
    assert_eq!(found(&case.plan(), Code::LaunchTemplate), [(Level::Pass, "a")]);
    case.group().ami = AmiFamily::Custom;
    assert_eq!(found(&case.plan(), Code::LaunchTemplate), []);
}

#[test]
fn amazon_linux_2_ends_at_1_32() {
    let from = |at: u8, target: u8| {
        let mut case = Case::to(target);
        case.inventory.addons.clear();
        case.inventory.cluster.version = minor(at);
        case.group().version = minor(at);
        case.group().ami = AmiFamily::AmazonLinux2;
        case
    };
    assert_eq!(found(&from(31, 32).plan(), Code::AmazonLinux2), []);
    assert_eq!(rolls(&from(31, 32)), ["1.32/node-group/a"]);
    assert_eq!(found(&from(31, 33).plan(), Code::AmazonLinux2), [(Level::Warn, "a")]);
    assert_eq!(rolls(&from(31, 33)), ["1.32/node-group/a"]);
    assert_eq!(rolls(&from(33, 34)), [""; 0]);
}

#[test]
fn a_group_that_would_be_too_far_behind_rolls_before_the_control_plane_moves() {
    let mut case = Case::to(34);
    case.group().version = minor(30);
    assert_eq!(rolls(&case), ["1.33/node-group/a", "1.34/node-group/a"]);
    case.group().version = minor(31);
    assert_eq!(rolls(&case), ["1.34/node-group/a"]);
}

#[test]
fn a_group_that_stays_too_far_behind_blocks() {
    let stays = |at, target| {
        let mut case = Case::to(target);
        case.group().version = minor(at);
        case.group().ami = AmiFamily::Custom;
        found(&case.plan(), Code::SkewExceeded).len()
    };
    assert_eq!(stays(31, 34), 0);
    assert_eq!(stays(30, 34), 1);
    assert_eq!(stays(30, 36), 1, "said once");
    assert_eq!(stays(29, 33), 1);
}

#[test]
fn a_group_that_is_unwell_blocks_and_one_that_changes_is_waited_for() {
    let with = |status| {
        let mut case = Case::to(34);
        case.group().status = status;
        case.plan()
    };
    let plan = with(Status::Unwell("DEGRADED".into()));
    assert_eq!(found(&plan, Code::NodeGroupUnwell), [(Level::Block, "a")]);
    for busy in [Status::Updating, Status::Transient("DELETING".into())] {
        assert_eq!(found(&with(busy), Code::NodeGroupBusy), [(Level::Warn, "a")]);
    }
    let plan = with(Status::Active);
    assert_eq!(found(&plan, Code::NodeGroupUnwell), []);
    assert_eq!(found(&plan, Code::NodeGroupBusy), []);
}
