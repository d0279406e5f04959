//! Rolling groups that EKS does not manage: whatever goes wrong and wherever somebody dies, it ends; nothing stays
//! cordoned, no budget is broken without a yes, and the group and the autoscaler are as they were.

mod driver;
mod stories;
mod world;

use eks_upgrade_core::roll::{Effect, Moved, Way, beside};
use proptest::prelude::*;
use proptest::sample::select;

use self::driver::{Death, Denies, End, Order, Walk};
use self::world::{Deployment, FROM, Faults, GROUP, TO, World};
use crate::given::minor;

fn deployments() -> impl Strategy<Value = Vec<Deployment>> {
    let one = (1..5_u32, proptest::option::of(0..5_u32))
        .prop_map(|(replicas, keeps)| Deployment { replicas, keeps: keeps.map(|keeps| keeps.min(replicas)) });
    proptest::collection::vec(one, 0..4)
}

fn faults() -> impl Strategy<Value = Faults> {
    let none = Faults::default();
    prop_oneof![
        6 => Just(none),
        1 => Just(Faults { no_capacity: true, ..none }),
        1 => Just(Faults { no_join: true, ..none }),
        1 => Just(Faults { wrong_image: true, ..none }),
        1 => Just(Faults { crashing: true, ..none }),
        1 => Just(Faults { endless: true, ..none }),
    ]
}

fn deaths() -> impl Strategy<Value = Vec<Option<Death>>> {
    let death = select(vec![Death::BeforeTheLine, Death::BeforeTheEffect, Death::AfterTheEffect]);
    proptest::collection::vec(proptest::option::weighted(0.3, death), 0..60)
}

fn order() -> impl Strategy<Value = Order> {
    let denies = select(vec![Denies::Template, Denies::Terminate]);
    (
        select(vec![Way::InPlace, Way::NewGroup]),
        1..4_u32,
        any::<bool>(),
        proptest::option::weighted(0.15, 0..60_usize),
        proptest::option::weighted(0.15, denies),
    )
        .prop_map(|(way, surge, may_force, back_at, denies)| Order {
            way,
            surge,
            may_force,
            back_at,
            denies,
        })
}

/// What others do meanwhile, and at which look.
#[derive(Clone, Copy, Debug)]
enum Other {
    Uncordons,
    LosesOne,
    Grows,
    DeletesTheGroup,
    Holds,
    LetsGo,
}

fn others() -> impl Strategy<Value = Vec<(usize, Other)>> {
    let other = prop_oneof![
        4 => Just(Other::Uncordons),
        3 => Just(Other::LosesOne),
        2 => Just(Other::Grows),
        1 => Just(Other::DeletesTheGroup),
        3 => Just(Other::Holds),
        3 => Just(Other::LetsGo),
    ];
    proptest::collection::vec((0..80_usize, other), 0..5)
}

fn act(walk: &mut Walk, other: Other) {
    match other {
        Other::Uncordons => walk.world.uncordon_all(),
        Other::LosesOne => walk.world.lose_one(),
        Other::Grows => walk.world.grow(1),
        Other::DeletesTheGroup => walk.world.delete_group(GROUP),
        Other::Holds => (walk.held, walk.long) = (Some("a window"), true),
        Other::LetsGo => walk.held = None,
    }
}

/// Every end is preceded by what allows it, in the lines themselves.
fn ended_only_if_emptied_or_forced(walk: &Walk) -> bool {
    let mut may = std::collections::BTreeSet::new();
    walk.lines.iter().all(|(moved, _)| match moved {
        Moved::Emptied { node } | Moved::Meant { effect: Effect::DeletePods { node, .. } } => {
            may.insert(node.clone());
            true
        }
        Moved::Meant { effect: Effect::Cordon { node, .. } } => {
            may.remove(node);
            true
        }
        Moved::Meant { effect: Effect::Terminate { node, .. } } => may.contains(node),
        _ => true,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn alone_in_the_world_it_ends_well_or_takes_all_back(
        size in 1..6_u32,
        deployments in deployments(),
        autoscaler in proptest::option::of(1..3_u32),
        faults in faults(),
        order in order(),
        deaths in deaths(),
    ) {
        let mut walk = Walk::new(World::new(size, &deployments, autoscaler), order);
        walk.world.faults = faults;
        walk.deaths = deaths;
        let before = walk.world.sizes(GROUP).unwrap();
        let end = walk.end();
        prop_assert!(end.is_some(), "it never ends: {:#?}", walk.told());
        prop_assert_eq!(&walk.world.wrongs, &Vec::<String>::new(), "{:#?}", walk.told());
        prop_assert_eq!(walk.world.autoscaler, autoscaler);
        prop_assert!(walk.out_max <= order.surge as usize, "{} nodes out", walk.out_max);
        prop_assert!(ended_only_if_emptied_or_forced(&walk), "{:#?}", walk.told());
        prop_assert!(walk.world.forced.is_empty() || order.may_force);
        prop_assert_eq!(walk.read_again(), walk.roll.clone());
        let old = walk.world.nodes(minor(FROM)).len();
        let groups = [walk.world.sizes(GROUP), walk.world.sizes(&beside(GROUP, minor(TO)))];
        let desired: u32 = groups.iter().flatten().map(|sizes| sizes.desired).sum();
        match end.unwrap() {
            End::Done => {
                prop_assert_eq!((old, groups.iter().flatten().count()), (0, 1));
                prop_assert_eq!(groups.iter().flatten().next(), Some(&before));
            }
            End::Failed(failure) => {
                let stays = failure.message.contains("new nodes more than before stay");
                prop_assert!(desired == before.desired || stays, "{desired}: {}", failure.message);
                prop_assert!(walk.world.cordoned().is_empty(), "{:?}", walk.world.cordoned());
                prop_assert!(!failure.next_action.is_empty());
            }
        }
    }

    #[test]
    fn among_others_it_ends_and_leaves_nothing_cordoned_and_the_autoscaler_as_it_was(
        size in 1..5_u32,
        deployments in deployments(),
        faults in faults(),
        order in order(),
        deaths in deaths(),
        others in others(),
    ) {
        let mut walk = Walk::new(World::new(size, &deployments, Some(2)), order);
        walk.world.faults = faults;
        walk.deaths = deaths;
        let end = walk.end_with(|walk, look| {
            for (_, other) in others.iter().filter(|(at, _)| *at == look) {
                act(walk, *other);
            }
            if look == 100 {
                walk.held = None;
            }
        });
        prop_assert!(end.is_some(), "it never ends: {:#?}", walk.told());
        prop_assert_eq!(walk.world.autoscaler, Some(2));
        prop_assert!(walk.out_max <= order.surge as usize, "{} nodes out", walk.out_max);
        prop_assert!(ended_only_if_emptied_or_forced(&walk), "{:#?}", walk.told());
        prop_assert_eq!(walk.world.cordoned(), Vec::<String>::new());
        let wrongs: Vec<&String> =
            walk.world.wrongs.iter().filter(|wrong| !wrong.contains("went with its group")).collect();
        prop_assert!(wrongs.is_empty(), "{wrongs:?} {:#?}", walk.told());
    }
}
