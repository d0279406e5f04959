//! Plans: carried out in any order that their dependencies allow, they keep every rule at every point.

use std::collections::{BTreeMap, BTreeSet};

use eks_upgrade_core::cluster::{AmiFamily, Inventory, Offer, Status};
use eks_upgrade_core::component::Image;
use eks_upgrade_core::finding::{Code, Level};
use eks_upgrade_core::ids::StepId;
use eks_upgrade_core::inside::Seen;
use eks_upgrade_core::inspection::SelfManagedGroup;
use eks_upgrade_core::plan::{Hop, Plan, Step, StepKind};
use eks_upgrade_core::policy::{FargatePods, Kubernetes};
use eks_upgrade_core::version::{Minor, skew_allows};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::given::{Case, case, minor, usual, version};

fn blocked(plan: &Plan) -> bool {
    plan.blocks().next().is_some()
}

/// Carries out one step, checking the rules of that moment.
fn carry_out(
    step: &Step,
    hop: &Hop,
    policy: &Kubernetes,
    world: &mut Inventory,
) -> Result<(), TestCaseError> {
    let at = world.cluster.version;
    match &step.kind {
        StepKind::ControlPlane { from, to } => {
            prop_assert_eq!(*from, at);
            prop_assert_eq!(*to, at.next(), "a minor is skipped");
            prop_assert_eq!(*to, hop.to);
            world.cluster.version = *to;
        }
        StepKind::AddOn { name, from, to } => {
            let offered = world.catalogue[name][&at].iter().any(|offer| offer.version == *to);
            prop_assert!(offered, "{} {} is not offered for {}", name, to, at);
            let addon = world.addons.iter_mut().find(|addon| addon.name == *name).unwrap();
            prop_assert_eq!(&addon.version, from);
            prop_assert!(to > from, "{} goes down", name);
            if name == "vpc-cni" {
                let ((major, minor), (to_major, to_minor)) = (from.major_minor(), to.major_minor());
                prop_assert!(major == to_major && to_minor - minor <= 1, "vpc-cni leaps {} to {}", from, to);
            }
            if name == "kube-proxy" {
                prop_assert!(hop.to == at, "kube-proxy goes ahead of the control plane");
            }
            addon.version = to.clone();
        }
        StepKind::NodeGroup { name, from, to, custom_ami, launch_template, .. } => {
            let group = world.node_groups.iter_mut().find(|group| group.name == *name).unwrap();
            prop_assert_eq!(group.version, *from);
            prop_assert!(to > from, "a roll that goes nowhere");
            prop_assert_eq!(*to, at, "EKS takes a group only to its cluster's version");
            prop_assert_eq!(*custom_ami, group.ami == AmiFamily::Custom);
            prop_assert!(group.ami != AmiFamily::AmazonLinux2 || to.number() <= 32);
            group.version = *to;
            if launch_template.is_some() {
                group.launch_template.clone_from(launch_template);
            }
        }
        StepKind::CoreComponent { .. }
        | StepKind::SelfManagedNodes { .. }
        | StepKind::FargatePods { .. }
        | StepKind::Follow { .. } => carry_out_inside(step, hop, policy, world)?,
        StepKind::Verify | StepKind::Bake { .. } => {
            prop_assert_eq!(at, hop.to);
        }
        StepKind::SupportType {} | StepKind::RollBack { .. } => {
            prop_assert!(false, "a plan that goes up goes down");
        }
    }
    Ok(())
}

