//! Node groups that EKS does not manage: rolled by the kube function, whatever dies on the way.

use eks_upgrade_core::inside::{NodeGroupOf, Phase};
use eks_upgrade_core::ledger::Event;
use eks_upgrade_core::roll::{Effect, Moved};
use eks_upgrade_support::{FakeInside, Fleet, Mishap, empty_inside, installed};
use jiff::Timestamp;
use serde_json::json;

use crate::story::{Told, told, upgrade};

const IN_PLACE: &str = "{bake: {duration: 0s}, kubernetes: {access: full}}";
const BESIDE: &str =
    "{bake: {duration: 0s}, kubernetes: {access: full, selfManaged: {way: new-group, surge: 2}}}";

fn inside(nodes: u32, replicas: u32) -> FakeInside {
    let now: Timestamp = "2026-08-18T09:15:00Z".parse().unwrap();
    empty_inside(now, "1.34".parse().unwrap())
        .with_self_managed("workers", "1.34", nodes)
        .with_deployment("web", replicas)
        .with_deployment("cluster-autoscaler", 1)
}

fn fleet(policy: &str, inside: FakeInside) -> Fleet {
    let fleet = Fleet::new().under(policy).with(installed("prod-a", "1.34").without_groups());
    fleet.eks.look_into("prod-a", inside);
    fleet
}

/// The group is whole again, at the target, open, and its workloads run.
fn whole(fleet: &Fleet, size: u32) {
    fleet.eks.within("prod-a", |inner| {
        let nodes = inner.inside.nodes.get().unwrap();
        assert!(nodes.iter().all(|node| node.minor == Some("1.35".parse().unwrap())), "{nodes:#?}");
        assert!(nodes.iter().all(|node| node.schedulable), "a node stayed cordoned");
        let groups = inner.inside.capacity.groups.get().unwrap();
        assert_eq!(groups.len(), 1);
        assert_eq!((groups[0].desired, groups[0].max), (size, size));
        assert_eq!(u32::try_from(nodes.len()).unwrap(), size);
        assert!(inner.inside.pods.get().unwrap().iter().all(|pod| pod.phase == Phase::Running));
        assert!(inner.done.iter().all(|what| !what.starts_with("lost")), "{:#?}", inner.done);
        autoscaler_runs(inner);
    });
}

fn autoscaler_runs(inner: &FakeInside) {
    let workloads = inner.inside.workloads.get().unwrap();
    let autoscaler = workloads.iter().find(|workload| workload.name == "cluster-autoscaler").unwrap();
    assert_eq!(autoscaler.wants, 1, "Cluster Autoscaler was not restored");
}

fn moves(told: &Told) -> Vec<Moved> {
    let moved = |event: &Event| match event {
        Event::Rolled { moved, .. } => Some(moved.clone()),
        _ => None,
    };
    told.events.iter().filter_map(moved).collect()
}

#[test]
fn in_place_every_node_is_replaced_a_canary_first_and_all_is_as_it_was() {
    let fleet = fleet(IN_PLACE, inside(3, 4).with_budget("web", 3));
    let told = upgrade(&fleet, "1.35").completed();
    whole(&fleet, 3);
    let moves = moves(&told);
    assert!(matches!(moves.first(), Some(Moved::Begun { .. })), "{moves:?}");
    let last = moves.last();
    assert!(matches!(last, Some(Moved::Made { effect: Effect::ResumeAutoscaler { .. } })), "{moves:?}");
}

#[test]
fn beside_it_a_group_is_made_and_the_old_one_deleted() {
    let fleet = fleet(BESIDE, inside(3, 4).with_budget("web", 3));
    let told = upgrade(&fleet, "1.35").completed();
    whole(&fleet, 3);
    let new = "workers-eks-upgrade-1.35";
    fleet.eks.within("prod-a", |inner| {
        assert_eq!(inner.inside.capacity.groups.get().unwrap()[0].name, new, "the old group is left");
    });
    let of = |moved: &Moved| match moved {
        Moved::Made { effect: Effect::MakeGroup { name, .. } } => Some(("made", name.clone())),
        Moved::Made { effect: Effect::DeleteGroup { group } } => Some(("deleted", group.clone())),
        _ => None,
    };
    let groups: Vec<_> = moves(&told).iter().filter_map(of).collect();
    assert_eq!(groups, [("made", new.to_owned()), ("deleted", "workers".to_owned())]);
}

