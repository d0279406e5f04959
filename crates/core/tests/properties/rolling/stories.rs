//! Rolls as short stories: what is done, line by line.

use eks_upgrade_core::roll::{Effect, Move, Moved, Paused, Roll, Sizes, Verdict, Way, beside};
use eks_upgrade_core::waits::seconds_between;

use super::driver::{DRAIN_S, Death, Denies, End, Order, Walk};
use super::world::{Deployment, FROM, Faults, GROUP, TO, World};
use crate::given::minor;

fn web(replicas: u32, keeps: u32) -> Deployment {
    Deployment { replicas, keeps: Some(keeps) }
}

fn world() -> World {
    World::new(3, &[web(6, 4)], Some(1))
}

fn failed(end: Option<End>) -> eks_upgrade_core::remedy::Failure {
    match end {
        Some(End::Failed(failure)) => failure,
        other => panic!("it should have failed: {other:?}"),
    }
}

#[test]
fn in_place_every_node_is_replaced_and_the_sizes_are_as_before() {
    let mut walk = Walk::new(world(), Order::default());
    assert_eq!(walk.end(), Some(End::Done));
    assert_eq!(
        walk.told(),
        [
            "begin",
            "pause the autoscaler",
            "make a template",
            "room for 4",
            "cordon node-0001",
            "end node-0001",
            "cordon node-0002",
            "end node-0002",
            "cordon node-0003",
            "end node-0003 for good",
            "sizes 1/3/3",
            "resume the autoscaler",
        ]
    );
    assert_eq!(walk.world.nodes(minor(TO)).len(), 3);
    assert_eq!(walk.world.sizes(GROUP), Some(Sizes { min: 1, desired: 3, max: 3 }));
    assert_eq!(walk.world.autoscaler, Some(1));
    assert_eq!(walk.world.wrongs, Vec::<String>::new());
}

#[test]
fn a_group_beside_it_takes_over_and_the_old_one_is_deleted() {
    let mut walk = Walk::new(world(), Order { way: Way::NewGroup, surge: 2, ..Order::default() });
    assert_eq!(walk.end(), Some(End::Done));
    assert_eq!(
        walk.told(),
        [
            "begin",
            "pause the autoscaler",
            "make a template",
            "a group of 3 beside it",
            "cordon node-0001",
            "end node-0001 for good",
            "cordon node-0002",
            "cordon node-0003",
            "end node-0002 for good",
            "end node-0003 for good",
            "sizes 1/3/3",
            "delete the old group",
            "resume the autoscaler",
        ]
    );
    assert_eq!(walk.world.sizes(GROUP), None);
    let new = beside(GROUP, minor(TO));
    assert_eq!(walk.world.sizes(&new), Some(Sizes { min: 1, desired: 3, max: 3 }));
    assert_eq!(walk.world.wrongs, Vec::<String>::new());
}

#[test]
fn a_budget_that_lets_nobody_go_fails_it_and_all_is_as_before() {
    let mut walk = Walk::new(World::new(2, &[web(2, 2)], Some(2)), Order::default());
    let failure = failed(walk.end());
    assert_eq!(failure.code, "PodEvictionFailure");
    assert!(failure.message.contains("shop/app-0"), "{}", failure.message);
    assert!(failure.message.contains("Deployment app-0"), "{}", failure.message);
    assert_eq!(failure.resources, ["node-0001"]);
    assert_eq!(walk.world.cordoned(), Vec::<String>::new());
    assert_eq!(walk.world.nodes(minor(FROM)).len(), 2);
    assert_eq!(walk.world.sizes(GROUP), Some(Sizes { min: 1, desired: 2, max: 2 }));
    assert_eq!(walk.world.template(GROUP).unwrap().version, "1");
    assert_eq!(walk.world.autoscaler, Some(2));
    assert_eq!(walk.world.wrongs, Vec::<String>::new());
}

#[test]
fn with_consent_the_pods_that_stay_are_deleted_at_the_end_of_the_drain() {
    let order = Order { may_force: true, ..Order::default() };
    let mut walk = Walk::new(World::new(2, &[web(2, 2)], None), order);
    assert_eq!(walk.end(), Some(End::Done));
    assert!(walk.told().contains(&"delete 1 pods on node-0001".to_owned()), "{:?}", walk.told());
    assert_eq!(walk.world.nodes(minor(TO)).len(), 2);
}

