//! Recorded histories: the runs of every version so far, replayed with the code of today.
//!
//! Each file below a version's directory is one run: its ledger, and each decision with all that it followed from.
//! The ledger must still read, its chain must hold, and what followed from it must still follow, or `changes.yaml`
//! says why not. README.md tells how a version's histories are recorded.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod changes;
mod history;
mod recorder;
mod replay;
mod stories;

use std::fs;

use history::History;
use replay::{Difference, replay};
use stories::STORIES;

/// All that is recorded, each with its name: version and story.
fn recorded() -> Vec<(String, History)> {
    let mut all = Vec::new();
    for version in fs::read_dir(history::directory()).unwrap().map(Result::unwrap) {
        if !version.file_type().unwrap().is_dir() {
            continue;
        }
        for file in fs::read_dir(version.path()).unwrap().map(Result::unwrap) {
            let stem = file.path().file_stem().unwrap().to_string_lossy().into_owned();
            let name = format!("{}/{stem}", version.file_name().to_string_lossy());
            let text = fs::read_to_string(file.path()).unwrap();
            let history =
                History::read(&text).unwrap_or_else(|error| panic!("{name} does not read: {error}"));
            all.push((name, history));
        }
    }
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all
}

fn named(name: &str) -> History {
    let story = STORIES.iter().find(|story| story.name == name).unwrap();
    recorder::record(story)
}

#[test]
fn what_was_decided_is_decided_again_or_the_change_is_listed() {
    let changes = changes::read(include_str!("changes.yaml")).unwrap();
    let all = recorded();
    assert!(all.len() >= STORIES.len(), "histories are missing: {} are there", all.len());
    let (mut lost, mut unlisted, mut used) = (Vec::new(), Vec::new(), vec![false; changes.len()]);
    for (name, history) in &all {
        assert!(!history.decisions.is_empty(), "{name} decides nothing");
        match replay(name, history) {
            Err(why) => lost.push(why),
            Ok(differences) => {
                for difference in differences {
                    match changes.iter().position(|change| change.covers(&difference)) {
                        Some(change) => used[change] = true,
                        None => unlisted.push(difference.to_string()),
                    }
                }
            }
        }
    }
    assert!(lost.is_empty(), "ledgers that no longer read:\n{}", lost.join("\n"));
    assert!(
        unlisted.is_empty(),
        "{} decisions are others now. Where that is meant, list them in tests/histories/changes.yaml:\n\n{}",
        unlisted.len(),
        unlisted.join("\n")
    );
    let idle: Vec<&str> =
        changes.iter().zip(used).filter(|(_, used)| !used).map(|(change, _)| &*change.reason).collect();
    assert!(idle.is_empty(), "changes.yaml lists what did not change: {idle:#?}");
}

#[test]
fn the_same_story_gives_the_same_bytes() {
    for story in &STORIES {
        assert_eq!(recorder::record(story).text(), recorder::record(story).text(), "{}", story.name);
    }
}

#[test]
fn a_decision_that_differs_is_told_field_by_field() {
    let mut history = named("two-hops");
    let decided = history.decisions.iter_mut().find(|decided| decided.answer["next"] == "wait").unwrap();
    let seconds = decided.answer["seconds"].as_u64().unwrap();
    decided.answer["seconds"] = (seconds + 1).into();
    let [difference] = &replay("0.0.0/two-hops", &history).unwrap()[..] else { panic!("one differs") };
    let told = difference.to_string();
    for part in
        ["0.0.0/two-hops, decision", "after line", &format!("- {}", seconds + 1), &format!("+ {seconds}")]
    {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
}

#[test]
fn what_was_seen_and_said_matters() {
    let mut history = named("kill-switch");
    for decided in &mut history.decisions {
        if let history::Asked::Decide { controls, .. } = &mut decided.asked {
            controls.switch = None;
        }
    }
    let differences = replay("x", &history).unwrap();
    assert!(
        differences.iter().any(|difference| difference.was["waitFor"] == "KillSwitch"),
        "{differences:?}"
    );

    let mut history = named("taken-back-by-a-person");
    for decided in &mut history.decisions {
        if let history::Asked::Decide { world, .. } = &mut decided.asked {
            world.cluster = None;
        }
    }
    let differences = replay("x", &history).unwrap();
    assert!(differences.iter().any(|difference| difference.was["code"] == "RolledBack"), "{differences:?}");
}

#[test]
fn a_ledger_that_was_touched_does_not_replay() {
    let whole = named("addon-conflict");
    assert_eq!(replay("x", &whole), Ok(Vec::new()));
    for place in 0..whole.lines.len() {
        let mut changed = whole.clone();
        changed.lines[place].body = changed.lines[place].body.replacen("2026", "2025", 1);
        assert!(replay("x", &changed).is_err(), "line {}", place + 1);
        let mut dropped = whole.clone();
        dropped.lines.remove(place);
        assert!(replay("x", &dropped).is_err(), "line {}", place + 1);
    }
}

#[test]
fn a_listed_change_covers_what_it_names_and_nothing_else() {
    let difference = |was: serde_json::Value, is: serde_json::Value| {
        let mut history = named("two-hops");
        history.decisions.truncate(1);
        history.decisions[0].answer = was;
        let found = replay("0.1.0/two-hops", &history).unwrap().remove(0);
        let fields = replay::fields(&found.was, &is);
        Difference { fields, is, ..found }
    };
    let slower = || {
        let wait = |seconds: u32| serde_json::json!({"next": "wait", "waitFor": "Bake", "seconds": seconds});
        difference(wait(60), wait(90))
    };
    let covers = |yaml: &str| changes::read(yaml).unwrap()[0].covers(&slower());
    assert!(covers("[{reason: r, was: {waitFor: Bake}, is: {seconds: '*'}}]"));
    assert!(covers("[{reason: r, histories: [0.1.0/two-hops], is: {seconds: 90}}]"));
    assert!(!covers("[{reason: r, was: {waitFor: Bake}}]"), "it does not name what differs");
    assert!(!covers("[{reason: r, is: {seconds: 91}}]"));
    assert!(!covers("[{reason: r, was: {waitFor: Window}, is: {seconds: 90}}]"));
    assert!(!covers("[{reason: r, histories: [0.1.0/other], is: {seconds: 90}}]"));
    assert!(changes::read("[{reason: ' '}]").is_err());
}
