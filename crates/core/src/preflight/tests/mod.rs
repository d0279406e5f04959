//! The checks, each against a healthy cluster, one with exactly that thing broken, and one that cannot be seen.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cases;
mod data;
mod eks;
mod judgements;

use std::collections::BTreeSet;

use super::fixture::{healthy, minor, pod, seen, upgrade};
use super::{CHECKS, preflight};
use crate::finding::{Code, Finding, Level};
use crate::inside::{Called, Inside, Pod};

/// The findings of one code.
fn of(code: Code, findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.code == code).collect()
}

fn worst(code: Code, findings: &[Finding]) -> Option<Level> {
    of(code, findings).iter().map(|finding| finding.level).max()
}

/// The codes that have something to say.
fn loud(findings: &[Finding]) -> BTreeSet<Code> {
    findings.iter().filter(|finding| finding.level != Level::Pass).map(|finding| finding.code).collect()
}

#[test]
fn each_check_has_a_case_and_a_code_of_its_own() {
    let codes: BTreeSet<Code> = CHECKS.iter().map(|check| check.code).collect();
    assert_eq!(codes.len(), CHECKS.len(), "a code stands twice");
    let cases: BTreeSet<Code> = cases::CASES.iter().map(|case| case.code).collect();
    assert_eq!(cases, codes, "a check has no case, or a case no check");
}

#[test]
fn each_check_passes_hits_and_cannot_tell() {
    for case in cases::CASES {
        let (code, way) = (case.code, upgrade(case.from, case.target));
        let inside = healthy(minor(case.from));
        let before = preflight(&inside, way);
        assert_eq!(worst(code, &before), Some(Level::Pass), "{code} on a healthy cluster: {before:?}");
        assert_eq!(of(code, &before).len(), 1, "{code} says that it passed once");

        let mut broken = inside.clone();
        (case.break_it)(&mut broken);
        let after = preflight(&broken, way);
        assert_eq!(
            worst(code, &after),
            Some(case.level),
            "{code} on a broken cluster: {:?}",
            of(code, &after)
        );
        let new: BTreeSet<Code> = loud(&after).difference(&loud(&before)).copied().collect();
        let expected: BTreeSet<Code> = case.also.iter().copied().chain([code]).collect();
        assert_eq!(new, expected, "{code}: only what is broken is found");
        for finding in of(code, &after) {
            assert!(!finding.next_action.is_empty(), "{code} says what to do: {finding:?}");
        }

        for hide in case.hide {
            let mut hidden = inside.clone();
            hide(&mut hidden);
            let after = preflight(&hidden, way);
            assert_eq!(worst(code, &after), Some(Level::Unknown), "{code} unseen: {:?}", of(code, &after));
        }
    }
}

#[test]
fn nothing_passes_on_a_cluster_of_which_nothing_could_be_read() {
    let findings = preflight(&Inside::unread(super::fixture::at(), "403 Forbidden"), upgrade("1.34", "1.36"));
    // What every minor changes for everybody needs no look; it is a warning then.
    for finding in &findings {
        assert!(finding.level > Level::Pass, "{finding:?}");
    }
    let unknown = findings.iter().filter(|finding| finding.level == Level::Unknown);
    for finding in unknown.clone() {
        assert!(finding.message.contains("could not be told"), "{finding:?}");
    }
    assert!(unknown.count() >= CHECKS.len() - 1);
}

#[test]
fn a_check_that_does_not_matter_for_the_target_says_nothing() {
    let mut inside = healthy(minor("1.33"));
    seen(&mut inside.nodes)[0].runtime = "containerd://1.7.27".into();
    assert!(of(Code::ContainerdOld, &preflight(&inside, upgrade("1.33", "1.34"))).is_empty());
    assert_eq!(worst(Code::ContainerdOld, &preflight(&inside, upgrade("1.33", "1.35"))), Some(Level::Warn));
}

#[test]
fn what_is_too_much_to_name_is_counted_and_the_worst_is_named() {
    let mut inside = healthy(minor("1.33"));
    for number in 0..30 {
        // One that the target does not serve, among many that are only deprecated.
        let removed = if number == 29 { "1.34" } else { "1.60" };
        seen(&mut inside.called).push(Called {
            group: "example.com".into(),
            version: "v1beta1".into(),
            resource: format!("app-{number:02}"),
            removed: removed.into(),
        });
    }
    let findings = preflight(&inside, upgrade("1.33", "1.34"));
    let found = of(Code::RemovedApiCalled, &findings);
    assert_eq!(found.len(), 21);
    assert_eq!(found[0].level, Level::Block);
    assert!(found[0].subject.contains("app-29"), "{:?}", found[0]);
    assert!(found[20].message.starts_with("10 more"), "{:?}", found[20]);
    assert_eq!(found[20].level, Level::Warn);
}

#[test]
fn pods_of_one_owner_are_one_line() {
    let mut inside = healthy(minor("1.33"));
    for number in 10..60 {
        seen(&mut inside.pods).push(Pod { grace_s: 0, ..pod("queue", number, "a1") });
    }
    let findings = preflight(&inside, upgrade("1.33", "1.34"));
    let found = of(Code::GracePeriod, &findings);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].subject, "Deployment shop/queue");
    assert!(found[0].message.starts_with("50 pods"), "{:?}", found[0]);
}
