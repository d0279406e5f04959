//! What whole upgrades must keep to.

use super::Simulated;
use super::campaign::{CLUSTERS, CampaignRow};
use super::cost::CostRow;
use super::drain::DrainRow;
use super::history::EVENTS_MAX;
use super::makespan::MakespanRow;
use crate::budgets::Missed;

/// Half of all upgrades take at most this much longer than EKS needs, in hundredths: two minutes of an hour.
const OVER_BOUND_MEDIAN_MAX: f64 = 3.0;
/// 99 in 100 do.
const OVER_BOUND_P99_MAX: f64 = 10.0;

/// What the upgrade of a standard cluster may cost, in the middle: what was measured, and a tenth more, so that a
/// change which costs more has to say why.
struct Budget {
    hops: u32,
    calls: f64,
    invocations: f64,
    transitions: f64,
    lines: f64,
    bytes: f64,
    writes: f64,
}

const BUDGETS: [Budget; 2] = [
    Budget {
        hops: 1,
        calls: 145.0,
        invocations: 57.0,
        transitions: 160.0,
        lines: 31.0,
        bytes: 16_300.0,
        writes: 29.0,
    },
    Budget {
        hops: 3,
        calls: 310.0,
        invocations: 138.0,
        transitions: 400.0,
        lines: 52.0,
        bytes: 38_700.0,
        writes: 52.0,
    },
];

/// No history of a plain upgrade fills more than a tenth of what an execution may leave: the rest is for waits of weeks.
const EVENTS_SHARE_MAX: f64 = 0.1;

/// How often a pod is asked to go until it does, in the mean, where a budget lets one pod of its kind be away; without a
/// budget it is asked once.
const EVICTIONS_A_POD_MAX: f64 = 1.2;

/// Of the work that is done without a limit, what has to be done in the same time with any limit, of 100, by a campaign of
/// as many clusters as unless told otherwise. The tightest limit is below what it asks for on average, so that it cannot
/// all be done; larger campaigns ask for more.
const DONE_PERCENT_MIN: f64 = 33.0;

/// The budgets that are not kept; none if all is well.
#[must_use]
pub fn missed(simulated: &Simulated) -> Vec<Missed> {
    let makespans = simulated.makespans.iter().flat_map(of_makespan);
    let costs = simulated.costs.iter().flat_map(of_cost);
    let drains = simulated.drains.iter().filter_map(of_drain);
    let campaigns = simulated.campaigns.iter().flat_map(of_campaign);
    makespans.chain(costs).chain(drains).chain(campaigns).collect()
}

/// What is no number keeps no budget.
fn at_most(budget: String, allowed: f64, measured: f64) -> Option<Missed> {
    (measured.is_nan() || measured > allowed).then_some(Missed { budget, allowed, measured })
}

fn at_least(budget: String, wanted: f64, measured: f64) -> Option<Missed> {
    (measured.is_nan() || measured < wanted).then_some(Missed { budget, allowed: wanted, measured })
}

fn of_makespan(row: &MakespanRow) -> Vec<Missed> {
    let name = |what: &str| format!("makespan after {} upgrades: over the bound, {what}, %", row.taught);
    let over = row.over_bound_percent;
    let median = at_most(name("median"), OVER_BOUND_MEDIAN_MAX, over.median);
    let p99 = at_most(name("p99"), OVER_BOUND_P99_MAX, over.p99);
    [median, p99].into_iter().flatten().collect()
}

fn of_cost(row: &CostRow) -> Vec<Missed> {
    let name = |what: &str| format!("cost of {} hop(s): {what}", row.hops);
    let Some(budget) = BUDGETS.iter().find(|budget| budget.hops == row.hops) else {
        return vec![Missed { budget: name("no budget"), allowed: 0.0, measured: f64::NAN }];
    };
    let events_max = EVENTS_SHARE_MAX * f64::from(EVENTS_MAX);
    let all = [
        at_most(name("calls"), budget.calls, row.calls.median),
        at_most(name("invocations"), budget.invocations, row.invocations.median),
        at_most(name("transitions"), budget.transitions, row.transitions.median),
        at_most(name("ledger lines"), budget.lines, row.lines.median),
        at_most(name("ledger bytes"), budget.bytes, row.bytes.median),
        at_most(name("table writes"), budget.writes, row.writes.median),
        at_most(name("history events, p99"), events_max, row.events.p99),
    ];
    all.into_iter().flatten().collect()
}

