//! What EKS does not manage: groups, core components, pods on Fargate, nodes that follow by themselves.

use std::collections::BTreeSet;

use eks_upgrade_core::drain::{Held, HeldBy, NodeForecast};
use eks_upgrade_core::finding::{Code, Level};
use eks_upgrade_core::health::Vitals;
use eks_upgrade_core::inside::{AutoScalingGroup, Component, NodeGroupOf, Rollout, Seen};
use eks_upgrade_core::inspection::{FargatePod, Follower, Following, Inspection, SelfManagedGroup};
use eks_upgrade_core::plan::StepKind;
use eks_upgrade_core::policy::{Access, CoreComponentName, FargatePods, NodeHops, NodeStrategy};

use crate::given::{Case, found, ids, minor, now, offers, step, waits_for};

const REPOSITORY: &str = "602401143452.dkr.ecr.us-east-1.amazonaws.com/eks";

/// A cluster whose inside may be changed, with nothing in it.
fn inside(target: u8) -> Case {
    let mut case = Case::to(target);
    case.policy.kubernetes.access = Access::Full;
    case.inventory.inside = Some(Inspection {
        at: now(),
        unread: None,
        findings: Vec::new(),
        forecast: Seen::Is(Vec::new()),
        vitals: Seen::Is(Vitals::default()),
        self_managed: Seen::Is(Vec::new()),
        components: Seen::Is(Vec::new()),
        following: Seen::Is(Following::default()),
        autoscaler: Seen::Is(None),
    });
    case
}

fn seen(case: &mut Case) -> &mut Inspection {
    case.inventory.inside.as_mut().unwrap()
}

fn ids_of(case: &Case, what: &str) -> Vec<String> {
    let plan = case.plan();
    ids(&plan).into_iter().filter(|id| id.contains(what)).map(str::to_owned).collect()
}

#[test]
fn an_inside_that_could_not_be_read_is_one_line() {
    let mut case = inside(34);
    case.inventory.inside = Some(Inspection::unseen(now(), "403 Forbidden"));
    assert_eq!(found(&case.plan(), Code::InsideUnread), [(Level::Unknown, "prod-a")]);
}

#[test]
fn each_part_that_could_not_be_read_is_a_line() {
    let mut case = inside(34);
    assert_eq!(found(&case.plan(), Code::InsideUnread), []);
    seen(&mut case).self_managed = Seen::Not("403 Forbidden".into());
    seen(&mut case).following = Seen::Not("403 Forbidden".into());
    assert_eq!(found(&case.plan(), Code::InsideUnread).len(), 2);
}

/// A node of this group that a pod without a controller does not leave.
fn held(group: NodeGroupOf) -> NodeForecast {
    let held = Held {
        node: "n".into(),
        pod: "shop/lone".into(),
        owner: String::new(),
        why: HeldBy::NoController,
        confirmed: None,
    };
    NodeForecast { node: "n".into(), group, leave: 0, stay: 0, held: vec![held], takes_s: 30 }
}

#[test]
fn a_pod_that_does_not_leave_blocks_but_where_it_may_be_deleted() {
    let blocks = |group: NodeGroupOf, all: NodeStrategy, a: NodeStrategy| {
        let mut case = inside(34);
        case.policy.strategy = all;
        case.policy.node_group_strategy.insert("a".into(), a);
        seen(&mut case).forecast = Seen::Is(vec![held(group)]);
        let plan = case.plan();
        let held: Vec<_> = plan.findings.iter().filter(|finding| finding.subject == "shop/lone").collect();
        assert_eq!(held.len(), 1);
        held[0].level == Level::Block
    };
    let (soft, hard) = (NodeStrategy::Rolling, NodeStrategy::Force);
    let managed = || NodeGroupOf::Managed("a".into());
    assert!(blocks(managed(), hard, soft));
    assert!(!blocks(managed(), soft, hard));
    assert!(blocks(NodeGroupOf::SelfManaged, soft, hard));
    assert!(!blocks(NodeGroupOf::SelfManaged, hard, soft));
    assert!(blocks(NodeGroupOf::Karpenter("default".into()), hard, hard));
}

