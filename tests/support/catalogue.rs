//! What the fake EKS offers: minors with their dates, and add-on versions.
//!
//! The add-ons differ on purpose. coredns serves two minors each, kube-proxy exactly one, and vpc-cni climbs
//! two of its own minors with each of Kubernetes, of which each Kubernetes minor is offered four: so a run of
//! several hops has to move it on the way, one minor a call.

use eks_upgrade_core::calendar::{Calendar, Release, SupportStatus};
use eks_upgrade_core::cluster::{Catalogue, Offer};
use eks_upgrade_core::version::Minor;

use crate::word;

const MINORS: std::ops::RangeInclusive<u8> = 30..=36;

/// The calendar, as of August 2026.
#[must_use]
pub fn calendar() -> Calendar {
    use SupportStatus::{Extended, Standard, Unsupported};
    let rows = [
        (30, Unsupported, "2025-07-23", "2026-07-23"),
        (31, Extended, "2025-11-26", "2026-11-26"),
        (32, Extended, "2026-03-23", "2027-03-23"),
        (33, Extended, "2026-07-29", "2027-07-29"),
        (34, Standard, "2026-12-02", "2027-12-02"),
        (35, Standard, "2027-03-27", "2028-03-27"),
        (36, Standard, "2027-08-02", "2028-08-02"),
    ];
    let release = |(minor, status, standard, extended): (u8, SupportStatus, &str, &str)| Release {
        minor: Minor::new(minor).unwrap(),
        is_default: minor == 35,
        status,
        // Fourteen months before the end of its standard support.
        released: Some(
            word::<jiff::Timestamp>(&format!("{standard}T00:00:00Z"))
                - jiff::SignedDuration::from_hours(24 * 425),
        ),
        standard_until: Some(word(&format!("{standard}T00:00:00Z"))),
        extended_until: Some(word(&format!("{extended}T00:00:00Z"))),
    };
    Calendar::new(rows.map(release).into())
}

fn default_of(addon: &str, minor: u8) -> String {
    match addon {
        "vpc-cni" => format!("v1.{}.0-eksbuild.1", cni_minor(minor)),
        "coredns" => format!("v1.{}.0-eksbuild.1", minor - 20),
        _ => format!("v1.{minor}.0-eksbuild.1"),
    }
}

fn cni_minor(minor: u8) -> u8 {
    10 + 2 * (minor - 30)
}

fn offered(addon: &str, minor: u8) -> Vec<String> {
    match addon {
        "vpc-cni" => {
            (cni_minor(minor) - 3..=cni_minor(minor)).map(|n| format!("v1.{n}.0-eksbuild.1")).collect()
        }
        "coredns" => vec![format!("v1.{}.0-eksbuild.1", minor - 21), default_of(addon, minor)],
        _ => vec![default_of(addon, minor)],
    }
}

/// What EKS offers of each add-on.
#[must_use]
pub fn catalogue() -> Catalogue {
    let of_minor = |addon: &str, minor: u8| {
        let default = default_of(addon, minor);
        let offers = offered(addon, minor).into_iter();
        offers.map(|text| Offer { is_default: text == default, version: word(&text) }).collect()
    };
    ["vpc-cni", "coredns", "kube-proxy"]
        .map(|addon| {
            let by_minor = MINORS.map(|minor| (Minor::new(minor).unwrap(), of_minor(addon, minor)));
            (addon.to_owned(), by_minor.collect())
        })
        .into()
}

/// EKS's default of an add-on for a minor.
pub(crate) fn default_version(addon: &str, minor: Minor) -> String {
    default_of(addon, minor.number())
}