/// The same of what EKS does not show.
fn carry_out_inside(
    step: &Step,
    hop: &Hop,
    policy: &Kubernetes,
    world: &mut Inventory,
) -> Result<(), TestCaseError> {
    let at = world.cluster.version;
    let inside = world.inside.as_mut().unwrap();
    if let StepKind::Follow { pools, to, .. } = &step.kind {
        prop_assert_eq!((*to, hop.to), (at, at));
        for pool in there(&mut inside.following).pools.iter_mut().filter(|pool| pools.contains(&pool.pool)) {
            prop_assert!(pool.nodes.iter().any(|minor| minor < to), "{} need not follow", pool.pool);
            pool.nodes.fill(*to);
        }
        return Ok(());
    }
    prop_assert!(policy.may_act(), "{} without consent", step.kind);
    match &step.kind {
        StepKind::CoreComponent { name, from, to } => {
            let wanted = policy.components.iter().any(|component| component.as_str() == name);
            prop_assert!(wanted, "{} is none of ours", name);
            prop_assert!(world.addons.iter().all(|addon| addon.name != *name), "{} is an add-on", name);
            let component =
                there(&mut inside.components).iter_mut().find(|component| component.name == *name);
            let component = component.unwrap();
            prop_assert_eq!(&component.image, from);
            let (before, after) = (Image::read(from).unwrap(), Image::read(to).unwrap());
            prop_assert_eq!(before.repository, after.repository);
            let (before, after) = (before.version().unwrap(), after.version().unwrap());
            prop_assert!(after > before, "{} goes down", name);
            let offered = world.catalogue[name][&at].iter().any(|offer| offer.version == after);
            prop_assert!(offered, "{} {} is not offered for {}", name, after, at);
            prop_assert!(hop.to == at, "{} goes ahead of the control plane", name);
            component.image.clone_from(to);
        }
        StepKind::SelfManagedNodes { name, from, to, family, size, surge, .. } => {
            let group =
                there(&mut inside.self_managed).iter_mut().find(|group| group.group.name == *name).unwrap();
            prop_assert!(group.group.released, "{} is its owner's", name);
            prop_assert_eq!(group.oldest, Some(*from));
            prop_assert_eq!(group.image.as_ref(), Some(family));
            prop_assert!(to > from, "a roll that goes nowhere");
            prop_assert_eq!(*to, at, "nodes are as new as the control plane");
            prop_assert!(*surge >= 1 && *surge <= (*size).max(1));
            group.oldest = Some(*to);
        }
        StepKind::FargatePods { workloads, to } => {
            prop_assert_eq!((*to, policy.fargate), (at, FargatePods::Restart));
            let pods = &mut there(&mut inside.following).fargate;
            for workload in workloads {
                let old = pods.iter().any(|pod| pod.workload == *workload && pod.minor != Some(*to));
                prop_assert!(old, "{} needs no restart", workload);
            }
            for pod in pods.iter_mut().filter(|pod| workloads.contains(&pod.workload)) {
                pod.minor = Some(*to);
            }
        }
        other => prop_assert!(false, "{} is not inside", other),
    }
    Ok(())
}

/// What was seen; nothing is planned with what was not.
fn there<T>(seen: &mut Seen<T>) -> &mut T {
    match seen {
        Seen::Is(seen) => seen,
        Seen::Not(why) => panic!("it was not seen: {why}"),
    }
}

/// The groups that EKS does not manage, as far as they were seen.
fn self_managed(inventory: &Inventory) -> impl Iterator<Item = &SelfManagedGroup> {
    inventory.inside.iter().filter_map(|inside| inside.self_managed.get().ok()).flatten()
}

fn in_skew(world: &Inventory) -> Result<(), TestCaseError> {
    for group in &world.node_groups {
        let (at, version) = (world.cluster.version, group.version);
        prop_assert!(skew_allows(at, version), "group {} at {} beside {}", group.name, version, at);
    }
    for group in self_managed(world) {
        let (at, name) = (world.cluster.version, &group.group.name);
        let allowed = group.oldest.is_none_or(|oldest| skew_allows(at, oldest));
        prop_assert!(allowed, "group {} at {:?} beside {}", name, group.oldest, at);
    }
    let at = world.cluster.version;
    let following = world.inside.iter().filter_map(|inside| inside.following.get().ok());
    for following in following {
        for pool in &following.pools {
            let allowed = pool.nodes.iter().all(|minor| skew_allows(at, *minor));
            prop_assert!(allowed, "{:?} beside {}", pool, at);
        }
        for pod in &following.fargate {
            let allowed = pod.minor.is_none_or(|minor| skew_allows(at, minor));
            prop_assert!(allowed, "{:?} beside {}", pod, at);
        }
    }
    Ok(())
}

