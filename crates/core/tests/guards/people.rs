//! What people say, and what they do not: the kill switch, consents, approvals, a cluster that does worse.

use std::collections::BTreeSet;

use eks_upgrade_core::control::ConsentScope;
use eks_upgrade_core::decide::WaitFor;
use eks_upgrade_core::finding::Code;
use eks_upgrade_core::health::Vitals;
use eks_upgrade_core::hold::Hold;
use eks_upgrade_core::ids::ApprovalId;
use eks_upgrade_core::ledger::Standing;
use eks_upgrade_core::plan::StepKind;
use eks_upgrade_core::policy::{ApprovalRule, Before, Selector, StepName};
use jiff::SignedDuration;

use crate::given::{Case, addon_step, back, control_plane, days, group_step, now, step, verify};

fn code(hold: Option<Hold>) -> &'static str {
    match hold {
        Some(Hold::Never { code, next_action, .. }) => {
            assert!(!next_action.is_empty());
            code
        }
        other => panic!("{other:?}"),
    }
}

fn overridden(finding: Code) -> ConsentScope {
    ConsentScope::Override { finding, subject: None }
}

#[test]
fn the_kill_switch_holds_all_that_changes_something_and_nothing_else() {
    let case = Case::new().thrown(SignedDuration::from_hours(2));
    for step in [control_plane(), addon_step(), group_step(33), back(false)] {
        let held = case.hold(&step);
        let Some(Hold::Until { wait_for: WaitFor::KillSwitch, seconds, text }) = held else {
            panic!("{held:?}")
        };
        assert_eq!(seconds, 360, "a twentieth of the time since");
        assert!(text.contains("ada") && text.contains("an incident"), "{text}");
    }
    assert_eq!(case.hold(&verify()), None);
}

#[test]
fn a_switch_that_was_lifted_holds_nothing() {
    let mut case = Case::new().thrown(SignedDuration::ZERO);
    case.controls.switch.as_mut().unwrap().thrown = false;
    assert_eq!(case.hold(&control_plane()), None);
}

#[test]
fn a_thrown_switch_is_looked_at_after_a_minute_at_first_and_a_quarter_of_an_hour_at_last() {
    for (ago_s, pause_s) in [(0, 60), (1_300, 65), (86_400, 900)] {
        let held = Case::new().thrown(SignedDuration::from_secs(ago_s)).hold(&control_plane());
        assert!(matches!(held, Some(Hold::Until { seconds, .. }) if seconds == pause_s), "{held:?}");
    }
}

#[test]
fn the_way_back_by_hand_takes_a_consent_to_it() {
    let by_hand = |mut case: Case| {
        case.state.opened.roll_back = true;
        case
    };
    let support = step("support-type", StepKind::SupportType {});
    for step in [back(false), support] {
        assert_eq!(code(by_hand(Case::new()).hold(&step)), "ConsentWanted");
        let other = overridden(Code::RollBackInsight);
        assert_eq!(code(by_hand(Case::new()).consent(other).hold(&step)), "ConsentWanted");
        assert_eq!(by_hand(Case::new()).consent(ConsentScope::RollBack).hold(&step), None);
        assert_eq!(Case::new().hold(&step), None, "by policy it takes none");
    }
    assert_eq!(by_hand(Case::new()).hold(&addon_step()), None, "what else there is to do takes none");
}

#[test]
fn the_way_back_over_an_insight_takes_a_consent_to_that() {
    assert_eq!(code(Case::new().hold(&back(true))), "ConsentWanted");
    assert_eq!(code(Case::new().consent(ConsentScope::RollBack).hold(&back(true))), "ConsentWanted");
    assert_eq!(Case::new().consent(overridden(Code::RollBackInsight)).hold(&back(true)), None);
}

#[test]
fn a_consent_to_the_way_back_opens_no_window_for_anything_else() {
    let case = Case::new().frozen_for(days(10)).consent(ConsentScope::RollBack);
    assert_eq!(case.hold(&back(false)), None);
    for step in [control_plane(), addon_step(), group_step(33)] {
        assert!(matches!(case.hold(&step), Some(Hold::Until { wait_for: WaitFor::Window, .. })));
    }
    let unconsented = Case::new().frozen_for(days(10));
    assert!(matches!(unconsented.hold(&back(false)), Some(Hold::Until { wait_for: WaitFor::Window, .. })));
}

/// A cluster with pods that crash, for so many seconds.
fn worse(for_s: i64) -> Case {
    let mut case = Case::new();
    let vitals = |pods_crashing| Vitals { pods_crashing, ..Vitals::default() };
    case.state.plan.as_mut().unwrap().baseline.vitals = Some(vitals(0));
    case.state.vitals = Some((vitals(3), now()));
    case.state.worse_since = Some(now() - SignedDuration::from_secs(for_s));
    case
}

