//! Windows and freezes, against what their definition says of every quarter of an hour.
//!
//! The oracle shares nothing with the code but jiff: an instant is open when there is a day whose patterns are
//! satisfied and whose opening, `duration` long from its local `start`, holds the instant.

use eks_upgrade_core::window::{Admission, Closed, Freeze, Schedule, Window, Work};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, ToSpan};
use proptest::collection::btree_set;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

const QUARTER_S: i64 = 900;
/// How far ahead the oracle looks, in quarters of an hour: forty days.
const SPAN: usize = 40 * 96;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Instants at which one of the zones below changes its clocks.
const CHANGES: [&str; 12] = [
    "2026-03-29T01:00:00Z",
    "2026-10-25T01:00:00Z",
    "2027-03-28T01:00:00Z",
    "2027-10-31T01:00:00Z",
    "2026-11-01T06:00:00Z",
    "2027-03-14T07:00:00Z",
    "2027-11-07T06:00:00Z",
    "2028-03-12T07:00:00Z",
    "2026-10-03T15:30:00Z",
    "2027-04-03T15:00:00Z",
    "2027-10-02T15:30:00Z",
    "2028-04-01T15:00:00Z",
];

/// A window as it is wanted; -1 stands for `last`.
#[derive(Clone, Debug)]
struct Wanted {
    days: Option<Vec<i8>>,
    weeks: Option<Vec<i8>>,
    dates: Option<Vec<i8>>,
    months: Option<Vec<i8>>,
    start: i64,
    quarters: i64,
    zone: &'static str,
}

/// A freeze as it is wanted: its ends in quarters of an hour from now.
#[derive(Clone, Debug)]
struct Frost {
    scope: &'static str,
    from: i64,
    quarters: i64,
    zone: &'static str,
}

impl Wanted {
    fn json(&self) -> Value {
        let list = |list: &[i8]| list.iter().map(|n| if *n < 0 { json!("last") } else { json!(n) }).collect();
        let mut value = json!({
            "start": format!("{:02}:{:02}", self.start / 60, self.start % 60),
            "duration": format!("{}m", self.quarters * 15),
            "timeZone": self.zone,
        });
        let days =
            |days: &Vec<i8>| days.iter().map(|day| json!(DAYS[usize::try_from(*day).unwrap()])).collect();
        let fields = [
            ("days", self.days.as_ref().map(days)),
            ("weeks", self.weeks.as_deref().map(list)),
            ("dates", self.dates.as_deref().map(list)),
            ("months", self.months.as_deref().map(list)),
        ];
        for (field, list) in fields {
            if let Some(list) = list {
                value[field] = Value::Array(list);
            }
        }
        value
    }

    fn read(&self) -> Window {
        serde_json::from_value(self.json()).unwrap()
    }

    fn opens_on(&self, day: Date) -> bool {
        let within = |list: &Option<Vec<i8>>, holds: &dyn Fn(i8) -> bool| {
            list.as_ref().is_none_or(|list| list.iter().any(|entry| holds(*entry)))
        };
        let a_week_on = day.saturating_add(7.days());
        let nth = (1..).zip((0..5).map(|weeks| day.saturating_sub((7 * weeks).days())));
        let nth = nth.take_while(|(_, earlier)| earlier.month() == day.month()).last().unwrap().0;
        within(&self.days, &|entry| entry == day.weekday().to_monday_zero_offset())
            && within(&self.weeks, &|entry| {
                if entry < 0 { a_week_on.month() != day.month() } else { entry == nth }
            })
            && within(&self.dates, &|entry| {
                if entry < 0 { day == day.last_of_month() } else { entry == day.day() }
            })
            && within(&self.months, &|entry| entry == day.month())
    }

    /// The openings of all days from ten before `from` to two after `until`.
    fn openings(&self, from: Timestamp, until: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let zone = zone(self.zone);
        let first = from.to_zoned(zone.clone()).date().saturating_sub(10.days());
        let last = until.to_zoned(zone.clone()).date().saturating_add(2.days());
        let start = Time::midnight() + self.start.minutes();
        first
            .series(1.day())
            .take_while(|day| *day <= last)
            .filter(|day| self.opens_on(*day))
            .map(|day| {
                let opens = day.to_datetime(start).to_zoned(zone.clone()).unwrap().timestamp();
                (opens, opens + quarters(self.quarters))
            })
            .collect()
    }
}

