//! Windows and freezes, what goes ahead of them because support ends, and what waiting costs.

use eks_upgrade_core::decide::WaitFor;
use eks_upgrade_core::hold::Hold;
use eks_upgrade_core::plan::Step;
use eks_upgrade_core::policy::{EndOfSupport, Wins};
use eks_upgrade_core::window::Window;
use jiff::SignedDuration;

use crate::given::{Case, addon_step, back, control_plane, days, minor, now};

/// For how many seconds a window is waited for, and what is said of it; `None` where nothing holds.
fn waits(case: &Case, step: &Step) -> Option<(u32, String)> {
    match case.hold(step) {
        Some(Hold::Until { wait_for: WaitFor::Window, seconds, text }) => Some((seconds, text)),
        None => None,
        other => panic!("{other:?}"),
    }
}

fn seconds(time: SignedDuration) -> u32 {
    u32::try_from(time.as_secs()).unwrap()
}

/// Everything is frozen for so many days, support ends after so many, and this wins. Notice is 14 days.
fn case(frozen_d: i64, ends_d: i64, wins: Wins) -> Case {
    let mut case = Case::new().frozen_for(days(frozen_d));
    case.state.opened.support_ends = Some(now() + days(ends_d));
    case.state.opened.policy.end_of_support = EndOfSupport { wins, notice_days: 14 };
    case
}

#[test]
fn a_freeze_is_waited_out() {
    let (for_s, text) = waits(&Case::new().frozen_for(days(10)), &control_plane()).unwrap();
    assert_eq!(for_s, seconds(days(10)));
    assert!(text.contains("quarter end") && text.contains("next at 2026-08-28 09:15 UTC"), "{text}");
    assert!(!text.contains("roll-back"), "{text}");
}

#[test]
fn no_wait_is_longer_than_three_hundred_days() {
    let (for_s, _) = waits(&Case::new().frozen_for(days(400)), &control_plane()).unwrap();
    assert_eq!(for_s, seconds(days(300)));
}

#[test]
fn a_way_back_that_waits_is_looked_at_often_and_told_how_to_go_at_once() {
    let (for_s, text) = waits(&Case::new().frozen_for(days(10)), &back(false)).unwrap();
    assert_eq!(for_s, 600);
    assert!(text.contains("; at once by eks-upgrade consent prod-a roll-back"), "{text}");
}

#[test]
fn where_the_deadline_wins_the_upgrade_goes_ahead_of_what_opens_too_late() {
    assert_eq!(waits(&case(20, 10, Wins::Deadline), &control_plane()), None, "its time has come");
    assert_eq!(waits(&case(20, 14, Wins::Deadline), &control_plane()), None, "its time comes now");
    let (for_s, text) = waits(&case(40, 20, Wins::Deadline), &control_plane()).unwrap();
    assert_eq!(for_s, seconds(days(6)), "two weeks before the end");
    assert!(text.contains("support of 1.33 ends on 2026-09-07 before it opens"), "{text}");
    assert!(text.contains("goes ahead at 2026-08-24 09:15 UTC"), "{text}");
}

#[test]
fn where_it_opens_in_time_the_deadline_changes_nothing() {
    for ends_d in [10, 11] {
        let (for_s, _) = waits(&case(10, ends_d, Wins::Deadline), &control_plane()).unwrap();
        assert_eq!(for_s, seconds(days(10)), "support ends after {ends_d} days");
    }
}

#[test]
fn where_the_window_wins_waiting_has_its_price() {
    let (for_s, text) = waits(&case(20, 10, Wins::Window), &control_plane()).unwrap();
    assert_eq!(for_s, seconds(days(20)));
    assert!(text.contains("Support of 1.33 ends on 2026-08-28"), "{text}");
    assert!(text.contains("waiting costs $120 of extended support ($12 a day)"), "{text}");
}

#[test]
fn waiting_that_ends_with_support_or_before_costs_nothing() {
    for ends_d in [20, 30] {
        let (_, text) = waits(&case(20, ends_d, Wins::Window), &control_plane()).unwrap();
        assert!(text.ends_with("next at 2026-09-07 09:15 UTC"), "{text}");
    }
}

#[test]
fn a_control_plane_that_has_left_the_minor_is_in_no_hurry() {
    let still = |case: &Case| {
        let (for_s, text) = waits(case, &addon_step()).unwrap();
        for_s == seconds(days(20)) && !text.contains("costs")
    };
    assert!(still(&case(20, 10, Wins::Deadline).done(&control_plane())));
    let mut planned_past = case(20, 10, Wins::Deadline);
    planned_past.state.plan.as_mut().unwrap().from = minor(34);
    assert!(still(&planned_past));
    // Another step that is done takes it nowhere.
    assert_eq!(waits(&case(20, 10, Wins::Deadline).done(&addon_step()), &control_plane()), None);
}

/// Windows that no control plane fits into.
fn too_short(ends_d: Option<i64>, wins: Wins) -> Case {
    let mut case = Case::new();
    let window = serde_json::json!({"start": "01:00", "duration": "15m", "timeZone": "UTC"});
    let window: Window = serde_json::from_value(window).unwrap();
    case.state.opened.policy.schedule.windows.push(window);
    case.state.opened.support_ends = ends_d.map(|ends_d| now() + days(ends_d));
    case.state.opened.policy.end_of_support = EndOfSupport { wins, notice_days: 14 };
    case
}

fn slow() -> Step {
    let mut step = control_plane();
    step.span.p95_s = 3_600;
    step
}

#[test]
fn what_never_fits_stops_unless_the_deadline_wins() {
    let never = |case: &Case| matches!(case.hold(&slow()), Some(Hold::Never { code: "NoWindow", .. }));
    assert!(never(&too_short(None, Wins::Deadline)));
    assert!(never(&too_short(Some(10), Wins::Window)));
    assert_eq!(waits(&too_short(Some(10), Wins::Deadline), &slow()), None);
    assert_eq!(waits(&too_short(Some(14), Wins::Deadline), &slow()), None);
    let (for_s, text) = waits(&too_short(Some(20), Wins::Deadline), &slow()).unwrap();
    assert_eq!(for_s, seconds(days(6)));
    assert!(text.contains("goes ahead at 2026-08-24 09:15 UTC"), "{text}");
}
