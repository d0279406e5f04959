//! The windows and freezes of one cluster together: whether work may start, or else when.

use std::iter::Peekable;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Window;
use super::freeze::{Freeze, Work};

/// How far ahead openings are looked for: five years, with a leap day to spare.
const LOOK_AHEAD: SignedDuration = SignedDuration::from_hours(24 * (5 * 365 + 2));
/// An opening that does not close within so long counts as one that never does.
const ENDLESS: SignedDuration = SignedDuration::from_hours(24 * 366);
/// From when [`Schedule::longest`] looks: any five years do, and those from 2024 on hold two leap years.
const SAMPLE: Timestamp = Timestamp::constant(1_704_067_200, 0);

/// When work on one cluster may start. Without windows, whenever no freeze is on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Schedule {
    /// The windows; where they overlap or touch, they make one longer opening. None: always open.
    pub windows: Vec<Window>,
    /// The freezes, which close what the windows open.
    pub freezes: Vec<Freeze>,
}

/// Whether work may start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may, now.
    Open {
        /// When the opening closes; `None` when it stays open for a year or longer.
        until: Option<Timestamp>,
    },
    /// It may, later.
    Closed {
        /// The first instant after now at which it may start.
        opens: Timestamp,
        /// Why not now.
        why: Closed,
    },
    /// It may not, for the next five years.
    Never {
        /// Why not.
        why: Closed,
    },
}

/// Why work may not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// No window is open.
    #[error("outside every maintenance window")]
    OutsideWindows,
    /// A freeze is on; for [`Admission::Never`], no opening is free of freezes, and this is the first.
    #[error("the freeze {name:?} stops it")]
    Frozen {
        /// Its name.
        name: String,
    },
    /// An opening is on, and too little of it is left.
    #[error("it would not be over before the close at {closes}")]
    TooLate {
        /// When the opening ends, by its window or by a freeze.
        closes: Timestamp,
    },
    /// No opening of the next five years is long enough.
    #[error("no opening is ever long enough: the longest lasts {longest:#}")]
    NeverLongEnough {
        /// How long the longest lasts, with freezes cut out.
        longest: SignedDuration,
    },
}

/// From an instant on, and before another, if it ends at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Opening {
    from: Timestamp,
    until: Option<Timestamp>,
}

impl Opening {
    fn length(self) -> SignedDuration {
        self.until.map_or(SignedDuration::MAX, |until| until.duration_since(self.from))
    }

    /// What lies in both, if anything does.
    fn within(self, other: Self) -> Option<Self> {
        let from = self.from.max(other.from);
        let until = match (self.until, other.until) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Some(Self { from, until }).filter(|both| both.until.is_none_or(|until| from < until))
    }
}

impl Schedule {
    /// Whether work that takes `needs` (0 when negative) may start at `now`: in an opening that stays open for
    /// as long as it takes. Openings are half open: at the close, it is closed.
    #[must_use]
    pub fn admits(&self, work: Work, needs: SignedDuration, now: Timestamp) -> Admission {
        let needs = needs.max(SignedDuration::ZERO);
        let mut longest = SignedDuration::ZERO;
        let mut too_late = None;
        for opening in self.free_openings(work, now) {
            let is_on = opening.from == now;
            if opening.length() >= needs {
                return if is_on {
                    Admission::Open { until: opening.until }
                } else {
                    let why = self.frozen(work, now).or(too_late).unwrap_or(Closed::OutsideWindows);
                    Admission::Closed { opens: opening.from, why }
                };
            }
            longest = longest.max(opening.length());
            too_late = opening.until.filter(|_| is_on).map(|closes| Closed::TooLate { closes }).or(too_late);
        }
        let why = if longest > SignedDuration::ZERO {
            Closed::NeverLongEnough { longest }
        } else {
            self.frozen(work, now).or_else(|| self.next_freeze(work, now)).unwrap_or(Closed::OutsideWindows)
        };
        Admission::Never { why }
    }

