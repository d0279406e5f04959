//! Maintenance windows and freezes: when work on a cluster may start.
//!
//! A [`Window`] recurs by the local calendar of its zone, a [`Freeze`] forbids a span of time, and a
//! [`Schedule`] of both says whether work may start now, or else when. Zones come from the database that is
//! built in, so that every machine reads a policy alike.

mod freeze;
mod recurrence;
mod schedule;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use jiff::civil::{Date, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, ToSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use freeze::{Freeze, FreezeError, FreezeScope, Work};
use recurrence::{Lists, Ordinal, Recurrence};
pub use schedule::{Admission, Closed, Schedule};

/// The shortest duration of a window: the control plane of a cluster takes about as long.
const DURATION_MIN: SignedDuration = SignedDuration::from_mins(15);
/// The longest duration of a window.
const DURATION_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);
/// An opening that holds an instant began at most so many days before it: the longest duration, the day it
/// began on, and a day for a zone that skips one.
const DAYS_BACK: i64 = 9;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A span of local time, again and again, in which work may start.
///
/// A day opens the window when it satisfies all of `days`, `weeks`, `dates` and `months`. The window opens at
/// `start` of that day and stays open for `duration` of elapsed time, whatever the clocks do meanwhile. Where
/// they skip `start`, it opens as much later as they skip; where they show `start` twice, at the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "RawWindow", into = "RawWindow")]
pub struct Window {
    recurrence: Recurrence,
    start: Time,
    duration: SignedDuration,
    zone: TimeZone,
}

/// A [`Window`] as it is written. Its fields tell an editor what they are; reading checks them in words of its own.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Window")]
struct RawWindow {
    /// The weekdays that open the window; left out: every day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::days")]
    days: Option<Vec<String>>,
    /// Which of those weekdays of the month, 1 to 5 or "last"; left out: all. Needs `days`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::weeks")]
    weeks: Option<Vec<Ordinal>>,
    /// The days of the month that open the window, 1 to 31 or "last"; left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::dates")]
    dates: Option<Vec<Ordinal>>,
    /// The months in which the window opens, 1 to 12; left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::months")]
    months: Option<Vec<i64>>,
    /// When the window opens, in local time, 00:00 to 23:59.
    #[schemars(regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), example = &"22:00")]
    start: String,
    /// How long it stays open, 15 minutes to 7 days of elapsed time: "4h", "4h 30m", or as ISO 8601 "PT4H30M".
    #[schemars(example = &"4h")]
    duration: String,
    /// The IANA name of the zone that `start` and the days are meant in.
    #[serde(default = "utc")]
    #[schemars(example = &"Europe/Berlin")]
    time_zone: String,
}

/// Why a window was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// A list without entries.
    #[error("{field}: the list is empty; leave it out to restrict nothing")]
    Empty {
        /// Which list.
        field: &'static str,
    },
    /// A list with an entry that means nothing.
    #[error("{field}: {entry} means nothing here; it may hold {may}")]
    Entry {
        /// Which list.
        field: &'static str,
        /// What it holds.
        entry: String,
        /// What it may hold.
        may: &'static str,
    },
    /// Weeks of no weekday.
    #[error("weeks: they tell which of the days of a month are meant, so days must be given too")]
    WeeksWithoutDays,
    /// No time of day.
    #[error("start: {0:?} is no time of day; write it like 22:00")]
    Start(String),
    /// No duration, or one out of bounds.
    #[error("duration: {0:?} is no duration of 15 minutes to 7 days; write it like 4h or 4h 30m")]
    Duration(String),
    /// A zone that the database does not have.
    #[error("timeZone: {0:?} is no IANA time zone; they read like Europe/Berlin")]
    Zone(String),
    /// Patterns that no day satisfies together, or hardly ever one.
    #[error("never opens: five years can go by without a day that is {}", .days.trim_end())]
    NeverOpens {
        /// The days, in words.
        days: String,
    },
    /// A tag that has not the form of a window.
    #[error("{0:?} is no window; write it like: sat sun 22:00 4h Europe/Berlin")]
    Form(String),
}

impl Window {
    /// Those of its openings that are not over at `at`, in order.
    fn openings(&self, at: Timestamp) -> impl Iterator<Item = (Timestamp, Timestamp)> + use<> {
        let first = self.zone.to_datetime(at).date().saturating_sub(DAYS_BACK.days());
        let Self { recurrence, start, duration, zone } = self.clone();
        let opening = move |day: Date| {
            let opens = zone.to_ambiguous_timestamp(day.to_datetime(start)).compatible().ok()?;
            Some((opens, opens.checked_add(duration).unwrap_or(Timestamp::MAX)))
        };
        recurrence.from(first).map_while(opening).skip_while(move |(_, closes)| *closes <= at)
    }
}

