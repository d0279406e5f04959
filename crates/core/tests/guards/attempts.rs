//! What follows a failed attempt: another one, a harder one, a wait, another plan, or the end.

use std::collections::BTreeSet;

use eks_upgrade_core::control::ConsentScope;
use eks_upgrade_core::decide::{ActionName, Decision, WaitFor};
use eks_upgrade_core::ledger::InUse;
use eks_upgrade_core::plan::Step;
use eks_upgrade_core::policy::{NodeHops, NodeStrategy};
use eks_upgrade_core::remedy::{CONFIGURATION_CONFLICT, POD_EVICTION_FAILURE, RESOURCE_IN_USE, Remedy};

use crate::given::{Case, addon_step, ago, control_plane, failure, group, group_step, now, verify};

const RETRY: Remedy = Remedy::Retry { after_s: 60 };
const WAIT: Remedy = Remedy::Wait { after_s: 60 };

/// A run of this one step, whose last attempt failed so, an hour ago.
fn after(step: &Step, code: &str, remedy: Remedy) -> Case {
    Case::new().planned(std::slice::from_ref(step)).failed(step, code, remedy, 3_600)
}

#[test]
fn another_attempt_is_due_when_its_pause_is_over() {
    let step = control_plane();
    let failed = |ago_s| Case::new().planned(&[control_plane()]).failed(&step, "Unknown", RETRY, ago_s);
    assert_eq!(failed(59).waits(), (WaitFor::NextAttempt, 1));
    assert_eq!(failed(0).waits(), (WaitFor::NextAttempt, 60));
    assert_eq!(failed(60).acts(), [(ActionName::UpgradeControlPlane, step.id.clone())]);
}

#[test]
fn what_is_not_to_be_repeated_ends_the_run() {
    let mut case = after(&control_plane(), "AccessDenied", Remedy::Stop);
    assert_eq!(case.halts(), "AccessDenied");
    case.progress(&control_plane()).last = Some(ActionName::UpgradeControlPlane);
    assert_eq!(case.halts(), "AccessDenied");
}

#[test]
fn a_step_is_tried_as_often_as_the_policy_says() {
    let mut case = after(&control_plane(), "Unknown", RETRY);
    case.state.opened.policy.attempts = 3;
    case.progress(&control_plane()).strikes = 2;
    assert_eq!(case.acts().len(), 1);
    for strikes in [3, 4] {
        case.progress(&control_plane()).strikes = strikes;
        assert_eq!(case.halts(), "Unknown");
    }
}

#[test]
fn the_attempt_that_force_answers_uses_up_none_of_the_forced_ones() {
    let strikes = |strategy, last, strikes| {
        let step = group("a", 33, strategy);
        let mut case = after(&step, "Unknown", RETRY);
        case.state.opened.policy.attempts = 3;
        case.progress(&step).strikes = strikes;
        case.progress(&step).last = Some(last);
        case.decide()
    };
    let (forced, rolled) = (ActionName::ForceNodeGroup, ActionName::RollNodeGroup);
    for strategy in [NodeStrategy::Rolling, NodeStrategy::RollingThenForce] {
        assert!(matches!(strikes(strategy, forced, 3), Decision::Act { .. }));
        assert!(matches!(strikes(strategy, forced, 4), Decision::Halt { .. }));
        assert!(matches!(strikes(strategy, rolled, 2), Decision::Act { .. }));
        assert!(matches!(strikes(strategy, rolled, 3), Decision::Halt { .. }));
    }
    assert!(matches!(strikes(NodeStrategy::Force, forced, 3), Decision::Halt { .. }));
}

#[test]
fn looking_is_tried_ten_times() {
    let mut case = after(&verify(), "NotHealthy", RETRY);
    case.state.opened.policy.attempts = 3;
    case.progress(&verify()).strikes = 9;
    assert_eq!(case.acts().len(), 1);
    case.progress(&verify()).strikes = 10;
    assert_eq!(case.halts(), "NotHealthy");
}