/// Carries out the plan, each time with any one of the steps that are ready.
fn carry_out_all(case: &Case, plan: &Plan, picks: &[Index]) -> Result<Inventory, TestCaseError> {
    let mut world = case.inventory.clone();
    let mut picks = picks.iter().cycle();
    for hop in &plan.hops {
        let mut done: BTreeSet<&StepId> = BTreeSet::new();
        while done.len() < hop.steps.len() {
            let ready: Vec<&Step> = hop
                .steps
                .iter()
                .filter(|step| !done.contains(&step.id) && step.after.iter().all(|id| done.contains(id)))
                .collect();
            prop_assert!(!ready.is_empty(), "the steps of {} wait for each other", hop.to);
            let step = ready[picks.next().unwrap().index(ready.len())];
            carry_out(step, hop, &case.policy.kubernetes, &mut world)?;
            // A group may start out of skew; no control plane moves until that is put right.
            if matches!(step.kind, StepKind::ControlPlane { .. }) {
                in_skew(&world)?;
            }
            done.insert(&step.id);
        }
    }
    Ok(world)
}

#[test]
fn a_gap_before_the_control_plane_is_no_obstacle_when_there_is_none_after_it() {
    let mut case = usual();
    let offers = |versions: &[u32]| -> Vec<Offer> {
        let last = versions.last();
        versions.iter().map(|v| Offer { version: version(*v), is_default: Some(v) == last }).collect()
    };
    let cni = case.inventory.catalogue.get_mut("vpc-cni").unwrap();
    cni.insert(minor(33), offers(&[16, 18]));
    cni.insert(minor(34), offers(&[17, 18]));
    case.target = minor(34);
    let plan = case.plan(1);
    assert!(!blocked(&plan), "{:?}", plan.findings);
    let climbed: Vec<String> =
        plan.steps().map(|step| step.id.to_string()).filter(|id| id.contains("cni")).collect();
    assert_eq!(climbed, ["1.34/add-on/vpc-cni/v1.17.0-eksbuild.1", "1.34/add-on/vpc-cni/v1.18.0-eksbuild.1"]);
}

fn picks() -> impl Strategy<Value = Vec<Index>> {
    proptest::collection::vec(any::<Index>(), 1..40)
}