#[test]
fn pods_that_never_end_keep_a_forced_node_no_longer_than_a_second_drain() {
    let order = Order { may_force: true, ..Order::default() };
    let mut walk = Walk::new(World::new(1, &[web(1, 0)], None), order);
    walk.world.faults = Faults { endless: true, ..Faults::default() };
    assert_eq!(walk.end(), Some(End::Done));
}

#[test]
fn new_nodes_that_do_not_join_fail_it_and_go_again() {
    for faults in [
        Faults { no_capacity: true, ..Faults::default() },
        Faults { no_join: true, ..Faults::default() },
        Faults { wrong_image: true, ..Faults::default() },
    ] {
        for way in [Way::InPlace, Way::NewGroup] {
            let mut walk = Walk::new(world(), Order { way, ..Order::default() });
            walk.world.faults = faults;
            let failure = failed(walk.end());
            assert_eq!(failure.code, "NodeCreationFailure", "{faults:?} {way:?}");
            assert_eq!(
                walk.world.sizes(GROUP),
                Some(Sizes { min: 1, desired: 3, max: 3 }),
                "{faults:?} {way:?}"
            );
            assert_eq!(walk.world.sizes(&beside(GROUP, minor(TO))), None, "{faults:?}");
            assert_eq!(walk.world.nodes(minor(FROM)).len(), 3, "{faults:?} {way:?}");
            assert_eq!(walk.world.autoscaler, Some(1));
            assert_eq!(walk.world.wrongs, Vec::<String>::new(), "{faults:?} {way:?}");
        }
    }
}

#[test]
fn pods_that_crash_on_new_nodes_stop_it_after_the_first_one() {
    let mut walk = Walk::new(World::new(3, &[web(6, 2)], None), Order::default());
    walk.world.faults = Faults { crashing: true, ..Faults::default() };
    let failure = failed(walk.end());
    assert_eq!(failure.code, "WorkloadsWorse");
    assert_eq!(walk.world.nodes(minor(FROM)).len(), 2);
    assert_eq!(walk.world.cordoned(), Vec::<String>::new());
    assert_eq!(walk.world.wrongs, Vec::<String>::new());
}

#[test]
fn what_holds_it_keeps_the_next_node_and_lets_the_begun_one_end() {
    let mut walk = Walk::new(world(), Order::default());
    walk.end_with(|walk, _| {
        let begun = walk.roll.as_ref().is_some_and(|roll| !roll.nodes.is_empty());
        walk.held = begun.then_some("the window is closed");
        assert!(walk.roll.as_ref().is_none_or(|roll| roll.nodes.len() <= 1));
    });
    let roll = walk.roll.as_ref().unwrap();
    assert!(roll.is_at_rest());
    assert_eq!(walk.world.nodes(minor(FROM)).len(), 2);
    assert_eq!(walk.world.cordoned(), Vec::<String>::new());
    assert!(matches!(walk.verdict(), Verdict::Wait { text, .. } if text.contains("the window is closed")));
    walk.held = None;
    assert_eq!(walk.end(), Some(End::Done));
}

/// A walk that is held for long after its first node, until it has nothing more to do.
fn rested(order: Order) -> Walk {
    let mut walk = Walk::new(World::new(3, &[web(4, 2)], Some(2)), order);
    walk.long = true;
    walk.end_with(|walk, _| {
        let begun = walk.roll.as_ref().is_some_and(|roll| !roll.nodes.is_empty());
        walk.held = begun.then_some("the window is closed");
    });
    walk
}

#[test]
fn held_for_long_the_autoscaler_runs_meanwhile_and_is_paused_again() {
    let mut walk = rested(Order::default());
    assert_eq!(walk.world.autoscaler, Some(2));
    assert!(walk.roll.as_ref().unwrap().is_at_rest());
    // Somebody gives it another replica meanwhile: that is what it has in the end.
    walk.world.autoscaler = Some(3);
    walk.held = None;
    walk.until(|walk| walk.world.autoscaler == Some(0));
    assert_eq!(walk.end(), Some(End::Done));
    assert_eq!(walk.world.autoscaler, Some(3));
    assert_eq!(walk.told().iter().filter(|told| *told == "pause the autoscaler").count(), 2);
    assert_eq!(walk.world.sizes(GROUP).map(|sizes| sizes.desired), Some(3));
    assert_eq!(walk.world.wrongs, Vec::<String>::new());
}

