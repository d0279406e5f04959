//! A support calendar, as EKS gave it in August 2026.

use eks_upgrade_core::calendar::{Calendar, Release, SupportStatus};
use eks_upgrade_core::version::Minor;

/// The calendar.
pub fn calendar() -> Calendar {
    use SupportStatus::{Extended, Standard};
    let rows = [
        (33, Extended, "2025-05-29", "2026-07-29", "2027-07-29"),
        (34, Standard, "2025-10-02", "2026-12-02", "2027-12-02"),
        (35, Standard, "2026-01-27", "2027-03-27", "2028-03-27"),
        (36, Standard, "2026-06-02", "2027-08-02", "2028-08-02"),
    ];
    let day = |date: &str| format!("{date}T00:00:00Z").parse().ok();
    let release = |(minor, status, released, standard, extended): (u8, _, _, _, _)| Release {
        minor: Minor::new(minor).expect("it is a minor"),
        is_default: minor == 35,
        status,
        released: day(released),
        standard_until: day(standard),
        extended_until: day(extended),
    };
    Calendar::new(rows.map(release).into())
}
