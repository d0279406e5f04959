//! Waits: never shorter than a second, and their number grows with the logarithm of what is waited for.

use eks_upgrade_core::plan::StepKind;
use eks_upgrade_core::policy::NodeStrategy;
use eks_upgrade_core::waits::{Span, UNKNOWN, later, seconds_between};
use jiff::Timestamp;
use proptest::prelude::*;

use crate::given::{minor, version};

fn span() -> impl Strategy<Value = Span> {
    prop_oneof![
        Just(Span::of(&StepKind::ControlPlane { from: minor(34), to: minor(35) })),
        Just(Span::of(&StepKind::AddOn { name: "coredns".into(), from: version(1), to: version(2) })),
        Just(UNKNOWN),
        Just(Span::of(&StepKind::Verify)),
        (any::<u32>(), any::<u32>()).prop_map(|(size, max_unavailable)| {
            Span::of(&StepKind::NodeGroup {
                name: "a".into(),
                from: minor(34),
                to: minor(35),
                strategy: NodeStrategy::Rolling,
                launch_template: None,
                custom_ami: false,
                size,
                max_unavailable,
            })
        }),
    ]
}

fn looks(span: Span, lasts_s: u32) -> u32 {
    let start = Timestamp::UNIX_EPOCH;
    let (mut at_s, mut count) = (0_u32, 0);
    while at_s < lasts_s {
        at_s = at_s.saturating_add(span.pause_s(start, later(start, at_s)));
        count += 1;
    }
    count
}

proptest! {
    #[test]
    fn a_pause_is_never_nothing(span in span(), since: i32, now: i32) {
        let at = |seconds: i32| Timestamp::from_second(i64::from(seconds)).unwrap();
        prop_assert!(span.pause_s(at(since), at(now)) >= 1);
    }

    #[test]
    fn a_look_is_late_by_a_small_share_of_the_wait(span in span(), lasts_s in 1..40_000_u32) {
        let start = Timestamp::UNIX_EPOCH;
        let mut at_s = 0;
        while at_s < lasts_s {
            at_s += span.pause_s(start, later(start, at_s));
        }
        // Before the usual time a pause is at most a third of the time elapsed; the shortest is nine seconds.
        prop_assert!(at_s - lasts_s <= span.early_s.max(lasts_s / 3 + 9), "{} s late", at_s - lasts_s);
    }

    /// Next to its usual time a control plane is looked at every nine seconds, which takes 18 looks; else a pause is one
    /// part in 25 of the time elapsed, or more: twice as long takes ln 2 / ln (1 + 1/25) = 18 more looks of these.
    #[test]
    fn twice_the_wait_takes_a_bounded_number_of_further_looks(span in span(), lasts_s in 400..12_000_u32) {
        prop_assert!(looks(span, 2 * lasts_s) <= looks(span, lasts_s) + 18 + 18);
    }

    #[test]
    fn time_never_runs_backwards_or_over(at: i32, seconds: u32) {
        let at = Timestamp::from_second(i64::from(at)).unwrap();
        prop_assert_eq!(seconds_between(at, later(at, seconds)), seconds);
        prop_assert_eq!(seconds_between(later(at, seconds), at), 0);
    }
}
