//! Random clusters, catalogues, policies, events and worlds. What is inside them is [`inside`]'s.

use std::collections::BTreeMap;

use eks_upgrade_core::cluster::{
    Addon, AmiFamily, Catalogue, Cluster, Inventory, LaunchTemplate, NodeGroup, Offer, Status,
};
use eks_upgrade_core::control::Controls;
use eks_upgrade_core::plan::Plan;
use eks_upgrade_core::planner::{Wish, plan};
use eks_upgrade_core::policy::{NodeHops, NodeStrategy, Policy};
use eks_upgrade_core::version::{AddonVersion, Minor};
use eks_upgrade_core::waits::Learned;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;

use crate::inside::{inside, kubernetes};

/// The minors that the catalogues of these tests cover.
pub const MINORS: std::ops::RangeInclusive<u8> = 28..=36;

pub fn minor(n: u8) -> Minor {
    Minor::new(n).unwrap()
}

pub fn version(minor: u32) -> AddonVersion {
    format!("v1.{minor}.0-eksbuild.1").parse().unwrap()
}

pub fn now() -> Timestamp {
    "2026-08-18T09:15:00Z".parse().unwrap()
}

/// A cluster and what is wanted of it.
#[derive(Clone, Debug)]
pub struct Case {
    pub inventory: Inventory,
    pub target: Minor,
    pub policy: Policy,
    pub launch_templates: BTreeMap<String, String>,
}

impl Case {
    pub fn plan(&self, revision: u32) -> Plan {
        let wish = Wish {
            target: self.target,
            policy: &self.policy,
            launch_templates: &self.launch_templates,
            revision,
            controls: &Controls::default(),
            learned: &Learned::default(),
            unattended: false,
        };
        plan(&self.inventory, &wish, now())
    }
}

/// What EKS offers of one add-on: for each minor a run of versions that only moves up, with a default in it,
/// and now and then one of them missing.
fn offers() -> impl Strategy<Value = BTreeMap<Minor, Vec<Offer>>> {
    let per_minor = (0..3_u32, 1..4_u32, 0..4_usize, proptest::option::weighted(0.1, 0..4_usize));
    proptest::collection::vec(per_minor, MINORS.count()).prop_map(|rows| {
        let mut lowest = 10;
        let mut offers = BTreeMap::new();
        for (n, (rise, width, default, missing)) in MINORS.zip(rows) {
            lowest += rise;
            let mut versions: Vec<u32> = (lowest..lowest + width).collect();
            if let Some(gap) = missing.filter(|gap| *gap < versions.len() && versions.len() > 1) {
                versions.remove(gap);
            }
            let default = default % versions.len();
            let offer =
                |(place, v): (usize, u32)| Offer { version: version(v), is_default: place == default };
            offers.insert(minor(n), versions.into_iter().enumerate().map(offer).collect());
        }
        offers
    })
}

fn catalogue() -> impl Strategy<Value = Catalogue> {
    let names = ["vpc-cni", "coredns", "kube-proxy", "vendor"].map(str::to_owned);
    proptest::collection::vec(offers(), names.len())
        .prop_map(move |all| names.clone().into_iter().zip(all).collect())
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![
        18 => Just(Status::Active),
        1 => Just(Status::Updating),
        1 => Just(Status::Unwell("DEGRADED".into())),
    ]
}

fn node_group(name: String, cluster: u8) -> impl Strategy<Value = NodeGroup> {
    let ami = select(vec![
        AmiFamily::Published,
        AmiFamily::Published,
        AmiFamily::Published,
        AmiFamily::AmazonLinux2,
        AmiFamily::Custom,
    ]);
    let template = proptest::option::of(Just(LaunchTemplate { id: "lt-1".into(), version: "7".into() }));
    (0..=4_u8, ami, template, status(), 1..40_u32, 1..5_u32).prop_map(
        move |(behind, ami, launch_template, status, size, max_unavailable)| NodeGroup {
            name: name.clone(),
            version: minor(cluster.saturating_sub(behind)),
            release: None,
            // An own image always comes by a launch template.
            launch_template: if ami == AmiFamily::Custom {
                Some(LaunchTemplate { id: "lt-2".into(), version: "1".into() })
            } else {
                launch_template
            },
            ami,
            status,
            size,
            max_unavailable,
            health_issues: Vec::new(),
        },
    )
}

