//! The world turns: the cluster is gone, or another one, or somebody took it back or on; and the run is called off.

use eks_upgrade_core::cluster::Found;
use eks_upgrade_core::decide::{Decision, NextHop, WaitFor, calls_back, next_hop, turned};
use eks_upgrade_core::ledger::Ending;
use eks_upgrade_core::plan::{Hop, StepKind};
use eks_upgrade_core::remedy::Remedy;
use jiff::SignedDuration;

use crate::given::{Case, addon_step, ago, back, control_plane, failure, minor, now, step};

/// The last line of the ledger is an hour old: nothing that was seen is a read that lags.
fn settled(mut case: Case) -> Case {
    case.state.updated_at = ago(3_600);
    case
}

fn goes_on(case: &Case) -> bool {
    matches!(case.decide(), Decision::Act { .. })
}

#[test]
fn a_cluster_that_is_gone_or_another_one_ends_the_run() {
    let mut case = Case::new();
    assert!(goes_on(&case));
    case.world.cluster = Some(Found::Gone);
    assert_eq!(case.halts(), "TargetGone");
    let mut case = Case::new();
    case.cluster().created_at += SignedDuration::from_secs(1);
    assert_eq!(case.halts(), "AnotherCluster");
}

#[test]
fn a_cluster_that_somebody_took_back_ends_the_run() {
    assert!(goes_on(&settled(Case::new())));
    assert_eq!(settled(Case::new().at(32)).halts(), "RolledBack");
    let through = || settled(Case::new().done(&control_plane()));
    assert_eq!(through().halts(), "RolledBack", "at 1.33 after the upgrade to 1.34");
    assert!(goes_on(&through().at(34)));
}

#[test]
fn right_after_an_update_an_older_version_is_a_read_that_lags() {
    for (ago_s, lags) in [(0, true), (300, true), (301, false)] {
        let mut case = Case::new().done(&control_plane());
        case.state.updated_at = ago(ago_s);
        if lags {
            assert_eq!(case.waits(), (WaitFor::ControlPlane, 30), "{ago_s} s");
        } else {
            assert_eq!(case.halts(), "RolledBack", "{ago_s} s");
        }
    }
}

#[test]
fn what_a_later_hop_has_reached_says_nothing_of_an_earlier_one() {
    let later = step("later", StepKind::ControlPlane { from: minor(34), to: minor(35) });
    let mut case = settled(Case::new().at(34).done(&control_plane()).done(&later));
    case.plan().hops.push(Hop { to: minor(35), steps: vec![later] });
    assert!(goes_on(&case));
}

#[test]
fn a_cluster_that_somebody_took_past_the_target_ends_the_run() {
    assert!(goes_on(&Case::new().at(34)));
    for past in [35, 36] {
        assert_eq!(Case::new().at(past).halts(), "MovedPastTarget");
    }
}

/// A run that takes the cluster from 1.33 back to 1.32.
fn going_back() -> Case {
    let mut case = settled(Case::new().planned(&[back(false), addon_step()]));
    case.plan().rolls_back = Some(failure("GateFailed", Remedy::RollBack));
    case.plan().target = minor(32);
    case.plan().hops[0].to = minor(32);
    case.state.opened.target = minor(32);
    case
}

#[test]
fn on_the_way_back_the_cluster_is_where_it_was_or_one_below() {
    assert!(goes_on(&going_back()));
    assert_eq!(going_back().at(34).halts(), "MovedPastTarget");
    assert_eq!(going_back().at(32).halts(), "RolledBack", "before it began");
    assert!(goes_on(&going_back().begun(&back(false), 60).at(32)));
    assert_eq!(going_back().begun(&back(false), 60).at(31).halts(), "RolledBack");
}

#[test]
fn a_run_that_is_called_off_says_why() {
    let mut case = Case::new();
    case.state.called_off = Some(failure("CalledOff", Remedy::Stop));
    assert_eq!(case.halts(), "CalledOff");
}

#[test]
fn a_run_that_is_over_stays_so() {
    let mut case = Case::new();
    case.state.ended = Some(Ending::Completed);
    assert_eq!(case.decide(), Decision::Done);
    let (code, message, next_action) = ("Why".to_owned(), "in words".to_owned(), "look at it".to_owned());
    case.state.ended = Some(Ending::Halted { code, message, next_action });
    assert_eq!(case.halts(), "Why");
}

#[test]
fn what_calls_a_roll_back_is_a_world_that_turned_or_else_the_runs_own_reason() {
    let calls = |case: &mut Case| {
        let cluster = case.cluster().clone();
        calls_back(&case.state, &cluster, now()).map(|failure| failure.code)
    };
    let mut case = Case::new();
    assert_eq!(calls(&mut case), None);
    case.state.called_off = Some(failure("CalledOff", Remedy::Stop));
    assert_eq!(calls(&mut case).as_deref(), Some("CalledOff"));
    assert_eq!(calls(&mut case.at(35)).as_deref(), Some("MovedPastTarget"));
}

#[test]
fn a_run_is_not_planned_again_for_a_cluster_that_turned() {
    let turn = |mut case: Case| {
        let cluster = case.cluster().clone();
        turned(&case.state, &cluster, now())
    };
    assert_eq!(turn(Case::new()), None);
    let code = |turned: Option<Decision>| match turned {
        Some(Decision::Halt { code, .. }) => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(turn(Case::new().at(35))), "MovedPastTarget");
    let unplanned = || {
        let mut case = Case::new();
        case.state.plan = None;
        case
    };
    assert_eq!(turn(unplanned()), None);
    assert_eq!(turn(unplanned().at(34)), None, "somebody did what it was to do");
    assert_eq!(code(turn(unplanned().at(35))), "MovedPastTarget");
    let mut anew = unplanned().at(35);
    anew.cluster().created_at = now();
    assert_eq!(code(turn(anew)), "AnotherCluster");
}

#[test]
fn a_call_of_which_nothing_is_known_for_a_day_wants_a_person() {
    let mut case = Case::new().meant(&control_plane());
    case.state.updated_at = ago(24 * 3_600);
    assert!(goes_on(&case));
    case.state.updated_at = ago(24 * 3_600 + 1);
    assert_eq!(case.halts(), "FateUnknown");
    case.state.updated_at = ago(10 * 24 * 3_600);
    assert_eq!(case.halts(), "FateUnknown");
}

#[test]
fn hops_follow_in_order_until_every_step_is_done() {
    let steps = [control_plane(), addon_step()];
    let case = Case::new().at(34).planned(&steps).done(&steps[0]);
    assert_eq!(next_hop(&case.state), Some(NextHop::Hop { hop: 0, text: "to 1.34 (1 of 1)".into() }));
    let mut case = case.done(&steps[1]);
    assert_eq!(next_hop(&case.state), Some(NextHop::Complete { ending: Ending::Completed }));
    assert_eq!(case.decide(), Decision::Done);
    case.state.plan = None;
    assert_eq!(next_hop(&case.state), None);
}
