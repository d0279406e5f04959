//! What is waited for where nothing starts now, and for how long; and the questions that are open to people.

use eks_upgrade_core::decide::{Decision, WaitFor};
use eks_upgrade_core::health::Vitals;
use eks_upgrade_core::ids::ApprovalId;
use eks_upgrade_core::ledger::{Phase, Standing};
use eks_upgrade_core::plan::{Step, StepKind};
use eks_upgrade_core::policy::{ApprovalRule, Before, NodeStrategy, Selector};
use eks_upgrade_core::remedy::Remedy;
use jiff::SignedDuration;

use crate::given::{Case, addon_step, ago, control_plane, days, group, minor, now, step};

fn of(steps: &[Step]) -> Case {
    Case::new().planned(steps)
}

fn alone(step: &Step) -> Case {
    of(std::slice::from_ref(step))
}

fn bake(duration_s: u32) -> Step {
    step("bake", StepKind::Bake { duration_s })
}

fn follow() -> Step {
    step("follow", StepKind::Follow { pools: vec!["default".into()], to: minor(34), stall_s: 3_600 })
}

#[test]
fn what_is_under_way_is_waited_for_by_its_kind() {
    let image =
        |n: u32| format!("602401143452.dkr.ecr.us-east-1.amazonaws.com/eks/coredns:v1.{n}.0-eksbuild.1");
    let component = StepKind::CoreComponent { name: "coredns".into(), from: image(10), to: image(11) };
    let pods = StepKind::FargatePods { workloads: vec!["Deployment shop/web".into()], to: minor(34) };
    for (step, wait_for) in [
        (control_plane(), WaitFor::ControlPlane),
        (addon_step(), WaitFor::AddOns),
        (group("a", 34, NodeStrategy::Rolling), WaitFor::NodeGroups),
        (step("component", component), WaitFor::CoreComponents),
        (step("pods", pods), WaitFor::FargatePods),
    ] {
        let case = alone(&step).begun(&step, 0);
        assert_eq!(case.waits(), (wait_for, step.span.pause_s(now(), now())));
    }
}

#[test]
fn what_takes_longer_than_it_ever_should_is_said() {
    let step = control_plane();
    let text = |ago_s| match alone(&step).begun(&step, ago_s).decide() {
        Decision::Wait { text, .. } => text,
        other => panic!("{other:?}"),
    };
    assert!(!text(2_400).contains("longer"));
    assert!(text(2_401).contains("longer"));
}

#[test]
fn what_can_be_looked_at_soonest_is_waited_for_and_the_first_of_equals() {
    let (plane, addon) = (control_plane(), addon_step());
    for steps in [[plane.clone(), addon.clone()], [addon.clone(), plane.clone()]] {
        let case = of(&steps).begun(&plane, 0).begun(&addon, 0);
        assert_eq!(case.waits(), (WaitFor::AddOns, 60));
    }
    let retried = |first: &Step, second: &Step| {
        let retry = Remedy::Retry { after_s: 60 };
        of(&[first.clone(), second.clone()]).failed(&plane, "Unknown", retry, 0).begun(&addon, 0).waits()
    };
    assert_eq!(retried(&plane, &addon), (WaitFor::NextAttempt, 60));
    assert_eq!(retried(&addon, &plane), (WaitFor::AddOns, 60));
}

#[test]
fn a_bake_begins_by_the_next_look_and_is_not_looked_at_past_its_end() {
    let step = bake(1_200);
    assert_eq!(alone(&step).waits(), (WaitFor::Bake, 1));
    let since = |ago_s| alone(&step).stands(&step, Phase::Baking { since: ago(ago_s) }).waits();
    assert_eq!(since(0), (WaitFor::Bake, 100));
    assert_eq!(since(1_195), (WaitFor::Bake, 5));
    let (wait_for, seconds) = since(1_200);
    assert_eq!(wait_for, WaitFor::Bake);
    assert!(seconds >= 10, "its gate cannot be told yet: {seconds}");
}

#[test]
fn what_follows_by_itself_begins_by_the_next_look_and_is_watched() {
    let step = follow();
    assert_eq!(alone(&step).waits(), (WaitFor::Following, 60));
    let since = ago(300);
    let following = Phase::Following { since, behind: 3, unmoved_since: since };
    let case = alone(&step).stands(&step, following);
    assert_eq!(case.waits(), (WaitFor::Following, step.span.pause_s(since, now())));
}

#[test]
fn what_has_no_room_yet_is_no_wait_of_its_own() {
    let [a, b] = ["a", "b"].map(|name| group(name, 34, NodeStrategy::Rolling));
    let mut case = of(&[a.clone(), b]).begun(&a, 0);
    case.state.opened.policy.node_groups_at_once = 1;
    let (wait_for, seconds) = case.waits();
    assert_eq!(wait_for, WaitFor::NodeGroups);
    assert_eq!(seconds, a.span.early_s);
}

#[test]
fn what_holds_a_step_for_good_ends_the_run() {
    let mut case = alone(&control_plane());
    let vitals = |pods_crashing| Vitals { pods_crashing, ..Vitals::default() };
    case.plan().baseline.vitals = Some(vitals(0));
    case.state.vitals = Some((vitals(3), now()));
    case.state.worse_since = Some(ago(90_000));
    assert_eq!(case.halts(), "WorkloadsWorse");
}

/// A run that wants a yes, within three days from when it is asked.
fn asking() -> Case {
    let mut case = alone(&control_plane());
    case.state.opened.policy.approvals = vec![ApprovalRule {
        before: Before::Run,
        rings: Vec::new(),
        clusters: Selector::default(),
        steps: [].into(),
        expires: days(3),
    }];
    case
}

/// The question, in how many seconds it counts as a no, and in how many it is looked at again.
fn question(case: &Case) -> (ApprovalId, i64, u32) {
    match case.decide() {
        Decision::Ask { approval, expires_at, expires_s, seconds, .. } => {
            let left_s = expires_at.duration_since(now()).as_secs();
            assert_eq!(i64::from(expires_s), left_s.max(1) + 60);
            (approval, left_s, seconds)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_question_is_open_for_as_long_as_its_rule_says_from_when_it_is_asked() {
    let mut case = asking();
    let (id, left_s, seconds) = question(&case);
    assert_eq!((left_s, seconds), (3 * 86_400, 3_600));
    let asked = |left_s| Standing::Asked {
        before: "upgrade of prod-a to 1.34".into(),
        expires_at: now() + SignedDuration::from_secs(left_s),
    };
    case.state.approvals.insert(id.clone(), asked(86_400));
    assert_eq!(question(&case), (id.clone(), 86_400, 3_600));
    case.state.approvals.insert(id.clone(), asked(100));
    assert_eq!(question(&case), (id, 100, 100));
}

#[test]
fn a_question_is_asked_before_the_window_opens_and_goes_before_other_waits() {
    let case = asking().frozen_for(SignedDuration::from_secs(600));
    assert_eq!(question(&case).2, 600);
    let mut case = asking();
    case.plan().hops[0].steps.push(addon_step());
    let case = case.begun(&addon_step(), 0);
    assert_eq!(question(&case).2, 60);
}

#[test]
fn past_the_kill_switch_nobody_is_asked() {
    assert_eq!(asking().thrown(SignedDuration::ZERO).waits().0, WaitFor::KillSwitch);
}
