//! What the rule that ships must keep to.

use serde::Serialize;

use crate::durations::World;
use crate::peers::Peer;
use crate::report::{Report, Row, Rule};

/// Everything in an upgrade waits for the control plane: half of its waits lose at most this much, in hundredths of their
/// length. That is seven seconds of ten minutes, and EKS's own reads lag by as much.
const CONTROL_PLANE_OVERSHOOT_PERCENT_MAX: f64 = 1.2;
/// What half of them may take for it: a look costs an invocation and three state transitions, some $0.0001.
const CONTROL_PLANE_CALLS_MAX: f64 = 15.0;
/// What 99 in 100 of them may take for it: what was measured, and a tenth more. It cannot be fifteen: to be known within
/// 1.2 % of their length, the half that ends nearest to the usual time, from 516 to 698 s, takes 25 looks alone.
const CONTROL_PLANE_CALLS_P99_MAX: f64 = 39.0;
/// Of the calls that eksctl makes to wait for the same upgrade, in the middle: EKS throttles by account, and hundreds of
/// clusters share one.
const CALLS_OF_EKSCTL_NEW_MAX: f64 = 0.5;
/// The same once usual times are learned: looks begin no earlier than they need to then. What was measured, and a tenth
/// more.
const CALLS_OF_EKSCTL_MAX: f64 = 0.43;
/// The history of an execution of Step Functions: 25,000 events, of which a wait may fill half in a week.
const STUCK_EVENTS_MAX: f64 = 12_500.0;

/// A budget that was not kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Missed {
    /// Which, in words.
    pub budget: String,
    /// What it allows.
    pub allowed: f64,
    /// What was measured.
    pub measured: f64,
}

/// The budgets that a report does not keep; none if all is well.
#[must_use]
pub fn missed(report: &Report) -> Vec<Missed> {
    let mut missed = Vec::new();
    let mut at_most = |budget: String, allowed: f64, measured: f64| {
        // What is no number keeps no budget.
        if measured.is_nan() || measured > allowed {
            missed.push(Missed { budget, allowed, measured });
        }
    };
    for section in &report.kinds {
        for row in section.rows.iter().filter(|row| row.rule.is_ours()) {
            let name = format!("{}: {}", section.what, row.rule);
            at_most(format!("{name}: waits given up, in 100"), 0.0, row.figures.gave_up_percent);
            if section.what == "control plane" {
                let overshoot = median_overshoot(row);
                at_most(format!("{name}: overshoot, %"), CONTROL_PLANE_OVERSHOOT_PERCENT_MAX, overshoot);
                let calls = row.figures.calls;
                at_most(format!("{name}: calls"), CONTROL_PLANE_CALLS_MAX, calls.median);
                at_most(format!("{name}: calls, p99"), CONTROL_PLANE_CALLS_P99_MAX, calls.p99);
            }
        }
    }
    // Where EKS is not as known, nobody may be better either.
    for section in report.kinds.iter().chain(&report.elsewhere) {
        for row in section.rows.iter().filter(|row| row.rule.is_ours()) {
            let better = section.rows.iter().filter(|other| beats(other, row)).count();
            let World { pace, spread } = section.world;
            let name = format!("{}: {}, pace x{pace}, spread x{spread}", section.what, row.rule);
            at_most(format!("{name}: rules that are sooner for fewer calls"), 0.0, count(better));
        }
    }
    for row in report.upgrades.iter().filter(|row| row.rule.is_ours()) {
        let allowed = if row.rule == Rule::Cold { CALLS_OF_EKSCTL_NEW_MAX } else { CALLS_OF_EKSCTL_MAX };
        let name = format!("upgrade: {}: calls as a part of {}'s", row.rule, Peer::Eksctl.name());
        at_most(name, allowed, row.of_eksctl.median);
    }
    at_most("events of a week of waiting".into(), STUCK_EVENTS_MAX, f64::from(report.stuck.events));
    missed
}

fn median_overshoot(row: &Row) -> f64 {
    row.figures.overshoot_percent.map_or(f64::NAN, |overshoot| overshoot.median)
}

