//! EKS on a bad day: refusals, throttles, lost answers, stale reads.

use eks_upgrade_core::cluster::Resource;
use eks_upgrade_core::ledger::Event;
use eks_upgrade_support::{Fleet, Twist, installed};

use crate::story::{addon, group, upgrade};

fn fleet() -> Fleet {
    Fleet::new().with(installed("prod-a", "1.34"))
}

#[test]
fn a_throttled_call_is_made_later_and_does_not_fail_the_plan() {
    let fleet = fleet();
    for _ in 0..20 {
        fleet.eks.twist(Resource::ControlPlane, Twist::throttled());
    }
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(told.count(|event| matches!(event, Event::Refused { .. })), 20);
}

#[test]
fn a_service_that_is_unavailable_is_called_again_with_the_same_token() {
    let fleet = fleet();
    for _ in 0..3 {
        fleet.eks.twist(Resource::ControlPlane, Twist::NeverArrives);
    }
    let told = upgrade(&fleet, "1.35").completed();
    let intents = told.count(
        |event| matches!(event, Event::Intended { step, .. } if step.as_str() == "1.35/control-plane"),
    );
    assert_eq!(intents, 1, "one intent, one token");
}

#[test]
fn a_lost_answer_is_found_again_and_the_call_not_repeated() {
    for resource in [Resource::ControlPlane, group("general"), addon("coredns")] {
        let fleet = fleet();
        fleet.eks.twist(resource.clone(), Twist::AnswerLost);
        let told = upgrade(&fleet, "1.35").completed();
        assert_eq!(
            told.count(|event| matches!(event, Event::Started { adopted: true, .. })),
            1,
            "{resource}"
        );
    }
}

#[test]
fn a_token_that_is_no_longer_honoured_does_no_harm() {
    for twist in [Twist::AnswerLost, Twist::DiesAfter] {
        for resource in [Resource::ControlPlane, group("general"), addon("coredns")] {
            let fleet = fleet();
            fleet.eks.state().tokens_honoured = false;
            fleet.eks.twist(resource.clone(), twist.clone());
            upgrade(&fleet, "1.35").completed();
        }
    }
}

#[test]
fn an_update_that_is_not_visible_yet_is_waited_for() {
    let fleet = fleet();
    fleet.eks.state().updates_hidden_s = 200;
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(told.count(|event| matches!(event, Event::Failed { .. })), 0);
}

#[test]
fn an_update_that_is_listed_and_not_described_is_not_tried_again() {
    let fleet = fleet();
    // Longer than EKS's reads lag behind.
    fleet.eks.state().updates_hidden_s = 900;
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(told.count(|event| matches!(event, Event::Failed { .. })), 0);
}

#[test]
fn an_update_whose_call_took_long_to_arrive_has_its_time_to_become_visible_too() {
    for resource in [Resource::ControlPlane, group("general"), addon("coredns")] {
        let fleet = fleet();
        fleet.eks.state().updates_hidden_s = 60;
        fleet.eks.state().lists_lag = true;
        for _ in 0..8 {
            fleet.eks.twist(resource.clone(), Twist::NeverArrives);
        }
        let told = upgrade(&fleet, "1.35").completed();
        assert_eq!(told.count(|event| matches!(event, Event::Failed { .. })), 0, "{resource}");
    }
}

#[test]
fn a_lost_answer_about_an_update_that_is_not_visible_yet_begins_nothing_twice() {
    let fleet = fleet();
    fleet.eks.state().updates_hidden_s = 200;
    for resource in [Resource::ControlPlane, group("general"), addon("coredns")] {
        fleet.eks.twist(resource, Twist::AnswerLost);
    }
    let told = upgrade(&fleet, "1.35").completed();
    let different: std::collections::BTreeSet<_> = told.began.iter().collect();
    assert_eq!(different.len(), told.began.len(), "{:#?}", told.began);
}

#[test]
fn too_few_addresses_stop_at_once_and_say_where() {
    let fleet = fleet();
    let words = "Provided subnets subnet-a Free IPs: 0 , need at least 5 IPs in each subnet to be free for this operation";
    fleet.eks.twist(Resource::ControlPlane, Twist::Refused(400, "InvalidRequestException", words.into()));
    let told = upgrade(&fleet, "1.35").halted("InvalidRequest");
    assert!(told.words().contains("subnet-a"), "{}", told.words());
    assert_eq!(fleet.eks.arrived(), 1);
}

#[test]
fn denied_is_not_tried_again() {
    let fleet = fleet();
    fleet.eks.twist(Resource::ControlPlane, Twist::Refused(403, "AccessDeniedException", "no".into()));
    upgrade(&fleet, "1.35").halted("AccessDenied");
    assert_eq!(fleet.eks.arrived(), 1);
}

#[test]
fn a_control_plane_update_that_fails_is_tried_again_and_then_stops() {
    let fleet = fleet();
    for _ in 0..2 {
        fleet.eks.twist(Resource::ControlPlane, Twist::fails("Unknown", "internal"));
    }
    let told = upgrade(&fleet, "1.35").halted("Unknown");
    assert_eq!(told.hops().len(), 2);
    assert_eq!(told.group_calls(), Vec::<&str>::new());
}

#[test]
fn a_cluster_that_rests_at_its_old_version_after_the_update_is_no_success() {
    let fleet = fleet();
    fleet.later(610, |eks| {
        eks.change("prod-a", |cluster| cluster.cluster.health_issues = vec!["InternalFailure: x".into()]);
    });
    let told = upgrade(&fleet, "1.35").halted("NotVerified");
    assert!(told.words().contains("InternalFailure"), "{}", told.words());
}