#[test]
fn held_for_some_minutes_the_autoscaler_stays_paused() {
    let mut walk = Walk::new(World::new(3, &[web(4, 2)], Some(2)), Order::default());
    walk.end_with(|walk, _| {
        let begun = walk.roll.as_ref().is_some_and(|roll| !roll.nodes.is_empty());
        walk.held = begun.then_some("nodes to recover");
    });
    assert_eq!(walk.world.autoscaler, Some(0));
}

#[test]
fn room_that_the_autoscaler_took_during_a_rest_is_there_again_before_the_next_node() {
    for (way, receives) in [(Way::InPlace, GROUP.to_owned()), (Way::NewGroup, beside(GROUP, minor(TO)))] {
        let mut walk = rested(Order { way, ..Order::default() });
        let room = walk.world.sizes(&receives).unwrap().desired;
        walk.world.shrink_one(&receives);
        walk.held = None;
        let cordons = |walk: &Walk| walk.told().iter().filter(|told| told.starts_with("cordon")).count();
        let before = cordons(&walk);
        walk.until(|walk| cordons(walk) > before);
        assert_eq!(walk.world.sizes(&receives).map(|sizes| sizes.desired), Some(room), "{way:?}");
        assert_eq!(walk.end(), Some(End::Done), "{way:?}");
        assert_eq!(walk.world.autoscaler, Some(2), "{way:?}");
        assert_eq!(walk.world.wrongs, Vec::<String>::new(), "{way:?}: {:#?}", walk.told());
    }
}

#[test]
fn room_that_was_asked_for_again_is_not_asked_for_twice_when_somebody_dies_over_it() {
    for death in [Death::BeforeTheEffect, Death::AfterTheEffect] {
        let mut walk = rested(Order::default());
        walk.world.shrink_one(GROUP);
        walk.held = None;
        walk.until(|walk| walk.world.autoscaler == Some(0));
        walk.deaths = vec![Some(death)];
        assert_eq!(walk.end(), Some(End::Done), "{death:?}");
        assert_eq!(walk.world.sizes(GROUP).map(|sizes| sizes.desired), Some(3), "{death:?}");
    }
}

#[test]
fn what_an_earlier_attempt_has_left_paused_is_put_back_by_the_next_one() {
    let mut walk = Walk::new(World::new(2, &[web(2, 1)], Some(0)), Order::default());
    walk.paused_elsewhere = Some(Paused { deployment: "kube-system/cluster-autoscaler".into(), replicas: 3 });
    assert_eq!(walk.end(), Some(End::Done));
    assert_eq!(walk.world.autoscaler, Some(3));
}

#[test]
fn while_another_roll_needs_it_paused_it_stays_so() {
    let mut walk = Walk::new(World::new(2, &[web(2, 1)], Some(2)), Order::default());
    walk.needed_elsewhere = true;
    assert_eq!(walk.end(), Some(End::Done));
    assert_eq!(walk.world.autoscaler, Some(0));
    assert!(walk.roll.as_ref().unwrap().owes().is_some(), "it is not forgotten");
}

#[test]
fn a_cluster_that_is_not_seen_any_more_has_its_autoscaler_back_and_is_a_persons() {
    let mut walk = Walk::new(world(), Order::default());
    walk.until(|walk| walk.world.autoscaler == Some(0));
    walk.unseen = Some("no route");
    let since = walk.world.now;
    assert_eq!(failed(walk.end()).code, "InsideUnseen");
    assert!(walk.world.now.duration_since(since).as_secs() >= 3600, "it was not waited for");
    assert_eq!(walk.world.autoscaler, Some(1));
}

#[test]
fn a_cluster_that_is_never_seen_is_a_persons_before_anything_is_done() {
    let mut walk = Walk::new(world(), Order::default());
    walk.unseen = Some("no route");
    let since = walk.world.now;
    assert_eq!(failed(walk.end()).code, "InsideUnseen");
    assert!(walk.world.now.duration_since(since).as_secs() >= 3600, "it was not waited for");
    assert!(walk.lines.is_empty(), "{:?}", walk.lines);
}

