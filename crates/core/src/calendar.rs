//! The support calendar of EKS: which minors exist, until when they are supported, what lateness costs.
//!
//! The calendar itself always comes from `DescribeClusterVersions`; no version and no date is written here.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::version::Minor;

/// What extended support costs on top of standard, per cluster and hour (EKS pricing: $0.60 against $0.10).
pub const EXTENDED_SUPPORT_USD_PER_HOUR: f64 = 0.50;

/// Where EKS stands with a minor (`versionStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SupportStatus {
    /// Within its 14 months of standard support.
    Standard,
    /// Within the 12 months after, at a price.
    Extended,
    /// Gone: AWS upgrades such clusters by itself.
    Unsupported,
    /// A status that this code does not know.
    Unknown,
}

/// One minor in the calendar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// The minor.
    pub minor: Minor,
    /// Whether EKS gives it to new clusters by default.
    pub is_default: bool,
    /// Where EKS stands with it.
    pub status: SupportStatus,
    /// When EKS released it.
    pub released: Option<Timestamp>,
    /// End of standard support.
    pub standard_until: Option<Timestamp>,
    /// End of extended support.
    pub extended_until: Option<Timestamp>,
}

/// All minors that EKS knows, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calendar(Vec<Release>);

/// Why a cluster's version calls for an upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "because")]
pub enum Due {
    /// Standard support ends then.
    StandardSupportEnds {
        /// When.
        at: Timestamp,
    },
    /// It has ended; extended support, which costs extra, ends then.
    InExtendedSupport {
        /// When AWS upgrades by itself.
        until: Option<Timestamp>,
    },
    /// No support is left.
    Unsupported,
}

impl Calendar {
    /// A calendar of these releases, in any order.
    #[must_use]
    pub fn new(mut releases: Vec<Release>) -> Self {
        releases.sort_by_key(|release| release.minor);
        releases.dedup_by_key(|release| release.minor);
        Self(releases)
    }

    /// What EKS says of one minor.
    #[must_use]
    pub fn get(&self, minor: Minor) -> Option<&Release> {
        self.0.iter().find(|release| release.minor == minor)
    }

    /// The newest minor that EKS offers in standard support.
    #[must_use]
    pub fn newest(&self) -> Option<Minor> {
        self.standard().next_back().map(|release| release.minor)
    }

    /// The minor that EKS gives to new clusters.
    #[must_use]
    pub fn default_minor(&self) -> Option<Minor> {
        self.0.iter().find(|release| release.is_default).map(|release| release.minor)
    }

    /// The minors in standard support, oldest first.
    #[must_use = "an iterator does nothing by itself"]
    pub fn standard(&self) -> impl DoubleEndedIterator<Item = &Release> {
        self.0.iter().filter(|release| release.status == SupportStatus::Standard)
    }

    /// Whether a cluster at `minor` is due: its standard support ends within `lead` of `now`, or has ended.
    /// A minor that the calendar does not list is never due: what EKS does not say is no reason to act.
    #[must_use]
    pub fn due(&self, minor: Minor, now: Timestamp, lead: SignedDuration) -> Option<Due> {
        let release = self.get(minor)?;
        match release.status {
            SupportStatus::Unsupported => Some(Due::Unsupported),
            SupportStatus::Extended => Some(Due::InExtendedSupport { until: release.extended_until }),
            SupportStatus::Unknown => None,
            SupportStatus::Standard => {
                let at = release.standard_until?;
                (at.duration_since(now) <= lead).then_some(Due::StandardSupportEnds { at })
            }
        }
    }

    /// What staying at `minor` from `now` to the end of extended support costs on top of standard support,
    /// in US dollars for one cluster. `None` when a date is missing.
    #[must_use]
    pub fn cost_of_staying_usd(&self, minor: Minor, now: Timestamp) -> Option<f64> {
        let release = self.get(minor)?;
        let from = release.standard_until?.max(now);
        let hours = release.extended_until?.duration_since(from).as_secs_f64() / 3600.0;
        Some(hours.max(0.0) * EXTENDED_SUPPORT_USD_PER_HOUR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar() -> Calendar {
        let release = |minor: &str, is_default, status, standard: &str, extended: &str| Release {
            minor: minor.parse().unwrap(),
            is_default,
            status,
            released: None,
            standard_until: Some(standard.parse().unwrap()),
            extended_until: Some(extended.parse().unwrap()),
        };
        Calendar::new(vec![
            release("1.35", true, SupportStatus::Standard, "2027-03-27T00:00:00Z", "2028-03-27T00:00:00Z"),
            release("1.34", false, SupportStatus::Standard, "2026-12-02T00:00:00Z", "2027-12-02T00:00:00Z"),
            release("1.33", false, SupportStatus::Extended, "2026-07-29T00:00:00Z", "2027-07-29T00:00:00Z"),
        ])
    }

    #[test]
    fn due_is_what_the_calendar_says() {
        let now = "2026-08-18T00:00:00Z".parse().unwrap();
        let lead = SignedDuration::from_hours(180 * 24);
        let due = |minor: &str| calendar().due(minor.parse().unwrap(), now, lead);
        assert!(matches!(due("1.34"), Some(Due::StandardSupportEnds { .. })));
        assert!(matches!(due("1.33"), Some(Due::InExtendedSupport { .. })));
        assert_eq!(due("1.35"), None);
        assert_eq!(due("1.99"), None);
    }

    #[test]
    fn a_month_of_extended_support_costs_about_365_dollars() {
        let at = "2027-06-29T00:00:00Z".parse().unwrap();
        let usd = calendar().cost_of_staying_usd("1.33".parse().unwrap(), at).unwrap();
        assert!((usd - 360.0).abs() < 0.01, "{usd}");
    }
}