impl Frost {
    /// In local time, as it is written; a fold may move an end to its first showing.
    fn local(&self, now: Timestamp) -> (DateTime, DateTime) {
        let local = |at: i64| (now + quarters(at)).to_zoned(zone(self.zone)).datetime();
        (local(self.from), local(self.from + self.quarters))
    }

    fn read(&self, n: usize, now: Timestamp) -> Option<Freeze> {
        let (from, until) = self.local(now);
        let value = json!({
            "name": format!("freeze {n}"),
            "scope": self.scope,
            "from": from.to_string(),
            "until": until.to_string(),
            "timeZone": self.zone,
        });
        // In a fold the ends may come to be the same instant, or change places: that is no freeze.
        serde_json::from_value(value).ok()
    }

    fn stops(&self, work: Work) -> bool {
        match self.scope {
            "everything" => true,
            "minor-upgrades" => work == Work::ControlPlane,
            _ => work == Work::Nodes,
        }
    }

    fn holds(&self, now: Timestamp, at: Timestamp) -> bool {
        let (from, until) = self.local(now);
        let instant = |local: DateTime| local.to_zoned(zone(self.zone)).unwrap().timestamp();
        instant(from) <= at && at < instant(until)
    }
}

fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).unwrap()
}

fn quarters(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count * QUARTER_S)
}

/// Windows that open at least every few months, with starts where clocks change more often than not.
fn wanted() -> impl Strategy<Value = Wanted> {
    let list = |numbers: Vec<i8>, most: usize| {
        btree_set(select(numbers), 1..=most).prop_map(|set| set.into_iter().rev().collect::<Vec<_>>())
    };
    let with_last = |max: i8| (1..=max).chain([-1]).collect::<Vec<_>>();
    let start = prop_oneof![3 => 0..16_i64, 1 => 0..96_i64].prop_map(|quarter| quarter * 15);
    let length = prop_oneof![6 => 1..40_i64, 2 => 90..102_i64, 1 => 1..=672_i64];
    (
        weighted(0.6, list((0..7).collect(), 3)),
        weighted(0.3, list(with_last(5), 3)),
        weighted(0.2, list(with_last(31), 12)),
        weighted(0.2, list((1..=12).collect(), 8)),
        start,
        length,
        select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
    )
        .prop_map(|(days, weeks, dates, months, start, quarters, zone)| {
            let weeks = weeks.filter(|_| days.is_some());
            Wanted { days, weeks, dates, months, start, quarters, zone }
        })
        .prop_filter("opens too seldom", |wanted| serde_json::from_value::<Window>(wanted.json()).is_ok())
}

fn frost() -> impl Strategy<Value = Frost> {
    let zone = select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]);
    let scope = select(vec!["everything", "minor-upgrades", "nodes"]);
    (scope, -300..1500_i64, prop_oneof![1..30_i64, 1..2000_i64], zone)
        .prop_map(|(scope, from, quarters, zone)| Frost { scope, from, quarters, zone })
}

/// A quarter of an hour, mostly within two days of a change of clocks.
fn quarter() -> impl Strategy<Value = Timestamp> {
    let near = (select(CHANGES.to_vec()), -200..100_i64)
        .prop_map(|(change, offset)| change.parse::<Timestamp>().unwrap() + quarters(offset));
    let any = (0..3 * 365 * 96_i64)
        .prop_map(|offset| "2026-01-01T00:00Z".parse::<Timestamp>().unwrap() + quarters(offset));
    prop_oneof![4 => near, 1 => any]
}

/// A schedule, and what the oracle says of it.
#[derive(Clone, Debug)]
struct Case {
    wanted: Vec<Wanted>,
    frosts: Vec<Frost>,
    work: Work,
    /// On a quarter; `seconds` later is now.
    since: Timestamp,
    seconds: i64,
    needs: SignedDuration,
}

