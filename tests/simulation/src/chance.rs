//! Chance with a seed: the same seed gives the same choices, everywhere and always.

/// A stream of choices.
#[derive(Clone, Debug)]
pub struct Chance(fastrand::Rng);

impl Chance {
    /// The stream of this seed. `part` keeps the streams of one seed apart.
    #[must_use]
    pub fn new(seed: u64, part: u64) -> Self {
        // Seeds that follow each other must not give streams that do.
        Self(fastrand::Rng::with_seed(fastrand::Rng::with_seed(seed).u64(..) ^ part.rotate_left(32)))
    }

    /// True so often in a hundred.
    pub fn percent(&mut self, share: u32) -> bool {
        self.0.u32(0..100) < share
    }

    /// True so often in ten thousand.
    pub fn rarely(&mut self, share: u32) -> bool {
        share > 0 && self.0.u32(0..10_000) < share
    }

    /// One of these numbers, bounds included.
    pub fn between(&mut self, low: u32, high: u32) -> u32 {
        self.0.u32(low..=high)
    }

    /// One of these; there must be one.
    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.0.usize(0..from.len())].clone()
    }

    /// In another order.
    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        self.0.shuffle(all);
    }
}
