//! How long things take on EKS, and when to look again.
//!
//! A wait is quiet until the change could be over at the earliest. From there on looks are where ends are: most changes
//! end near the usual time, and the fewer the farther from it. So the pause grows with the square of the distance from
//! the usual time, before it as after it: from a small share of the time elapsed, next to it, to a larger one. Every
//! pause is a share of the time elapsed: the number of looks grows with the logarithm of the wait, and what is lost by
//! looking late stays a share of it. What real waits taught is in [`Learned`].

mod learned;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::StepKind;

pub use learned::Learned;

/// What is being waited for, as far as its length goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// Before this a change has hardly ever ended; the first look comes then.
    pub early_s: u32,
    /// What it usually takes.
    pub typical_s: u32,
    /// What 95 in 100 stay below: a step that has to fit a window is given this much room.
    pub p95_s: u32,
    /// Past this something is wrong: the run goes on watching, and says so.
    pub late_s: u32,
    /// The pause at the usual time, which is the shortest, as one part in this many of the time elapsed.
    share: u32,
}

/// The shortest pause between two looks. EKS's own state lags by some seconds: a closer look sees nothing new.
const PAUSE_S_MIN: u32 = 9;
/// The longest pause, so that somebody who looks at the run finds fresh news.
const PAUSE_S_MAX: u32 = 600;
/// Before the usual time a pause is at most one part in this many of the time elapsed. Little ends there but what
/// fails early, or is quicker here than anybody knew: that is seen while it is still of use.
const BEFORE: u32 = 3;
/// After the usual time a pause is at most one part in this many of the time elapsed, unless the closest looks are
/// farther apart. One change in a hundred is still looked at then, and what waits for it has waited for long; and where
/// EKS is slower than the usual time has it, all of them are, until that is learned.
const AFTER: u32 = 25;

/// A control plane hop: 9 min 55 s seen, up to 20 minutes reported; how short it can be, nobody wrote down. Everything
/// else waits for it, so it is looked at as closely as there is something to see: half of them are known within 1.2 %
/// of their length, for 14 looks (`make bench`).
const CONTROL_PLANE: Span = Span { early_s: 400, typical_s: 600, p95_s: 1200, late_s: 2400, share: 70 };
/// An add-on: one to three minutes. A look costs as much as at a control plane, there are several of them, and ten
/// seconds less matter to nobody.
const ADD_ON: Span = Span { early_s: 60, typical_s: 120, p95_s: 300, late_s: 1200, share: 4 };
/// An update of somebody else's, of which nothing is known.
pub const UNKNOWN: Span = Span { early_s: 60, typical_s: 600, p95_s: 1800, late_s: 3600, share: 20 };
/// Setting the support type: about a minute.
const SETTING: Span = Span { early_s: 30, typical_s: 60, p95_s: 180, late_s: 900, share: 10 };

/// The rollout of a component: one pod after another, each ready within a minute.
const ROLLOUT: Span = Span { early_s: 20, typical_s: 120, p95_s: 600, late_s: 1200, share: 10 };
/// Pods on Fargate come up with a machine of their own: one to three minutes each.
const RESTART: Span = Span { early_s: 60, typical_s: 300, p95_s: 1200, late_s: 3600, share: 10 };
/// Nodes that follow by themselves: of that only their owner knows more.
const FOLLOW: Span = Span { early_s: 60, typical_s: 1800, p95_s: 7200, late_s: 14400, share: 20 };

/// Setting up and scaling a node group up and down, whatever its size.
const NODE_GROUP_FIXED_S: u32 = 420;
/// However large a group, a drain that a budget blocks is over after 15 minutes and nodes that do not join after
/// some 20: that is when bad news may be there.
const NODE_GROUP_EARLY_S_MAX: u32 = 1200;
/// One batch of nodes: about five minutes.
const NODE_BATCH_S: u32 = 300;

/// How much longer than its duration a bake waits for a gate that cannot be told yet.
pub const UNTOLD_S: u32 = 3600;

