//! Figures of many waits.

use serde::Serialize;

use crate::wait::Waited;

/// Where figures lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Half are below.
    pub median: f64,
    /// Their mean.
    pub mean: f64,
    /// 99 in 100 are below.
    pub p99: f64,
}

impl Spread {
    /// Of these figures; `None` where there are none.
    #[must_use]
    pub fn of(mut figures: Vec<f64>) -> Option<Self> {
        figures.sort_unstable_by(f64::total_cmp);
        let at = |percent: usize| figures.get(figures.len().checked_sub(1)? * percent / 100).copied();
        let count = f64::from(u32::try_from(figures.len()).ok()?);
        let mean = figures.iter().sum::<f64>() / count;
        Some(Self { median: at(50)?, mean, p99: at(99)? })
    }
}

/// How a rule does on many waits of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// How long the ends were not known, in seconds; of the waits that saw one.
    pub overshoot_s: Option<Spread>,
    /// The same in hundredths of each update's duration.
    pub overshoot_percent: Option<Spread>,
    /// Calls a wait, whether it saw an end or not.
    pub calls: Spread,
    /// Of 100 waits, how many were given up although the update succeeded.
    pub gave_up_percent: f64,
}

impl Figures {
    /// Of these waits; `None` where there are none.
    #[must_use]
    pub fn of(waits: &[Waited]) -> Option<Self> {
        let calls = Spread::of(waits.iter().map(|waited| f64::from(waited.calls)).collect())?;
        let gave_up = waits.iter().map(|waited| if waited.known_s.is_none() { 100.0 } else { 0.0 }).collect();
        Some(Self {
            overshoot_s: Spread::of(waits.iter().filter_map(Waited::overshoot_s).collect()),
            overshoot_percent: Spread::of(waits.iter().filter_map(Waited::overshoot_percent).collect()),
            calls,
            gave_up_percent: Spread::of(gave_up)?.mean,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_has_no_figures() {
        assert_eq!(Spread::of(Vec::new()), None);
        assert_eq!(Figures::of(&[]), None);
    }

    #[test]
    fn what_was_given_up_counts_as_calls_and_not_as_overshoot() {
        let waits = [
            Waited { lasted_s: 100.0, calls: 4, known_s: Some(110.0) },
            Waited { lasted_s: 100.0, calls: 9, known_s: None },
        ];
        let figures = Figures::of(&waits).unwrap();
        assert_eq!(figures.overshoot_percent.unwrap(), Spread { median: 10.0, mean: 10.0, p99: 10.0 });
        assert!((figures.calls.mean - 6.5).abs() < 1e-9 && (figures.gave_up_percent - 50.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn figures_lie_between_the_least_and_the_most(
            figures in proptest::collection::vec(-1e6..1e6_f64, 1..200)
        ) {
            let (least, most) = figures.iter().fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(*x), b.max(*x)));
            let spread = Spread::of(figures).unwrap();
            prop_assert!(least <= spread.median && spread.median <= spread.p99 && spread.p99 <= most);
            prop_assert!(least - 1e-6 <= spread.mean && spread.mean <= most + 1e-6);
        }
    }
}
