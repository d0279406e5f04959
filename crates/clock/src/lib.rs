//! The one clock: what time it is, for every process of a deployment.
//!
//! On AWS it is the system clock. On the local stack, where waits are scaled, one anchor and one speed are
//! handed to every process through [`ENV`], so that elapsed times, deadlines and timestamps mean the same
//! to the functions, to the simulator of EKS and to the person who watches. No decision lives here, and the
//! core crate never reads it: `now` is an argument there.

use jiff::Timestamp;

/// Environment variable that holds a scaled clock, e.g. `2026-11-23T06:10:00Z=2026-08-18T09:15:00Z*120`:
/// the real instant of the anchor, the instant the scaled clock showed then, and how many of its seconds
/// pass in a real one. Unset or empty: the system clock.
pub const ENV: &str = "EKS_UPGRADE_CLOCK";

/// Bounds of [`Clock::speed`]. Beyond 10,000 a network round trip is longer than a node group update.
const SPEED_RANGE: std::ops::RangeInclusive<f64> = 0.001..=10_000.0;

/// A source of `now`: real, or real time stretched about an anchor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    real_anchor: Timestamp,
    shown_at_anchor: Timestamp,
    speed: f64,
}

/// Why the text of a scaled clock was refused.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// Not of the form `REAL=SHOWN*SPEED`.
    #[error(
        "a scaled clock reads REAL=SHOWN*SPEED, e.g. 2026-11-23T06:10:00Z=2026-08-18T09:15:00Z*120, not {0:?}"
    )]
    Form(String),
    /// One of its two instants is none.
    #[error("{text:?} in the scaled clock is not an instant: {source}")]
    Instant {
        /// What stood there.
        text: String,
        /// What the parser said.
        source: jiff::Error,
    },
    /// A speed out of bounds.
    #[error("the speed of a scaled clock is 0.001 to 10000, not {0:?}")]
    Speed(String),
}

impl Clock {
    /// The system clock.
    #[must_use]
    pub fn system() -> Self {
        let epoch = Timestamp::UNIX_EPOCH;
        Self { real_anchor: epoch, shown_at_anchor: epoch, speed: 1.0 }
    }

    /// The clock of this process's environment ([`ENV`]).
    pub fn from_env() -> Result<Self, ClockError> {
        match std::env::var(ENV) {
            Ok(text) if !text.trim().is_empty() => text.trim().parse(),
            _ => Ok(Self::system()),
        }
    }

    /// A clock that shows `shown` now and runs `speed` times as fast as the system clock.
    pub fn starting_at(shown: Timestamp, speed: f64) -> Result<Self, ClockError> {
        if !SPEED_RANGE.contains(&speed) {
            return Err(ClockError::Speed(speed.to_string()));
        }
        Ok(Self { real_anchor: Timestamp::now(), shown_at_anchor: shown, speed })
    }

    /// How many of its seconds pass in a real one; 1 on AWS.
    #[must_use]
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// What it shows now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.at(Timestamp::now())
    }

    /// What it shows at the `real` instant. Saturates at the ends of the representable range.
    #[must_use]
    pub fn at(&self, real: Timestamp) -> Timestamp {
        let since_anchor = real.duration_since(self.real_anchor).as_secs_f64() * self.speed;
        jiff::SignedDuration::try_from_secs_f64(since_anchor)
            .ok()
            .and_then(|passed| self.shown_at_anchor.checked_add(passed).ok())
            .unwrap_or(Timestamp::MAX)
    }
}

impl std::str::FromStr for Clock {
    type Err = ClockError;

    fn from_str(text: &str) -> Result<Self, ClockError> {
        let form = || ClockError::Form(text.to_owned());
        let (real, rest) = text.split_once('=').ok_or_else(form)?;
        let (shown, speed_text) = rest.split_once('*').ok_or_else(form)?;
        let instant = |text: &str| {
            text.parse::<Timestamp>().map_err(|source| ClockError::Instant { text: text.to_owned(), source })
        };
        let speed = speed_text
            .parse::<f64>()
            .ok()
            .filter(|speed| SPEED_RANGE.contains(speed))
            .ok_or_else(|| ClockError::Speed(speed_text.to_owned()))?;
        Ok(Self { real_anchor: instant(real)?, shown_at_anchor: instant(shown)?, speed })
    }
}

impl std::fmt::Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}*{}", self.real_anchor, self.shown_at_anchor, self.speed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaled_time_runs_from_the_anchor() {
        let clock: Clock = "2026-11-23T06:00:00Z=2026-08-18T09:00:00Z*120".parse().unwrap();
        let real: Timestamp = "2026-11-23T06:00:10Z".parse().unwrap();
        assert_eq!(clock.at(real).to_string(), "2026-08-18T09:20:00Z");
        assert_eq!(clock.to_string().parse::<Clock>().unwrap(), clock);
    }

    #[test]
    fn the_system_clock_shows_real_time() {
        let real: Timestamp = "2026-11-23T06:00:10Z".parse().unwrap();
        assert_eq!(Clock::system().at(real), real);
    }

    #[test]
    fn nonsense_is_refused_in_words() {
        for text in ["", "now", "a=b*1", "2026-11-23T06:00:00Z=2026-08-18T09:00:00Z*0"] {
            assert!(text.parse::<Clock>().is_err(), "{text:?} was accepted");
        }
    }
}
