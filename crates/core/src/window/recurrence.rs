//! Which days open a window: patterns of weekdays, weeks, dates and months.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::WindowError;

/// The names of the weekdays, in the order of the week.
pub(super) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// The bit that stands for `last` in a set of weeks or of dates; the numbers begin at 1.
const LAST: u32 = 1;

/// Twenty-eight years in a row without a skipped leap year hold every date on every weekday; five more, and a
/// gap over the end of them is seen whole.
const CYCLE: std::ops::Range<i16> = 2001..2034;
/// So many months in a row without a day are too many: with one less, two days that follow each other are
/// less than five years apart, wherever in their months they lie.
const SELDOM_MONTHS: u32 = 59;

/// An entry of `weeks` or `dates` as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "an entry of weeks or dates is a whole number or \"last\"")]
pub(super) enum Ordinal {
    Number(i64),
    Word(String),
}

/// The lists as they are written; one that is left out restricts nothing.
#[derive(Default)]
pub(super) struct Lists {
    pub(super) days: Option<Vec<String>>,
    pub(super) weeks: Option<Vec<Ordinal>>,
    pub(super) dates: Option<Vec<Ordinal>>,
    pub(super) months: Option<Vec<i64>>,
}

/// Sets of bits: bit `n` stands for the number `n`, bit 0 for `last`; the days count from 1, Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recurrence {
    days: u32,
    weeks: u32,
    dates: u32,
    months: u32,
}

/// All numbers from 1 to `max`, without `last`.
const fn numbers(max: u32) -> u32 {
    u32::MAX >> (31 - max) & !LAST
}

const ALL_DAYS: u32 = numbers(7);
const ALL_WEEKS: u32 = numbers(5) | LAST;
const ALL_DATES: u32 = numbers(31) | LAST;
const ALL_MONTHS: u32 = numbers(12);

pub(super) fn is_day(word: &str) -> bool {
    DAYS.contains(&word)
}

impl Recurrence {
    pub(super) fn read(lists: &Lists) -> Result<Self, WindowError> {
        let recurrence = Self {
            days: set("days", lists.days.as_deref(), ALL_DAYS, |day| {
                numbered(DAYS.iter().position(|name| name == day)).ok_or_else(|| WindowError::Entry {
                    field: "days",
                    entry: format!("{day:?}"),
                    may: "mon, tue, wed, thu, fri, sat and sun",
                })
            })?,
            weeks: set("weeks", lists.weeks.as_deref(), ALL_WEEKS, |week| {
                ordinal("weeks", week, 5, "1 to 5 and \"last\"")
            })?,
            dates: set("dates", lists.dates.as_deref(), ALL_DATES, |date| {
                ordinal("dates", date, 31, "1 to 31 and \"last\"")
            })?,
            months: set("months", lists.months.as_deref(), ALL_MONTHS, |month| {
                ordinal("months", &Ordinal::Number(*month), 12, "1 to 12")
            })?,
        };
        if lists.weeks.is_some() && lists.days.is_none() {
            return Err(WindowError::WeeksWithoutDays);
        }
        if recurrence.is_too_seldom() {
            return Err(WindowError::NeverOpens { days: recurrence.to_string() });
        }
        Ok(recurrence)
    }

    /// The lists that read as this again.
    pub(super) fn lists(self) -> Lists {
        let names =
            |set| entries(set).filter_map(|day| DAYS.get(day.checked_sub(1)?)).map(|n| (*n).to_owned());
        let ordinals = |set: u32| {
            let last = (set & LAST != 0).then(|| Ordinal::Word("last".into()));
            let numbers = entries(set & !LAST).filter_map(|n| i64::try_from(n).ok()).map(Ordinal::Number);
            numbers.chain(last).collect::<Vec<_>>()
        };
        let months = || entries(self.months).filter_map(|month| i64::try_from(month).ok()).collect();
        Lists {
            days: self.names_days().then(|| names(self.days).collect()),
            weeks: (self.weeks != ALL_WEEKS).then(|| ordinals(self.weeks)),
            dates: (self.dates != ALL_DATES).then(|| ordinals(self.dates)),
            months: (self.months != ALL_MONTHS).then(months),
        }
    }

    /// All seven days are worth naming only beside weeks, which mean nothing without them.
    fn names_days(self) -> bool {
        self.days != ALL_DAYS || self.weeks != ALL_WEEKS
    }

    /// The days of a month that satisfy every pattern, as a set of bits; none of a month that does not exist.
    fn days_of(self, year: i16, month: i8) -> u32 {
        if self.months & bit(month) == 0 {
            return 0;
        }
        let Ok(first) = Date::new(year, month, 1) else { return 0 };
        let (length, before) = (first.days_in_month(), first.weekday().to_monday_zero_offset());
        let mut days = 0;
        for day in 1..=length {
            let mut week = bit((day - 1) / 7 + 1);
            if day + 7 > length {
                week |= LAST;
            }
            let date = if day == length { bit(day) | LAST } else { bit(day) };
            let weekday = bit((before + day - 1) % 7 + 1);
            if self.days & weekday != 0 && self.weeks & week != 0 && self.dates & date != 0 {
                days |= bit(day);
            }
        }
        days
    }

