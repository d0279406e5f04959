//! How many calls EKS takes of one account: a token bucket on the virtual clock.

use std::sync::{Mutex, MutexGuard, PoisonError};

use eks_upgrade_sim::Response;
use jiff::Timestamp;

/// The bucket, and everything that was asked of it. Without a limit it only counts.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<State>);

/// What an account may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Calls a second, in the long run.
    pub a_second: u32,
    /// Calls at once, after a rest.
    pub at_once: u32,
}

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// When, in seconds since 1970.
    pub at_s: i64,
    /// Whether it was taken, and not throttled.
    pub taken: bool,
}

#[derive(Debug, Default)]
struct State {
    limit: Option<Limit>,
    /// Thousandths of calls that are left, and since which millisecond; the bucket is full before the first.
    left: Option<(i64, u64)>,
    asked: Vec<Asked>,
}

impl Throttle {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the account may ask no more than this; the bucket is full.
    pub fn limit(&self, limit: Limit) {
        let mut state = self.state();
        (state.limit, state.left) = (Some(limit), None);
    }

    /// Every try of a call so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    /// One call more; whether it is taken. What is refused costs nothing.
    pub fn takes(&self, at: Timestamp) -> bool {
        let now_ms = at.as_millisecond();
        let mut state = self.state();
        let taken = state.limit.is_none_or(|limit| {
            let brim = 1_000 * u64::from(limit.at_once);
            let (since_ms, left) = state.left.unwrap_or((now_ms, brim));
            let passed_ms = u64::try_from(now_ms - since_ms).unwrap_or(0);
            // So many calls a second are as many thousandths a millisecond.
            let left = left.saturating_add(passed_ms.saturating_mul(limit.a_second.into())).min(brim);
            let taken = left >= 1_000;
            state.left = Some((now_ms, if taken { left - 1_000 } else { left }));
            taken
        });
        state.asked.push(Asked { at_s: at.as_second(), taken });
        taken
    }
}

/// The status of [`refusal`].
pub(crate) const STATUS: u16 = 429;

/// What EKS says to a call too many.
pub(crate) fn refusal() -> Response {
    Response {
        status: STATUS,
        headers: vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("x-amzn-errortype".to_owned(), "ThrottlingException".to_owned()),
        ],
        body: r#"{"message":"Rate exceeded"}"#.to_owned(),
        hold_s: 0.0,
        dropped: false,
        record: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_fills_with_time_and_no_further_than_its_brim() {
        let throttle = Throttle::default();
        throttle.limit(Limit { a_second: 2, at_once: 3 });
        let takes = |at_s, times| {
            let at = Timestamp::from_second(at_s).unwrap();
            (0..times).filter(|_| throttle.takes(at)).count()
        };
        assert_eq!([takes(0, 5), takes(1, 5), takes(1, 1), takes(60, 5)], [3, 2, 0, 3]);
        let half_later = Timestamp::from_millisecond(60_500).unwrap();
        assert_eq!([throttle.takes(half_later), throttle.takes(half_later)], [true, false]);
        assert_eq!(throttle.asked().iter().filter(|asked| !asked.taken).count(), 2 + 3 + 1 + 2 + 1);
    }

    #[test]
    fn without_a_limit_it_only_counts() {
        let throttle = Throttle::default();
        assert!((0..1_000).all(|_| throttle.takes(Timestamp::UNIX_EPOCH)));
        assert_eq!(throttle.asked().len(), 1_000);
    }
}