/// A group of two nodes, the older at this minor.
fn own(oldest: u8) -> SelfManagedGroup {
    SelfManagedGroup {
        group: AutoScalingGroup {
            name: "own nodes".into(),
            instances: vec!["i-1".into(), "i-2".into()],
            min: 0,
            desired: 2,
            max: 2,
            zones: Vec::new(),
            subnets: Vec::new(),
            template: None,
            suspended: Vec::new(),
            released: true,
        },
        oldest: Some(minor(oldest)),
        image: Some("amazon-linux-2023/x86_64/standard".into()),
    }
}

fn with_group(target: u8, group: SelfManagedGroup) -> Case {
    let mut case = inside(target);
    seen(&mut case).self_managed = Seen::Is(vec![group]);
    case
}

#[test]
fn a_group_that_is_ours_to_roll_goes_where_managed_ones_go() {
    let mut case = with_group(35, own(33));
    assert_eq!(ids_of(&case, "self-managed"), ["1.35/self-managed/own_nodes-4058d0b4"]);
    assert_eq!(step(&case.plan(), "1.35/self-managed/own_nodes-4058d0b4").reason, "1.35 is the target");
    assert_eq!(found(&case.plan(), Code::SelfManagedNodes), []);
    case.policy.nodes = NodeHops::EachHop;
    let each_hop = ["1.34/self-managed/own_nodes-4058d0b4", "1.35/self-managed/own_nodes-4058d0b4"];
    assert_eq!(ids_of(&case, "self-managed"), each_hop);
    assert_eq!(ids_of(&with_group(35, own(35)), "self-managed"), [""; 0]);
}

#[test]
fn groups_whose_names_differ_in_what_no_step_may_hold_have_steps_of_their_own() {
    let group = |name: &str| {
        let mut own = own(33);
        own.group.name = name.into();
        own
    };
    let long = "x".repeat(230);
    let mut case = inside(34);
    let names = ["own nodes", "own_nodes", "own nodes!", &format!("{long}a"), &format!("{long}b")];
    seen(&mut case).self_managed = Seen::Is(names.map(group).into());
    let ids: BTreeSet<String> = ids_of(&case, "self-managed").into_iter().collect();
    assert_eq!(ids.len(), names.len(), "{ids:?}");
    assert!(ids.contains("1.34/self-managed/own_nodes"), "a plain name stays as it is: {ids:?}");
}

#[test]
fn such_a_group_that_would_be_too_far_behind_rolls_first() {
    let first = ["1.33/self-managed/own_nodes-4058d0b4", "1.34/self-managed/own_nodes-4058d0b4"];
    let case = with_group(34, own(30));
    assert_eq!(ids_of(&case, "self-managed"), first);
    assert!(step(&case.plan(), first[0]).reason.contains("too far behind"));
    assert_eq!(ids_of(&with_group(34, own(31)), "self-managed"), first[1..]);
}

#[test]
fn its_room_is_no_more_than_it_has_nodes() {
    let surge = |wanted, instances: usize| {
        let mut group = own(33);
        group.group.instances.truncate(instances);
        let mut case = with_group(34, group);
        case.policy.kubernetes.self_managed.surge = wanted;
        match step(&case.plan(), "1.34/self-managed/own_nodes-4058d0b4").kind {
            StepKind::SelfManagedNodes { surge, size, .. } => (size, surge),
            ref other => panic!("{other:?}"),
        }
    };
    assert_eq!(surge(1, 2), (2, 1));
    assert_eq!(surge(5, 2), (2, 2));
    assert_eq!(surge(5, 0), (0, 1));
}

