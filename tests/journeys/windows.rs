//! Maintenance windows and freezes: no call outside, what runs is watched to its end, and the rest waits.
//!
//! The stories begin on Tuesday 18 August 2026 at 09:15 UTC, which is 11:15 in Berlin.

use eks_upgrade_core::cluster::Resource;
use eks_upgrade_core::finding::Code;
use eks_upgrade_core::ledger::Event;
use eks_upgrade_support::{Fleet, Twist, installed};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::story::{Told, group, upgrade};

const BERLIN: &str = "Europe/Berlin";

fn fleet(policy: &str) -> Fleet {
    Fleet::new().under(&format!("bake: {{duration: 0s}}\n{policy}")).with(installed("prod-a", "1.34"))
}

fn at_night(hours: u32) -> String {
    format!("windows: [{{start: \"22:00\", duration: {hours}h, timeZone: {BERLIN}}}]")
}

/// When each call arrived at EKS, by its own record.
fn arrivals(fleet: &Fleet) -> Vec<Timestamp> {
    fleet.eks.state().calls.iter().map(|called| called.at).collect()
}

fn local(at: Timestamp) -> Time {
    at.to_zoned(TimeZone::get(BERLIN).unwrap()).time()
}

fn pauses(told: &Told) -> Vec<String> {
    let texts = told.events.iter().filter_map(|event| match event {
        Event::Paused { text, .. } => Some(text.clone()),
        _ => None,
    });
    texts.collect()
}

#[test]
fn a_run_that_starts_by_day_sleeps_till_the_window_opens() {
    let fleet = fleet(&at_night(4));
    let told = upgrade(&fleet, "1.35").completed();
    let first = arrivals(&fleet)[0];
    assert_eq!(first.to_string(), "2026-08-18T20:00:00Z", "22:00 in Berlin");
    let [pause] = &pauses(&told)[..] else { panic!("{:?}", pauses(&told)) };
    assert!(pause.contains("2026-08-18 20:00 UTC"), "{pause}");
}

#[test]
fn what_runs_when_the_window_closes_is_watched_to_its_end_and_the_rest_waits_for_the_next() {
    let fleet = fleet(&at_night(1));
    // It takes three hours: long past the close.
    fleet.eks.twist(Resource::ControlPlane, Twist::Lasts(3 * 3600));
    let told = upgrade(&fleet, "1.35").completed();
    let days: std::collections::BTreeSet<String> =
        arrivals(&fleet).iter().map(|at| at.strftime("%d").to_string()).collect();
    assert_eq!(days.into_iter().collect::<Vec<_>>(), ["18", "19"], "the rest goes on the next night");
    assert!(told.began.len() > 1);
}

#[test]
fn a_step_that_may_not_fit_before_the_close_is_not_begun() {
    // The node group may take 44 minutes, and of the two hours the control plane leaves 40.
    let fleet = fleet(&at_night(2));
    fleet.eks.twist(Resource::ControlPlane, Twist::Lasts(80 * 60));
    upgrade(&fleet, "1.35").completed();
    let state = fleet.eks.state();
    let roll = state.calls.iter().find(|called| called.call.to_string().contains("Nodegroup")).unwrap();
    assert_eq!(roll.at.to_string(), "2026-08-19T20:00:00Z", "it waited for a whole window");
}

#[test]
fn a_freeze_of_nodes_lets_the_control_plane_go() {
    let freeze = format!(
        "freezes: [{{name: quarter end, scope: nodes, from: 2026-08-18, until: 2026-08-21, timeZone: {BERLIN}}}]"
    );
    let fleet = fleet(&freeze);
    let told = upgrade(&fleet, "1.35").completed();
    let state = fleet.eks.state();
    for called in &state.calls {
        let frozen = called.call.to_string().contains("Nodegroup");
        let until: Timestamp = "2026-08-20T22:00:00Z".parse().unwrap();
        assert_eq!(called.at >= until, frozen, "{} at {}", called.call, called.at);
    }
    assert!(pauses(&told).iter().any(|text| text.contains("quarter end")), "{:?}", pauses(&told));
}

#[test]
fn a_window_too_short_for_a_step_blocks_before_anything_is_touched() {
    let fleet = fleet(&at_night(1));
    fleet.eks.change("prod-a", |cluster| cluster.node_groups.get_mut("general").unwrap().size = 30);
    let told = upgrade(&fleet, "1.35").halted("Blocked");
    assert!(told.words().contains(&Code::WindowTooShort.to_string()), "{}", told.words());
    assert_eq!(fleet.eks.arrived(), 0);
}

