//! Windows, freezes and schedules, in tables of readable rows.

use serde_json::{Value, json};

use super::*;

fn window(value: Value) -> Window {
    serde_json::from_value(value).unwrap()
}

fn refusal(value: Value) -> String {
    serde_json::from_value::<Window>(value).unwrap_err().to_string()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

fn schedule(windows: &[&str], freezes: &[Value]) -> Schedule {
    Schedule {
        windows: windows.iter().map(|text| text.parse().unwrap()).collect(),
        freezes: freezes.iter().map(|freeze| serde_json::from_value(freeze.clone()).unwrap()).collect(),
    }
}

fn freeze(name: &str, scope: &str, from: &str, until: &str) -> Value {
    json!({ "name": name, "scope": scope, "from": from, "until": until })
}

fn next_openings(window: &Window, after: &str, count: usize) -> Vec<String> {
    let openings = window.openings(at(after)).take(count);
    openings.map(|(opens, closes)| format!("{opens} {closes}")).collect()
}

#[test]
fn windows_across_clock_changes_open_once_and_last_as_long_as_they_say() {
    let rows = [
        // Berlin skips 02:30 of 28 March and opens at 03:30, which is 01:30Z.
        ("02:30 1h Europe/Berlin", "2027-03-27T12:00Z", ["2027-03-28T01:30:00Z", "2027-03-29T00:30:00Z"]),
        // It shows 02:30 of 25 October twice and opens at the first.
        ("02:30 1h Europe/Berlin", "2026-10-24T12:00Z", ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
        ("02:30 1h America/New_York", "2027-03-13T12:00Z", ["2027-03-14T07:30:00Z", "2027-03-15T06:30:00Z"]),
        ("01:30 1h America/New_York", "2026-10-31T12:00Z", ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]),
        // Lord Howe moves by half an hour: 02:15 becomes 02:45, at +11:00.
        (
            "02:15 1h Australia/Lord_Howe",
            "2026-10-03T12:00Z",
            ["2026-10-03T15:45:00Z", "2026-10-04T15:15:00Z"],
        ),
        (
            "01:45 1h Australia/Lord_Howe",
            "2027-04-03T12:00Z",
            ["2027-04-03T14:45:00Z", "2027-04-04T15:15:00Z"],
        ),
        // No change of clocks, and half an hour off the whole ones.
        ("22:00 1h Asia/Kolkata", "2027-01-01T00:00Z", ["2027-01-01T16:30:00Z", "2027-01-02T16:30:00Z"]),
    ];
    for (text, after, opens) in rows {
        let expected = opens.map(|opens| format!("{opens} {}", at(opens) + minutes(60)));
        assert_eq!(next_openings(&text.parse().unwrap(), after, 2), expected, "{text}");
    }
}

#[test]
fn a_window_over_a_clock_change_lasts_its_duration_not_until_a_time_of_day() {
    let berlin = "sat 22:00 6h Europe/Berlin".parse().unwrap();
    let autumn = next_openings(&berlin, "2026-10-24T12:00Z", 1);
    assert_eq!(autumn, ["2026-10-24T20:00:00Z 2026-10-25T02:00:00Z"]);
    let spring = next_openings(&berlin, "2027-03-27T12:00Z", 1);
    assert_eq!(spring, ["2027-03-27T21:00:00Z 2027-03-28T03:00:00Z"]);
}

#[test]
fn a_day_opens_the_window_when_it_satisfies_every_pattern() {
    let rows = [
        (json!({ "dates": [31] }), "2027-01-31 2027-03-31 2027-05-31 2027-07-31"),
        (json!({ "dates": ["last"] }), "2027-01-31 2027-02-28 2027-03-31 2027-04-30"),
        (json!({ "dates": [15, 1] }), "2027-01-01 2027-01-15 2027-02-01 2027-02-15"),
        (json!({ "weeks": ["last"], "days": ["sat"] }), "2027-01-30 2027-02-27 2027-03-27 2027-04-24"),
        (json!({ "weeks": [1], "days": ["sat", "sun"] }), "2027-01-02 2027-01-03 2027-02-06 2027-02-07"),
        (json!({ "weeks": [5], "days": ["mon"] }), "2027-03-29 2027-05-31 2027-08-30 2027-11-29"),
        (json!({ "days": ["fri"], "dates": [13] }), "2027-08-13 2028-10-13 2029-04-13 2029-07-13"),
        (json!({ "months": [2], "dates": [29] }), "2028-02-29 2032-02-29 2036-02-29 2040-02-29"),
        (json!({ "months": [2], "dates": ["last"] }), "2027-02-28 2028-02-29 2029-02-28 2030-02-28"),
        (
            json!({ "months": [12], "days": ["thu"], "weeks": [5, "last"] }),
            "2027-12-30 2028-12-28 2029-12-27 2030-12-26",
        ),
        (json!({}), "2027-01-01 2027-01-02 2027-01-03 2027-01-04"),
    ];
    for (mut value, days) in rows {
        value["start"] = json!("06:00");
        value["duration"] = json!("PT2H");
        let expected: Vec<_> =
            days.split(' ').map(|day| format!("{day}T06:00:00Z {day}T08:00:00Z")).collect();
        assert_eq!(next_openings(&window(value.clone()), "2027-01-01T00:00Z", 4), expected, "{value}");
    }
}

#[test]
fn a_window_runs_over_midnight_and_over_the_end_of_the_month() {
    let last = window(json!({ "dates": ["last"], "start": "22:00", "duration": "4h" }));
    let on_the_last = Schedule { windows: vec![last], freezes: vec![] };
    let rows = [
        ("2027-02-28T21:59:59Z", false),
        ("2027-02-28T22:00:00Z", true),
        ("2027-03-01T00:30:00Z", true),
        ("2027-03-01T01:59:59Z", true),
        ("2027-03-01T02:00:00Z", false),
    ];
    for (now, open) in rows {
        let admission = on_the_last.admits(Work::Nodes, SignedDuration::ZERO, at(now));
        assert_eq!(matches!(admission, Admission::Open { .. }), open, "{now}");
    }
}

#[test]
fn nonsense_is_refused_with_the_field_that_says_it() {
    let rows = [
        (json!({ "days": [] }), "days: the list is empty"),
        (json!({ "days": ["satt"] }), "days: \"satt\" means nothing here; it may hold mon"),
        (json!({ "weeks": [1] }), "weeks: they tell which"),
        (json!({ "weeks": [6], "days": ["mon"] }), "weeks: 6 means nothing here; it may hold 1 to 5"),
        (json!({ "weeks": [], "days": ["mon"] }), "weeks: the list is empty"),
        (json!({ "weeks": ["first"], "days": ["mon"] }), "weeks: \"first\" means nothing here"),
        (json!({ "weeks": [1.5], "days": ["mon"] }), "an entry of weeks or dates is a whole number"),
        (json!({ "dates": [0] }), "dates: 0 means nothing here; it may hold 1 to 31"),
        (json!({ "dates": [-1] }), "dates: -1 means nothing here"),
        (json!({ "months": [13] }), "months: 13 means nothing here; it may hold 1 to 12"),
        (
            json!({ "months": [2], "dates": [30, 31] }),
            "never opens: five years can go by without a day that is on the 30th, 31st in feb",
        ),
        (json!({ "days": ["sun"], "weeks": [1], "dates": [8] }), "never opens: "),
        (json!({ "days": ["sun"], "dates": [29], "months": [2] }), "never opens: "),
        // The gaps between such days are up to eleven years, and up to five.
        (json!({ "days": ["fri"], "dates": [13], "months": [6] }), "never opens: "),
        (json!({ "days": ["fri"], "dates": [13, 14], "months": [6] }), "never opens: "),
        (json!({ "start": "24:00" }), "start: \"24:00\" is no time of day"),
        (json!({ "start": "7:00" }), "start: "),
        (json!({ "start": "22:00:30" }), "start: "),
        (json!({ "start": "" }), "start: "),
        (json!({ "duration": "14m" }), "duration: \"14m\" is no duration of 15 minutes to 7 days"),
        (json!({ "duration": "168h 1s" }), "duration: "),
        (json!({ "duration": "4h ago" }), "duration: "),
        (json!({ "duration": "1mo" }), "duration: "),
        (json!({ "duration": "four hours" }), "duration: "),
        (json!({ "timeZone": "Europe/Berlni" }), "timeZone: \"Europe/Berlni\" is no IANA time zone"),
        (json!({ "timeZone": "Etc/Unknown" }), "timeZone: "),
        (json!({ "timeZone": "" }), "timeZone: "),
        (json!({ "timezone": "UTC" }), "unknown field `timezone`"),
        (json!({ "start": null }), "invalid type: null"),
    ];
    for (said, message) in rows {
        let mut value = json!({ "start": "22:00", "duration": "4h" });
        value.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        let refused = refusal(value);
        assert!(refused.starts_with(message), "{said}: {refused}");
    }
}

#[test]
fn the_form_of_a_tag_reads_as_what_is_shown() {
    let rows = [
        ("sat sun 22:00 4h Europe/Berlin", "sat sun 22:00 for 4h Europe/Berlin"),
        ("sun  sat 22:00 for 4h 30m Europe/Berlin", "sat sun 22:00 for 4h 30m Europe/Berlin"),
        ("22:00 PT4H30M", "22:00 for 4h 30m UTC"),
        ("mon 00:00 2d asia/kolkata", "mon 00:00 for 48h Asia/Kolkata"),
        ("mon 00:00 4 hours Poland", "mon 00:00 for 4h Poland"),
        ("mon tue wed thu fri sat sun 09:30 15m", "09:30 for 15m UTC"),
    ];
    for (tag, shown) in rows {
        let window: Window = tag.parse().unwrap();
        assert_eq!(window.to_string(), shown);
        assert_eq!(shown.parse(), Ok(window));
    }
}

#[test]
fn a_tag_that_means_nothing_is_refused() {
    let rows = [
        ("", "\"\" is no window"),
        ("sat", "\"sat\" is no window"),
        ("sat 22:00", "\"sat 22:00\" is no window"),
        ("sat 22:00 for", "duration: \"for\""),
        ("satt 22:00 4h", "start: \"satt\" is no time of day"),
        ("sat 22:00 4h Berlin", "timeZone: \"Berlin\""),
        ("sat 22:00 Europe/Berlin", "duration: \"Europe/Berlin\""),
        ("sat 22:00 8d", "duration: \"8d\""),
        ("sat 22:00 4h Europe/Berlin sun", "duration: \"4h Europe/Berlin\""),
    ];
    for (tag, message) in rows {
        let refused = tag.parse::<Window>().unwrap_err().to_string();
        assert!(refused.starts_with(message), "{tag}: {refused}");
    }
}

#[test]
fn what_a_tag_cannot_say_is_shown_in_words() {
    let rows = [
        (json!({ "days": ["sat"], "weeks": ["last", 3] }), "3rd, last sat 22:00 for 4h UTC"),
        (
            json!({ "dates": [31, 2, "last"], "months": [1, 12] }),
            "on the 2nd, 31st, last day in jan, dec 22:00 for 4h UTC",
        ),
    ];
    for (mut value, shown) in rows {
        value["start"] = json!("22:00");
        value["duration"] = json!("4h");
        assert_eq!(window(value).to_string(), shown);
    }
}

#[test]
fn a_window_is_written_as_it_reads() {
    let written = serde_json::to_value("sun 22:00 4h".parse::<Window>().unwrap()).unwrap();
    assert_eq!(written, json!({ "days": ["sun"], "start": "22:00", "duration": "4h", "timeZone": "UTC" }));
    let every = json!(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]);
    let first_week =
        json!({ "days": every, "weeks": [1], "start": "22:00", "duration": "4h", "timeZone": "UTC" });
    assert_eq!(serde_json::to_value(window(first_week.clone())).unwrap(), first_week);
}

