//! A clock that moves only when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use eks_upgrade_pipeline::ports::{Pauses, Time};
use jiff::Timestamp;

/// The clock, in milliseconds since 1970; its clones show the same time.
#[derive(Clone, Debug)]
pub struct VirtualClock(Arc<AtomicI64>);

impl VirtualClock {
    /// A clock that shows `at`.
    #[must_use]
    pub fn starting_at(at: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(at.as_second() * 1_000)))
    }

    /// Moves it on.
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000, Ordering::Relaxed);
    }

    /// Moves it on until it shows this; never back.
    pub fn reach(&self, at_ms: i64) {
        self.0.fetch_max(at_ms, Ordering::Relaxed);
    }
}

impl Time for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

impl Pauses for VirtualClock {
    async fn pause(&self, seconds: u32) {
        self.advance(i64::from(seconds));
    }
}