#[test]
fn fields_are_overwritten_after_a_conflict_and_by_a_yes_to_that() {
    let action = |conflicted, by_policy: bool, consented| {
        let mut case = after(&addon_step(), "Unknown", RETRY);
        case.progress(&addon_step()).conflicted = conflicted;
        case.state.opened.policy.overwrite_addons =
            by_policy.then(|| "vpc-cni".to_owned()).into_iter().collect::<BTreeSet<_>>();
        if consented {
            case = case.consent(ConsentScope::Overwrite { addon: "vpc-cni".into() });
        }
        case.acts()[0].0
    };
    let (softly, hard) = (ActionName::UpdateAddOn, ActionName::OverwriteAddOn);
    assert_eq!(action(false, true, true), softly);
    assert_eq!(action(true, false, false), softly);
    assert_eq!(action(true, true, false), hard);
    assert_eq!(action(true, false, true), hard);
}

#[test]
fn pods_are_forced_out_after_an_eviction_failed_and_by_a_yes_to_that_or_by_strategy() {
    let action = |strategy, evicted, consented| {
        let step = group("a", 33, strategy);
        let mut case = after(&step, "Unknown", RETRY);
        case.progress(&step).eviction_failed = evicted;
        if consented {
            case = case.consent(ConsentScope::Force { node_group: "a".into() });
        }
        case.acts()[0].0
    };
    let (softly, hard) = (ActionName::RollNodeGroup, ActionName::ForceNodeGroup);
    assert_eq!(action(NodeStrategy::Rolling, true, false), softly);
    assert_eq!(action(NodeStrategy::Rolling, false, true), softly);
    assert_eq!(action(NodeStrategy::Rolling, true, true), hard);
    assert_eq!(action(NodeStrategy::RollingThenForce, false, false), softly);
    assert_eq!(action(NodeStrategy::RollingThenForce, true, false), hard);
    assert_eq!(action(NodeStrategy::Force, false, false), hard);
}

#[test]
fn a_harder_call_answers_a_failure_at_once_and_once() {
    let step = addon_step();
    let mut case =
        Case::new().planned(&[addon_step()]).failed(&step, CONFIGURATION_CONFLICT, Remedy::Stop, 0);
    case.progress(&step).conflicted = true;
    case.progress(&step).last = Some(ActionName::UpdateAddOn);
    assert_eq!(case.halts(), CONFIGURATION_CONFLICT, "without a yes to it");
    let mut case = case.consent(ConsentScope::Overwrite { addon: "vpc-cni".into() });
    assert_eq!(case.acts()[0].0, ActionName::OverwriteAddOn);
    case.progress(&step).last = Some(ActionName::OverwriteAddOn);
    assert_eq!(case.halts(), CONFIGURATION_CONFLICT);
    let step = group("a", 33, NodeStrategy::RollingThenForce);
    let mut case =
        Case::new().planned(std::slice::from_ref(&step)).failed(&step, POD_EVICTION_FAILURE, RETRY, 0);
    case.progress(&step).eviction_failed = true;
    assert_eq!(case.acts()[0].0, ActionName::ForceNodeGroup, "the failed one was the wait");
}

/// A step that has been waiting for so many seconds, and was just told to wait again.
fn waiting(code: &str, for_s: i64) -> Case {
    let step = control_plane();
    let mut case = Case::new().planned(&[control_plane()]).failed(&step, code, WAIT, 0);
    case.progress(&step).waits_since = Some(ago(for_s));
    case.progress(&step).in_use =
        Some(InUse { since: ago(for_s), seen_s: u32::try_from(for_s).unwrap(), at: now() });
    case
}

#[test]
fn who_waits_again_and_again_waits_a_tenth_of_the_time_so_far() {
    for (for_s, pause_s) in [(0, 60), (6_000, 600), (6_090, 609), (90_000, 3_600)] {
        assert_eq!(waiting("Throttling", for_s).waits(), (WaitFor::NextAttempt, pause_s));
    }
}

#[test]
fn what_somebody_else_holds_for_more_than_a_day_wants_a_person() {
    assert_eq!(waiting(RESOURCE_IN_USE, 24 * 3_600).waits().0, WaitFor::NextAttempt);
    for for_s in [24 * 3_600 + 1, 48 * 3_600] {
        assert_eq!(waiting(RESOURCE_IN_USE, for_s).halts(), RESOURCE_IN_USE);
    }
    assert_eq!(waiting("Throttling", 48 * 3_600).waits().0, WaitFor::NextAttempt);
}