#[test]
fn while_nothing_may_begin_a_cluster_that_is_not_seen_is_waited_for() {
    let mut walk = Walk::new(world(), Order::default());
    (walk.unseen, walk.held) = (Some("no route"), Some("the window is closed"));
    for _ in 0..120 {
        assert_eq!(walk.look(), None);
    }
    assert!(walk.world.now.duration_since(walk.since).as_secs() > 3600);
    walk.held = None;
    assert_eq!(failed(walk.end()).code, "InsideUnseen");
}

#[test]
fn a_cluster_that_is_seen_again_in_time_is_gone_on_with() {
    let mut walk = Walk::new(world(), Order::default());
    walk.until(|walk| walk.world.autoscaler == Some(0));
    walk.unseen = Some("no route");
    walk.until(|walk| walk.has("unseen"));
    walk.world.pass(1800);
    walk.unseen = None;
    assert_eq!(walk.end(), Some(End::Done));
    assert!(walk.has("seen"));
}

#[test]
fn what_never_comes_through_on_the_way_back_is_left_to_a_person_in_words() {
    let mut walk = Walk::new(world(), Order::default());
    walk.until(|walk| walk.roll.as_ref().is_some_and(|roll| !roll.nodes.is_empty()));
    walk.world.tighten();
    walk.mends_nothing = true;
    let failure = failed(walk.end());
    assert_eq!(failure.code, "PodEvictionFailure");
    let node = walk.world.cordoned().into_iter().next().unwrap();
    assert!(failure.message.contains("free by hand: "), "{}", failure.message);
    assert!(failure.message.contains(&node), "{}", failure.message);
    let roll = walk.roll.as_ref().unwrap();
    assert!(roll.paused.is_some() && roll.owes().is_none(), "{:#?}", walk.told());
    assert_eq!(walk.world.autoscaler, Some(0));
}

#[test]
fn held_before_it_begins_it_writes_nothing() {
    let mut walk = Walk::new(world(), Order::default());
    walk.held = Some("a freeze");
    assert!(matches!(walk.verdict(), Verdict::Wait { .. }));
}

#[test]
fn a_control_plane_that_goes_back_midway_ends_it() {
    let mut walk = Walk::new(world(), Order { back_at: Some(9), ..Order::default() });
    let failure = failed(walk.end());
    assert_eq!(failure.code, "VersionMismatch");
    assert_eq!(walk.world.cordoned(), Vec::<String>::new());
    assert_eq!(walk.world.autoscaler, Some(1));
}

#[test]
fn beside_an_older_control_plane_nothing_begins() {
    let mut walk = Walk::new(world(), Order { back_at: Some(0), ..Order::default() });
    assert_eq!(failed(walk.end()).code, "VersionMismatch");
    assert_eq!(walk.told(), Vec::<String>::new());
}

#[test]
fn a_group_that_is_at_the_target_needs_nothing() {
    let mut walk = Walk::new(world(), Order::default());
    assert_eq!(walk.end(), Some(End::Done));
    let mut again = Walk::new(walk.world, Order { way: Way::NewGroup, ..Order::default() });
    assert_eq!(again.end(), Some(End::Done));
    assert_eq!(again.told(), Vec::<String>::new());
}

#[test]
fn a_group_that_somebody_deletes_midway_is_done_with() {
    for way in [Way::InPlace, Way::NewGroup] {
        let mut walk = Walk::new(world(), Order { way, ..Order::default() });
        let end = walk.end_with(|walk, look| {
            if look == 12 {
                walk.world.delete_group(GROUP);
            }
        });
        assert_eq!(end, Some(End::Done), "{way:?}");
        assert_eq!(walk.world.autoscaler, Some(1), "{way:?}");
    }
}

#[test]
fn a_group_that_somebody_enlarges_midway_keeps_its_new_size() {
    let mut walk = Walk::new(world(), Order::default());
    let end = walk.end_with(|walk, look| {
        if look == 12 {
            walk.world.grow(2);
        }
    });
    assert_eq!(end, Some(End::Done));
    assert_eq!(walk.world.sizes(GROUP), Some(Sizes { min: 1, desired: 5, max: 5 }));
    assert_eq!(walk.world.wrongs, Vec::<String>::new());
}