impl TryFrom<RawWindow> for Window {
    type Error = WindowError;

    fn try_from(raw: RawWindow) -> Result<Self, WindowError> {
        let RawWindow { days, weeks, dates, months, start, duration, time_zone } = raw;
        Ok(Self {
            recurrence: Recurrence::read(&Lists { days, weeks, dates, months })?,
            start: read_start(start)?,
            duration: read_duration(&duration)?,
            zone: read_zone(&time_zone).ok_or(WindowError::Zone(time_zone))?,
        })
    }
}

impl From<Window> for RawWindow {
    fn from(window: Window) -> Self {
        let Lists { days, weeks, dates, months } = window.recurrence.lists();
        Self {
            days,
            weeks,
            dates,
            months,
            start: window.start.strftime("%H:%M").to_string(),
            duration: format!("{:#}", window.duration),
            time_zone: name(&window.zone).into_owned(),
        }
    }
}

impl FromStr for Window {
    type Err = WindowError;

    /// Reads the form of a tag, `sat sun 22:00 4h Europe/Berlin`: days, a start, a duration, and a zone. No
    /// days are all days, no zone is UTC, and a `for` before the duration is what [`fmt::Display`] writes.
    fn from_str(text: &str) -> Result<Self, WindowError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let days = words.iter().take_while(|word| recurrence::is_day(word)).count();
        let (days, rest) = words.split_at(days);
        let (start, rest) = match rest {
            [start, "for", rest @ ..] | [start, rest @ ..] if !rest.is_empty() => (*start, rest),
            _ => return Err(WindowError::Form(text.to_owned())),
        };
        // A duration may be of several words; what does not belong to it at the end is the zone.
        let (duration, zone) = match rest.split_last() {
            Some((zone, duration)) if !duration.is_empty() && read_duration(&rest.join(" ")).is_err() => {
                (duration.join(" "), (*zone).to_owned())
            }
            _ => (rest.join(" "), utc()),
        };
        Self::try_from(RawWindow {
            days: (!days.is_empty()).then(|| days.iter().map(|day| (*day).to_owned()).collect()),
            weeks: None,
            dates: None,
            months: None,
            start: start.to_owned(),
            duration,
            time_zone: zone,
        })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { recurrence, start, duration, zone } = self;
        write!(f, "{recurrence}{} for {duration:#} {}", start.strftime("%H:%M"), name(zone))
    }
}

fn utc() -> String {
    "UTC".into()
}

fn read_start(text: String) -> Result<Time, WindowError> {
    // `strptime` would take 7:5 for a time too.
    let shaped = matches!(text.as_bytes(), [_, _, b':', _, _]);
    match Time::strptime("%H:%M", &text) {
        Ok(start) if shaped => Ok(start),
        _ => Err(WindowError::Start(text)),
    }
}

fn read_duration(text: &str) -> Result<SignedDuration, WindowError> {
    let read = crate::length::read(text).ok();
    read.filter(|duration| (DURATION_MIN..=DURATION_MAX).contains(duration))
        .ok_or_else(|| WindowError::Duration(text.to_owned()))
}

fn read_zone(name: &str) -> Option<TimeZone> {
    ZONES.get(name).ok().filter(|zone| !zone.is_unknown())
}

/// The name that [`read_zone`] finds a zone by.
fn name(zone: &TimeZone) -> Cow<'_, str> {
    zone.iana_name().unwrap_or("UTC").into()
}

/// What an editor offers for the lists; reading checks them by itself, with words of its own.
mod schema {
    use schemars::{Schema, SchemaGenerator, json_schema};

    use super::recurrence::DAYS;

    pub(super) fn days(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "minItems": 1, "items": { "type": "string", "enum": DAYS } })
    }

    pub(super) fn weeks(_: &mut SchemaGenerator) -> Schema {
        ordinals(5)
    }

    pub(super) fn dates(_: &mut SchemaGenerator) -> Schema {
        ordinals(31)
    }

    fn ordinals(max: u8) -> Schema {
        let number = json_schema!({ "type": "integer", "minimum": 1, "maximum": max });
        json_schema!({ "type": "array", "minItems": 1, "items": { "anyOf": [number, { "const": "last" }] } })
    }

    pub(super) fn months(_: &mut SchemaGenerator) -> Schema {
        let month = json_schema!({ "type": "integer", "minimum": 1, "maximum": 12 });
        json_schema!({ "type": "array", "minItems": 1, "items": month })
    }
}