#[test]
fn a_date_of_a_freeze_is_its_midnight_in_its_zone() {
    let rows = [
        ("2026-12-18", "2027-01-04", "Europe/Berlin", "2026-12-17T23:00:00Z", "2027-01-03T23:00:00Z"),
        ("2026-12-18T12:00", "2026-12-18T12:00:30", "UTC", "2026-12-18T12:00:00Z", "2026-12-18T12:00:30Z"),
        // Cairo skips its midnight: the day begins an hour into it.
        ("2027-04-30", "2027-05-01", "Africa/Cairo", "2027-04-29T22:00:00Z", "2027-04-30T21:00:00Z"),
    ];
    for (from, until, zone, first, after) in rows {
        let value = json!({ "name": "n", "scope": "nodes", "from": from, "until": until, "timeZone": zone });
        let freeze: Freeze = serde_json::from_value(value.clone()).unwrap();
        assert_eq!((freeze.from(), freeze.until()), (at(first), at(after)), "{value}");
        assert_eq!(serde_json::from_value::<Freeze>(serde_json::to_value(&freeze).unwrap()).unwrap(), freeze);
    }
}

#[test]
fn a_freeze_that_means_nothing_is_refused() {
    let said = |name: &str, from: &str, until: &str, zone: &str| {
        let value = json!({ "name": name, "scope": "nodes", "from": from, "until": until, "timeZone": zone });
        serde_json::from_value::<Freeze>(value).unwrap_err().to_string()
    };
    let rows = [
        (said(" ", "2026-12-18", "2027-01-04", "UTC"), "name: it is empty"),
        (
            said("x", "18.12.2026", "2027-01-04", "UTC"),
            "from of the freeze \"x\": \"18.12.2026\" is no local",
        ),
        (said("x", "2026-12-18", "2027-01-04T00:00Z", "UTC"), "until of the freeze \"x\""),
        (said("x", "2026-12-18T00:00+01:00", "2027-01-04", "UTC"), "from of the freeze \"x\""),
        (said("x", "2026-12-18T00:00-01", "2027-01-04", "UTC"), "from of the freeze \"x\""),
        (said("x", "2026-02-30", "2027-01-04", "UTC"), "from of the freeze \"x\""),
        (said("x", "2026-12-18", "2026-12-18", "UTC"), "until of the freeze \"x\": it must be after from"),
        (said("x", "2026-12-18", "2027-01-04", "Mars"), "timeZone of the freeze \"x\": \"Mars\""),
    ];
    for (refused, message) in rows {
        assert!(refused.starts_with(message), "{refused}");
    }
}

