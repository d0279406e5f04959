//! Random insides of clusters: groups that EKS does not manage, core components that are no add-on, pods on Fargate, and
//! pools that follow by themselves; each of them now and then not seen.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use eks_upgrade_core::cluster::Catalogue;
use eks_upgrade_core::health::Vitals;
use eks_upgrade_core::inside::{AutoScalingGroup, Component, Rollout, Seen, Template};
use eks_upgrade_core::inspection::{FargatePod, Follower, Following, Inspection, SelfManagedGroup};
use eks_upgrade_core::policy::{Access, CoreComponentName, FargatePods, Kubernetes, SelfManaged};
use eks_upgrade_core::roll::Way;
use eks_upgrade_core::version::Minor;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::given::{minor, now};

const REPOSITORY: &str = "602401143452.dkr.ecr.us-east-1.amazonaws.com/eks";
/// How far behind the control plane something inside may be, in minors.
const BEHIND: RangeInclusive<u8> = 0..=4;

/// How far a policy lets anybody go inside.
pub fn kubernetes() -> impl Strategy<Value = Kubernetes> {
    let components =
        vec![CoreComponentName::KubeProxy, CoreComponentName::Coredns, CoreComponentName::VpcCni];
    (
        select(vec![Access::Off, Access::Read, Access::Full, Access::Full]),
        select(vec![Way::InPlace, Way::NewGroup]),
        1..4_u32,
        subsequence(components, 0..=3),
        select(vec![FargatePods::Report, FargatePods::Restart]),
    )
        .prop_map(|(access, way, surge, components, fargate)| Kubernetes {
            access,
            self_managed: SelfManaged { way, surge },
            components: components.into_iter().collect::<BTreeSet<_>>(),
            fargate,
            ..Kubernetes::default()
        })
}

/// What was seen, most of the time.
fn seen<T: Clone + std::fmt::Debug>(what: impl Strategy<Value = T>) -> impl Strategy<Value = Seen<T>> {
    prop_oneof![19 => what.prop_map(Seen::Is), 1 => Just(Seen::Not("403 Forbidden".into()))]
}

fn older(at: u8) -> impl Strategy<Value = Minor> {
    BEHIND.prop_map(move |behind| minor(at.saturating_sub(behind)))
}

fn group(name: &'static str, at: u8) -> impl Strategy<Value = SelfManagedGroup> {
    let oldest = proptest::option::weighted(0.95, older(at));
    let family = proptest::option::weighted(0.9, Just("amazon-linux-2023/x86_64/standard".to_owned()));
    (oldest, family, 0..6_u32, proptest::bool::weighted(0.9)).prop_map(
        move |(oldest, image, size, released)| SelfManagedGroup {
            group: AutoScalingGroup {
                name: name.into(),
                instances: (0..size).map(|number| format!("i-{name}-{number}")).collect(),
                min: 0,
                desired: size,
                max: size,
                zones: Vec::new(),
                subnets: Vec::new(),
                template: Some(Template { id: "lt-1".into(), version: "1".into() }),
                suspended: Vec::new(),
                released,
            },
            oldest,
            image,
        },
    )
}

fn groups(at: u8) -> impl Strategy<Value = Vec<SelfManagedGroup>> {
    // Names of Auto Scaling groups may hold what no step's may.
    let each = ["batch", "old nodes"].map(|name| proptest::option::of(group(name, at)));
    each.prop_map(|groups| groups.into_iter().flatten().collect())
}

/// Components with versions that EKS offers, that it never offered, or that are none of EKS's.
fn components(at: u8, catalogue: &Catalogue) -> impl Strategy<Value = Vec<Component>> + use<> {
    let each = ["kube-proxy", "coredns", "vpc-cni"].map(|name| {
        let offered = catalogue[name][&minor(at)].iter().map(|offer| offer.version.to_string());
        let others = ["v1.9.0-eksbuild.1", "v1.60.0-eksbuild.1", "v1.20.1"].map(str::to_owned);
        let tag = select(offered.chain(others).collect::<Vec<_>>());
        let component = tag.prop_map(move |tag| Component {
            name: name.into(),
            image: format!("{REPOSITORY}/{name}:{tag}"),
            rollout: Rollout { generation: 1, observed: 1, wants: 2, updated: 2, available: 2 },
        });
        proptest::option::of(component)
    });
    each.prop_map(|components| components.into_iter().flatten().collect())
}

fn following(at: u8) -> impl Strategy<Value = Following> {
    let pod = (0..3_usize, proptest::option::weighted(0.9, older(at)));
    let pools = proptest::collection::vec(proptest::collection::vec(older(at), 0..4), 0..3);
    (pools, proptest::collection::vec(pod, 0..4)).prop_map(|(pools, pods)| {
        let named = |(number, nodes)| Follower { pool: format!("pool-{number}"), nodes };
        let pod = |(number, (workload, minor)): (usize, (usize, Option<Minor>))| FargatePod {
            pod: format!("shop/pod-{number}"),
            // One of two workloads, or nobody makes it again.
            workload: ["", "Deployment shop/web", "StatefulSet shop/db"][workload].to_owned(),
            minor,
        };
        Following {
            pools: pools.into_iter().enumerate().map(named).collect(),
            fargate: pods.into_iter().enumerate().map(pod).collect(),
        }
    })
}

/// What an inspection may have seen of a cluster whose control plane is at `at`.
pub fn inside(at: u8, catalogue: &Catalogue) -> impl Strategy<Value = Inspection> + use<> {
    let parts = (seen(groups(at)), seen(components(at, catalogue)), seen(following(at)));
    parts.prop_map(|(self_managed, components, following)| Inspection {
        at: now(),
        unread: None,
        findings: Vec::new(),
        forecast: Seen::Is(Vec::new()),
        vitals: Seen::Is(Vitals::default()),
        self_managed,
        components,
        following,
        autoscaler: Seen::Is(None),
    })
}
