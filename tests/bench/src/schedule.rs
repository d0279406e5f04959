//! When a rule looks: the shapes that the rules of all tools here have.

/// When a rule looks, in seconds after the update began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// At `first_s` and then every `every_s`, and never more than `looks` times.
    Every {
        /// When it looks first.
        first_s: u32,
        /// The pause between looks.
        every_s: u32,
        /// After how many it gives up.
        looks: u32,
    },
    /// At once; then after `least_s`, and after pauses that double up to `most_s`. Every pause but the shortest is drawn
    /// evenly between `least_s` and that. It ends with `timeout_s`: the last look comes `least_s` before it.
    Jittered {
        /// The shortest pause.
        least_s: u32,
        /// The longest pause.
        most_s: u32,
        /// When it gives up.
        timeout_s: u32,
    },
    /// At once; then after pauses that double from 0.2 s up to 10 s, until `timeout_s`.
    Doubling {
        /// When it gives up.
        timeout_s: u32,
    },
}

/// The first pause of [`Schedule::Doubling`], and its longest.
const DOUBLING_S: (f64, f64) = (0.2, 10.0);

/// What is left when time is up: clocks are no finer.
const INSTANT_S: f64 = 0.001;

impl Schedule {
    /// The times at which it looks, in seconds; they end when it gives up.
    pub fn looks(self, rng: &mut fastrand::Rng) -> impl Iterator<Item = f64> {
        let mut at_s: Option<f64> = None;
        (0_u32..).map_while(move |made| {
            at_s = match at_s {
                None => Some(self.first_s()),
                Some(at_s) => self.after(at_s, made, rng),
            };
            at_s
        })
    }

    /// The same without giving up.
    #[must_use]
    pub fn without_end(self) -> Self {
        match self {
            Self::Every { first_s, every_s, .. } => Self::Every { first_s, every_s, looks: u32::MAX },
            Self::Jittered { least_s, most_s, .. } => Self::Jittered { least_s, most_s, timeout_s: u32::MAX },
            Self::Doubling { .. } => Self::Doubling { timeout_s: u32::MAX },
        }
    }

    fn first_s(self) -> f64 {
        match self {
            Self::Every { first_s, .. } => f64::from(first_s),
            Self::Jittered { .. } | Self::Doubling { .. } => 0.0,
        }
    }

    /// The look after the one at `at_s`, when `made` were made.
    fn after(self, at_s: f64, made: u32, rng: &mut fastrand::Rng) -> Option<f64> {
        match self {
            Self::Every { every_s, looks, .. } => (made < looks).then_some(at_s + f64::from(every_s)),
            Self::Jittered { least_s, most_s, timeout_s } => {
                let left_s = f64::from(timeout_s) - at_s;
                let least = f64::from(least_s);
                if left_s - least < INSTANT_S {
                    return None;
                }
                let widest = f64::from(widest_s(least_s, most_s, made));
                let pause_s = least + rng.f64() * (widest - least);
                Some(at_s + pause_s.min(left_s - least))
            }
            Self::Doubling { timeout_s } => {
                let (first_s, longest_s) = DOUBLING_S;
                // Past this the pause is at its longest anyway.
                let doublings = i32::try_from(made.min(10)).unwrap_or(10) - 1;
                let at_s = at_s + (first_s * 2_f64.powi(doublings)).min(longest_s);
                (at_s <= f64::from(timeout_s)).then_some(at_s)
            }
        }
    }
}

/// The widest that the pause after look number `made` may be: as often doubled as whole doublings fit between the
/// shortest and the longest, and then the longest.
fn widest_s(least_s: u32, most_s: u32, made: u32) -> u32 {
    let ceiling = (most_s / least_s.max(1)).max(1).ilog2() + 1;
    if made > ceiling { most_s } else { least_s << (made - 1) }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these times are sums of whole seconds")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn first(schedule: Schedule, count: usize) -> Vec<f64> {
        schedule.looks(&mut fastrand::Rng::with_seed(1)).take(count).collect()
    }

    #[test]
    fn every_starts_when_it_says_and_gives_up_after_its_looks() {
        let schedule = Schedule::Every { first_s: 30, every_s: 35, looks: 4 };
        assert_eq!(first(schedule, 9), [30.0, 65.0, 100.0, 135.0]);
    }

    #[test]
    fn doubling_pauses_reach_ten_seconds_and_stay_there() {
        let at_s: Vec<String> =
            first(Schedule::Doubling { timeout_s: 40 }, 99).iter().map(|at_s| format!("{at_s:.1}")).collect();
        // 0.2, 0.4, 0.8, 1.6, 3.2 and 6.4 s, and 10 s from then on.
        assert_eq!(at_s, ["0.0", "0.2", "0.6", "1.4", "3.0", "6.2", "12.6", "22.6", "32.6"]);
    }

    #[test]
    fn jittered_pauses_stay_within_what_has_doubled_so_far() {
        let at_s = first(Schedule::Jittered { least_s: 30, most_s: 120, timeout_s: 3_900 }, 40);
        assert_eq!(at_s[..2], [0.0, 30.0]);
        let pauses: Vec<f64> = at_s.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!((30.0..60.0).contains(&pauses[1]), "{pauses:?}");
        assert!(pauses[2..].iter().all(|pause| (30.0..120.0).contains(pause)), "{pauses:?}");
        assert!(pauses.iter().any(|pause| *pause > 90.0), "{pauses:?}");
    }

    #[test]
    fn whole_doublings_count() {
        let widest = |made| widest_s(10, 120, made);
        // log2(12) is 3.6: three doublings, then the longest.
        assert_eq!([1, 2, 3, 4, 5, 6].map(widest), [10, 20, 40, 80, 120, 120]);
    }

    #[test]
    fn a_jittered_rule_looks_once_more_before_its_time_is_up() {
        let at_s = first(Schedule::Jittered { least_s: 30, most_s: 120, timeout_s: 600 }, 99);
        assert!((at_s.last().unwrap() - 570.0).abs() < 0.01, "{at_s:?}");
    }

    #[test]
    fn without_end_it_looks_at_the_same_times_and_further() {
        for schedule in
            [Schedule::Every { first_s: 30, every_s: 35, looks: 10 }, Schedule::Doubling { timeout_s: 100 }]
        {
            let looks = first(schedule, 99);
            assert_eq!(first(schedule.without_end(), 99)[..looks.len()], looks);
            assert_eq!(first(schedule.without_end(), 99).len(), 99);
        }
        let endless = Schedule::Jittered { least_s: 30, most_s: 120, timeout_s: 60 }.without_end();
        assert_eq!(first(endless, 999).len(), 999);
    }

    fn schedule() -> impl Strategy<Value = Schedule> {
        prop_oneof![
            (0..100_u32, 1..100_u32, 1..100_u32).prop_map(|(first_s, every_s, looks)| Schedule::Every {
                first_s,
                every_s,
                looks
            }),
            (1..60_u32, 0..200_u32, 0..5_000_u32).prop_map(|(least_s, more_s, timeout_s)| {
                Schedule::Jittered { least_s, most_s: least_s + more_s, timeout_s }
            }),
            (0..5_000_u32).prop_map(|timeout_s| Schedule::Doubling { timeout_s }),
        ]
    }

    proptest! {
        #[test]
        fn looks_go_on_in_time_and_end(schedule in schedule(), seed: u64) {
            let looks: Vec<f64> = schedule.looks(&mut fastrand::Rng::with_seed(seed)).take(20_000).collect();
            prop_assert!(looks.len() < 20_000);
            prop_assert!(looks[0] >= 0.0 && looks.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