#[test]
fn a_freeze_stops_what_its_scope_says() {
    let rows = [
        ("everything", [true, true, true]),
        ("minor-upgrades", [true, false, false]),
        ("nodes", [false, true, false]),
    ];
    for (scope, stops) in rows {
        let frozen = schedule(&[], &[freeze("x", scope, "2027-01-01", "2027-01-02")]);
        let now = at("2027-01-01T12:00Z");
        let stopped =
            Work::ALL.map(|work| !matches!(frozen.admits(work, minutes(1), now), Admission::Open { .. }));
        assert_eq!(stopped, stops, "{scope}");
    }
}

/// What [`Schedule::admits`] says, in a word: `open`, `open till T`, `at T: why` or `never: why`.
fn answer(schedule: &Schedule, needs: i64, now: &str) -> String {
    match schedule.admits(Work::ControlPlane, minutes(needs), at(now)) {
        Admission::Open { until: None } => "open".into(),
        Admission::Open { until: Some(until) } => format!("open till {until}"),
        Admission::Closed { opens, why } => format!("at {opens}: {why}"),
        Admission::Never { why } => format!("never: {why}"),
    }
}

#[test]
fn windows_admit_what_fits_before_they_close() {
    let night = schedule(&["sat 22:00 4h"], &[]);
    let rows = [
        (60, "2027-01-02T21:00Z", "at 2027-01-02T22:00:00Z: outside every maintenance window"),
        (240, "2027-01-02T22:00Z", "open till 2027-01-03T02:00:00Z"),
        (239, "2027-01-02T22:01Z", "open till 2027-01-03T02:00:00Z"),
        (
            240,
            "2027-01-02T22:01Z",
            "at 2027-01-09T22:00:00Z: it would not be over before the close at 2027-01-03T02:00:00Z",
        ),
        (0, "2027-01-03T02:00Z", "at 2027-01-09T22:00:00Z: outside every maintenance window"),
        (-5, "2027-01-03T01:59Z", "open till 2027-01-03T02:00:00Z"),
        (241, "2027-01-02T22:00Z", "never: no opening is ever long enough: the longest lasts 4h"),
    ];
    for (needs, now, expected) in rows {
        assert_eq!(answer(&night, needs, now), expected, "{needs} {now}");
    }
}

