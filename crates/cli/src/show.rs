//! What the commands share in the terminal: durations, tables, colours of outcomes.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{IsTerminal, Write};

use comfy_table::{Attribute, Cell, ContentArrangement, Table, presets};
use eks_upgrade_core::decide::{NextHop, next_hop};
use eks_upgrade_core::ledger::{Ending, Phase, RunState};
use eks_upgrade_core::plan::{Plan, StepKind};
use eks_upgrade_core::remedy::{Failure, Remedy};
use eks_upgrade_core::waits::seconds_between;
use jiff::{SignedDuration, Timestamp, Unit};
use serde::Serialize;

use crate::waiting::waiting;

/// Prints JSON for machines.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?)
}

/// Prints text that may be long. Whoever reads it may stop reading: that is an error, and no panic.
pub fn line(text: impl Display) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

/// Seconds in the two units that matter: `2d 3h`, `1h 05m`, `12m 40s`, `8s`.
pub fn duration(seconds: u32) -> String {
    let (days, hours, minutes, rest) =
        (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest}s"),
        (0, 0, _) => format!("{minutes}m {rest:02}s"),
        (0, ..) => format!("{hours}h {minutes:02}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// A length of time as people write it: whole days as such.
pub fn length(length: SignedDuration) -> String {
    match (length.as_secs() / 86_400, length.as_secs() % 86_400) {
        (days @ 1.., 0) => format!("{days}d"),
        _ => eks_upgrade_core::length::write(length),
    }
}

/// A time of day with its date, to the second, in UTC.
pub fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The same to the nearest minute: what was counted in seconds is a part of one short.
pub fn minute(at: Timestamp) -> String {
    let nearest = at.round(Unit::Minute).unwrap_or(at);
    nearest.strftime("%Y-%m-%d %H:%M").to_string()
}

/// How long it is until then.
pub fn until(now: Timestamp, then: Timestamp) -> String {
    duration(seconds_between(now, then))
}

/// How wide tables are where there is no terminal, in characters: what a CI log shows in one line.
const WIDTH_ELSEWHERE: u16 = 140;

/// A table without frame, as wide as the terminal.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    *table.style_mut() = presets::NOTHING;
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if !std::io::stdout().is_terminal() {
        table.set_width(WIDTH_ELSEWHERE);
    }
    table.set_header(header.iter().map(|title| Cell::new(title).add_attribute(Attribute::Underlined)));
    table
}

/// How a run stands, in a few words and coloured on a terminal.
pub fn outcome(state: &RunState) -> String {
    match &state.ended {
        None => console::style("running").cyan().to_string(),
        Some(Ending::Completed) => console::style("upgraded").green().to_string(),
        Some(Ending::RolledBack { to, code, .. }) => {
            console::style(format!("rolled back to {to}: {code}")).yellow().to_string()
        }
        Some(Ending::Halted { code, .. }) => console::style(format!("stopped: {code}")).red().to_string(),
    }
}

/// How many steps are done, of how many.
pub fn steps(state: &RunState) -> String {
    if state.plan.is_none() {
        return "–".into();
    }
    let (done, all) = state.steps_done();
    format!("{done}/{all}")
}

/// What a run is doing now, in one line: hop, what is under way and since when.
pub fn doing(state: &RunState, now: Timestamp) -> String {
    if let Some(ending) = &state.ended {
        return match ending {
            Ending::Completed => format!("at {}", state.opened.target),
            Ending::RolledBack { to, code, message, .. } => format!("back at {to}: {code}: {message}"),
            Ending::Halted { code, message, .. } => format!("{code}: {message}"),
        };
    }
    let hop = match next_hop(state) {
        Some(NextHop::Hop { text, .. }) => text,
        Some(NextHop::Complete { .. }) => return "every step is done; closing".into(),
        None => "planning".into(),
    };
    let mut under_way = under_way(state, now);
    under_way.extend(waiting(state, now).into_iter().map(|waiting| waiting.text));
    if under_way.is_empty() { hop } else { format!("{hop} · {}", under_way.join(", ")) }
}

/// What is under way, one phrase a kind of step: `node groups web, jobs 12m 04s`.
fn under_way(state: &RunState, now: Timestamp) -> Vec<String> {
    let since = |at| duration(seconds_between(at, now));
    let mut phrases: Vec<String> = state
        .foreign
        .iter()
        .map(|(resource, foreign)| {
            format!("waits for somebody else's update of {resource} {}", since(foreign.since))
        })
        .collect();
    let mut busy: BTreeMap<&str, (Vec<&str>, Timestamp)> = BTreeMap::new();
    for step in state.plan.iter().flat_map(Plan::steps) {
        let (what, name) = match &step.kind {
            StepKind::ControlPlane { .. } => ("control plane", ""),
            StepKind::NodeGroup { name, .. } => ("node groups", name.as_str()),
            StepKind::AddOn { name, .. } => ("add-ons", name.as_str()),
            StepKind::RollBack { .. } => ("control plane back", ""),
            StepKind::SupportType {} => ("support type", ""),
            StepKind::Bake { .. } => ("bake", ""),
            StepKind::CoreComponent { name, .. } => ("components", name.as_str()),
            StepKind::SelfManagedNodes { name, .. } => ("self-managed nodes", name.as_str()),
            StepKind::FargatePods { .. } => ("pods on Fargate", ""),
            StepKind::Follow { .. } => ("nodes that follow", ""),
            StepKind::Verify => ("verifying", ""),
        };
        match state.steps.get(&step.id).map(|progress| &progress.phase) {
            Some(
                Phase::InFlight { since, .. }
                | Phase::Intended { since, .. }
                | Phase::Following { since, .. },
            ) => {
                let (names, oldest) = busy.entry(what).or_insert((Vec::new(), *since));
                names.push(name);
                *oldest = (*oldest).min(*since);
            }
            Some(Phase::Failed { failure, .. }) => {
                let what = format!("{what} {name}");
                phrases.push(format!("{} {} {}", what.trim_end(), then(failure), failure.code));
            }
            // What bakes is waited for; see `waiting`.
            Some(Phase::Baking { .. } | Phase::Done { .. }) | None => {}
        }
    }
    phrases.extend(busy.into_iter().map(|(what, (names, oldest))| {
        let names = names.join(", ");
        format!("{what} {names}{}{}", if names.is_empty() { "" } else { " " }, since(oldest))
    }));
    phrases
}

/// What follows a failure, in words before its code.
fn then(failure: &Failure) -> &'static str {
    match failure.remedy {
        Remedy::Retry { .. } | Remedy::Wait { .. } => "to be tried again after",
        Remedy::Replan { .. } => "to be planned again after",
        Remedy::RollBack => "to go back after",
        Remedy::Stop => "stopped by",
    }
}

/// What a value is called in JSON, such as `not-due`.
pub fn name(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).ok();
    value.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_show_the_two_units_that_matter() {
        let shown: Vec<_> = [8, 760, 3_900, 183_600].into_iter().map(duration).collect();
        assert_eq!(shown, ["8s", "12m 40s", "1h 05m", "2d 3h"]);
    }
}