#[test]
fn a_budget_that_never_lets_go_ends_with_every_node_open_again() {
    let fleet = fleet(IN_PLACE, inside(2, 2));
    fleet.later(60, |eks| {
        let tighter = eks.within("prod-a", |inner| inner.clone()).with_budget("web", 2);
        eks.look_into("prod-a", tighter);
    });
    let told = upgrade(&fleet, "1.35").halted("PodEvictionFailure");
    assert!(told.words().contains("PodDisruptionBudget shop/web"), "{}", told.words());
    fleet.eks.within("prod-a", |inner| {
        assert!(inner.inside.nodes.get().unwrap().iter().all(|node| node.schedulable));
        autoscaler_runs(inner);
    });
}

#[test]
fn nodes_that_do_not_join_end_it_before_any_old_one_is_touched() {
    let fleet = fleet(IN_PLACE, inside(2, 2));
    fleet.eks.within("prod-a", |inner| inner.nodes_join = false);
    upgrade(&fleet, "1.35").halted("NodeCreationFailure");
    fleet.eks.within("prod-a", |inner| {
        assert!(inner.done.iter().all(|what| !what.starts_with("cordon") && !what.starts_with("terminate")));
        assert_eq!(inner.inside.capacity.groups.get().unwrap()[0].desired, 2);
        autoscaler_runs(inner);
    });
}

#[test]
fn a_regression_that_lasts_has_the_roll_taken_back_before_the_run_stops() {
    let fleet = fleet(IN_PLACE, inside(4, 4));
    fleet.later(840, |eks| eks.within("prod-a", |inner| inner.crash(true)));
    upgrade(&fleet, "1.35").halted("WorkloadsWorse");
    fleet.eks.within("prod-a", |inner| {
        assert!(inner.inside.nodes.get().unwrap().iter().all(|node| node.schedulable));
        autoscaler_runs(inner);
    });
}

#[test]
fn a_cluster_that_nobody_can_look_into_is_not_waited_for_for_ever() {
    let fleet = fleet(IN_PLACE, inside(2, 2));
    let mut execution = fleet.start(json!({"cluster": "prod-a", "target": "1.35"}));
    execution.until_at("RollSelfManagedNodes");
    fleet.eks.within("prod-a", |inner| inner.unreachable = Some("no route to its endpoint".into()));
    told(&fleet, &mut execution).halted("InsideUnseen");
    fleet.eks.within("prod-a", |inner| assert_eq!(inner.done, [""; 0], "nothing was begun"));
}

/// Every mishap at every port call of a roll: the run still ends, whole.
#[test]
fn whatever_dies_the_next_goes_on() {
    let calls = {
        let fleet = fleet(IN_PLACE, inside(2, 2));
        upgrade(&fleet, "1.35").completed();
        fleet.faults.calls()
    };
    for mishap in [Mishap::DiesBefore, Mishap::DiesAfter, Mishap::FailsBefore, Mishap::FailsAfter] {
        // Not every call, and others for each mishap: all of them would take minutes.
        for call in (mishap as usize..calls).step_by(17) {
            let fleet = fleet(IN_PLACE, inside(2, 2));
            fleet.faults.at(call, mishap);
            let request = json!({"cluster": "prod-a", "target": "1.35"});
            told(&fleet, &mut fleet.start(request)).completed();
            whole(&fleet, 2);
        }
    }
}

#[test]
fn a_managed_pool_is_none_of_its_business() {
    let inside = inside(2, 2).with_nodes(&NodeGroupOf::Managed("general".into()), "1.34", 2);
    let fleet = Fleet::new().under(IN_PLACE).with(installed("prod-a", "1.34"));
    fleet.eks.look_into("prod-a", inside);
    upgrade(&fleet, "1.35").completed();
    fleet.eks.within("prod-a", |inner| {
        let managed =
            inner.inside.nodes.get().unwrap().iter().filter(|node| node.group != NodeGroupOf::SelfManaged);
        assert_eq!(managed.count(), 2);
    });
}
