//! Plans that hold no more: too old, made at an earlier minor, or with a finding that nobody lets pass any longer.

use eks_upgrade_core::control::ConsentScope;
use eks_upgrade_core::decide::ActionName;
use eks_upgrade_core::finding::{Code, Finding, Level};
use eks_upgrade_core::hold::Hold;
use eks_upgrade_core::plan::Step;
use jiff::SignedDuration;

use crate::given::{Case, addon_step, ago, control_plane, group_step, minor, verify};

const DAY_S: i64 = 24 * 3600;

fn is_outdated(case: &Case, step: &Step) -> bool {
    matches!(case.hold(step), Some(Hold::PlanAgain { .. }))
}

fn made(seconds_ago: i64) -> Case {
    let mut case = Case::new();
    case.plan().made_at = ago(seconds_ago);
    case
}

/// The same of a plan that was made a minor below the one where its hop begins.
fn of_an_earlier_minor() -> Case {
    let mut case = Case::new();
    case.plan().from = minor(32);
    case
}

/// A plan with an insight that `co-1` lets pass.
fn overridden() -> Case {
    let mut case = Case::new();
    case.plan().findings = vec![Finding {
        code: Code::InsightError,
        level: Level::Warn,
        subject: "Cluster health issues".into(),
        message: "webhooks time out".into(),
        next_action: String::new(),
        overridden_by: Some("co-1".parse().unwrap()),
    }];
    case
}

fn to_override(finding: Code, subject: Option<&str>) -> ConsentScope {
    ConsentScope::Override { finding, subject: subject.map(str::to_owned) }
}

#[test]
fn a_control_plane_goes_up_on_a_plan_of_a_day_at_most_and_the_rest_on_any() {
    assert!(!is_outdated(&made(DAY_S), &control_plane()));
    assert!(is_outdated(&made(DAY_S + 1), &control_plane()));
    for step in [addon_step(), group_step(33), verify()] {
        assert!(!is_outdated(&made(100 * DAY_S), &step), "{}", step.id);
    }
}

#[test]
fn the_first_step_of_a_hop_waits_for_a_plan_of_the_minor_below() {
    let hop = [addon_step(), control_plane()];
    for step in &hop {
        assert!(is_outdated(&of_an_earlier_minor().planned(&hop), step), "{}", step.id);
        assert!(!is_outdated(&Case::new().planned(&hop), step), "{}", step.id);
    }
    let nodes = [addon_step()];
    assert!(!is_outdated(&of_an_earlier_minor().planned(&nodes), &nodes[0]), "its hop takes nothing up");
}

#[test]
fn what_was_let_pass_has_to_be_let_pass_still() {
    let with = |finding, subject| overridden().consent(to_override(finding, subject));
    assert!(is_outdated(&overridden(), &control_plane()), "it was taken back");
    assert!(!is_outdated(&with(Code::InsightError, None), &control_plane()));
    assert!(!is_outdated(&with(Code::InsightError, Some("Cluster health issues")), &control_plane()));
    assert!(is_outdated(&with(Code::InsightError, Some("Kubelet version skew")), &control_plane()));
    assert!(is_outdated(&with(Code::SurgeRoom, None), &control_plane()));
    let mut expired = with(Code::InsightError, None);
    expired.controls.consents[0].expires_at = ago(0);
    assert!(is_outdated(&expired, &control_plane()));
}

#[test]
fn past_the_kill_switch_and_outside_windows_no_plan_is_made_anew_for_its_age() {
    let thrown = made(2 * DAY_S).thrown(SignedDuration::from_hours(1));
    let frozen = made(2 * DAY_S).frozen_for(SignedDuration::from_hours(48));
    for case in [thrown, frozen] {
        assert!(matches!(case.hold(&control_plane()), Some(Hold::Until { .. })));
    }
    let below = of_an_earlier_minor().frozen_for(SignedDuration::from_hours(48));
    assert!(is_outdated(&below, &control_plane()), "what stands against the hop is known before it opens");
}

#[test]
fn the_guard_calls_on_no_such_plan_whatever_was_decided() {
    for case in [made(DAY_S + 1), of_an_earlier_minor(), overridden()] {
        assert_eq!(case.withheld(&control_plane(), ActionName::UpgradeControlPlane), "PlanOutdated");
    }
}