#[test]
fn a_week_after_its_start_the_longest_window_is_still_open() {
    let first =
        window(json!({ "dates": [1], "start": "23:45", "duration": "7d", "timeZone": "Pacific/Apia" }));
    let week = Schedule { windows: vec![first], freezes: vec![] };
    assert_eq!(answer(&week, 1, "2027-01-08T10:44Z"), "open till 2027-01-08T10:45:00Z");
    assert_eq!(
        answer(&week, 1, "2027-01-08T10:45Z"),
        "at 2027-02-01T10:45:00Z: outside every maintenance window"
    );
}

#[test]
fn windows_that_touch_or_overlap_make_one_opening() {
    let rows = [
        (["sat 22:00 2h", "sun 00:00 2h"], 240, "open till 2027-01-03T02:00:00Z"),
        (["sat 22:00 3h", "sun 00:00 2h"], 240, "open till 2027-01-03T02:00:00Z"),
        (["sat 22:00 4h", "sat 23:00 1h"], 240, "open till 2027-01-03T02:00:00Z"),
        // The same evening in Berlin begins an hour earlier.
        (["sat 22:00 4h", "sat 21:00 2h Europe/Berlin"], 240, "open till 2027-01-03T02:00:00Z"),
        (
            ["sat 22:00 119m", "sun 00:00 2h"],
            120,
            "at 2027-01-03T00:00:00Z: it would not be over before the close at 2027-01-02T23:59:00Z",
        ),
    ];
    for (windows, needs, expected) in rows {
        assert_eq!(answer(&schedule(&windows, &[]), needs, "2027-01-02T22:00Z"), expected, "{windows:?}");
    }
}

