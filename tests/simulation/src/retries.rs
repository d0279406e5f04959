//! The SDK's standard retries of calls that were throttled, as the crate `aws-smithy-runtime` has them: three tries, with
//! pauses of at most one second and two, as long as a budget lasts that what works at once fills again.
//!
//! The SDK itself would do. But it keeps the budget in the process, where it outlives a simulation and is shared with
//! those of other threads, and gives it back nothing for what is looked up in a phrasebook. A test of the bench lets
//! both do the same.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_async::rt::sleep::AsyncSleep;

use crate::alarms::Alarms;

/// How often a call is made at most.
const TRIES: u32 = 3;
/// What the budget holds.
pub(crate) const BUDGET: u32 = 500;
/// What a further try costs of it.
const COST: u32 = 5;

/// The retries of one function's clients. Their clones have one budget.
#[derive(Clone, Debug)]
pub struct Retries {
    alarms: Alarms,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    left: u32,
    /// Whether the cost of the latest further try comes back when something works.
    held: bool,
    chance: fastrand::Rng,
}

impl Retries {
    /// With a full budget, and pauses that are drawn from this seed and slept by these alarms.
    #[must_use]
    pub fn new(alarms: Alarms, seed: u64) -> Self {
        let chance = fastrand::Rng::with_seed(seed);
        Self { alarms, state: Arc::new(Mutex::new(State { left: BUDGET, held: false, chance })) }
    }

    /// A call worked.
    pub(crate) fn worked(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let back = if std::mem::take(&mut state.held) { COST } else { 1 };
        state.left = (state.left + back).min(BUDGET);
    }

    /// Pauses after a call was throttled for the time of this number, from 1; false where it is to be left at that.
    pub(crate) async fn pause(&self, times: u32) -> bool {
        let Some(pause) = self.next(times) else { return false };
        self.alarms.sleep(pause).await;
        true
    }

    fn next(&self, times: u32) -> Option<Duration> {
        if times >= TRIES {
            return None;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let longest_s = f64::from(1_u32 << (times - 1));
        let pause = Duration::from_secs_f64(state.chance.f64() * longest_s);
        // A cost that is held when there is another is lost.
        state.left = state.left.checked_sub(COST)?;
        state.held = true;
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use eks_upgrade_support::VirtualClock;
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn the_budget_ends_and_what_works_fills_it() {
        let retries = Retries::new(Alarms::new(VirtualClock::starting_at(Timestamp::UNIX_EPOCH)), 1);
        assert!(retries.next(1).is_some_and(|pause| pause < Duration::from_secs(1)));
        assert!(retries.next(2).is_some_and(|pause| pause < Duration::from_secs(2)));
        assert_eq!(retries.next(3), None);
        assert!((2..100).all(|_| retries.next(1).is_some()));
        assert_eq!(retries.next(1), None);
        retries.worked();
        assert!(retries.next(1).is_some());
        retries.worked();
        (0..4).for_each(|_| retries.worked());
        assert_eq!((retries.next(1).is_some(), retries.next(1)), (true, None));
    }
}