    /// The days that satisfy every pattern, from `first` on.
    pub(super) fn from(self, first: Date) -> Days {
        let (year, month) = (first.year(), first.month());
        // Whatever lies below the first day's bit is over.
        let left = self.days_of(year, month) & !(bit(first.day()) - 1);
        Days { recurrence: self, year, month, left }
    }

    /// Whether five years can go by without a day that satisfies every pattern. Reading knows no today, so the
    /// answer is of the calendar as a whole: the same pattern reads, or is refused, whenever it is read.
    fn is_too_seldom(self) -> bool {
        // Weekdays alone are in every month.
        if self.weeks == ALL_WEEKS && self.dates == ALL_DATES && self.months == ALL_MONTHS {
            return false;
        }
        let mut without = 0;
        for year in CYCLE {
            for month in 1..=12 {
                without = if self.days_of(year, month) == 0 { without + 1 } else { 0 };
                if without >= SELDOM_MONTHS {
                    return true;
                }
            }
        }
        false
    }
}

impl fmt::Display for Recurrence {
    /// Ends with a space unless every day is meant.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.weeks != ALL_WEEKS {
            write!(f, "{} ", in_words(self.weeks, "last"))?;
        }
        if self.names_days() {
            let names = entries(self.days).filter_map(|day| DAYS.get(day.checked_sub(1)?).copied());
            write!(f, "{} ", names.collect::<Vec<_>>().join(" "))?;
        }
        if self.dates != ALL_DATES {
            write!(f, "on the {} ", in_words(self.dates, "last day"))?;
        }
        if self.months != ALL_MONTHS {
            let names = entries(self.months).filter_map(|month| MONTHS.get(month.checked_sub(1)?).copied());
            write!(f, "in {} ", names.collect::<Vec<_>>().join(", "))?;
        }
        Ok(())
    }
}

/// An iterator over the days of a [`Recurrence`], in order.
pub(super) struct Days {
    recurrence: Recurrence,
    year: i16,
    month: i8,
    /// Those of the month that are still to come.
    left: u32,
}

impl Iterator for Days {
    type Item = Date;

    fn next(&mut self) -> Option<Date> {
        while self.left == 0 {
            (self.year, self.month) =
                if self.month == 12 { (self.year.checked_add(1)?, 1) } else { (self.year, self.month + 1) };
            if self.year > Date::MAX.year() {
                return None;
            }
            self.left = self.recurrence.days_of(self.year, self.month);
        }
        let day = i8::try_from(self.left.trailing_zeros()).ok()?;
        self.left &= self.left - 1;
        Date::new(self.year, self.month, day).ok()
    }
}

/// The set of what a list says; `all` of a list that was left out, or that names every number.
fn set<T>(
    field: &'static str,
    list: Option<&[T]>,
    all: u32,
    bit_of: impl Fn(&T) -> Result<u32, WindowError>,
) -> Result<u32, WindowError> {
    let Some(list) = list else { return Ok(all) };
    if list.is_empty() {
        return Err(WindowError::Empty { field });
    }
    let set = list.iter().try_fold(0, |set, entry| Ok(set | bit_of(entry)?))?;
    // Every number is every day, so `last` adds nothing to them.
    Ok(if set | LAST == all | LAST { all } else { set })
}

fn ordinal(field: &'static str, entry: &Ordinal, max: i8, may: &'static str) -> Result<u32, WindowError> {
    let refused = |entry: String| WindowError::Entry { field, entry, may };
    match entry {
        Ordinal::Word(word) if word == "last" => Ok(LAST),
        Ordinal::Word(word) => Err(refused(format!("{word:?}"))),
        Ordinal::Number(number) => i8::try_from(*number)
            .ok()
            .filter(|number| (1..=max).contains(number))
            .map(bit)
            .ok_or_else(|| refused(number.to_string())),
    }
}

fn numbered(position: Option<usize>) -> Option<u32> {
    position.and_then(|position| i8::try_from(position + 1).ok()).map(bit)
}

fn bit(number: i8) -> u32 {
    1 << number.unsigned_abs()
}

/// The numbers in a set.
fn entries(set: u32) -> impl Iterator<Item = usize> {
    (0..32).filter(move |number| set >> number & 1 == 1)
}

fn in_words(set: u32, last: &str) -> String {
    let numbers = entries(set & !LAST).map(|number| match number {
        1 | 21 | 31 => format!("{number}st"),
        2 | 22 => format!("{number}nd"),
        3 | 23 => format!("{number}rd"),
        _ => format!("{number}th"),
    });
    let last = (set & LAST != 0).then(|| last.to_owned());
    numbers.chain(last).collect::<Vec<_>>().join(", ")
}