/// Whether another tool's rule is no later and takes no more calls.
fn beats(other: &Row, ours: &Row) -> bool {
    !other.rule.is_ours()
        && median_overshoot(other) <= median_overshoot(ours)
        && other.figures.calls.median <= ours.figures.calls.median
}

fn count(of: usize) -> f64 {
    u32::try_from(of).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{Figures, Spread};
    use crate::report::{Section, Stuck, UpgradeRow};

    fn spread(median: f64) -> Spread {
        Spread { median, mean: median, p99: median }
    }

    fn row(rule: Rule, overshoot: f64, calls: f64) -> Row {
        let overshoot = Some(spread(overshoot));
        let figures = Figures {
            overshoot_s: overshoot,
            overshoot_percent: overshoot,
            calls: spread(calls),
            gave_up_percent: 0.0,
        };
        Row { rule, figures }
    }

    fn report(ours: (f64, f64), peer: (f64, f64), of_eksctl: f64) -> Report {
        let rows = vec![row(Rule::Learned, ours.0, ours.1), row(Rule::Of(Peer::AwsCli), peer.0, peer.1)];
        let upgrade = UpgradeRow {
            rule: Rule::Learned,
            calls: spread(50.0),
            of_eksctl: spread(of_eksctl),
            gave_up_percent: 0.0,
            transitions: spread(90.0),
        };
        Report {
            seed: 1,
            waits: 1,
            kinds: vec![Section { what: "control plane", world: World::ANCHORED, rows }],
            elsewhere: Vec::new(),
            upgrades: vec![upgrade],
            stuck: Stuck { looks: 1_000, events: 9_000 },
        }
    }

    /// All is well where EKS is as known; these are where it is slower.
    fn elsewhere(ours: (f64, f64), peer: (f64, f64)) -> Report {
        let well = report((1.1, 12.0), (2.4, 20.0), 0.4);
        let mut slower = report(ours, peer, 0.4).kinds;
        slower[0].world.pace = 1.5;
        Report { elsewhere: slower, ..well }
    }

    #[test]
    fn each_budget_objects_to_its_own_breach() {
        let said = |report: &Report| -> Vec<String> {
            missed(report).into_iter().map(|missed| missed.budget).collect()
        };
        assert_eq!(said(&report((1.1, 12.0), (2.4, 20.0), 0.4)), Vec::<String>::new());
        assert_eq!(said(&elsewhere((5.0, 30.0), (4.0, 31.0))), Vec::<String>::new());
        let only = |report: Report, word: &str| {
            let said = said(&report);
            assert!(said.len() == 1 && said[0].contains(word), "{said:?}");
        };
        only(report((1.3, 12.0), (2.4, 20.0), 0.4), "overshoot");
        only(report((1.1, 16.0), (2.4, 20.0), 0.4), "calls");
        let mut many = report((1.1, 12.0), (2.4, 20.0), 0.4);
        many.kinds[0].rows[0].figures.calls.p99 = 40.0;
        only(many, "calls, p99");
        only(report((1.1, 12.0), (1.1, 12.0), 0.4), "sooner for fewer");
        only(elsewhere((5.0, 30.0), (4.0, 26.0)), "sooner for fewer");
        only(report((1.1, 12.0), (2.4, 20.0), 0.44), "eksctl");
        let mut new = report((1.1, 12.0), (2.4, 20.0), 0.44);
        new.upgrades[0].rule = Rule::Cold;
        assert_eq!(said(&new), Vec::<String>::new());
        new.upgrades[0].of_eksctl = spread(0.51);
        only(new, "eksctl");
        let mut stuck = report((1.1, 12.0), (2.4, 20.0), 0.4);
        stuck.stuck.events = 20_000;
        only(stuck, "week");
        let mut none = report((1.1, 12.0), (2.4, 20.0), 0.4);
        none.kinds[0].rows[0].figures.overshoot_percent = None;
        only(none, "overshoot");
    }
}
