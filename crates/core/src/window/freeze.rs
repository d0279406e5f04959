//! Freezes: spans of time in which work may not start, whatever the windows say.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{name, read_zone, utc};

/// What wants to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// An upgrade of the control plane by one minor.
    ControlPlane,
    /// Replacing nodes.
    Nodes,
    /// Updating add-ons.
    AddOns,
}

impl Work {
    /// Every kind of work.
    pub const ALL: [Self; 3] = [Self::ControlPlane, Self::Nodes, Self::AddOns];
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ControlPlane => "the control plane",
            Self::Nodes => "nodes",
            Self::AddOns => "add-ons",
        })
    }
}

/// What a freeze stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FreezeScope {
    /// All work.
    Everything,
    /// Upgrades of the control plane.
    MinorUpgrades,
    /// Replacing nodes.
    Nodes,
}

/// A span of time in which work of some kind may not start, whatever the windows say: from `from` on, and
/// before `until`. Where the clocks skip such a time, it is as much later as they skip; where they show it
/// twice, the first counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "RawFreeze", into = "RawFreeze")]
pub struct Freeze {
    name: String,
    scope: FreezeScope,
    local: (DateTime, DateTime),
    zone: TimeZone,
    from: Timestamp,
    until: Timestamp,
}

/// A [`Freeze`] as it is written.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Freeze")]
struct RawFreeze {
    /// What people call it; whoever waits for its end is told this name.
    #[schemars(length(min = 1), example = &"christmas")]
    name: String,
    /// What it stops.
    scope: FreezeScope,
    /// When it begins, in local time: a date, which means its midnight, or a date and a time.
    #[schemars(regex(pattern = MOMENT), example = &"2026-12-18")]
    from: String,
    /// When it is over, in local time: a date, which means its midnight, so that the day itself is free, or a
    /// date and a time.
    #[schemars(regex(pattern = MOMENT), example = &"2027-01-04T08:00")]
    until: String,
    /// The IANA name of the zone that `from` and `until` are meant in.
    #[serde(default = "utc")]
    #[schemars(example = &"Europe/Berlin")]
    time_zone: String,
}

const MOMENT: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?)?$";

/// Why a freeze was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FreezeError {
    /// A freeze without a name.
    #[error("name: it is empty; a freeze is called by its name")]
    Name,
    /// Neither a date nor a date and a time.
    #[error(
        "{field} of the freeze {name:?}: {text:?} is no local date or time; write it like 2026-12-18 or 2026-12-18T12:00"
    )]
    Moment {
        /// Of which freeze.
        name: String,
        /// Which end of it.
        field: &'static str,
        /// What it says.
        text: String,
    },
    /// A zone that the database does not have.
    #[error("timeZone of the freeze {name:?}: {zone:?} is no IANA time zone; they read like Europe/Berlin")]
    Zone {
        /// Of which freeze.
        name: String,
        /// What it says.
        zone: String,
    },
    /// It ends before it begins.
    #[error("until of the freeze {name:?}: it must be after from")]
    Order {
        /// Which freeze.
        name: String,
    },
}

impl Freeze {
    /// What people call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first instant of it.
    #[must_use]
    pub const fn from(&self) -> Timestamp {
        self.from
    }

    /// The first instant after it.
    #[must_use]
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// Whether it stops such work while it is on.
    #[must_use]
    pub const fn stops(&self, work: Work) -> bool {
        match self.scope {
            FreezeScope::Everything => true,
            FreezeScope::MinorUpgrades => matches!(work, Work::ControlPlane),
            FreezeScope::Nodes => matches!(work, Work::Nodes),
        }
    }

    /// Whether it is on.
    #[must_use]
    pub fn is_on(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

impl TryFrom<RawFreeze> for Freeze {
    type Error = FreezeError;

    fn try_from(raw: RawFreeze) -> Result<Self, FreezeError> {
        let RawFreeze { name, scope, from, until, time_zone } = raw;
        if name.trim().is_empty() {
            return Err(FreezeError::Name);
        }
        let Some(zone) = read_zone(&time_zone) else {
            return Err(FreezeError::Zone { name, zone: time_zone });
        };
        let moment = |field: &'static str, text: String| {
            let read = read_moment(&text)
                .and_then(|local| Some((local, zone.to_ambiguous_timestamp(local).compatible().ok()?)));
            read.ok_or_else(|| FreezeError::Moment { name: name.clone(), field, text })
        };
        let (local_from, from) = moment("from", from)?;
        let (local_until, until) = moment("until", until)?;
        if until <= from {
            return Err(FreezeError::Order { name });
        }
        Ok(Self { name, scope, local: (local_from, local_until), zone, from, until })
    }
}

impl From<Freeze> for RawFreeze {
    fn from(freeze: Freeze) -> Self {
        let (from, until) = freeze.local;
        Self {
            from: write_moment(from),
            until: write_moment(until),
            time_zone: name(&freeze.zone).into_owned(),
            name: freeze.name,
            scope: freeze.scope,
        }
    }
}

fn read_moment(text: &str) -> Option<DateTime> {
    // Reading a local time, jiff skips over an offset or a zone behind it; here that would hide a contradiction.
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'T' | b':'));
    let dashes = text.bytes().filter(|b| *b == b'-').count();
    text.parse().ok().filter(|_| plain && dashes == 2 && matches!(text.len(), 10 | 16 | 19))
}

fn write_moment(local: DateTime) -> String {
    if local.time() == Time::midnight() { local.date().to_string() } else { local.to_string() }
}