#[test]
fn a_group_that_is_not_ours_to_roll_stays_and_is_told() {
    let stays = |change: &dyn Fn(&mut Case)| {
        let mut case = with_group(34, own(33));
        change(&mut case);
        assert_eq!(ids_of(&case, "self-managed"), [""; 0]);
        let plan = case.plan();
        let told: Vec<_> = plan.findings.iter().filter(|f| f.code == Code::SelfManagedNodes).collect();
        assert_eq!(told.len(), 1);
        (told[0].level, told[0].message.clone())
    };
    let group = |case: &mut Case, change: &dyn Fn(&mut SelfManagedGroup)| {
        let mut group = own(33);
        change(&mut group);
        seen(case).self_managed = Seen::Is(vec![group]);
    };
    let (level, message) = stays(&|case| case.policy.kubernetes.access = Access::Read);
    assert!(level == Level::Warn && message.contains("does not manage"), "{message}");
    let (level, message) = stays(&|case| group(case, &|own| own.group.released = false));
    assert!(level == Level::Warn && message.contains("owner does not let it"), "{message}");
    let (level, message) = stays(&|case| group(case, &|own| own.image = None));
    assert!(level == Level::Warn && message.contains("no image like its own"), "{message}");
    let (level, message) = stays(&|case| group(case, &|own| own.oldest = None));
    assert!(level == Level::Unknown && message.contains("does not read"), "{message}");
}

#[test]
fn a_group_that_stays_too_far_behind_blocks_once() {
    let blocks = |oldest, target| {
        let mut case = with_group(target, own(oldest));
        case.policy.kubernetes.access = Access::Read;
        found(&case.plan(), Code::SkewExceeded).len()
    };
    assert_eq!(blocks(31, 34), 0);
    assert_eq!(blocks(30, 34), 1);
    assert_eq!(blocks(30, 36), 1);
}

fn component(name: &str, tag: &str) -> Component {
    Component {
        name: name.into(),
        image: format!("{REPOSITORY}/{name}:{tag}"),
        rollout: Rollout { generation: 1, observed: 1, wants: 2, updated: 2, available: 2 },
    }
}

/// A cluster whose component of this name is no add-on.
fn with_component(target: u8, name: &str, tag: &str) -> Case {
    let mut case = inside(target);
    case.inventory.addons.retain(|addon| addon.name != name);
    case.policy.kubernetes.components =
        BTreeSet::from([CoreComponentName::KubeProxy, CoreComponentName::VpcCni]);
    seen(&mut case).components = Seen::Is(vec![component(name, tag)]);
    case
}

#[test]
fn a_component_goes_to_the_default_at_the_target() {
    let case = with_component(35, "kube-proxy", "v1.33.0-eksbuild.1");
    assert_eq!(ids_of(&case, "core-component"), ["1.35/core-component/kube-proxy/v1.35.0-eksbuild.1"]);
    assert_eq!(found(&case.plan(), Code::SelfManagedComponent), []);
}

#[test]
fn kube_proxy_moves_on_the_way_where_it_would_be_too_far_behind() {
    let moves = |tag| ids_of(&with_component(35, "kube-proxy", tag), "core-component");
    let on_the_way = "1.34/core-component/kube-proxy/v1.34.0-eksbuild.1";
    let last = "1.35/core-component/kube-proxy/v1.35.0-eksbuild.1";
    assert_eq!(moves("v1.31.0-eksbuild.1"), [on_the_way, last]);
    assert_eq!(moves("v1.32.0-eksbuild.1"), [last]);
}

#[test]
fn a_component_stays_where_eks_names_nothing_newer() {
    let mut case = with_component(34, "kube-proxy", "v1.34.0-eksbuild.1");
    assert_eq!(ids_of(&case, "core-component"), [""; 0], "it is at the default");
    case.offer("kube-proxy", 34, offers(&[32, 34], Some(32)));
    assert_eq!(ids_of(&case, "core-component"), [""; 0], "it serves, and is past the default");
    case.offer("kube-proxy", 34, offers(&[32, 34], None));
    assert_eq!(ids_of(&case, "core-component"), [""; 0], "it serves, and nothing is newer");
    assert_eq!(found(&case.plan(), Code::SelfManagedComponent), []);
    case.offer("kube-proxy", 34, offers(&[32], Some(32)));
    assert_eq!(ids_of(&case, "core-component"), [""; 0]);
    assert_eq!(found(&case.plan(), Code::SelfManagedComponent), [(Level::Warn, "kube-proxy")]);
    case.offer("kube-proxy", 34, offers(&[34, 35], Some(35)));
    let newer = ["1.34/core-component/kube-proxy/v1.35.0-eksbuild.1"];
    assert_eq!(ids_of(&case, "core-component"), newer, "it serves, and the default is above it");
    case.offer("kube-proxy", 34, offers(&[32, 35], Some(32)));
    assert_eq!(ids_of(&case, "core-component"), newer, "it does not serve, and the default is below it");
}