impl Span {
    /// The span of one step, as it usually is.
    #[must_use]
    pub fn of(kind: &StepKind) -> Self {
        match kind {
            StepKind::ControlPlane { .. } | StepKind::RollBack { .. } => CONTROL_PLANE,
            StepKind::AddOn { .. } => ADD_ON,
            StepKind::NodeGroup { size, max_unavailable, .. } => Self::node_group(*size, *max_unavailable),
            StepKind::SupportType { .. } => SETTING,
            StepKind::CoreComponent { .. } => ROLLOUT,
            StepKind::SelfManagedNodes { size, surge, .. } => Self::node_group(*size, *surge),
            StepKind::FargatePods { .. } => RESTART,
            StepKind::Follow { stall_s, .. } => Self { late_s: stall_s.saturating_mul(4), ..FOLLOW },
            StepKind::Bake { duration_s } => Self::bake(*duration_s),
            StepKind::Verify => Self { early_s: 0, typical_s: 30, p95_s: 60, late_s: 900, share: 10 },
        }
    }

    fn node_group(size: u32, max_unavailable: u32) -> Self {
        let batches = size.div_ceil(max_unavailable.max(1));
        let typical_s = NODE_GROUP_FIXED_S.saturating_add(batches.saturating_mul(NODE_BATCH_S));
        // A drain that a budget blocks fails after 15 minutes; healthy groups were seen at half the typical.
        Self {
            early_s: (typical_s / 2).min(NODE_GROUP_EARLY_S_MAX),
            typical_s,
            // Rolls differ more than anything else: pods take their own time to leave.
            p95_s: typical_s.saturating_mul(2),
            late_s: typical_s.saturating_mul(3),
            share: 17,
        }
    }

    /// A bake is looked at a dozen times, whatever its length.
    fn bake(duration_s: u32) -> Self {
        let first_s = (duration_s / 12).max(1);
        let late_s = duration_s.saturating_add(UNTOLD_S);
        Self { early_s: first_s, typical_s: duration_s, p95_s: duration_s, late_s, share: 4 }
    }

    /// How many seconds to wait before looking again at something that has gone on since `since`.
    #[must_use]
    pub fn pause_s(&self, since: Timestamp, now: Timestamp) -> u32 {
        let elapsed_s = seconds_between(since, now);
        if elapsed_s < self.early_s {
            return (self.early_s - elapsed_s).max(1);
        }
        let away_s = u64::from(self.typical_s.abs_diff(elapsed_s));
        let away_s = u32::try_from(away_s * away_s / u64::from(self.typical_s.max(1))).unwrap_or(u32::MAX);
        let most = if elapsed_s < self.typical_s { BEFORE } else { AFTER };
        (elapsed_s / self.share).max(away_s.min(elapsed_s / most)).clamp(PAUSE_S_MIN, PAUSE_S_MAX)
    }

    /// Whether it is too early for it to be over: nothing is asked about it then, whatever else is looked at.
    #[must_use]
    pub fn is_quiet(&self, since: Timestamp, now: Timestamp) -> bool {
        seconds_between(since, now) < self.early_s
    }

    /// Whether it has taken longer than it ever should.
    #[must_use]
    pub fn is_late(&self, since: Timestamp, now: Timestamp) -> bool {
        seconds_between(since, now) > self.late_s
    }
}

/// Whole seconds from `since` to `now`; 0 when the clock went back.
#[must_use]
pub fn seconds_between(since: Timestamp, now: Timestamp) -> u32 {
    u32::try_from(now.duration_since(since).as_secs().max(0)).unwrap_or(u32::MAX)
}

