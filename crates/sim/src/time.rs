//! Instants inside the world: whole milliseconds since the epoch, cheap to compare and to add to.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Milliseconds since the Unix epoch, of virtual time.
pub(crate) type Ms = i64;

/// A second.
pub(crate) const SECOND: Ms = 1_000;
/// A minute.
pub(crate) const MINUTE: Ms = 60 * SECOND;
/// An hour.
pub(crate) const HOUR: Ms = 60 * MINUTE;
/// A day.
pub(crate) const DAY: Ms = 24 * HOUR;

/// Minutes of a fleet file as milliseconds. Their bound (a year) is checked when the file is read.
pub(crate) fn minutes(count: u32) -> Ms {
    i64::from(count) * MINUTE
}

/// As JSON protocols of AWS write instants: seconds since the epoch, with a fraction.
pub(crate) fn epoch_seconds(at: Ms) -> Value {
    Value::from(SignedDuration::from_millis(at).as_secs_f64())
}

/// As people read instants.
pub(crate) fn rfc3339(at: Ms) -> String {
    Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |instant| instant.to_string())
}