#[test]
fn what_is_in_use_is_given_up_after_a_day_of_which_an_hour_was_looked_at() {
    let (hour_s, day_s) = (3_600, 24 * 3_600);
    let told = |withheld: &[(&str, i64)]| {
        let begun = Case::new().planned(&[control_plane()]);
        withheld.iter().fold(begun, |case, (code, ago_s)| case.withhold(&control_plane(), code, WAIT, *ago_s))
    };
    let waits = |withheld: &[(&str, i64)]| {
        assert_eq!(told(withheld).waits().0, WaitFor::NextAttempt, "{withheld:?}");
    };
    waits(&[("OutsideWindow", 7 * day_s), (RESOURCE_IN_USE, 2 * hour_s), (RESOURCE_IN_USE, 0)]);
    // In use at the end of one opening, and at the beginning of the next one.
    waits(&[(RESOURCE_IN_USE, 7 * day_s), (RESOURCE_IN_USE, hour_s / 2), (RESOURCE_IN_USE, 0)]);
    let for_an_hour = [(RESOURCE_IN_USE, 7 * day_s), (RESOURCE_IN_USE, hour_s), (RESOURCE_IN_USE, 0)];
    assert_eq!(told(&for_an_hour).halts(), RESOURCE_IN_USE);
    // Now and then EKS did not say.
    let code = |hours: i64| if hours % 5 == 3 { "Throttling" } else { RESOURCE_IN_USE };
    let hourly: Vec<(&str, i64)> = (0..=25).rev().map(|hours| (code(hours), hours * hour_s)).collect();
    assert_eq!(told(&hourly).halts(), RESOURCE_IN_USE);
    waits(&hourly[2..]);
    waits(&[&hourly[..], &[("Throttling", 0)]].concat());
}

fn replan(nodes_each_hop: bool) -> Remedy {
    Remedy::Replan { nodes_each_hop }
}

/// Whether nodes follow each hop in the plan that is asked for, and whether it goes back; `None` where it halts.
fn asked(case: &Case) -> Option<(bool, bool)> {
    match case.decide() {
        Decision::Replan { nodes_each_hop, roll_back, .. } => Some((nodes_each_hop, roll_back)),
        Decision::Halt { .. } => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn another_plan_is_asked_for_unless_it_was_tried() {
    let case = |remedy| after(&control_plane(), "Why", remedy);
    assert_eq!(asked(&case(replan(false))), Some((false, false)));
    assert_eq!(asked(&case(replan(true))), Some((true, false)));
    let each_hop = |remedy| {
        let mut case = case(remedy);
        case.plan().nodes = NodeHops::EachHop;
        case
    };
    assert_eq!(asked(&each_hop(replan(false))), Some((false, false)));
    assert_eq!(asked(&each_hop(replan(true))), None);
}

#[test]
fn the_way_back_is_asked_for_unless_it_goes_back_already() {
    let mut case = after(&control_plane(), "GateFailed", Remedy::RollBack);
    assert_eq!(asked(&case), Some((false, true)));
    case.plan().rolls_back = Some(failure("GateFailed", Remedy::RollBack));
    assert_eq!(asked(&case), None);
}

#[test]
fn a_run_is_planned_ten_times_at_most() {
    let mut case = after(&control_plane(), "Why", replan(false));
    case.plan().revision = 9;
    assert_eq!(asked(&case), Some((false, false)));
    case.plan().revision = 10;
    assert_eq!(asked(&case), None);
    case.plan().renewals = 1;
    assert_eq!(asked(&case), Some((false, false)), "one was made anew for its age alone");
}

#[test]
fn before_another_plan_only_a_call_in_doubt_is_gone_after() {
    let (in_doubt, wants, ready) = (addon_step(), group_step(33), control_plane());
    let steps = [in_doubt.clone(), wants.clone(), ready];
    let case = Case::new().planned(&steps).meant(&in_doubt).failed(&wants, "Why", replan(false), 0);
    assert_eq!(case.acts(), [(ActionName::UpdateAddOn, in_doubt.id.clone())]);
    let begun = Case::new().planned(&steps).begun(&in_doubt, 0).failed(&wants, "Why", replan(false), 0);
    assert_eq!(begun.waits().0, WaitFor::AddOns, "what is in flight is waited out");
}
