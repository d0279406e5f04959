//! A cluster at 1.33 with a node group and two add-ons, and what EKS offers of them.

use std::collections::BTreeMap;

use eks_upgrade_core::cluster::{
    Addon, AmiFamily, Catalogue, Cluster, Inventory, LaunchTemplate, NodeGroup, Offer, Status,
};
use eks_upgrade_core::control::Controls;
use eks_upgrade_core::finding::{Code, Level};
use eks_upgrade_core::plan::{Plan, Step, StepKind};
use eks_upgrade_core::planner::{Wish, plan};
use eks_upgrade_core::policy::Policy;
use eks_upgrade_core::version::{AddonVersion, Minor};
use eks_upgrade_core::waits::Learned;
use jiff::{SignedDuration, Timestamp};

pub fn minor(n: u8) -> Minor {
    Minor::new(n).unwrap()
}

pub fn version(minor: u32) -> AddonVersion {
    format!("v1.{minor}.0-eksbuild.1").parse().unwrap()
}

pub fn now() -> Timestamp {
    "2026-08-18T09:15:00Z".parse().unwrap()
}

/// What EKS offers for a minor: these versions, and the default among them, if there is one.
pub fn offers(versions: &[u32], default: Option<u32>) -> Vec<Offer> {
    versions.iter().map(|v| Offer { version: version(*v), is_default: default == Some(*v) }).collect()
}

pub struct Case {
    pub inventory: Inventory,
    pub target: Minor,
    pub policy: Policy,
    pub launch_templates: BTreeMap<String, String>,
    pub controls: Controls,
}

impl Case {
    /// From 1.33 to this minor, without a bake.
    pub fn to(target: u8) -> Self {
        let mut policy = Policy::default();
        policy.bake.duration = SignedDuration::ZERO;
        let by_minor = |rows: [(u8, &[u32], u32); 3]| {
            rows.map(|(n, versions, default)| (minor(n), offers(versions, Some(default)))).into()
        };
        let catalogue = Catalogue::from([
            ("vpc-cni".to_owned(), by_minor([(33, &[16, 17], 16), (34, &[17, 18], 18), (35, &[18, 19], 19)])),
            ("kube-proxy".to_owned(), by_minor([(33, &[33], 33), (34, &[34], 34), (35, &[35], 35)])),
        ]);
        let inventory = Inventory {
            cluster: Cluster {
                arn: "arn:aws:eks:us-east-1:123456789012:cluster/prod-a".parse().unwrap(),
                created_at: "2025-01-15T08:00:00Z".parse().unwrap(),
                version: minor(33),
                status: Status::Active,
                tags: BTreeMap::new(),
                auto_mode: false,
                extended_support: false,
                health_issues: Vec::new(),
            },
            node_groups: vec![group()],
            addons: vec![addon("vpc-cni", 16), addon("kube-proxy", 33)],
            fargate_profiles: Vec::new(),
            catalogue,
            inside: None,
            insights: Vec::new(),
        };
        let (launch_templates, controls) = (BTreeMap::new(), Controls::default());
        Self { inventory, target: minor(target), policy, launch_templates, controls }
    }

    pub fn wish<T>(&self, with: impl FnOnce(&Wish<'_>) -> T) -> T {
        with(&Wish {
            target: self.target,
            policy: &self.policy,
            launch_templates: &self.launch_templates,
            revision: 1,
            controls: &self.controls,
            learned: &Learned::default(),
            unattended: false,
        })
    }

    pub fn plan(&self) -> Plan {
        self.wish(|wish| plan(&self.inventory, wish, now()))
    }

    pub fn group(&mut self) -> &mut NodeGroup {
        &mut self.inventory.node_groups[0]
    }

    pub fn offer(&mut self, addon: &str, at: u8, offers: Vec<Offer>) {
        self.inventory.catalogue.entry(addon.into()).or_default().insert(minor(at), offers);
    }
}

pub fn group() -> NodeGroup {
    NodeGroup {
        name: "a".into(),
        version: minor(33),
        release: None,
        ami: AmiFamily::Published,
        launch_template: None,
        status: Status::Active,
        size: 3,
        max_unavailable: 1,
        health_issues: Vec::new(),
    }
}

pub fn template() -> LaunchTemplate {
    LaunchTemplate { id: "lt-1".into(), version: "1".into() }
}

pub fn addon(name: &str, at: u32) -> Addon {
    Addon {
        name: name.into(),
        version: version(at),
        status: Status::Active,
        role: None,
        configuration: None,
        health_issues: Vec::new(),
    }
}

/// The ids of the plan's steps, in order, without the last one of each hop, which verifies it.
pub fn ids(plan: &Plan) -> Vec<&str> {
    plan.steps().filter(|step| step.kind != StepKind::Verify).map(|step| step.id.as_str()).collect()
}

pub fn step<'a>(plan: &'a Plan, id: &str) -> &'a Step {
    plan.steps().find(|step| step.id.as_str() == id).unwrap_or_else(|| panic!("{:?}", ids(plan)))
}

/// Whether the step waits for that other one.
pub fn waits_for(plan: &Plan, id: &str, other: &str) -> bool {
    step(plan, id).after.iter().any(|after| after.as_str() == other)
}

/// How much the findings of this code weigh, and on what.
pub fn found(plan: &Plan, code: Code) -> Vec<(Level, &str)> {
    let of_code = plan.findings.iter().filter(|finding| finding.code == code);
    of_code.map(|finding| (finding.level, finding.subject.as_str())).collect()
}