fn case() -> impl Strategy<Value = Case> {
    let needs = prop_oneof![
        5 => (0..24_i64).prop_map(quarters),
        1 => (0..800_i64).prop_map(quarters),
        1 => (0..20_000_i64).prop_map(SignedDuration::from_secs),
    ];
    let seconds = prop_oneof![2 => Just(0_i64), 1 => 0..QUARTER_S];
    (
        prop::collection::vec(wanted(), 0..4),
        prop::collection::vec(frost(), 0..4),
        select(Work::ALL.to_vec()),
        quarter(),
        seconds,
        needs,
    )
        .prop_map(|(wanted, mut frosts, work, since, seconds, needs)| {
            frosts.retain(|frost| frost.read(0, since).is_some());
            Case { wanted, frosts, work, since, seconds, needs }
        })
}

impl Case {
    fn schedule(&self) -> Schedule {
        Schedule {
            windows: self.wanted.iter().map(Wanted::read).collect(),
            freezes: (0..).zip(&self.frosts).map(|(n, frost)| frost.read(n, self.since).unwrap()).collect(),
        }
    }

    fn now(&self) -> Timestamp {
        self.since + SignedDuration::from_secs(self.seconds)
    }

    fn admits(&self) -> Admission {
        self.schedule().admits(self.work, self.needs, self.now())
    }

    fn at(&self, quarter: usize) -> Timestamp {
        self.since + quarters(i64::try_from(quarter).unwrap())
    }

    fn stopped(&self, at: Timestamp) -> bool {
        self.frosts.iter().any(|frost| frost.stops(self.work) && frost.holds(self.since, at))
    }

    /// Of each quarter of an hour from `since` on, for how many in a row it is open, cut off at the span's end.
    fn runs(&self) -> Vec<i64> {
        let openings: Vec<_> =
            self.wanted.iter().flat_map(|wanted| wanted.openings(self.since, self.at(SPAN))).collect();
        let mut runs = vec![0; SPAN];
        let mut run = 0;
        for quarter in (0..SPAN).rev() {
            let at = self.at(quarter);
            let within = openings.iter().any(|(opens, closes)| *opens <= at && at < *closes);
            let open = (self.wanted.is_empty() || within) && !self.stopped(at);
            run = if open { run + 1 } else { 0 };
            runs[quarter] = run;
        }
        runs
    }
}