/// `at` plus whole seconds, saturating.
#[must_use]
pub fn later(at: Timestamp, seconds: u32) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(span: Span, lasts_s: u32) -> (u32, u32) {
        let start = Timestamp::UNIX_EPOCH;
        let (mut at_s, mut count) = (0, 0);
        while at_s < lasts_s {
            at_s += span.pause_s(start, later(start, at_s));
            count += 1;
        }
        (count, at_s - lasts_s)
    }

    #[test]
    fn a_control_plane_of_the_usual_length_is_seen_within_seconds_for_a_dozen_looks() {
        for lasts_s in 550..=600 {
            let (count, overshoot_s) = looks(CONTROL_PLANE, lasts_s);
            assert!(count <= 14, "{lasts_s}: {count}");
            assert!(overshoot_s < PAUSE_S_MIN, "{lasts_s}: {overshoot_s}");
        }
    }

    #[test]
    fn what_takes_longer_is_looked_at_less_and_less_often() {
        let until = |lasts_s| looks(CONTROL_PLANE, lasts_s).0;
        assert!(until(1_200) - until(720) <= 13, "from 12 to 20 minutes");
        assert!(until(1_680) - until(1_200) <= 9, "the next eight minutes");
    }

    #[test]
    fn looks_grow_with_the_logarithm_of_the_wait() {
        let (hour, _) = looks(CONTROL_PLANE, 3_600);
        let (four_hours, _) = looks(CONTROL_PLANE, 4 * 3_600);
        // Four times the wait adds ln 4 / ln (1 + 1/25) looks, however long it was.
        assert!(four_hours - hour <= 36, "{hour} {four_hours}");
        assert!(looks(CONTROL_PLANE, 86_400).0 <= 225);
    }

    #[test]
    fn looks_come_closer_until_the_usual_time_and_part_after_it() {
        let start = Timestamp::UNIX_EPOCH;
        let mut at_s = 0;
        let mut pause = || {
            let pause_s = CONTROL_PLANE.pause_s(start, later(start, at_s));
            at_s += pause_s;
            (at_s, pause_s)
        };
        let looks: Vec<(u32, u32)> = std::iter::repeat_with(&mut pause).take(6).collect();
        assert_eq!(looks, [(400, 400), (466, 66), (495, 29), (513, 18), (525, 12), (534, 9)]);
    }

    #[test]
    fn a_pause_grows_with_the_square_of_the_distance_from_the_usual_time_up_to_a_share_of_the_time_elapsed() {
        let pause_s = |span: Span, elapsed_s| {
            span.pause_s(Timestamp::UNIX_EPOCH, later(Timestamp::UNIX_EPOCH, elapsed_s))
        };
        // 100 s before and after it; twice as far before; right at it.
        let near = [500, 700, 400, 600].map(|elapsed_s| pause_s(CONTROL_PLANE, elapsed_s));
        assert_eq!(near, [16, 16, 66, PAUSE_S_MIN]);
        assert_eq!(
            [1_200, 10_000, 20_000].map(|elapsed_s| pause_s(CONTROL_PLANE, elapsed_s)),
            [48, 400, 600]
        );
        let group = Span::node_group(10, 1);
        assert_eq!(pause_s(group, 1_200), 400, "a third, long before it");
        assert_eq!([3_400, 5_100].map(|elapsed_s| pause_s(group, elapsed_s)), [200, 300], "its own share");
    }

    #[test]
    fn no_length_is_too_long_or_too_short() {
        let start = Timestamp::UNIX_EPOCH;
        let pause_s = |typical_s, elapsed_s| {
            Span { early_s: 0, typical_s, ..UNKNOWN }.pause_s(start, later(start, elapsed_s))
        };
        assert_eq!(pause_s(0, 0), PAUSE_S_MIN);
        assert_eq!(pause_s(0, u32::MAX), PAUSE_S_MAX);
        assert_eq!(pause_s(u32::MAX, 0), PAUSE_S_MIN);
        assert_eq!(pause_s(u32::MAX, 900), 300);
    }

    #[test]
    fn quiet_ends_with_the_first_look() {
        let start = Timestamp::UNIX_EPOCH;
        assert!(CONTROL_PLANE.is_quiet(start, later(start, 399)));
        assert!(!CONTROL_PLANE.is_quiet(start, later(start, 400)));
    }
}
