//! The properties can object: each of these breaks one thing that the protocol leans on, and is found.

use eks_upgrade_model::explored::explore_until_broken;
use eks_upgrade_model::setup::{Setup, Work};
use eks_upgrade_model::world::Flaw;

fn is_found(setup: Setup, flaw: Flaw, property: &'static str) {
    let explored = explore_until_broken(setup.flawed(flaw), property);
    println!("{explored}");
    assert!(explored.broken.contains_key(property), "{explored}");
}

#[test]
fn a_table_that_does_not_check_the_lease() {
    is_found(Setup::of(Work::ControlPlane), Flaw::LeaseNotChecked, "who writes has the highest fence");
}

#[test]
fn a_table_that_gives_the_lease_to_anybody() {
    is_found(Setup::of(Work::ControlPlane), Flaw::LeaseGivenToAnybody, "one run at most is open");
}

#[test]
fn a_lease_that_reads_as_the_askers_own() {
    let setup = Setup::of(Work::ControlPlane).faults(2);
    is_found(setup, Flaw::LeaseReadsAsTheAskersOwn, "who calls had the lease when it last made sure");
}

#[test]
fn a_table_that_takes_lines_at_any_place() {
    is_found(Setup::of(Work::ControlPlane), Flaw::PlaceNotChecked, "the lines read, and their chain holds");
}

#[test]
fn a_table_that_loses_intents() {
    let property = "the intent is in the ledger before the effect";
    is_found(Setup::of(Work::ControlPlane), Flaw::IntentsNotKept, property);
}

#[test]
fn an_act_function_with_tokens_of_its_own() {
    let property = "the intent is in the ledger before the effect";
    is_found(Setup::of(Work::ControlPlane), Flaw::TokensOfTheirOwn, property);
}

#[test]
fn an_eks_that_takes_no_notice_of_tokens() {
    is_found(Setup::of(Work::NodeGroup), Flaw::TokensIgnored, "one update a step, unless it failed");
}