#[test]
fn freezes_are_cut_out_of_windows() {
    let frozen = schedule(
        &["sat 20:00 8h"],
        &[
            freeze("cup", "everything", "2027-01-02T22:00", "2027-01-03T00:00"),
            freeze("cup, longer", "minor-upgrades", "2027-01-02T23:00", "2027-01-03T01:00"),
            freeze("pods", "nodes", "2027-01-03T02:00", "2027-01-03T03:00"),
            freeze("over", "everything", "2026-01-01", "2026-02-01"),
        ],
    );
    let rows = [
        (60, "2027-01-02T20:00Z", "open till 2027-01-02T22:00:00Z"),
        (120, "2027-01-02T20:00Z", "open till 2027-01-02T22:00:00Z"),
        (
            121,
            "2027-01-02T20:00Z",
            "at 2027-01-03T01:00:00Z: it would not be over before the close at 2027-01-02T22:00:00Z",
        ),
        (60, "2027-01-02T22:00Z", "at 2027-01-03T01:00:00Z: the freeze \"cup\" stops it"),
        (60, "2027-01-02T23:30Z", "at 2027-01-03T01:00:00Z: the freeze \"cup, longer\" stops it"),
        (180, "2027-01-03T01:00Z", "open till 2027-01-03T04:00:00Z"),
        (
            181,
            "2027-01-03T01:00Z",
            "at 2027-01-09T20:00:00Z: it would not be over before the close at 2027-01-03T04:00:00Z",
        ),
    ];
    for (needs, now, expected) in rows {
        assert_eq!(answer(&frozen, needs, now), expected, "{needs} {now}");
    }
}

#[test]
fn without_windows_only_freezes_close() {
    let now = "2027-01-01T00:00Z";
    assert_eq!(answer(&Schedule::default(), i64::MAX / 60, now), "open");
    let frozen = schedule(&[], &[freeze("x", "everything", "2027-01-02", "2027-01-03")]);
    assert_eq!(answer(&frozen, 60, now), "open till 2027-01-02T00:00:00Z");
    assert_eq!(
        answer(&frozen, 60, "2027-01-02T12:00Z"),
        "at 2027-01-03T00:00:00Z: the freeze \"x\" stops it"
    );
    let too_late = "at 2027-01-03T00:00:00Z: it would not be over before the close at 2027-01-02T00:00:00Z";
    assert_eq!(answer(&frozen, 1441, now), too_late);
}

