//! One wait: when its end is known, and what that took.

/// What a wait came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Waited {
    /// How long the update took, in seconds.
    pub lasted_s: f64,
    /// How many calls were made.
    pub calls: u32,
    /// When the end was known, in seconds after the beginning; `None` where the rule gave up before.
    pub known_s: Option<f64>,
}

impl Waited {
    /// How long the end was not known, in seconds.
    #[must_use]
    pub fn overshoot_s(&self) -> Option<f64> {
        self.known_s.map(|known_s| known_s - self.lasted_s)
    }

    /// The same in hundredths of the update's duration.
    #[must_use]
    pub fn overshoot_percent(&self) -> Option<f64> {
        self.overshoot_s().map(|overshoot_s| 100.0 * overshoot_s / self.lasted_s)
    }
}

/// Looks until an update that takes `lasted_s` is seen to be over.
pub fn wait(looks: impl Iterator<Item = f64>, lasted_s: f64) -> Waited {
    let mut calls = 0_u32;
    for at_s in looks {
        calls = calls.saturating_add(1);
        if at_s >= lasted_s {
            return Waited { lasted_s, calls, known_s: Some(at_s) };
        }
    }
    Waited { lasted_s, calls, known_s: None }
}

#[cfg(test)]
mod tests {
    use eks_upgrade_core::waits::Span;
    use proptest::prelude::*;

    use super::*;
    use crate::durations::{Kind, Steps};
    use crate::ours;
    use crate::peers::Peer;

    #[test]
    fn the_first_look_after_the_end_is_when_it_is_known() {
        let waited = wait([10.0, 20.0, 30.0].into_iter(), 20.5);
        assert_eq!(waited, Waited { lasted_s: 20.5, calls: 3, known_s: Some(30.0) });
        assert_eq!(waited.overshoot_s(), Some(9.5));
    }

    #[test]
    fn a_rule_that_gave_up_knows_nothing() {
        let waited = wait([10.0, 20.0].into_iter(), 20.5);
        assert_eq!((waited.calls, waited.known_s, waited.overshoot_s()), (2, None, None));
    }

    fn kind() -> impl Strategy<Value = Kind> {
        prop_oneof![
            Just(Kind::ControlPlane),
            Just(Kind::AddOn),
            (1..40_u32).prop_map(|nodes| Kind::NodeGroup { nodes })
        ]
    }

    fn span(kind: Kind) -> Span {
        Span::of(&Steps::new().unwrap().of(kind))
    }

    fn waits(kind: Kind, lasted_s: f64, seed: u64) -> Vec<Waited> {
        let span = span(kind);
        let by_peer =
            |peer: Peer| wait(peer.schedule(kind).looks(&mut fastrand::Rng::with_seed(seed)), lasted_s);
        Peer::ALL.into_iter().map(by_peer).chain([wait(ours::looks(span), lasted_s)]).collect()
    }

    proptest! {
        #[test]
        fn an_end_is_never_known_before_it(kind in kind(), lasted_s in 1.0..10_000.0_f64, seed: u64) {
            for waited in waits(kind, lasted_s, seed) {
                prop_assert!(waited.overshoot_s().is_none_or(|overshoot_s| overshoot_s >= 0.0));
                prop_assert!(waited.calls >= 1);
            }
        }

        #[test]
        fn a_longer_update_takes_no_fewer_calls(
            kind in kind(), lasted_s in 1.0..5_000.0_f64, more_s in 0.0..5_000.0_f64, seed: u64,
        ) {
            let longer = waits(kind, lasted_s + more_s, seed);
            for (short, long) in waits(kind, lasted_s, seed).into_iter().zip(longer) {
                prop_assert!(short.calls <= long.calls, "{short:?} {long:?}");
                prop_assert!(short.known_s.is_some() || long.known_s.is_none());
            }
        }

        #[test]
        fn ours_never_gives_up(kind in kind(), lasted_s in 1.0..100_000.0_f64) {
            prop_assert!(wait(ours::looks(span(kind)), lasted_s).known_s.is_some());
        }
    }
}