#[test]
fn a_cluster_that_does_worse_is_given_an_hour() {
    for for_s in [0, 3_600] {
        let held = worse(for_s).hold(&control_plane());
        let Some(Hold::Until { wait_for: WaitFor::Recovery, text, .. }) = held else { panic!("{held:?}") };
        assert!(text.contains("3 pods crashing"), "{text}");
    }
    for for_s in [3_601, 90_000] {
        assert_eq!(code(worse(for_s).hold(&control_plane())), "WorkloadsWorse");
    }
}

#[test]
fn a_cluster_that_does_worse_may_go_back_or_on_where_somebody_says_so() {
    assert_eq!(worse(60).hold(&back(false)), None);
    assert_eq!(worse(60).consent(overridden(Code::WorkloadsWorse)).hold(&control_plane()), None);
}

fn asks(before: Before, steps: &[StepName]) -> Case {
    let mut case = Case::new();
    case.state.opened.policy.approvals = vec![ApprovalRule {
        before,
        rings: Vec::new(),
        clusters: Selector::default(),
        steps: steps.iter().copied().collect::<BTreeSet<_>>(),
        expires: days(3),
    }];
    case
}

fn question(case: &Case, step: &eks_upgrade_core::plan::Step) -> Option<(ApprovalId, String)> {
    match case.hold(step) {
        Some(Hold::Approval { id, before, expires }) => {
            assert_eq!(expires, days(3));
            Some((id, before))
        }
        None => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_and_a_step_are_asked_for_by_name() {
    let (_, before) = question(&asks(Before::Run, &[]), &control_plane()).unwrap();
    assert_eq!(before, "upgrade of prod-a to 1.34");
    let (_, before) = question(&asks(Before::Step, &[]), &addon_step()).unwrap();
    assert_eq!(before, "add-on vpc-cni v1.16.0-eksbuild.1 → v1.17.0-eksbuild.1 of prod-a");
    let nodes = asks(Before::Step, &[StepName::NodeGroup]);
    assert!(question(&nodes, &group_step(33)).is_some());
    assert_eq!(question(&nodes, &control_plane()), None);
    for elsewhere in [Before::Campaign, Before::Ring] {
        assert_eq!(question(&asks(elsewhere, &[]), &control_plane()), None);
    }
}

#[test]
fn only_a_yes_is_a_yes() {
    let by = || "arn:aws:sts::123456789012:assumed-role/sre/ada".parse().unwrap();
    let mut case = asks(Before::Run, &[]);
    let (id, before) = question(&case, &control_plane()).unwrap();
    let mut answer = |standing| {
        case.state.approvals.insert(id.clone(), standing);
        case.hold(&control_plane())
    };
    let asked = Standing::Asked { before, expires_at: now() + days(3) };
    assert!(matches!(answer(asked), Some(Hold::Approval { .. })));
    assert_eq!(code(answer(Standing::Expired)), "ApprovalExpired");
    let rejected = Standing::Rejected { by: by(), reason: "not today".into() };
    assert_eq!(code(answer(rejected)), "Rejected");
    assert_eq!(answer(Standing::Approved { by: by() }), None);
}

#[test]
fn a_consent_to_the_way_back_says_the_runs_yes_and_no_other() {
    let consent = || ConsentScope::RollBack;
    assert_eq!(question(&asks(Before::Run, &[]).consent(consent()), &back(false)), None);
    assert!(question(&asks(Before::Run, &[]), &back(false)).is_some());
    assert!(question(&asks(Before::Run, &[]).consent(consent()), &control_plane()).is_some());
    assert!(question(&asks(Before::Step, &[]).consent(consent()), &back(false)).is_some());
}

#[test]
fn what_holds_long_is_what_takes_people_or_more_than_five_minutes_to_a_window() {
    let until = |wait_for, seconds| Hold::Until { wait_for, seconds, text: String::new() };
    assert!(!until(WaitFor::Window, 299).is_long());
    assert!(!until(WaitFor::Window, 300).is_long());
    assert!(until(WaitFor::Window, 301).is_long());
    assert!(!until(WaitFor::KillSwitch, 900).is_long());
    assert!(!until(WaitFor::Recovery, 3_600).is_long());
    assert!(asks(Before::Run, &[]).hold(&control_plane()).unwrap().is_long());
    assert!(worse(90_000).hold(&control_plane()).unwrap().is_long());
}