#[test]
fn a_network_plugin_that_is_no_addon_climbs_too_and_nodes_wait_for_it() {
    let mut case = with_component(34, "vpc-cni", "v1.16.0-eksbuild.1");
    let climbed =
        ["1.34/core-component/vpc-cni/v1.17.0-eksbuild.1", "1.34/core-component/vpc-cni/v1.18.0-eksbuild.1"];
    assert_eq!(ids_of(&case, "core-component"), climbed);
    assert!(waits_for(&case.plan(), climbed[1], climbed[0]));
    assert!(waits_for(&case.plan(), "1.34/node-group/a", climbed[1]));
    case.offer("vpc-cni", 34, offers(&[18], Some(18)));
    assert_eq!(ids_of(&case, "core-component"), [""; 0]);
    assert_eq!(found(&case.plan(), Code::CniGap), [(Level::Block, "vpc-cni")]);
    let mut leaps = with_component(34, "kube-proxy", "v1.31.0-eksbuild.1");
    leaps.offer("kube-proxy", 34, offers(&[34], Some(34)));
    assert_eq!(ids_of(&leaps, "core-component").len(), 1, "others need not climb");
}

#[test]
fn a_component_that_is_not_ours_to_move_is_told_with_the_reason() {
    let told = |case: &Case| {
        assert_eq!(ids_of(case, "core-component"), [""; 0]);
        let plan = case.plan();
        let told: Vec<_> = plan.findings.iter().filter(|f| f.code == Code::SelfManagedComponent).collect();
        assert_eq!(told.len(), 1);
        told[0].message.clone()
    };
    let case = || with_component(34, "kube-proxy", "v1.33.0-eksbuild.1");
    let foreign = with_component(34, "kube-proxy", "v1.33.0");
    assert!(told(&foreign).ends_with("no build of EKS's"));
    let mut looks = case();
    looks.policy.kubernetes.access = Access::Read;
    assert!(told(&looks).ends_with("access is not full"));
    let mut left_out = case();
    left_out.policy.kubernetes.components.clear();
    assert!(told(&left_out).ends_with("leaves it out"));
    let mut addon = inside(34);
    seen(&mut addon).components = Seen::Is(vec![component("kube-proxy", "v1.33.0-eksbuild.1")]);
    assert_eq!(ids_of(&addon, "core-component"), [""; 0], "an add-on is EKS's to move");
}

fn pod(name: &str, workload: &str, at: Option<u8>) -> FargatePod {
    FargatePod { pod: format!("shop/{name}"), workload: workload.into(), minor: at.map(minor) }
}

fn with_pods(pods: &[FargatePod], fargate: FargatePods) -> Case {
    let mut case = inside(35);
    case.policy.kubernetes.fargate = fargate;
    seen(&mut case).following = Seen::Is(Following { pools: Vec::new(), fargate: pods.to_vec() });
    case
}

#[test]
fn old_pods_on_fargate_are_restarted_by_their_workloads_once_at_the_target() {
    let (web, db) = ("Deployment shop/web", "StatefulSet shop/db");
    let pods = [
        pod("c", db, None),
        pod("a", web, Some(33)),
        pod("b", web, Some(34)),
        pod("d", "Deployment x/y", Some(35)),
    ];
    let case = with_pods(&pods, FargatePods::Restart);
    assert_eq!(ids_of(&case, "fargate"), ["1.35/fargate"]);
    let plan = case.plan();
    let StepKind::FargatePods { workloads, to } = &step(&plan, "1.35/fargate").kind else { panic!() };
    assert_eq!((workloads.as_slice(), *to), ([web.to_owned(), db.to_owned()].as_slice(), minor(35)));
    assert_eq!(found(&plan, Code::FargatePods), []);
}