#[test]
fn a_node_that_a_person_uncordons_is_cordoned_again_before_anything_else() {
    let mut walk = Walk::new(World::new(3, &[web(6, 5)], None), Order::default());
    walk.until(|walk| walk.has("cordon node-0001"));
    walk.world.uncordon_all();
    walk.look();
    assert_eq!(walk.told().iter().filter(|line| *line == "cordon node-0001").count(), 2);
    assert_eq!(walk.end(), Some(End::Done));
}

#[test]
fn pods_that_come_onto_an_empty_node_leave_again_before_it_ends() {
    let mut walk = Walk::new(world(), Order::default());
    walk.until(|walk| walk.lines.iter().any(|(moved, _)| matches!(moved, Moved::Emptied { .. })));
    walk.world.uncordon_all();
    walk.world.restart_pods();
    assert_eq!(walk.end(), Some(End::Done));
    assert_eq!(walk.world.wrongs, Vec::<String>::new());
}

#[test]
fn nor_do_they_end_with_it_where_somebody_died_over_its_end() {
    let mut walk = Walk::new(world(), Order::default());
    walk.until(|walk| {
        let emptied = walk.lines.iter().any(|(moved, _)| matches!(moved, Moved::Emptied { .. }));
        walk.deaths = if emptied { vec![Some(Death::BeforeTheEffect)] } else { Vec::new() };
        walk.has("end node-0001")
    });
    walk.deaths.clear();
    walk.world.uncordon_all();
    walk.world.restart_pods();
    assert_eq!(walk.end(), Some(End::Done));
    assert_eq!(walk.world.wrongs, Vec::<String>::new());
}

#[test]
fn nobody_is_forced_off_a_new_node_when_it_is_taken_back() {
    let mut walk = Walk::new(world(), Order { may_force: true, ..Order::default() });
    walk.until(|walk| walk.has("end node-0001"));
    walk.world.pass(120);
    walk.world.restart_pods();
    walk.world.pass(60);
    walk.world.tighten();
    walk.order.back_at = Some(0);
    let failure = failed(walk.end());
    assert!(failure.message.contains("1 new nodes more than before stay"), "{}", failure.message);
    assert!(walk.world.forced.is_empty());
    assert_eq!(walk.told().iter().filter(|line| line.starts_with("give up")).count(), 1);
    assert_eq!(walk.world.cordoned(), Vec::<String>::new());
}

#[test]
fn taken_back_an_instance_that_is_still_being_launched_goes_and_no_ready_one() {
    let mut walk = Walk::new(world(), Order::default());
    walk.until(|walk| walk.has("end node-0001"));
    walk.order.back_at = Some(0);
    failed(walk.end());
    let surplus: Vec<String> = walk.told().into_iter().filter(|line| line.contains("surplus")).collect();
    // Once as an instance, and once more as the node that it became meanwhile.
    let last = "-0013"; // Three nodes and six pods, the new node, two pods again, and this one.
    assert!(!surplus.is_empty() && surplus.iter().all(|line| line.ends_with(last)), "{surplus:?}");
    assert_eq!(walk.world.wrongs, Vec::<String>::new());
}

#[test]
fn taken_back_a_group_beside_it_that_is_needed_stays() {
    let mut walk = Walk::new(world(), Order { way: Way::NewGroup, ..Order::default() });
    walk.until(|walk| walk.has("end node-0001 for good"));
    let beside = beside(GROUP, minor(TO));
    walk.world.lose_all(&beside);
    walk.order.back_at = Some(0);
    failed(walk.end());
    assert_eq!(walk.world.sizes(GROUP).map(|sizes| sizes.desired), Some(2));
    assert_eq!(walk.world.sizes(&beside).map(|sizes| sizes.desired), Some(1));
}

#[test]
fn a_group_beside_it_that_somebody_deletes_ends_it() {
    let mut walk = Walk::new(world(), Order { way: Way::NewGroup, ..Order::default() });
    walk.until(|walk| walk.has("end node-0001 for good"));
    walk.world.delete_group(&beside(GROUP, minor(TO)));
    assert_eq!(failed(walk.end()).code, "GroupChanged");
    assert_eq!(walk.world.cordoned(), Vec::<String>::new());
}

#[test]
fn an_instance_that_does_not_end_is_told() {
    let mut walk = Walk::new(world(), Order::default());
    walk.world.faults = Faults { lingering: true, ..Faults::default() };
    assert_eq!(failed(walk.end()).code, "InstanceNotEnded");
}

