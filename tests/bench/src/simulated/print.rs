//! What was measured in the simulator, for people: tables that can be pasted into a document as they are.

use std::collections::BTreeMap;

use comfy_table::Table;

use super::Simulated;
use super::campaign::{CampaignRow, NOTICED_MAX};
use super::cost::{CostRow, UPGRADES};
use super::drain::{DrainRow, ROLLS};
use super::history::EVENTS_MAX;
use super::makespan::{CLUSTERS, MakespanRow};
use crate::figures::Spread;
use crate::print::{block, table};

/// All of it, in Markdown.
#[must_use]
pub fn markdown(simulated: &Simulated) -> String {
    let makespans = format!(
        "Time from the first line of the ledger to the last, next to the longest way through the plan with the durations \
         of EKS's own updates, and of its insights before each further hop ({CLUSTERS} random clusters a row; at once: \
         20 node groups, 20 add-ons, so that neither binds)"
    );
    let costs = format!(
        "Cost of one upgrade: three groups of three nodes, four add-ons ({UPGRADES} upgrades a column, median and p99)"
    );
    let drains = format!(
        "Three to nine nodes that EKS does not manage, four deployments of two to six pods ({ROLLS} rolls a row, median \
         and p99)"
    );
    let clusters = simulated.campaigns.first().map_or(0, |row| row.clusters);
    let campaigns =
        format!("{clusters} such clusters in campaigns of at most {NOTICED_MAX}, 40 at once in each");
    [
        block(&makespans, &makespans_table(&simulated.makespans)),
        block(&costs, &costs_table(&simulated.costs)),
        block(&drains, &drains_table(&simulated.drains)),
        block(&campaigns, &campaigns_table(&simulated.campaigns)),
    ]
    .join("\n")
}

fn makespans_table(rows: &[MakespanRow]) -> Table {
    let mut table = table(&[
        "deployment",
        "bound, median",
        "over it, median",
        "over it, p99",
        "lost a cluster: control planes",
        "add-ons",
        "node groups",
        "between steps",
    ]);
    for row in rows {
        let over = row.over_bound_percent;
        let deployment = match row.taught {
            0 => "new".to_owned(),
            upgrades => format!("after {upgrades} upgrades"),
        };
        table.add_row([
            deployment,
            format!("{:.0} min", row.bound_s.median / 60.0),
            format!("{:.2} %", over.median),
            format!("{:.2} %", over.p99),
            format!("{:.0} s", row.lost.control_planes_s),
            format!("{:.0} s", row.lost.add_ons_s),
            format!("{:.0} s", row.lost.node_groups_s),
            format!("{:.0} s", row.lost.between_s),
        ]);
    }
    table
}

fn costs_table(rows: &[CostRow]) -> Table {
    let hops = rows.iter().map(|row| format!("{} hop(s)", row.hops));
    let header: Vec<String> = std::iter::once("what".to_owned()).chain(hops).collect();
    let mut table = table(&header.iter().map(String::as_str).collect::<Vec<_>>());
    let mut add = |what: &str, cell: &dyn Fn(&CostRow) -> String| {
        table.add_row(std::iter::once(what.to_owned()).chain(rows.iter().map(cell)).collect::<Vec<_>>());
    };
    let spread = |spread: Spread| format!("{:.0} / {:.0}", spread.median, spread.p99);
    add("calls to EKS", &|row| spread(row.calls));
    for name in names(rows, |row| &row.calls_by_operation) {
        add(&format!("- {name}, mean"), &|row| mean(&row.calls_by_operation, &name));
    }
    add("invocations", &|row| spread(row.invocations));
    for name in names(rows, |row| &row.invocations_by_function) {
        add(&format!("- {name}, mean"), &|row| mean(&row.invocations_by_function, &name));
    }
    add("state transitions", &|row| spread(row.transitions));
    add("- at $0.025 a thousand", &|row| format!("${:.4}", row.dollars));
    add(&format!("events in the longest history, of {EVENTS_MAX}"), &|row| spread(row.events));
    add("lines in the ledger", &|row| spread(row.lines));
    add("- their bytes", &|row| spread(row.bytes));
    add("writes to the table", &|row| spread(row.writes));
    add("- items in them", &|row| spread(row.items));
    table
}

fn drains_table(rows: &[DrainRow]) -> Table {
    let mut table = table(&["budgets", "nodes", "pods moved a node", "evictions a node", "refused"]);
    let spread = |spread: Spread| format!("{:.1} / {:.1}", spread.median, spread.p99);
    for row in rows {
        table.add_row([
            if row.budgets { "one pod of each at a time" } else { "none" }.to_owned(),
            format!("{:.0} / {:.0}", row.nodes.median, row.nodes.p99),
            spread(row.moved_a_node),
            spread(row.evictions_a_node),
            format!("{:.1} %", row.refused_percent),
        ]);
    }
    table
}

fn names(rows: &[CostRow], of: fn(&CostRow) -> &BTreeMap<String, f64>) -> Vec<String> {
    let all: std::collections::BTreeSet<&String> = rows.iter().flat_map(|row| of(row).keys()).collect();
    all.into_iter().cloned().collect()
}

fn mean(means: &BTreeMap<String, f64>, name: &str) -> String {
    means.get(name).map_or_else(|| "-".to_owned(), |mean| format!("{mean:.1}"))
}

fn campaigns_table(rows: &[CampaignRow]) -> Table {
    let mut table = table(&[
        "limit, calls a second",
        "upgraded",
        "hours",
        "calls",
        "calls a second, mean",
        "in the busiest minute",
        "throttled",
        "done when all is without a limit",
    ]);
    for row in rows {
        table.add_row([
            row.limit_a_second.map_or_else(|| "none".to_owned(), |limit| limit.to_string()),
            format!("{} of {}", row.completed, row.clusters),
            format!("{:.1}", row.hours),
            row.calls.to_string(),
            format!("{:.2}", row.calls_a_second),
            format!("{:.1}", row.busiest_a_second),
            format!("{:.1} %", row.throttled_percent),
            format!("{:.1} %", row.done_percent),
        ]);
    }
    table
}
