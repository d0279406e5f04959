//! How long things take on EKS, and when to look again.
//!
//! A wait is quiet until the change could be over at the earliest; from then on the pause is a share of the
//! time elapsed, so that the number of looks grows with the logarithm of the wait, and what is lost by
//! looking late stays a small share of it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::StepKind;

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
    /// The pause between later looks, as one part in this many of the time elapsed.
    share: u32,
}

/// The shortest pause between two looks. EKS's own state lags by a few seconds: a closer look sees nothing new.
const PAUSE_S_MIN: u32 = 10;
/// The longest pause, so that somebody who looks at the run finds fresh news.
const PAUSE_S_MAX: u32 = 600;

/// A control plane hop: 9 min 55 s seen, up to 20 minutes reported.
const CONTROL_PLANE: Span = Span { early_s: 480, typical_s: 600, p95_s: 1200, late_s: 2400, share: 40 };
/// An add-on: one to three minutes.
const ADD_ON: Span = Span { early_s: 50, typical_s: 120, p95_s: 300, late_s: 1200, share: 10 };
/// An update of somebody else's, of which nothing is known.
pub const UNKNOWN: Span = Span { early_s: 60, typical_s: 600, p95_s: 1800, late_s: 3600, share: 20 };
/// Setting the support type: about a minute.
const SETTING: Span = Span { early_s: 30, typical_s: 60, p95_s: 180, late_s: 900, share: 10 };

/// The rollout of a component: a pod after the other, each ready within a minute.
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

/// How long steps took here, as thousandths of what they usually take: the last of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learned(BTreeMap<String, Vec<u32>>);

/// Samples that are kept of a kind.
const SAMPLES_MAX: usize = 100;
/// Fewer say nothing about a quantile.
const SAMPLES_MIN: usize = 20;

impl Learned {
    fn key(kind: &StepKind) -> Option<String> {
        match kind {
            StepKind::ControlPlane { .. } => Some("control-plane".into()),
            StepKind::AddOn { name, .. } => Some(format!("add-on/{name}")),
            StepKind::NodeGroup { .. } => Some("node-group".into()),
            StepKind::RollBack { .. } => Some("roll-back".into()),
            StepKind::CoreComponent { name, .. } => Some(format!("core-component/{name}")),
            StepKind::SelfManagedNodes { .. } => Some("self-managed-nodes".into()),
            StepKind::FargatePods { .. } => Some("fargate-pods".into()),
            StepKind::SupportType { .. }
            | StepKind::Bake { .. }
            | StepKind::Follow { .. }
            | StepKind::Verify => None,
        }
    }

    /// Takes in how long a step took.
    pub fn learn(&mut self, kind: &StepKind, took_s: u32) {
        let Some(key) = Self::key(kind) else { return };
        let usual_s = u64::from(Span::of(kind).typical_s.max(1));
        let thousandths = u32::try_from(u64::from(took_s) * 1000 / usual_s).unwrap_or(u32::MAX);
        let samples = self.0.entry(key).or_default();
        samples.push(thousandths);
        if samples.len() > SAMPLES_MAX {
            samples.remove(0);
        }
    }

    /// The span of one step, by what was learned where that is enough.
    #[must_use]
    pub fn span(&self, kind: &StepKind) -> Span {
        let usual = Span::of(kind);
        let samples = Self::key(kind).and_then(|key| self.0.get(&key));
        let Some(samples) = samples.filter(|samples| samples.len() >= SAMPLES_MIN) else { return usual };
        let mut sorted = samples.clone();
        sorted.sort_unstable();
        let at = |percent: usize| {
            let thousandths = sorted[(sorted.len() - 1) * percent / 100];
            let seconds = u64::from(usual.typical_s) * u64::from(thousandths) / 1000;
            u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
        };
        // Longer than it ever should is an alarm, not an expectation: it must not keep steps from fitting a window.
        let p95_s = at(95).min(usual.late_s);
        Span { early_s: at(5), typical_s: at(50), p95_s, late_s: usual.late_s.max(p95_s), share: usual.share }
    }
}

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
            share: 20,
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
        (elapsed_s / self.share).clamp(PAUSE_S_MIN, PAUSE_S_MAX)
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
    fn a_control_plane_is_looked_at_a_dozen_times_and_seen_within_seconds() {
        let (count, overshoot_s) = looks(CONTROL_PLANE, 595);
        assert!(count <= 12, "{count}");
        assert!(overshoot_s <= 15, "{overshoot_s}");
    }

    #[test]
    fn looks_grow_with_the_logarithm_of_the_wait() {
        let (hour, _) = looks(CONTROL_PLANE, 3_600);
        let (four_hours, _) = looks(CONTROL_PLANE, 4 * 3_600);
        // Four times the wait adds ln 4 / ln (1 + 1/40) looks, however long it was.
        assert!(four_hours - hour <= 60, "{hour} {four_hours}");
        assert!(looks(CONTROL_PLANE, 86_400).0 <= 300);
    }

    fn add_on() -> StepKind {
        let version = |text: &str| text.parse().unwrap();
        StepKind::AddOn { name: "coredns".into(), from: version("v1.1.0"), to: version("v1.2.0") }
    }

    #[test]
    fn few_samples_say_nothing() {
        let mut learned = Learned::default();
        for _ in 1..SAMPLES_MIN {
            learned.learn(&add_on(), 30);
        }
        assert_eq!(learned.span(&add_on()), Span::of(&add_on()));
    }

    #[test]
    fn what_was_seen_replaces_the_guess_for_its_kind_alone() {
        let mut learned = Learned::default();
        for took_s in 1..=100 {
            learned.learn(&add_on(), took_s);
        }
        let span = learned.span(&add_on());
        assert!((4..=6).contains(&span.early_s) && (49..=51).contains(&span.typical_s), "{span:?}");
        assert!((94..=96).contains(&span.p95_s), "{span:?}");
        let StepKind::AddOn { from, to, .. } = add_on() else { unreachable!() };
        let other = StepKind::AddOn { name: "vpc-cni".into(), from, to };
        assert_eq!(learned.span(&other), Span::of(&other));
    }

    #[test]
    fn old_samples_are_forgotten_and_outliers_bounded() {
        let mut learned = Learned::default();
        for took_s in [90_000; SAMPLES_MAX] {
            learned.learn(&add_on(), took_s);
        }
        assert_eq!(learned.span(&add_on()).p95_s, ADD_ON.late_s, "no window would hold it else");
        for took_s in [60; SAMPLES_MAX] {
            learned.learn(&add_on(), took_s);
        }
        assert_eq!(learned.span(&add_on()).p95_s, 60);
    }
}