    /// How long the longest opening lasts, without regard to freezes; `None` when one stays open for a year or
    /// longer. Looked at over the same five years whenever it is asked, in which every window opens; where
    /// openings run into each other only in some years, [`Schedule::admits`] may find less in those to come.
    #[must_use]
    pub fn longest(&self) -> Option<SignedDuration> {
        let end = later(SAMPLE, LOOK_AHEAD);
        let lengths = self
            .openings(SAMPLE)
            .take_while(|opening| opening.from <= end)
            .map(|opening| opening.until.map(|until| until.duration_since(opening.from)));
        lengths.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// What is wrong with the windows and freezes together, in sentences.
    #[must_use]
    pub fn check(&self, now: Timestamp) -> Vec<String> {
        let mut problems = Vec::new();
        for (n, freeze) in self.freezes.iter().enumerate() {
            let name = freeze.name();
            if self.freezes.iter().take(n).any(|earlier| earlier.name() == name) {
                problems.push(format!("more than one freeze is named {name:?}"));
            }
        }
        let stopped: Vec<_> = Work::ALL
            .into_iter()
            .filter(|work| matches!(self.admits(*work, SignedDuration::ZERO, now), Admission::Never { .. }))
            .collect();
        if stopped.len() == Work::ALL.len() {
            problems.push("every opening of the next 5 years lies in a freeze: no work ever starts".into());
        } else {
            problems.extend(stopped.into_iter().map(|work| {
                format!(
                    "every opening of the next 5 years lies in a freeze that stops {work}: it never starts"
                )
            }));
        }
        problems
    }

    /// The openings of the next five years for such work, from `now` on: what the windows open and no freeze
    /// closes. No two of them touch.
    fn free_openings(&self, work: Work, now: Timestamp) -> impl Iterator<Item = Opening> {
        let end = later(now, LOOK_AHEAD);
        self.free(work, now)
            .into_iter()
            .flat_map(move |free| {
                // Windows are looked at from where the freeze ends, so a long one costs nothing.
                self.openings(free.from)
                    .take_while(move |opening| free.until.is_none_or(|until| opening.from < until))
                    .take_while(move |opening| opening.from <= end)
                    .filter_map(move |opening| opening.within(free))
            })
            .take_while(move |opening| opening.from <= end)
    }

    /// What the freezes that stop such work leave of the time from `now` on.
    fn free(&self, work: Work, now: Timestamp) -> Vec<Opening> {
        let mut freezes: Vec<_> = self.freezes.iter().filter(|freeze| freeze.stops(work)).collect();
        freezes.sort_by_key(|freeze| freeze.from());
        let (mut free, mut from) = (Vec::new(), now);
        for freeze in freezes {
            if from < freeze.from() {
                free.push(Opening { from, until: Some(freeze.from()) });
            }
            from = from.max(freeze.until());
        }
        free.push(Opening { from, until: None });
        free
    }

    fn openings(&self, at: Timestamp) -> Openings<impl Iterator<Item = (Timestamp, Timestamp)> + use<>> {
        Openings {
            always: self.windows.is_empty().then_some(Opening { from: Timestamp::MIN, until: None }),
            windows: self.windows.iter().map(|window| window.openings(at).peekable()).collect(),
            at,
        }
    }

    /// The freeze that stops such work at `at`; of several, the one that does so longest.
    fn frozen(&self, work: Work, at: Timestamp) -> Option<Closed> {
        let on = self.freezes.iter().filter(|freeze| freeze.stops(work) && freeze.is_on(at));
        on.max_by_key(|freeze| freeze.until()).map(Closed::by)
    }

    fn next_freeze(&self, work: Work, at: Timestamp) -> Option<Closed> {
        let next = self.freezes.iter().filter(|freeze| freeze.stops(work) && at < freeze.from());
        next.min_by_key(|freeze| freeze.from()).map(Closed::by)
    }
}

impl Closed {
    fn by(freeze: &Freeze) -> Self {
        Self::Frozen { name: freeze.name().to_owned() }
    }
}

/// The openings of several windows, united where they overlap or touch.
struct Openings<I: Iterator<Item = (Timestamp, Timestamp)>> {
    /// What a schedule without windows has for its one opening.
    always: Option<Opening>,
    /// What each window has yet to come, in order.
    windows: Vec<Peekable<I>>,
    /// Since when openings are looked at.
    at: Timestamp,
}

impl<I: Iterator<Item = (Timestamp, Timestamp)>> Openings<I> {
    /// The next opening of any window that begins by then.
    fn next_by(&mut self, by: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let first = |(n, window): (usize, &mut Peekable<I>)| Some((window.peek()?.0, n));
        let (from, n) = self.windows.iter_mut().enumerate().filter_map(first).min()?;
        if from <= by { self.windows.get_mut(n)?.next() } else { None }
    }
}

impl<I: Iterator<Item = (Timestamp, Timestamp)>> Iterator for Openings<I> {
    type Item = Opening;

    fn next(&mut self) -> Option<Opening> {
        if let Some(always) = self.always.take() {
            return Some(always);
        }
        let (from, mut until) = self.next_by(Timestamp::MAX)?;
        while let Some((_, closes)) = self.next_by(until) {
            until = until.max(closes);
            if until.duration_since(from.max(self.at)) >= ENDLESS {
                self.windows.clear();
                return Some(Opening { from, until: None });
            }
        }
        Some(Opening { from, until: Some(until) })
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