proptest! {
    /// Open is what stays open for long enough; closed is everything else, until the first quarter of an hour that
    /// does.
    #[test]
    fn what_is_admitted_is_what_the_definition_admits(case in case()) {
        let runs = case.runs();
        // Work that the span cannot hold is not what the oracle can speak of.
        prop_assume!(case.needs < quarters(1000));
        let left = quarters(runs[0]) - SignedDuration::from_secs(case.seconds);
        let open = runs[0] > 0 && left >= case.needs;
        // Of the quarters so near the end that the span does not show how long they stay open, it cannot tell.
        let fits = |quarter: usize| runs[quarter] > 0 && quarters(runs[quarter]) >= case.needs;
        let unclear = |quarter: usize| runs[quarter] > 0 && quarter + usize::try_from(runs[quarter]).unwrap() == SPAN;
        let first = (1..SPAN).find(|quarter| fits(*quarter) || unclear(*quarter)).unwrap_or(SPAN);
        match case.admits() {
            Admission::Open { until } => {
                prop_assert!(open, "admitted, but {left:#} is left");
                match until {
                    Some(until) if runs[0] < i64::try_from(SPAN).unwrap() => {
                        prop_assert_eq!(until, case.now() + left);
                    }
                    Some(until) => prop_assert!(until >= case.at(SPAN)),
                    None => prop_assert_eq!(runs[0], i64::try_from(SPAN).unwrap()),
                }
            }
            Admission::Closed { opens, why } => {
                prop_assert!(!open, "{why}");
                prop_assert!(opens > case.now());
                if first < SPAN && fits(first) {
                    prop_assert_eq!(opens, case.at(first));
                } else {
                    prop_assert!(opens >= case.at(first));
                }
                match why {
                    Closed::OutsideWindows => {
                        prop_assert!(runs[0] == 0 && !case.stopped(case.now()));
                    }
                    Closed::Frozen { .. } => prop_assert!(case.stopped(case.now())),
                    Closed::TooLate { closes } => prop_assert_eq!(closes, case.now() + left),
                    Closed::NeverLongEnough { .. } => prop_assert!(false, "but it opens"),
                }
            }
            Admission::Never { why } => {
                prop_assert!(!open);
                prop_assert!(!(1..SPAN).any(fits), "{why}");
            }
        }
    }

    /// Whoever waits until it opens, and asks then, is let in.
    #[test]
    fn waiting_for_the_opening_is_enough(case in case()) {
        if let Admission::Closed { opens, .. } = case.admits() {
            let then = case.schedule().admits(case.work, case.needs, opens);
            prop_assert!(matches!(then, Admission::Open { .. }), "{then:?}");
        }
    }

    #[test]
    fn nothing_is_open_inside_a_freeze_that_stops_it(case in case(), frost in frost(), into in 0..2000_i64) {
        let work = Work::ALL.into_iter().find(|work| frost.stops(*work)).unwrap();
        let mut case = Case { work, ..case };
        prop_assume!(frost.read(0, case.since).is_some());
        let inside = case.since + quarters(frost.from + into % frost.quarters);
        prop_assume!(frost.holds(case.since, inside));
        case.frosts.push(frost);
        let admission = case.schedule().admits(case.work, case.needs, inside);
        prop_assert!(!matches!(admission, Admission::Open { .. }), "{admission:?}");
    }

    /// Walking from opening to opening meets each day that opens the window once, whatever the clocks do.
    #[test]
    fn each_day_opens_its_window_once_and_for_as_long_as_it_says(wanted in wanted(), since in quarter()) {
        // Windows of over a day's length run into each other; shorter ones stay apart, even on a day of 23 hours.
        let wanted = Wanted { quarters: wanted.quarters.min(90), ..wanted };
        let schedule = Schedule { windows: vec![wanted.read()], freezes: vec![] };
        let until = since + quarters(96 * 30);
        let mut expected = wanted.openings(since, until);
        expected.retain(|(opens, _)| since < *opens && *opens <= until);
        let (mut met, mut now) = (Vec::new(), since);
        loop {
            match schedule.admits(Work::Nodes, quarters(wanted.quarters), now) {
                Admission::Open { until } if now > since => met.push((now, until.unwrap())),
                Admission::Never { why } => prop_assert!(false, "{why}"),
                _ => {}
            }
            now += SignedDuration::from_secs(1);
            match schedule.admits(Work::Nodes, quarters(wanted.quarters), now) {
                Admission::Closed { opens, .. } if opens <= until => now = opens,
                Admission::Closed { .. } => break,
                other => prop_assert!(false, "a second after it opened: {other:?}"),
            }
        }
        prop_assert_eq!(met, expected);
    }

    /// Windows that do not run into each other have one length, and what takes as long always comes to fit.
    #[test]
    fn the_longest_opening_of_a_window_admits_what_takes_as_long(wanted in wanted(), now in quarter()) {
        let wanted = Wanted { quarters: wanted.quarters.min(90), ..wanted };
        let schedule = Schedule { windows: vec![wanted.read()], freezes: vec![] };
        prop_assert_eq!(schedule.longest(), Some(quarters(wanted.quarters)));
        let admission = schedule.admits(Work::Nodes, quarters(wanted.quarters), now);
        prop_assert!(!matches!(admission, Admission::Never { .. }), "{admission:?}");
    }

    #[test]
    fn what_was_written_reads_as_it_was(case in case()) {
        let schedule = case.schedule();
        let written = serde_json::to_string(&schedule).unwrap();
        prop_assert_eq!(serde_json::from_str::<Schedule>(&written).unwrap(), schedule);
    }

    #[test]
    fn a_tag_reads_as_what_it_shows(wanted in wanted()) {
        let plain = Wanted { weeks: None, dates: None, months: None, ..wanted };
        let window = plain.read();
        prop_assert_eq!(window.to_string().parse(), Ok(window.clone()));
        prop_assert_eq!(window.to_string().replace(" for ", " ").parse(), Ok(window));
    }

    #[test]
    fn no_text_makes_reading_fail_worse_than_with_a_refusal(text in "[a-z0-9:/ ]{0,40}|\\PC{0,40}") {
        if let Ok(window) = text.parse::<Window>() {
            prop_assert_eq!(window.to_string().parse(), Ok(window));
        }
    }
}
