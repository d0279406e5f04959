//! What the protocol promises holds in every state within the bounds.

use std::collections::BTreeSet;

use eks_upgrade_model::explored::{explore, explore_until_broken};
use eks_upgrade_model::properties::{COMPLETES, ITS_OWN_UPDATE, ONE_UPDATE_A_STEP, TURNED_AWAY};
use eks_upgrade_model::setup::{Setup, Work};
use eks_upgrade_model::world::Note;

/// How many faults happen at most. In a debug build, only what needs none is explored: the rest would take minutes.
const FAULTS: u8 = if cfg!(debug_assertions) { 0 } else { 1 };

/// Explores all of it. What is possible by the rules has to have been met: else holding means nothing.
fn holds(setup: Setup, possible: &[Note], impossible: &[Note]) {
    let explored = explore(setup);
    println!("{explored}");
    assert!(explored.holds(), "{explored}");
    assert!(explored.met.is_superset(&BTreeSet::from([COMPLETES, TURNED_AWAY])), "{:?}", explored.met);
    let unmet: BTreeSet<_> = possible.iter().filter(|note| !explored.notes.contains(note)).collect();
    assert!(unmet.is_empty(), "never met: {unmet:?}");
    let met: BTreeSet<_> = impossible.iter().filter(|note| explored.notes.contains(note)).collect();
    assert!(met.is_empty(), "met: {met:?}");
}

/// With faults, if any are explored; what is possible is so only with them.
fn holds_with_faults(setup: Setup, possible: &[Note]) {
    let possible: &[Note] = if FAULTS == 0 { &[] } else { possible };
    holds(setup.faults(FAULTS), possible, &[Note::SecondUpdateByLateCall]);
}

const TAKE_OVER: [Note; 6] = [
    Note::Adopted,
    Note::TakenOver,
    Note::TokenHonoured,
    Note::BeganAfterTakeOver,
    Note::WriterFencedOff,
    Note::PlaceTaken,
];

#[test]
fn two_triggers_of_one_control_plane() {
    holds_with_faults(Setup::of(Work::ControlPlane), &TAKE_OVER);
}

#[test]
fn two_triggers_of_one_node_group() {
    holds_with_faults(Setup::of(Work::NodeGroup), &TAKE_OVER);
}

#[test]
fn a_second_execution_that_wants_something_else() {
    let setup = Setup::of(Work::ControlPlane).asking(vec![None, Some("force")]);
    holds_with_faults(setup, &[Note::Superseded, Note::BeganAfterTakeOver, Note::WriterFencedOff]);
}

#[test]
fn a_clock_that_leaps() {
    let setup = Setup::of(Work::ControlPlane).faults(0).leaps(1);
    holds(setup, &[Note::WriterFencedOff], &[Note::BeganAfterTakeOver, Note::SecondUpdateByLateCall]);
}

/// What no fence stops, a known limit: a call that its sender was free to make, and that arrives after another run took
/// over and was through. EKS takes a roll of a node group to the version that it has for one more; a control plane never
/// goes twice. Were this cured, the property would have to hold.
#[test]
fn a_late_call_of_a_superseded_run_may_roll_a_node_group_once_more() {
    let setup = Setup::of(Work::NodeGroup).asking(vec![None, Some("force")]).faults(1);
    let explored = explore_until_broken(setup, ONE_UPDATE_A_STEP);
    println!("{explored}");
    assert!(explored.broken.contains_key(ONE_UPDATE_A_STEP), "cured: {explored}");
}

/// An act function that was given up, and whose update failed meanwhile, speaks of its own attempt and of no other: it
/// takes two faults to get there.
#[test]
fn a_stray_names_its_update_as_its_own_attempts_alone() {
    let setup = Setup::of(Work::ControlPlane).asking(vec![None]).faults(2);
    let explored = explore_until_broken(setup, ITS_OWN_UPDATE);
    println!("{explored}");
    assert!(!explored.broken.contains_key(ITS_OWN_UPDATE), "{explored}");
}