#[test]
fn windows_without_a_gap_never_close() {
    let always = schedule(&["00:00 12h", "12:00 12h"], &[]);
    assert_eq!(answer(&always, 1_000_000, "2027-01-01T07:00Z"), "open");
    assert_eq!(always.longest(), None);
    // The clocks of Berlin go back for an hour that daily windows of 24 hours leave closed.
    assert_eq!(
        answer(&schedule(&["00:00 24h Europe/Berlin"], &[]), 60, "2026-10-20T00:00Z"),
        "open till 2026-10-25T22:00:00Z"
    );
}

#[test]
fn the_longest_opening_unites_windows_and_disregards_freezes() {
    let rows: [(&[&str], Option<i64>); 6] = [
        (&[], None),
        (&["sat 22:00 4h"], Some(240)),
        (&["sat 22:00 4h", "sun 01:00 4h", "mon 01:00 30m"], Some(420)),
        (&["fri 18:00 3d"], Some(4320)),
        (&["fri 18:00 3d", "mon 18:00 4d"], None),
        // The hours from 1 to 3 of a day in Berlin's spring are one less.
        (&["sun 01:00 1h Europe/Berlin", "sun 02:00 1h Europe/Berlin"], Some(120)),
    ];
    for (windows, longest) in rows {
        let frozen = schedule(windows, &[freeze("x", "everything", "2020-01-01", "2040-01-01")]);
        assert_eq!(frozen.longest(), longest.map(minutes), "{windows:?}");
    }
    let leap = window(json!({ "months": [2], "dates": [29], "start": "06:00", "duration": "2h" }));
    assert_eq!(Schedule { windows: vec![leap], freezes: vec![] }.longest(), Some(minutes(120)));
}

#[test]
fn a_schedule_that_never_opens_says_so() {
    let now = at("2027-01-01T00:00Z");
    let decade = |scope| freeze("decade", scope, "2026-06-01", "2036-01-01");
    let rows = [
        (schedule(&["sat 22:00 4h"], &[freeze("x", "everything", "2026-12-18", "2027-02-01")]), vec![]),
        (Schedule::default(), vec![]),
        (
            schedule(&["sat 22:00 4h"], &[decade("everything")]),
            vec!["every opening of the next 5 years lies in a freeze: no work ever starts"],
        ),
        (
            schedule(&[], &[decade("nodes")]),
            vec!["every opening of the next 5 years lies in a freeze that stops nodes: it never starts"],
        ),
        (
            schedule(
                &[],
                &[
                    freeze("x", "nodes", "2027-02-01", "2027-02-02"),
                    freeze("x", "nodes", "2028-02-01", "2028-02-02"),
                ],
            ),
            vec!["more than one freeze is named \"x\""],
        ),
    ];
    for (schedule, problems) in rows {
        assert_eq!(schedule.check(now), problems, "{schedule:?}");
    }
    let frozen = schedule(&["sat 22:00 4h"], &[decade("everything")]);
    assert_eq!(answer(&frozen, 0, "2027-01-01T00:00Z"), "never: the freeze \"decade\" stops it");
    assert_eq!(answer(&frozen, 0, "2026-05-31T12:00Z"), "never: the freeze \"decade\" stops it");
}

#[test]
fn the_schema_tells_an_editor_every_field() {
    let schema = serde_json::to_value(schemars::schema_for!(Schedule)).unwrap();
    let window = &schema["$defs"]["Window"];
    assert_eq!(window["required"], json!(["start", "duration"]));
    for field in ["days", "weeks", "dates", "months", "start", "duration", "timeZone"] {
        assert!(window["properties"][field]["description"].is_string(), "{field}");
    }
    assert_eq!(schema["$defs"]["Freeze"]["required"], json!(["name", "scope", "from", "until"]));
}

#[test]
fn five_years_of_days_that_are_all_too_short_are_looked_through_quickly() {
    let now = at("2027-01-01T00:00Z");
    let nightly = schedule(&["22:00 4h Europe/Berlin"], &[]);
    // The quickest of several tries, because a busy machine says nothing of the code.
    let quickest = (0..10)
        .map(|_| {
            let started = std::time::Instant::now();
            assert!(matches!(nightly.admits(Work::Nodes, minutes(241), now), Admission::Never { .. }));
            started.elapsed()
        })
        .min()
        .unwrap();
    assert!(quickest.as_millis() < 20, "{quickest:?}");
}
