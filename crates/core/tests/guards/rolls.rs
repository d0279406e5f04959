//! Rolls of groups that EKS does not manage, under way: gone on with, left at rest, or taken back.

use eks_upgrade_core::cluster::Found;
use eks_upgrade_core::decide::{ActionName, WaitFor};
use eks_upgrade_core::health::Vitals;
use eks_upgrade_core::ids::Fence;
use eks_upgrade_core::ledger::{Entry, Event};
use eks_upgrade_core::remedy::Remedy;
use eks_upgrade_core::roll::{Effect, Moved, Paused, Roll};
use jiff::SignedDuration;

use crate::given::{Case, addon_step, ago, days, failure, now, own_nodes};

/// A roll of two nodes, after these lines.
fn roll(moves: &[Moved]) -> Roll {
    let was = serde_json::json!({
        "sizes": {"min": 1, "desired": 2, "max": 3},
        "template": {"id": "lt-1", "version": "1"},
        "nodes": ["x", "y"],
        "vitals": Vitals::default(),
    });
    let begun = Moved::Begun { was: serde_json::from_value(was).unwrap() };
    std::iter::once(&begun)
        .chain(moves)
        .fold(None, |roll, moved| Some(Roll::after(roll, moved, now()).unwrap()))
        .unwrap()
}

fn cordoned() -> Moved {
    Moved::Meant { effect: Effect::Cordon { node: "x".into(), instance: "i-x".into(), surplus: false } }
}

fn given_up() -> Moved {
    Moved::GivenUp { failure: failure("CannotRoll", Remedy::Stop), denied: false }
}

/// Cluster Autoscaler is paused, for the time of the roll.
fn paused() -> [Moved; 2] {
    let paused = Paused { deployment: "kube-system/cluster-autoscaler".into(), replicas: 1 };
    let effect = Effect::PauseAutoscaler { paused };
    [Moved::Meant { effect: effect.clone() }, Moved::Made { effect }]
}

/// A run of one such group whose roll is under way.
fn rolling(roll: Option<Roll>) -> Case {
    let step = own_nodes();
    let mut case = Case::new().at(34).planned(std::slice::from_ref(&step)).begun(&step, 60);
    case.progress(&step).roll = roll;
    case
}

fn goes_on(case: &Case) -> bool {
    case.acts() == [(ActionName::RollSelfManagedNodes, own_nodes().id)]
}

#[test]
fn it_is_us_who_go_on_with_it() {
    assert!(goes_on(&rolling(None)));
    assert!(goes_on(&rolling(Some(roll(&[])))));
}

#[test]
fn past_the_kill_switch_nothing_is_done() {
    for moves in [vec![], vec![cordoned()]] {
        let case = rolling(Some(roll(&moves))).thrown(SignedDuration::ZERO);
        assert_eq!(case.waits().0, WaitFor::KillSwitch);
    }
}

#[test]
fn outside_its_window_it_rests_between_nodes_and_not_within_one() {
    let frozen = |roll| rolling(roll).frozen_for(days(10));
    assert_eq!(frozen(None).waits().0, WaitFor::Window);
    assert_eq!(frozen(Some(roll(&[]))).waits().0, WaitFor::Window);
    assert!(goes_on(&frozen(Some(roll(&[cordoned()])))), "a node that is begun is ended");
}

#[test]
fn for_a_long_rest_cluster_autoscaler_is_put_back_first() {
    let at_rest = || rolling(Some(roll(&paused())));
    assert!(goes_on(&at_rest().frozen_for(days(10))));
    let short = at_rest().frozen_for(SignedDuration::from_secs(60));
    assert_eq!(short.waits().0, WaitFor::Window);
}

#[test]
fn what_holds_it_for_good_has_it_taken_back() {
    let mut case = rolling(Some(roll(&[])));
    let vitals = |pods_crashing| Vitals { pods_crashing, ..Vitals::default() };
    case.plan().baseline.vitals = Some(vitals(0));
    case.state.vitals = Some((vitals(3), now()));
    case.state.worse_since = Some(ago(90_000));
    assert!(goes_on(&case));
}

#[test]
fn before_a_run_ends_it_is_taken_back() {
    let past_its_target = rolling(Some(roll(&[]))).at(35);
    assert!(goes_on(&past_its_target));
    assert_eq!(past_its_target.thrown(SignedDuration::ZERO).waits().0, WaitFor::KillSwitch);
    let mut case = rolling(Some(roll(&[])));
    case.state.called_off = Some(failure("CalledOff", Remedy::Stop));
    assert!(goes_on(&case));
}

#[test]
fn in_a_cluster_that_is_gone_or_another_one_nothing_is_taken_back() {
    let mut case = rolling(Some(roll(&[])));
    case.world.cluster = Some(Found::Gone);
    assert_eq!(case.halts(), "TargetGone");
    let mut case = rolling(Some(roll(&[])));
    case.cluster().created_at += SignedDuration::from_secs(1);
    assert_eq!(case.halts(), "AnotherCluster");
}

#[test]
fn while_a_read_lags_only_what_is_given_up_goes_on() {
    let lagging = |roll| {
        let mut case = rolling(Some(roll)).at(32);
        case.state.updated_at = now();
        case
    };
    assert_eq!(lagging(roll(&[])).waits(), (WaitFor::ControlPlane, 30));
    assert!(goes_on(&lagging(roll(&[given_up()]))));
}

#[test]
fn a_call_of_which_nothing_is_known_ends_no_run_whose_roll_is_under_way() {
    let meant = addon_step();
    let mut case = rolling(Some(roll(&[]))).meant(&meant);
    case.plan().hops[0].steps.push(meant);
    case.state.updated_at = ago(48 * 3_600);
    assert_eq!(case.acts().len(), 2);
}

#[test]
fn no_line_of_a_roll_stands_before_its_step_has_begun() {
    let begun = serde_json::json!({"moved": "begun", "was": {
        "sizes": {"min": 1, "desired": 2, "max": 3},
        "template": {"id": "lt-1", "version": "1"},
        "nodes": ["x"],
        "vitals": Vitals::default(),
    }});
    let line = |case: &Case| {
        let moved: Moved = serde_json::from_value(begun.clone()).unwrap();
        let state = &case.state;
        let entry = Entry {
            run: state.run.clone(),
            seq: state.seq + 1,
            at: now(),
            actor: "arn:aws:states:x:e1".parse().unwrap(),
            fence: Fence(1),
            event: Event::Rolled { step: own_nodes().id, moved },
            previous: String::new(),
        };
        state.clone().apply(&entry)
    };
    assert_eq!(line(&rolling(None)), Ok(()));
    let unbegun = Case::new().at(34).planned(&[own_nodes()]);
    let refused = line(&unbegun).unwrap_err().to_string();
    assert!(refused.contains("the step has not begun"), "{refused}");
}

#[test]
fn no_plan_with_two_steps_of_one_id_is_taken() {
    let mut case = Case::new().planned(&[own_nodes(), own_nodes()]);
    let mut plan = case.plan().clone();
    plan.revision += 1;
    let entry = Entry {
        run: case.state.run.clone(),
        seq: case.state.seq + 1,
        at: now(),
        actor: "arn:aws:states:x:e1".parse().unwrap(),
        fence: Fence(1),
        event: Event::Planned { plan: Box::new(plan) },
        previous: String::new(),
    };
    let refused = case.state.apply(&entry).unwrap_err().to_string();
    assert!(refused.contains("two of its steps have one id"), "{refused}");
}