#[test]
fn old_pods_on_fargate_that_nobody_restarts_are_told() {
    let lone = || pod("lone", "", Some(33));
    let web = || pod("web", "Deployment shop/web", Some(33));
    let plan = with_pods(&[web(), lone()], FargatePods::Restart).plan();
    assert_eq!(found(&plan, Code::FargatePods), [(Level::Warn, "shop/lone")]);
    let case = with_pods(&[lone()], FargatePods::Restart);
    assert_eq!(ids_of(&case, "fargate"), [""; 0]);
    let case = with_pods(&[web(), lone()], FargatePods::Report);
    assert_eq!(ids_of(&case, "fargate"), [""; 0]);
    assert_eq!(found(&case.plan(), Code::FargatePods), [(Level::Warn, "shop/web")]);
    let mut looks = with_pods(&[web()], FargatePods::Restart);
    looks.policy.kubernetes.access = Access::Read;
    assert_eq!(ids_of(&looks, "fargate"), [""; 0]);
    assert_eq!(found(&looks.plan(), Code::FargatePods), [(Level::Warn, "shop/web")]);
    let young = with_pods(&[pod("young", "", Some(35))], FargatePods::Report);
    assert_eq!(found(&young.plan(), Code::FargatePods), []);
}

/// Pools with the minors of their nodes.
fn with_pools(mut case: Case, pools: &[(&str, &[u8])]) -> Case {
    let pool = |(pool, nodes): &(&str, &[u8])| Follower {
        pool: (*pool).into(),
        nodes: nodes.iter().map(|n| minor(*n)).collect(),
    };
    let pools = pools.iter().map(pool).collect();
    seen(&mut case).following = Seen::Is(Following { pools, fargate: Vec::new() });
    case
}

fn watched(case: &Case, id: &str) -> Vec<String> {
    let plan = case.plan();
    let StepKind::Follow { pools, to, .. } = &step(&plan, id).kind else { panic!("{id}") };
    assert!(id.starts_with(&to.to_string()), "{id} to {to}");
    pools.clone()
}

#[test]
fn pools_that_lag_are_watched_once_at_the_target() {
    let case = with_pools(inside(35), &[("old", &[35, 34]), ("new", &[35]), ("empty", &[])]);
    assert_eq!(ids_of(&case, "follow"), ["1.35/follow"]);
    let plan = case.plan();
    let StepKind::Follow { pools, to, stall_s } = &step(&plan, "1.35/follow").kind else { panic!() };
    assert_eq!((pools.as_slice(), *to, *stall_s), (["old".to_owned()].as_slice(), minor(35), 3_600));
    assert_eq!(found(&plan, Code::NodesFollow), [(Level::Pass, "old")]);
    assert_eq!(ids_of(&inside(35), "follow"), [""; 0]);
}

#[test]
fn pools_that_the_next_hop_would_leave_too_far_behind_are_watched_before_it() {
    let case = with_pools(inside(36), &[("lags", &[33, 32]), ("fits", &[33])]);
    assert_eq!(ids_of(&case, "follow"), ["1.35/follow", "1.36/follow"]);
    assert_eq!(watched(&case, "1.35/follow"), ["lags"], "1.36 would be four minors from 1.32");
    assert_eq!(watched(&case, "1.36/follow"), ["lags", "fits"]);
}

#[test]
fn pods_on_fargate_that_the_next_hop_would_leave_too_far_behind_are_restarted_before_it_or_stand_against_it()
{
    let pods = [pod("web", "Deployment shop/web", Some(32)), pod("db", "StatefulSet shop/db", Some(33))];
    let to = |fargate| {
        let mut case = with_pods(&pods, fargate);
        case.target = minor(36);
        case
    };
    let case = to(FargatePods::Restart);
    assert_eq!(ids_of(&case, "fargate"), ["1.35/fargate", "1.36/fargate"]);
    let plan = case.plan();
    let StepKind::FargatePods { workloads, .. } = &step(&plan, "1.35/fargate").kind else { panic!() };
    assert_eq!(workloads, &["Deployment shop/web"]);
    let plan = to(FargatePods::Report).plan();
    assert_eq!(found(&plan, Code::SkewExceeded), [(Level::Block, "shop/web")]);
    assert_eq!(found(&plan, Code::FargatePods), [(Level::Warn, "shop/db")]);
}
