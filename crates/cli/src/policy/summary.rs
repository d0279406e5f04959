//! A policy in a few rows: what holds, and when windows open next.

use std::collections::BTreeMap;

use eks_upgrade_core::arn::Region;
use eks_upgrade_core::policy::{
    ApprovalRule, Bake, EndOfSupport, NodeStrategy, Policy, PolicyDocument, Rings, Selector, Wins,
};
use eks_upgrade_core::window::{Admission, Freeze, Schedule, Window, Work};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::show;

/// A setting, and what holds.
type Row = (String, String);

fn row(setting: impl Into<String>, holds: impl Into<String>) -> Row {
    (setting.into(), holds.into())
}

/// What a document says for a cluster that no override selects, and how its campaigns go.
pub fn of_document(document: &PolicyDocument, now: Timestamp) -> Vec<Row> {
    let schedule = Schedule { windows: document.windows.clone(), freezes: document.freezes.clone() };
    let mut rows = vec![
        row("takes part", format!("tag {}={}", document.opt_in.key, document.opt_in.value)),
        row("due", format!("{} days before the end of standard support", document.lead_days)),
        target(document.target, document.min_version_age_days),
        nodes(document.nodes, document.strategy, document.node_groups_at_once, &document.node_group_strategy),
    ];
    rows.extend(schedule_rows(&schedule, now));
    rows.extend(rings(&document.rings));
    rows.extend(approvals(&document.approvals));
    rows.push(bake(&document.bake));
    rows.push(end_of_support(&document.end_of_support));
    rows.extend(overrides(document));
    rows.extend(document.spokes.iter().map(|spoke| {
        let regions: Vec<&str> = spoke.regions.iter().map(Region::as_str).collect();
        row(format!("spoke {}", spoke.account), format!("{} by role {}", regions.join(", "), spoke.role))
    }));
    rows
}

/// What holds for one cluster.
pub fn of_policy(policy: &Policy, now: Timestamp) -> Vec<Row> {
    let mut rows = vec![
        target(policy.target, policy.min_version_age_days),
        nodes(policy.nodes, policy.strategy, policy.node_groups_at_once, &policy.node_group_strategy),
    ];
    rows.extend(schedule_rows(&policy.schedule, now));
    rows.extend(policy.ring.iter().map(|ring| row("ring", ring)));
    rows.extend(approvals(&policy.approvals));
    rows.push(bake(&policy.bake));
    rows.push(end_of_support(&policy.end_of_support));
    rows
}

/// The word that a policy writes for it.
fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

fn words<T: Serialize>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().map(word).collect::<Vec<_>>().join(", ")
}

fn target(rule: impl std::fmt::Display, min_age_days: u16) -> Row {
    let age = match min_age_days {
        0 => String::new(),
        days => format!(", no version younger than {days} days"),
    };
    row("target", format!("{rule}{age}"))
}

fn nodes(
    hops: impl Serialize,
    strategy: impl Serialize,
    at_once: u8,
    by_group: &BTreeMap<String, NodeStrategy>,
) -> Row {
    let mut said = vec![word(hops), word(strategy)];
    said.extend(by_group.iter().map(|(group, how)| format!("{group} {}", word(how))));
    row("nodes", format!("{}, {at_once} groups at once", said.join(", ")))
}

fn schedule_rows(schedule: &Schedule, now: Timestamp) -> Vec<Row> {
    let mut rows = Vec::new();
    if schedule.windows.is_empty() {
        rows.push(row("windows", "none: always open, but for freezes"));
    }
    for (at, window) in schedule.windows.iter().enumerate() {
        let next = next_opening(window, &schedule.freezes, now);
        rows.push(row(format!("window {}", at + 1), format!("{window}; {next}")));
    }
    let (ahead, over): (Vec<&Freeze>, Vec<&Freeze>) =
        schedule.freezes.iter().partition(|freeze| freeze.until() > now);
    rows.extend(ahead.into_iter().map(|freeze| freeze_row(freeze, now)));
    if !over.is_empty() {
        rows.push(row("freezes", format!("{} more are over", over.len())));
    }
    rows
}