#[test]
fn a_tag_of_the_cluster_goes_before_the_policys_windows() {
    let mut cluster = installed("prod-a", "1.34");
    cluster = cluster.tagged(eks_upgrade_core::policy::WINDOW_TAG, "wed 03:00 4h Asia/Kolkata");
    let fleet = Fleet::new().under(&format!("bake: {{duration: 0s}}\n{}", at_night(4))).with(cluster);
    upgrade(&fleet, "1.35").completed();
    assert_eq!(arrivals(&fleet)[0].to_string(), "2026-08-18T21:30:00Z", "03:00 on Wednesday in Kolkata");
}

/// 1.33 is in extended support until 29 July 2027; 1.34 in standard support until 2 December 2026.
fn late_window(wins: &str) -> Fleet {
    fleet(&format!(
        "endOfSupport: {{wins: {wins}, noticeDays: 10}}\n\
         windows: [{{months: [12], dates: [20], start: \"01:00\", duration: 6h}}]"
    ))
}

#[test]
fn past_the_end_of_support_the_window_wins_by_default_and_says_what_it_costs() {
    let fleet = late_window("window");
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(arrivals(&fleet)[0].to_string(), "2026-12-20T01:01:00Z", "planned anew in a minute");
    let [pause] = &pauses(&told)[..] else { panic!("{:?}", pauses(&told)) };
    assert!(pause.contains("ends on 2026-12-02") && pause.contains("$12 a day"), "{pause}");
    assert!(told.message.contains("$12 a day"), "people are told: {}", told.message);
}

#[test]
fn by_policy_the_deadline_wins_with_notice() {
    let fleet = late_window("deadline");
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(arrivals(&fleet)[0].to_string(), "2026-11-22T00:01:00Z", "ten days before");
    let pause = &pauses(&told)[0];
    assert!(pause.contains("2026-12-02") && pause.contains("2026-11-22"), "{pause}");
}

#[test]
fn a_yes_is_asked_for_while_the_window_is_waited_for() {
    let fleet = fleet(&format!("approvals: [{{before: run}}]\n{}", at_night(4)));
    fleet.then(3_600, |fleet| fleet.answer(eks_upgrade_core::control::Answer::Approve));
    upgrade(&fleet, "1.35").completed();
    assert_eq!(arrivals(&fleet)[0].to_string(), "2026-08-18T20:00:00Z", "answered by day, done by night");
}

#[test]
fn past_the_minor_that_expires_windows_bind_again() {
    let fleet = late_window("deadline");
    upgrade(&fleet, "1.35").completed();
    let state = fleet.eks.state();
    for called in &state.calls {
        let hop = called.call.to_string().starts_with("UpdateClusterVersion");
        let day = called.at.strftime("%m-%d").to_string();
        assert_eq!(day, if hop { "11-22" } else { "12-20" }, "{} at {}", called.call, called.at);
    }
}

#[test]
fn a_failed_roll_is_tried_again_only_inside_a_window() {
    let fleet = fleet(&at_night(2));
    fleet.eks.twist(group("general"), Twist::eviction_fails());
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(told.group_calls().len(), 2);
    for at in arrivals(&fleet) {
        assert!(local(at) >= Time::constant(22, 0, 0, 0), "{at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// By EKS's own record, and by the wall clock alone.
    #[test]
    fn nothing_is_called_outside_the_window(start in 0..24_i8, hours in 2..8_i64, took_min in 5..200_i64) {
        let policy = format!(
            "windows: [{{start: \"{start:02}:30\", duration: {hours}h, timeZone: America/New_York}}]"
        );
        let fleet = fleet(&policy);
        fleet.eks.twist(Resource::ControlPlane, Twist::Lasts(took_min * 60));
        fleet.eks.twist(group("general"), Twist::eviction_fails());
        upgrade(&fleet, "1.35").completed();
        let zone = TimeZone::get("America/New_York").unwrap();
        for at in arrivals(&fleet) {
            let here = at.to_zoned(zone.clone());
            let opened = |date: jiff::civil::Date| {
                let opens = date.at(start, 30, 0, 0).to_zoned(zone.clone()).unwrap().timestamp();
                opens <= at && at < opens + SignedDuration::from_hours(hours)
            };
            let inside = opened(here.date()) || opened(here.date().yesterday().unwrap());
            prop_assert!(inside, "called at {}", here);
        }
    }
}