proptest! {
    // More than half of the random clusters are blocked for one reason or another.
    #![proptest_config(ProptestConfig { max_global_rejects: 20_000, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn every_plan_is_well_formed(case in case()) {
        let plan = case.plan(1);
        prop_assert!(plan.ids_are_unique());
        let mut hops: Vec<Minor> = plan.hops.iter().map(|hop| hop.to).collect();
        prop_assert!(hops.is_sorted());
        hops.dedup();
        prop_assert_eq!(hops.len(), plan.hops.len(), "two hops to one minor");
        for hop in &plan.hops {
            let mut before: BTreeSet<&StepId> = BTreeSet::new();
            for step in &hop.steps {
                prop_assert!(step.after.iter().all(|id| before.contains(id)), "{} depends ahead", step.id);
                prop_assert!(!step.reason.is_empty());
                before.insert(&step.id);
            }
            let (last, others) = hop.steps.split_last().unwrap();
            prop_assert_eq!(&last.kind, &StepKind::Verify);
            prop_assert_eq!(last.after.len(), others.len(), "verification waits for everything");
        }
    }

    #[test]
    fn the_control_plane_goes_up_one_minor_at_a_time_to_the_target(case in case()) {
        let plan = case.plan(1);
        let reached: Vec<Minor> = plan.steps().filter_map(|step| match step.kind {
            StepKind::ControlPlane { to, .. } => Some(to),
            _ => None,
        }).collect();
        let expected: Vec<Minor> = case.inventory.cluster.version.hops_to(case.target).collect();
        prop_assert_eq!(reached, expected);
    }

    #[test]
    fn carried_out_in_any_order_it_keeps_every_rule_and_ends_where_it_should(case in case(), picks in picks()) {
        let plan = case.plan(1);
        prop_assume!(!blocked(&plan));
        let world = carry_out_all(&case, &plan, &picks)?;
        prop_assert_eq!(world.cluster.version, case.target);
    }

    #[test]
    fn planning_again_after_a_plan_was_carried_out_gives_nothing_to_do(case in case(), picks in picks()) {
        let plan = case.plan(1);
        prop_assume!(!blocked(&plan));
        let mut inventory = carry_out_all(&case, &plan, &picks)?;
        // Carried out means also that everything came to rest.
        inventory.addons.iter_mut().for_each(|addon| addon.status = Status::Active);
        inventory.node_groups.iter_mut().for_each(|group| group.status = Status::Active);
        let again = Case { inventory, ..case }.plan(2);
        prop_assert_eq!(again.hops, vec![]);
    }

    #[test]
    fn nothing_is_left_behind_silently(case in case()) {
        let plan = case.plan(1);
        let mut versions: BTreeMap<&str, Minor> =
            case.inventory.node_groups.iter().map(|group| (group.name.as_str(), group.version)).collect();
        for step in plan.steps() {
            if let StepKind::NodeGroup { name, to, .. } = &step.kind {
                versions.insert(name, *to);
            }
        }
        for (name, version) in versions {
            let told = plan.findings.iter().any(|f| f.subject == name && f.level != Level::Pass);
            prop_assert!(version >= case.target || told, "group {} stays at {} without a word", name, version);
        }
        for addon in &case.inventory.addons {
            let moved = plan.steps().filter_map(|step| match &step.kind {
                StepKind::AddOn { name, to, .. } if *name == addon.name => Some(to.clone()),
                _ => None,
            }).last();
            let version = moved.unwrap_or_else(|| addon.version.clone());
            let serves = case.inventory.catalogue[&addon.name][&case.target].iter().any(|o| o.version == version);
            let told = plan.findings.iter().any(|f| f.subject == addon.name && f.level != Level::Pass);
            prop_assert!(serves || told, "{} stays at {} without a word", addon.name, version);
        }
    }

    #[test]
    fn nothing_inside_is_left_behind_silently(case in case(), picks in picks()) {
        let plan = case.plan(1);
        prop_assume!(!blocked(&plan));
        let mut world = carry_out_all(&case, &plan, &picks)?;
        let told = |subject: &str| plan.findings.iter().any(|f| f.subject == subject && f.level != Level::Pass);
        for group in self_managed(&world) {
            let (name, there) = (&group.group.name, group.oldest.is_some_and(|oldest| oldest >= case.target));
            prop_assert!(there || told(name), "group {} stays at {:?} without a word", name, group.oldest);
        }
        let Some(inside) = &mut world.inside else { return Ok(()) };
        for component in inside.components.get().into_iter().flatten() {
            let version = Image::read(&component.image).and_then(|image| image.version());
            let offered = &world.catalogue[&component.name][&case.target];
            let serves = version.is_some_and(|version| offered.iter().any(|offer| offer.version == version));
            let addon = case.inventory.addons.iter().any(|addon| addon.name == component.name);
            prop_assert!(addon || serves || told(&component.name), "{:?} stays without a word", component);
        }
        let Ok(following) = inside.following.get() else { return Ok(()) };
        for pool in &following.pools {
            prop_assert!(pool.nodes.iter().all(|minor| *minor >= case.target), "{:?} is not watched", pool);
        }
        let old = following.fargate.iter().any(|pod| pod.minor != Some(case.target));
        let of_fargate = plan.findings.iter().any(|f| f.code == Code::FargatePods);
        prop_assert!(!old || of_fargate, "pods on Fargate stay old without a word");
    }

    #[test]
    fn what_was_not_seen_inside_is_unknown(case in case()) {
        let plan = case.plan(1);
        let Some(inside) = &case.inventory.inside else { return Ok(()) };
        let hidden = [
            inside.self_managed.get().is_err(),
            inside.components.get().is_err(),
            inside.following.get().is_err(),
        ];
        let unread = plan.findings.iter().filter(|f| f.code == Code::InsideUnread && f.level == Level::Unknown);
        prop_assert_eq!(unread.count(), hidden.iter().filter(|hidden| **hidden).count());
    }

    #[test]
    fn what_blocks_says_what_to_do(case in case()) {
        for finding in case.plan(1).findings {
            let wants = finding.level != Level::Pass && finding.code.to_string() != "node-group-busy";
            prop_assert!(!wants || !finding.next_action.is_empty(), "{}", finding.message);
            prop_assert!(!finding.message.is_empty());
        }
    }

    #[test]
    fn a_plan_is_the_same_each_time_and_survives_its_json(case in case()) {
        let plan = case.plan(1);
        prop_assert_eq!(&plan, &case.plan(1));
        let text = serde_json::to_string(&plan).unwrap();
        prop_assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }
}