fn of_drain(row: &DrainRow) -> Option<Missed> {
    let budgets = if row.budgets { "a budget each" } else { "no budgets" };
    let most = if row.budgets { EVICTIONS_A_POD_MAX } else { 1.0 };
    let a_pod = row.evictions_a_node.mean / row.moved_a_node.mean;
    at_most(format!("drain, {budgets}: evictions a pod that moves"), most, a_pod)
}

fn of_campaign(row: &CampaignRow) -> Vec<Missed> {
    let limit =
        row.limit_a_second.map_or_else(|| "no limit".into(), |limit| format!("{limit} calls a second"));
    let count = |count: usize| u32::try_from(count).map_or(f64::NAN, f64::from);
    let upgraded = format!("campaign, {limit}: clusters upgraded");
    let upgraded = at_least(upgraded, count(row.clusters), count(row.completed));
    let done = if row.clusters > CLUSTERS {
        None
    } else {
        at_least(format!("campaign, {limit}: work done, %"), DONE_PERCENT_MIN, row.done_percent)
    };
    [upgraded, done].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::figures::Spread;
    use crate::simulated::course::Lost;

    fn spread(at: f64) -> Spread {
        Spread { median: at, mean: at, p99: at }
    }

    fn well() -> Simulated {
        let budget = &BUDGETS[0];
        Simulated {
            makespans: vec![MakespanRow {
                taught: 0,
                clusters: 1,
                over_bound_percent: spread(1.0),
                bound_s: spread(600.0),
                lost: Lost::default(),
            }],
            costs: vec![CostRow {
                hops: budget.hops,
                upgrades: 1,
                calls: spread(budget.calls),
                calls_by_operation: BTreeMap::new(),
                invocations: spread(budget.invocations),
                invocations_by_function: BTreeMap::new(),
                transitions: spread(budget.transitions),
                dollars: 0.01,
                events: spread(500.0),
                lines: spread(budget.lines),
                bytes: spread(budget.bytes),
                writes: spread(budget.writes),
                items: spread(100.0),
            }],
            drains: vec![DrainRow {
                budgets: true,
                rolls: 1,
                nodes: spread(3.0),
                moved_a_node: spread(2.0),
                evictions_a_node: spread(EVICTIONS_A_POD_MAX * 2.0),
                refused_percent: 10.0,
            }],
            campaigns: vec![CampaignRow {
                limit_a_second: Some(2),
                clusters: 10,
                completed: 10,
                hours: 3.0,
                calls: 1_000,
                calls_a_second: 1.0,
                busiest_a_second: 2.0,
                throttled_percent: 1.0,
                done_percent: 100.0,
            }],
        }
    }

    #[test]
    fn each_budget_objects_to_its_own_breach() {
        assert_eq!(missed(&well()), Vec::new());
        let only = |breach: fn(&mut Simulated), word: &str| {
            let mut simulated = well();
            breach(&mut simulated);
            let said = missed(&simulated);
            assert!(said.len() == 1 && said[0].budget.contains(word), "{word}: {said:?}");
        };
        only(|all| all.makespans[0].over_bound_percent.median = 3.1, "median");
        only(|all| all.makespans[0].over_bound_percent.p99 = f64::NAN, "p99");
        only(|all| all.costs[0].calls.median += 1.0, "calls");
        only(|all| all.costs[0].invocations.median += 1.0, "invocations");
        only(|all| all.costs[0].transitions.median += 1.0, "transitions");
        only(|all| all.costs[0].lines.median += 1.0, "lines");
        only(|all| all.costs[0].bytes.median += 1.0, "bytes");
        only(|all| all.costs[0].writes.median += 1.0, "writes");
        only(|all| all.costs[0].events.p99 = 3_000.0, "events");
        only(|all| all.costs[0].hops = 9, "no budget");
        only(|all| all.drains[0].evictions_a_node.mean += 0.1, "a budget each");
        only(|all| all.drains[0].budgets = false, "no budgets");
        only(|all| all.campaigns[0].completed = 9, "upgraded");
        only(|all| all.campaigns[0].done_percent = 32.0, "work done");
    }
}
