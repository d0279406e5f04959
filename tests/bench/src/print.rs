//! The report for people: tables that can be pasted into a document as they are.

use comfy_table::{CellAlignment, Table, presets};

use crate::budgets::Missed;
use crate::figures::Spread;
use crate::report::{Report, Section, UpgradeRow};

/// The report, in Markdown.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let waits = format!("Waits (seed {}, {} waits a row)", report.seed, report.waits);
    let waits = block(&waits, &waits_table(&report.kinds, |section| section.what.to_owned()));
    let elsewhere = waits_table(&report.elsewhere, |section| {
        format!("pace x{}, spread x{}", section.world.pace, section.world.spread)
    });
    let elsewhere = block("Control planes where EKS is not as known", &elsewhere);
    let upgrades = block("The waits of a whole upgrade by one minor", &upgrades_table(&report.upgrades));
    let stuck = format!(
        "A week of waiting for something that never ends: {} looks, {} events.\n",
        report.stuck.looks, report.stuck.events
    );
    [waits, elsewhere, upgrades, stuck].join("\n")
}

/// What was not kept, a line each.
#[must_use]
pub fn lines(missed: &[Missed]) -> String {
    let line = |missed: &Missed| {
        format!("MISSED {}: {:.3}, allowed {}\n", missed.budget, missed.measured, missed.allowed)
    };
    missed.iter().map(line).collect()
}

pub(crate) fn block(title: &str, table: &Table) -> String {
    format!("{title}\n\n{table}\n")
}

pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    *table.style_mut() = presets::ASCII_MARKDOWN;
    table.set_header(header);
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_cell_alignment(if place < 2 { CellAlignment::Left } else { CellAlignment::Right });
    }
    table
}

fn waits_table(sections: &[Section], name: impl Fn(&Section) -> String) -> Table {
    let mut table = table(&[
        "wait for",
        "rule",
        "late, median",
        "late, p99",
        "late, median",
        "late, p99",
        "calls, median",
        "calls, mean",
        "calls, p99",
        "given up",
    ]);
    for section in sections {
        for row in &section.rows {
            let figures = &row.figures;
            let late = |of: Option<Spread>, pick: fn(Spread) -> f64, unit: &str| {
                of.map_or_else(|| "-".to_owned(), |spread| format!("{:.1}{unit}", pick(spread)))
            };
            table.add_row([
                name(section),
                row.rule.to_string(),
                late(figures.overshoot_s, |spread| spread.median, " s"),
                late(figures.overshoot_s, |spread| spread.p99, " s"),
                late(figures.overshoot_percent, |spread| spread.median, " %"),
                late(figures.overshoot_percent, |spread| spread.p99, " %"),
                format!("{:.0}", figures.calls.median),
                format!("{:.1}", figures.calls.mean),
                format!("{:.0}", figures.calls.p99),
                format!("{:.1} %", figures.gave_up_percent),
            ]);
        }
    }
    table
}

fn upgrades_table(rows: &[UpgradeRow]) -> Table {
    let mut table = table(&[
        "wait for",
        "rule",
        "calls, median",
        "calls, p99",
        "of eksctl's, median",
        "of eksctl's, p99",
        "given up",
        "transitions, median",
    ]);
    for row in rows {
        table.add_row([
            "whole upgrade".to_owned(),
            row.rule.to_string(),
            format!("{:.0}", row.calls.median),
            format!("{:.0}", row.calls.p99),
            format!("{:.2}", row.of_eksctl.median),
            format!("{:.2}", row.of_eksctl.p99),
            format!("{:.1} %", row.gave_up_percent),
            if row.rule.is_ours() { format!("{:.0}", row.transitions.median) } else { "-".to_owned() },
        ]);
    }
    table
}