#[test]
fn what_is_held_is_not_given_up_for_the_time_that_passes() {
    let mut walk = Walk::new(world(), Order::default());
    walk.until(|walk| walk.roll.as_ref().is_some_and(|roll| roll.unsettled.is_some()));
    walk.held = Some("a window");
    walk.look();
    walk.world.pass(7200);
    walk.world.lose_one();
    walk.held = None;
    assert_eq!(walk.end(), Some(End::Done));
}

#[test]
fn sizes_are_restored_as_the_group_is_by_then_where_somebody_died_over_it() {
    let mut walk = Walk::new(world(), Order::default());
    walk.until(|walk| {
        let last = walk.has("end node-0003 for good");
        walk.deaths = if last { vec![Some(Death::BeforeTheEffect)] } else { Vec::new() };
        walk.has("sizes 1/3/3")
    });
    walk.deaths.clear();
    walk.world.grow(1);
    assert_eq!(walk.end(), Some(End::Done));
    assert_eq!(walk.world.sizes(GROUP).map(|sizes| sizes.desired), Some(4));
    assert_eq!(walk.world.wrongs, Vec::<String>::new());
}

#[test]
fn what_a_person_had_cordoned_stays_cordoned_when_it_fails() {
    let mut world = World::new(2, &[web(2, 2)], None);
    let node = world.cordon_one();
    let mut walk = Walk::new(world, Order::default());
    failed(walk.end());
    assert!(walk.roll.as_ref().unwrap().was_cordoned(&node));
}

#[test]
fn what_is_denied_ends_it_with_nothing_left_behind() {
    for denies in [Denies::Template, Denies::Sizes, Denies::Terminate, Denies::Cordon, Denies::Autoscaler] {
        for way in [Way::InPlace, Way::NewGroup] {
            // What would be taken back is denied as well, where it is the same permission: it must not be needed.
            let mut walk = Walk::new(world(), Order { way, denies: Some(denies), ..Order::default() });
            let failure = failed(walk.end());
            assert_eq!(failure.code, "AccessDenied", "{denies:?} {way:?}");
            assert_eq!(walk.world.cordoned(), Vec::<String>::new(), "{denies:?} {way:?}");
            assert_eq!(walk.world.autoscaler, Some(1), "{denies:?} {way:?}");
            assert_eq!(walk.world.wrongs, Vec::<String>::new(), "{denies:?} {way:?}");
        }
    }
}

#[test]
fn an_effect_that_never_comes_through_is_given_up_after_half_an_hour_and_some_tries() {
    let mut walk = Walk::new(world(), Order::default());
    let end = walk.end_with(|walk, _| {
        if walk.told().len() >= 5 {
            walk.deaths = vec![Some(Death::BeforeTheEffect)];
        }
        if walk.told().iter().any(|line| line.starts_with("give up")) {
            walk.deaths.clear();
        }
        walk.world.pass(60);
    });
    assert_eq!(failed(end).code, "EffectNotMade");
    assert_eq!(walk.world.cordoned(), Vec::<String>::new());
}

#[test]
fn whoever_comes_back_after_hours_tries_again_before_giving_up() {
    let mut walk = Walk::new(World::new(2, &[], None), Order::default());
    walk.look();
    walk.deaths = vec![Some(Death::BeforeTheEffect)];
    walk.look();
    assert!(walk.roll.as_ref().is_some_and(|roll| roll.meant.is_some()));
    walk.world.pass(4 * 3600);
    assert_eq!(walk.end(), Some(End::Done));
}

#[test]
fn load_balancers_have_a_minute_to_forget_a_node() {
    let mut walk = Walk::new(world(), Order::default());
    walk.end();
    let at = |wanted: &dyn Fn(&Moved) -> bool| {
        walk.lines.iter().find(|(moved, _)| wanted(moved)).map(|(_, at)| *at).unwrap()
    };
    let emptied = at(&|moved| matches!(moved, Moved::Emptied { .. }));
    let ended = at(&|moved| matches!(moved, Moved::Meant { effect: Effect::Terminate { .. } }));
    assert!(seconds_between(emptied, ended) >= 60);
}

