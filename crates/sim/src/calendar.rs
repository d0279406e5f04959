//! The support calendar: which minors exist when, and how long they are supported.

use jiff::civil::{Date, date};
use serde_json::{Value, json};

use crate::fleet::VersionSpec;
use crate::minor::Minor;
use crate::time::{Ms, epoch_seconds};

/// All minors the service has ever had, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    versions: Vec<VersionSpec>,
}

/// Where a minor stands at some instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Support {
    Standard,
    Extended,
    Unsupported,
}

impl Support {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD_SUPPORT",
            Self::Extended => "EXTENDED_SUPPORT",
            Self::Unsupported => "UNSUPPORTED",
        }
    }

    fn deprecated_name(self) -> &'static str {
        match self {
            Self::Standard => "standard-support",
            Self::Extended => "extended-support",
            Self::Unsupported => "unsupported",
        }
    }
}

/// Midnight UTC of a day.
fn midnight(day: Date) -> Ms {
    day.to_zoned(jiff::tz::TimeZone::UTC).map_or(0, |zoned| zoned.timestamp().as_millisecond())
}

/// The calendar as it was published in late 2026. The dates of 1.37 are a guess.
fn published() -> Vec<VersionSpec> {
    let rows = [
        (30, "1.30.14", date(2024, 5, 23), date(2025, 7, 23), date(2026, 7, 23)),
        (31, "1.31.14", date(2024, 9, 26), date(2025, 11, 26), date(2026, 11, 26)),
        (32, "1.32.13", date(2025, 1, 23), date(2026, 3, 23), date(2027, 3, 23)),
        (33, "1.33.10", date(2025, 5, 29), date(2026, 7, 29), date(2027, 7, 29)),
        (34, "1.34.6", date(2025, 10, 2), date(2026, 12, 2), date(2027, 12, 2)),
        (35, "1.35.3", date(2026, 1, 27), date(2027, 3, 27), date(2028, 3, 27)),
        (36, "1.36.1", date(2026, 6, 2), date(2027, 8, 2), date(2028, 8, 2)),
        (37, "1.37.0", date(2026, 10, 6), date(2027, 12, 6), date(2028, 12, 6)),
    ];
    rows.into_iter()
        .map(|(minor, patch, released, end_of_standard, end_of_extended)| VersionSpec {
            version: Minor::new(minor),
            patch: Some(patch.to_owned()),
            released,
            end_of_standard,
            end_of_extended,
            default: minor == 35,
        })
        .collect()
}

impl Calendar {
    /// The published one, or the one of the fleet file if it brings its own.
    pub(crate) fn new(versions: &[VersionSpec]) -> Self {
        let mut versions = if versions.is_empty() { published() } else { versions.to_vec() };
        versions.sort_by_key(|entry| entry.version);
        Self { versions }
    }

    /// Whether the minor has been released by `now`.
    pub(crate) fn offers(&self, minor: Minor, now: Ms) -> bool {
        self.get(minor).is_some_and(|entry| midnight(entry.released) <= now)
    }

    /// Whether it is in the calendar at all.
    pub(crate) fn knows(&self, minor: Minor) -> bool {
        self.get(minor).is_some()
    }

    fn get(&self, minor: Minor) -> Option<&VersionSpec> {
        self.versions.iter().find(|entry| entry.version == minor)
    }

    /// Where a minor stands, if it is known.
    pub(crate) fn support(&self, minor: Minor, now: Ms) -> Option<Support> {
        self.get(minor).map(|entry| standing(entry, now))
    }

    /// End of standard support, if the minor is known.
    pub(crate) fn end_of_standard(&self, minor: Minor) -> Option<Ms> {
        self.get(minor).map(|entry| midnight(entry.end_of_standard))
    }

    /// End of extended support, if the minor is known.
    pub(crate) fn end_of_extended(&self, minor: Minor) -> Option<Ms> {
        self.get(minor).map(|entry| midnight(entry.end_of_extended))
    }

    /// Minors released by `now`, newest first, each with its standing.
    pub(crate) fn released(&self, now: Ms) -> impl Iterator<Item = (&VersionSpec, Support)> {
        self.versions
            .iter()
            .rev()
            .filter(move |entry| midnight(entry.released) <= now)
            .map(move |entry| (entry, standing(entry, now)))
    }

    /// All minors it knows.
    pub(crate) fn minors(&self) -> impl Iterator<Item = Minor> {
        self.versions.iter().map(|entry| entry.version)
    }
}

fn standing(entry: &VersionSpec, now: Ms) -> Support {
    if now < midnight(entry.end_of_standard) {
        Support::Standard
    } else if now < midnight(entry.end_of_extended) {
        Support::Extended
    } else {
        Support::Unsupported
    }
}

/// One entry of `DescribeClusterVersions`.
pub(crate) fn describe(entry: &VersionSpec, support: Support) -> Value {
    json!({
        "clusterVersion": entry.version,
        "clusterType": "eks",
        "defaultPlatformVersion": platform_version(entry.version),
        "defaultVersion": entry.default,
        "releaseDate": epoch_seconds(midnight(entry.released)),
        "endOfStandardSupportDate": epoch_seconds(midnight(entry.end_of_standard)),
        "endOfExtendedSupportDate": epoch_seconds(midnight(entry.end_of_extended)),
        "status": support.deprecated_name(),
        "versionStatus": support.name(),
        "kubernetesPatchVersion": entry.patch.clone().unwrap_or_else(|| format!("{}.0", entry.version)),
    })
}

/// The platform version a cluster of that minor runs: older minors have seen more of them.
pub(crate) fn platform_version(minor: Minor) -> String {
    format!("eks.{}", 3 + 4 * minor.behind(Minor::new(37)))
}