fn addons(cluster: u8, catalogue: &Catalogue) -> impl Strategy<Value = Vec<Addon>> + use<> {
    let each: Vec<_> = catalogue
        .iter()
        .map(|(name, by_minor)| {
            let name = name.clone();
            let offered = &by_minor[&minor(cluster)];
            let mut installed: Vec<AddonVersion> =
                offered.iter().map(|offer| offer.version.clone()).collect();
            // Somebody may have left it behind, or be ahead of everything.
            installed.push(version(9));
            installed.push(version(12));
            installed.push(version(60));
            let weights = (0..20_usize, status(), proptest::bool::weighted(0.85));
            weights.prop_map(move |(pick, status, present)| {
                let version = installed.get(pick).unwrap_or(&installed[pick % (installed.len() - 3)]).clone();
                present.then(|| Addon {
                    name: name.clone(),
                    version,
                    status,
                    role: None,
                    configuration: None,
                    health_issues: Vec::new(),
                })
            })
        })
        .collect();
    each.prop_map(|addons| addons.into_iter().flatten().collect())
}

pub fn policy() -> impl Strategy<Value = Policy> {
    let nodes = select(vec![NodeHops::Last, NodeHops::EachHop]);
    let strategy = select(vec![NodeStrategy::Rolling, NodeStrategy::Force, NodeStrategy::RollingThenForce]);
    (nodes, strategy, 1..4_u8, 1..4_u8, 1..4_u8).prop_map(
        |(nodes, strategy, node_groups_at_once, addons_at_once, attempts)| Policy {
            nodes,
            strategy,
            node_groups_at_once,
            addons_at_once,
            attempts,
            ..Policy::default()
        },
    )
}

/// Any cluster that EKS could show, and any target at or above it.
pub fn case() -> impl Strategy<Value = Case> {
    let start =
        (*MINORS.start()..=*MINORS.end(), 0..=4_u8, catalogue(), policy(), kubernetes(), any::<bool>());
    start.prop_flat_map(|(at, hops, catalogue, policy, kubernetes, own_images_move)| {
        let policy = Policy { kubernetes, ..policy };
        let group = |name: &str| proptest::option::of(node_group(name.to_owned(), at));
        let groups = (group("a"), group("b"), group("c"))
            .prop_map(|(a, b, c)| [a, b, c].into_iter().flatten().collect::<Vec<NodeGroup>>());
        (groups, addons(at, &catalogue), inside(at, &catalogue)).prop_map(
            move |(node_groups, addons, inside)| {
                let templates = node_groups.iter().filter(|g| g.ami == AmiFamily::Custom && own_images_move);
                Case {
                    launch_templates: templates.map(|g| (g.name.clone(), "2".to_owned())).collect(),
                    inventory: Inventory {
                        inside: policy.kubernetes.may_look().then_some(inside),
                        ..inventory(at, node_groups, addons, catalogue.clone())
                    },
                    target: minor((at + hops).min(*MINORS.end())),
                    policy: policy.clone(),
                }
            },
        )
    })
}

fn inventory(at: u8, node_groups: Vec<NodeGroup>, addons: Vec<Addon>, catalogue: Catalogue) -> Inventory {
    Inventory {
        cluster: Cluster {
            arn: "arn:aws:eks:us-east-1:123456789012:cluster/prod-a".parse().unwrap(),
            created_at: "2025-01-15T08:00:00Z".parse().unwrap(),
            version: minor(at),
            status: Status::Active,
            tags: BTreeMap::new(),
            auto_mode: false,
            extended_support: true,
            health_issues: Vec::new(),
        },
        node_groups,
        addons,
        fargate_profiles: Vec::new(),
        catalogue,
        inside: None,
        insights: Vec::new(),
    }
}

/// Two hops with add-ons before and after, and two node groups: a plan with every kind of step in it.
pub fn usual() -> Case {
    let offer = |v: u32, is_default| Offer { version: version(v), is_default };
    let by_minor = |rows: [(u8, Vec<Offer>); 3]| rows.map(|(n, offers)| (minor(n), offers)).into();
    let catalogue = Catalogue::from([
        (
            "vpc-cni".to_owned(),
            by_minor([
                (33, vec![offer(16, true), offer(17, false)]),
                (34, vec![offer(17, false), offer(18, true)]),
                (35, vec![offer(18, false), offer(19, true)]),
            ]),
        ),
        (
            "kube-proxy".to_owned(),
            by_minor([(33, vec![offer(33, true)]), (34, vec![offer(34, true)]), (35, vec![offer(35, true)])]),
        ),
    ]);
    let addon = |name: &str, v| Addon {
        name: name.into(),
        version: version(v),
        status: Status::Active,
        role: None,
        configuration: None,
        health_issues: Vec::new(),
    };
    let group = |name: &str| NodeGroup {
        name: name.into(),
        version: minor(33),
        release: None,
        ami: AmiFamily::Published,
        launch_template: None,
        status: Status::Active,
        size: 3,
        max_unavailable: 1,
        health_issues: Vec::new(),
    };
    let addons = vec![addon("vpc-cni", 16), addon("kube-proxy", 33)];
    Case {
        inventory: inventory(33, vec![group("a"), group("b")], addons, catalogue),
        target: minor(35),
        policy: Policy::default(),
        launch_templates: BTreeMap::new(),
    }
}
