//! Seeded random numbers: small, fast, the same on every machine.

/// `SplitMix64`. Each cluster has its own, seeded by the fleet's seed and its name, so that what happens to
/// one cluster does not depend on the order in which requests to others arrive.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// One for `name` in a world of that seed.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        // FNV-1a: enough to keep names apart.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        Self(seed ^ hash)
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included; `low` when they are the wrong way round.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high.saturating_sub(low)).unwrap_or(0).saturating_add(1);
        low.saturating_add(i64::try_from(self.next() % span).unwrap_or(0))
    }

    /// Puts the items in a random order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            let pick = self.next() % (end as u64 + 1);
            items.swap(end, usize::try_from(pick).unwrap_or(end));
        }
    }

    /// A version 4 UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            (b >> 48) & 0x3fff | 0x8000,
            b & 0xffff_ffff_ffff
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_name_others() {
        let draw = |seed, name| {
            let mut rng = Rng::new(seed, name);
            (rng.uuid(), rng.between(8, 20))
        };
        assert_eq!(draw(7, "prod-a"), draw(7, "prod-a"));
        assert_ne!(draw(7, "prod-a").0, draw(7, "prod-b").0);
        assert_ne!(draw(7, "prod-a").0, draw(8, "prod-a").0);
    }

    #[test]
    fn between_keeps_its_bounds() {
        let mut rng = Rng::new(1, "x");
        let drawn: Vec<i64> = (0..1000).map(|_| rng.between(3, 5)).collect();
        assert!(drawn.iter().all(|n| (3..=5).contains(n)) && drawn.contains(&3) && drawn.contains(&5));
        assert_eq!(rng.between(4, 2), 4);
    }
}
