//! When failures in a ring stop a campaign.

/// How the clusters of a ring, or of a wave, fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All of them, those not begun too.
    pub size: usize,
    /// Upgraded.
    pub completed: usize,
    /// Harmed: touched and not completed, or gone bad afterwards.
    pub failed: usize,
    /// Turned away, or stopped before any call.
    pub untouched: usize,
}

/// In a ring of up to this many clusters, one failure stops.
pub const SMALL_RING: usize = 10;
/// In a larger one, failures in more than this share of it do, in percent.
pub const TOLERATED_PERCENT: usize = 2;

impl Tally {
    /// Whether every cluster that was touched was harmed. Then the version is at fault, and one harmed cluster is
    /// enough to know it, however large the ring.
    #[must_use]
    pub fn none_came_through(self) -> bool {
        self.failed > 0 && self.completed == 0
    }

    /// Whether nothing further of this ring, or of a later one, may begin.
    #[must_use]
    pub fn stops(self) -> bool {
        let too_many = if self.size <= SMALL_RING {
            self.failed > 0
        } else {
            self.failed * 100 > self.size * TOLERATED_PERCENT
        };
        too_many || self.none_came_through()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops(size: usize, failed: usize) -> bool {
        Tally { size, failed, completed: size - failed, untouched: 0 }.stops()
    }

    #[test]
    fn one_failure_stops_a_small_ring_and_more_than_two_percent_a_larger_one() {
        for (size, tolerated) in [(2, 0), (10, 0), (11, 0), (49, 0), (50, 1), (100, 2), (101, 2), (150, 3)] {
            assert!(!stops(size, tolerated), "{tolerated} of {size}");
            assert!(stops(size, tolerated + 1), "{} of {size}", tolerated + 1);
        }
    }

    #[test]
    fn nothing_but_failures_stops_a_ring_of_any_size() {
        let first = Tally { size: 10_000, failed: 1, ..Tally::default() };
        assert!(first.stops());
        assert!(!Tally { completed: 1, ..first }.stops());
        assert!(!Tally { size: 5, untouched: 5, ..Tally::default() }.stops());
    }
}