/// When the window opens next with nothing in its way, in its own zone and in UTC.
fn next_opening(window: &Window, freezes: &[Freeze], now: Timestamp) -> String {
    let alone = Schedule { windows: vec![window.clone()], freezes: freezes.to_vec() };
    let zone = zone(window);
    match alone.admits(Work::ControlPlane, SignedDuration::ZERO, now) {
        Admission::Open { until: Some(until) } => format!("open now, until {}", both(until, &zone)),
        Admission::Open { until: None } => "always open".into(),
        Admission::Closed { opens, .. } => format!("next {}", both(opens, &zone)),
        Admission::Never { why } => format!("never opens: {why}"),
    }
}

/// The zone that a window or freeze is written in.
fn zone(written: &impl Serialize) -> TimeZone {
    let value = serde_json::to_value(written).unwrap_or_default();
    let name = value.get("timeZone").and_then(serde_json::Value::as_str).unwrap_or("UTC");
    TimeZoneDatabase::bundled().get(name).unwrap_or(TimeZone::UTC)
}

/// An instant as the clocks of a zone show it, and in UTC.
fn both(at: Timestamp, zone: &TimeZone) -> String {
    let utc = at.strftime("%a %Y-%m-%d %H:%M UTC");
    if *zone == TimeZone::UTC {
        return utc.to_string();
    }
    format!("{} ({utc})", at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M %Z"))
}

fn freeze_row(freeze: &Freeze, now: Timestamp) -> Row {
    let zone = zone(freeze);
    let scope = serde_json::to_value(freeze).unwrap_or_default();
    let scope = scope.get("scope").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let on = if freeze.is_on(now) { "on now: " } else { "" };
    let (from, until) = (both(freeze.from(), &zone), both(freeze.until(), &zone));
    row(format!("freeze {}", freeze.name()), format!("{on}{scope}, from {from} until {until}"))
}

fn rings(rings: &Rings) -> Vec<Row> {
    if rings.order.is_empty() {
        return vec![row("rings", "none: all clusters are in one")];
    }
    let described = rings.order.iter().enumerate().map(|(at, ring)| {
        let waves: Vec<u16> = ring.waves.clone().into();
        let listed = match ring.clusters.len() {
            0 => String::new(),
            more => format!(", {more} listed"),
        };
        let name = format!("ring {} {}", at + 1, ring.name);
        row(name, format!("waves of {}, soak {}{listed}", words(waves), show::length(ring.soak)))
    });
    described.collect()
}

fn approvals(rules: &[ApprovalRule]) -> Vec<Row> {
    if rules.is_empty() {
        return vec![row("approvals", "none wanted")];
    }
    let described = rules.iter().map(|rule| {
        let mut text = format!("before each {}", word(rule.before));
        if !rule.rings.is_empty() {
            text = format!("{text} of {}", rule.rings.join(", "));
        }
        if !rule.steps.is_empty() {
            text = format!("{text} ({})", words(&rule.steps));
        }
        let of = selector(&rule.clusters);
        let of = if of.is_empty() { of } else { format!(" of clusters with {of}") };
        row("approval", format!("{text}{of}, open for {}", show::length(rule.expires)))
    });
    described.collect()
}

fn selector(selector: &Selector) -> String {
    let tags = selector.tags.iter().map(|(key, value)| format!("{key}={value}"));
    let lists = [words(&selector.names), words(&selector.accounts), words(&selector.regions)];
    tags.chain(lists.into_iter().filter(|list| !list.is_empty())).collect::<Vec<_>>().join(", ")
}

fn bake(bake: &Bake) -> Row {
    if bake.duration.is_zero() {
        return row("bake", "none");
    }
    let (lasts, gates, then) = (show::length(bake.duration), words(&bake.gates), word(bake.on_failure));
    row("bake", format!("{lasts} after each hop, watching {gates}; when one fails: {then}"))
}

fn end_of_support(end: &EndOfSupport) -> Row {
    let holds = match end.wins {
        Wins::Window => "windows win: the run waits, and pays for extended support".to_owned(),
        Wins::Deadline => {
            format!("the deadline wins: windows cease to bind {} days before", end.notice_days)
        }
    };
    row("end of support", holds)
}

fn overrides(document: &PolicyDocument) -> Vec<Row> {
    let described = document.overrides.iter().enumerate().map(|(at, other)| {
        let of = selector(&other.clusters);
        let of = if of.is_empty() { "all clusters".to_owned() } else { format!("clusters with {of}") };
        let value = serde_json::to_value(other).unwrap_or_default();
        let fields = value.as_object().into_iter().flat_map(|fields| fields.keys());
        let said: Vec<&str> = fields.map(String::as_str).filter(|field| *field != "clusters").collect();
        row(format!("override {}", at + 1), format!("{of}: {}", said.join(", ")))
    });
    described.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
target: newest-1
windows:
- {days: [sat], start: "22:00", duration: 4h, timeZone: Europe/Berlin}
freezes:
- {name: christmas, scope: everything, from: 2026-12-18, until: 2027-01-04, timeZone: Europe/Berlin}
- {name: fair, scope: nodes, from: 2026-10-01, until: 2026-10-04}
rings:
  order: [{name: dev, soak: 4h}, {name: prod, waves: [1, 5], soak: 1d, clusters: [payments]}]
approvals: [{before: ring, rings: [prod]}, {before: step, steps: [control-plane], clusters: {tags: {env: prod}}}]
bake: {duration: 2h, onFailure: roll-back}
endOfSupport: {wins: deadline}
overrides: [{clusters: {names: [prod-*]}, strategy: force}]
"#;

    fn holds(rows: &[Row], setting: &str) -> String {
        rows.iter().find(|(name, _)| name == setting).map(|(_, holds)| holds.clone()).unwrap()
    }

    fn rows(yaml: &str, now: &str) -> Vec<Row> {
        of_document(&PolicyDocument::read(yaml).unwrap(), now.parse().unwrap())
    }

    #[test]
    fn each_window_is_told_with_its_next_opening_there_and_in_utc() {
        let shown = rows(POLICY, "2026-11-24T10:00:00Z");
        let next = "next Sat 2026-11-28 22:00 CET (Sat 2026-11-28 21:00 UTC)";
        assert_eq!(holds(&shown, "window 1"), format!("sat 22:00 for 4h Europe/Berlin; {next}"));
        let frozen = rows(POLICY, "2026-12-20T10:00:00Z");
        assert!(holds(&frozen, "window 1").contains("next Sat 2027-01-09 22:00 CET"));
        assert!(
            holds(&frozen, "freeze christmas").starts_with("on now: everything, from Fri 2026-12-18 00:00")
        );
        let open = rows(POLICY, "2026-11-28T22:00:00Z");
        assert!(holds(&open, "window 1").contains("open now, until Sun 2026-11-29 02:00 CET"));
    }

    #[test]
    fn everything_else_is_told_in_a_row_each() {
        let shown = rows(POLICY, "2026-11-24T10:00:00Z");
        for (setting, says) in [
            ("target", "newest-1, no version younger than 30 days"),
            ("freezes", "1 more are over"),
            ("ring 1 dev", "waves of 1, 5, 25, soak 4h"),
            ("ring 2 prod", "waves of 1, 5, soak 1d, 1 listed"),
            ("approval", "before each ring of prod, open for 7d"),
            (
                "bake",
                "2h after each hop, watching cluster-health, addon-health, insights, workloads; when one fails: roll-back",
            ),
            ("end of support", "the deadline wins: windows cease to bind 14 days before"),
            ("override 1", "clusters with prod-*: strategy"),
        ] {
            assert_eq!(holds(&shown, setting), says);
        }
    }

    #[test]
    fn the_default_policy_reads_as_such() {
        let shown = rows("", "2026-11-24T10:00:00Z");
        for (setting, says) in [("windows", "always open"), ("rings", "none"), ("approvals", "none wanted")] {
            assert!(holds(&shown, setting).contains(says), "{setting}");
        }
    }
}