#[test]
fn pods_are_asked_side_by_side_and_later_one_at_a_time_by_turns() {
    let mut walk = Walk::new(World::new(1, &[web(4, 4)], None), Order::default());
    let (mut early, mut late) = (0, std::collections::BTreeSet::new());
    walk.end_with(|walk, _| {
        let Some(began) =
            walk.roll.as_ref().and_then(|roll| roll.nodes.values().next()).map(|node| node.began)
        else {
            return;
        };
        let Verdict::Do(moves) = walk.verdict() else { return };
        let asked: Vec<&Move> = moves.iter().filter(|one| matches!(one, Move::Evict { .. })).collect();
        if seconds_between(began, walk.world.now) < DRAIN_S / 2 {
            early = asked.len().max(early);
        } else {
            assert!(asked.len() <= 1);
            late.extend(asked.into_iter().map(|one| format!("{one:?}")));
        }
    });
    assert_eq!((early, late.len()), (4, 4));
}

#[test]
fn the_very_pod_is_asked_to_leave_and_the_very_pods_are_deleted() {
    let mut walk =
        Walk::new(World::new(1, &[web(1, 1)], None), Order { may_force: true, ..Order::default() });
    let mut asked = Vec::new();
    walk.end_with(|walk, _| {
        if let Verdict::Do(moves) = walk.verdict() {
            asked.extend(moves.into_iter().filter_map(|one| match one {
                Move::Evict { name, uid, .. } => Some((name, uid)),
                Move::Do(_) => None,
            }));
        }
    });
    assert!(!asked.is_empty());
    assert!(asked.iter().all(|(name, uid)| *uid == format!("uid-{name}")), "{asked:?}");
    let deleted = walk.lines.iter().find_map(|(moved, _)| match moved {
        Moved::Meant { effect: Effect::DeletePods { pods, uids, .. } } => Some((pods.clone(), uids.clone())),
        _ => None,
    });
    let (pods, uids) = deleted.unwrap();
    assert!(pods.iter().all(|pod| uids[pod] == format!("uid-{}", &pod["shop/".len()..])), "{uids:?}");
}

#[test]
fn a_group_that_takes_the_latest_template_takes_it_again_at_the_end() {
    let mut world = world();
    world.set_template("$Latest");
    let mut walk = Walk::new(world, Order::default());
    assert_eq!(walk.end(), Some(End::Done));
    assert_eq!(walk.world.template(GROUP).unwrap().version, "$Latest");
}

#[test]
fn somebody_who_gives_the_group_another_template_ends_it() {
    let mut walk = Walk::new(world(), Order::default());
    let end = walk.end_with(|walk, look| {
        if look == 8 {
            walk.world.set_template("1");
        }
    });
    assert_eq!(failed(end).code, "GroupChanged");
    assert_eq!(walk.world.cordoned(), Vec::<String>::new());
    assert_eq!(walk.world.wrongs, Vec::<String>::new());
}

#[test]
fn a_group_that_could_not_launch_is_not_begun() {
    let mut walk = Walk::new(world(), Order::default());
    walk.world.suspended = vec!["AZRebalance".into(), "Launch".into()];
    assert_eq!(failed(walk.end()).code, "ProcessSuspended");
    walk.world.suspended = vec!["AZRebalance".into()];
    assert_eq!(walk.end(), Some(End::Done));
}

#[test]
fn nothing_is_made_before_it_is_seen_whether_the_autoscaler_runs() {
    let mut walk = Walk::new(world(), Order::default());
    walk.end_with(|walk, _| walk.world.blind = true);
    assert_eq!(walk.told(), ["begin"]);
    walk.world.blind = false;
    assert_eq!(walk.end(), Some(End::Done));
}

#[test]
fn whoever_dies_is_followed_by_somebody_who_goes_on() {
    for death in [Death::BeforeTheLine, Death::BeforeTheEffect, Death::AfterTheEffect] {
        for way in [Way::InPlace, Way::NewGroup] {
            // At every line once.
            let mut walk = Walk::new(world(), Order { way, ..Order::default() });
            walk.deaths = (0..200).map(|line| (line % 2 == 0).then_some(death)).collect();
            assert_eq!(walk.end(), Some(End::Done), "{death:?} {way:?}");
            let read: Option<Roll> = walk.read_again();
            assert_eq!(read, walk.roll);
            assert_eq!(walk.world.nodes(minor(TO)).len(), 3);
            assert_eq!(walk.world.wrongs, Vec::<String>::new());
        }
    }
}
