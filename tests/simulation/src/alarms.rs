//! Sleep on the virtual clock, as the SDK asks for it between its tries.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use eks_upgrade_pipeline::ports::Time;
use eks_upgrade_support::VirtualClock;

/// The alarms of all that sleep. Sleeping moves no clock: whoever moves it on has to ring them.
#[derive(Clone, Debug)]
pub struct Alarms {
    clock: VirtualClock,
    set: Arc<Mutex<Set>>,
}

#[derive(Debug, Default)]
struct Set {
    count: u64,
    /// By the millisecond at which they ring, and by their age.
    wakers: BTreeMap<(i64, u64), Waker>,
}

impl Alarms {
    /// None yet, by this clock.
    #[must_use]
    pub fn new(clock: VirtualClock) -> Self {
        Self { clock, set: Arc::default() }
    }

    fn set(&self) -> MutexGuard<'_, Set> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The millisecond at which the next one rings.
    #[must_use]
    pub fn next_ms(&self) -> Option<i64> {
        self.set().wakers.first_key_value().map(|((at_ms, _), _)| *at_ms)
    }

    /// Rings all whose time has come.
    pub fn ring(&self) {
        let now_ms = self.clock.now().as_millisecond();
        let due = {
            let mut set = self.set();
            let later = set.wakers.split_off(&(now_ms + 1, 0));
            std::mem::replace(&mut set.wakers, later)
        };
        due.into_values().for_each(Waker::wake);
    }
}

impl AsyncSleep for Alarms {
    fn sleep(&self, duration: Duration) -> Sleep {
        let alarms = self.clone();
        let lasts_ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let mut until_ms = None;
        // Nobody sleeps before somebody waits for it.
        Sleep::new(std::future::poll_fn(move |context| {
            let now_ms = alarms.clock.now().as_millisecond();
            let until_ms = *until_ms.get_or_insert(now_ms.saturating_add(lasts_ms));
            if now_ms >= until_ms {
                return Poll::Ready(());
            }
            let mut set = alarms.set();
            let age = set.count;
            set.count += 1;
            set.wakers.insert((until_ms, age), context.waker().clone());
            Poll::Pending
        }))
    }
}
