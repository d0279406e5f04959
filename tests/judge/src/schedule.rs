//! Nothing is called outside the windows, or in a freeze.

use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::Value;

use crate::evidence::{Accepted, Evidence};
use crate::{Objection, Rule};

pub(crate) fn judge(evidence: &Evidence) -> Vec<Objection> {
    evidence.accepted.iter().filter_map(|call| of_call(evidence, call)).collect()
}

fn of_call(evidence: &Evidence, call: &Accepted) -> Option<Objection> {
    let run = &evidence.intent(&call.token, call.place)?.run;
    let why = closed(evidence, run, call.place, call.at_s)?;
    let text = format!("{} of {} {why}", call.operation, call.cluster);
    Some(Objection { rule: Rule::Schedule, at_s: call.at_s, text })
}

/// Why a run's schedule lets nothing be begun at an instant, if it does not.
pub(crate) fn closed(evidence: &Evidence, run: &str, place: usize, at_s: i64) -> Option<&'static str> {
    let policy = evidence.policy_of(run)?;
    // Whoever consents to the way back wants it now.
    let back = |scope: &Value| scope["to"] == "roll-back";
    if evidence.consented(run, place, at_s, back) {
        return None;
    }
    let at = Timestamp::from_second(at_s).ok()?;
    if frozen(&policy["freezes"], at) {
        Some("in a freeze")
    } else if !open(&policy["windows"], at) {
        Some("outside every window")
    } else {
        None
    }
}

/// Whether one of the windows is open; without any, it always is.
fn open(windows: &Value, at: Timestamp) -> bool {
    match windows.as_array() {
        Some(windows) if !windows.is_empty() => {
            windows.iter().any(|window| is_open(window, at) == Some(true))
        }
        _ => true,
    }
}

/// A window that opened today or on one of the days before is still open. `None` when it does not read.
fn is_open(window: &Value, at: Timestamp) -> Option<bool> {
    let zone = TimeZone::get(window["timeZone"].as_str().unwrap_or("UTC")).ok()?;
    let (hour, minute) = window["start"].as_str()?.split_once(':')?;
    let (hour, minute) = (hour.parse().ok()?, minute.parse().ok()?);
    let lasts = SignedDuration::from_hours(window["duration"].as_str()?.strip_suffix('h')?.parse().ok()?);
    let days: Option<Vec<&str>> =
        window["days"].as_array().map(|days| days.iter().filter_map(Value::as_str).collect());
    let today = at.to_zoned(zone.clone()).date();
    let opened = (0..=2_i64).any(|ago| {
        let Ok(day) = today.checked_sub(ago.days()) else { return false };
        let on = days.as_ref().is_none_or(|days| days.contains(&name(day.weekday())));
        let opens = day.at(hour, minute, 0, 0).to_zoned(zone.clone()).map(|zoned| zoned.timestamp());
        on && opens.is_ok_and(|opens| opens <= at && at < opens + lasts)
    });
    Some(opened)
}

fn name(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "mon",
        Weekday::Tuesday => "tue",
        Weekday::Wednesday => "wed",
        Weekday::Thursday => "thu",
        Weekday::Friday => "fri",
        Weekday::Saturday => "sat",
        Weekday::Sunday => "sun",
    }
}

/// Whether a freeze of everything covers an instant.
fn frozen(freezes: &Value, at: Timestamp) -> bool {
    let covers = |freeze: &Value| {
        let zone = TimeZone::get(freeze["timeZone"].as_str().unwrap_or("UTC")).ok()?;
        let moment = |field: &str| {
            let local: DateTime = freeze[field].as_str()?.parse().ok()?;
            Some(local.to_zoned(zone.clone()).ok()?.timestamp())
        };
        Some(freeze["scope"] == "everything" && moment("from")? <= at && at < moment("until")?)
    };
    freezes.as_array().is_some_and(|freezes| freezes.iter().any(|freeze| covers(freeze) == Some(true)))
}
