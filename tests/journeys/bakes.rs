//! Bakes: after a hop nothing moves for a while, the gates are watched, and a failed one stops or takes back.

use eks_upgrade_core::cluster::{InsightStatus, Status};
use eks_upgrade_core::ledger::{Done, Event, Phase};
use eks_upgrade_support::{FakeEks, Fleet, installed};

use crate::story::{Told, insight, upgrade};

const MINUTE_S: i64 = 60;

fn fleet(bake: &str) -> Fleet {
    Fleet::new().under(&format!("bake: {bake}")).with(installed("prod-a", "1.34"))
}

fn issue(eks: &FakeEks) {
    let issue = "Ec2SubnetNotFound: subnet-1 is gone".to_owned();
    eks.change("prod-a", |cluster| cluster.cluster.health_issues.push(issue));
}

/// When the call of this kind was made, in minutes since the run began.
fn minute(fleet: &Fleet, told: &Told, of: &str) -> i64 {
    let state = fleet.eks.state();
    let call = state.calls.iter().find(|called| called.call.to_string().contains(of)).expect("the call");
    call.at.duration_since(told.state.opened_at).as_mins()
}

#[test]
fn nodes_and_add_ons_wait_until_the_bake_is_over() {
    let fleet = fleet("{duration: 2h}");
    let told = upgrade(&fleet, "1.35").completed();
    // Ten minutes for the control plane, two hours of bake.
    for call in ["UpdateNodegroupVersion", "UpdateAddon kube-proxy"] {
        let at = minute(&fleet, &told, call);
        assert!((130..=136).contains(&at), "{call} after {at} min");
    }
    let baked = Phase::Done { how: Done::Baked };
    assert!(told.state.steps.values().any(|progress| progress.phase == baked));
}

#[test]
fn a_new_health_issue_stops_the_run_with_the_way_back_open() {
    let fleet = fleet("{duration: 2h}");
    fleet.later(40 * MINUTE_S, issue);
    let told = upgrade(&fleet, "1.35").halted("BakeFailed");
    assert_eq!(told.began, ["UpdateClusterVersion version=1.35"], "nothing else moved");
    for word in ["Ec2SubnetNotFound", "7 days", "eks-upgrade roll-back prod-a"] {
        assert!(told.words().contains(word), "{}", told.words());
    }
}

#[test]
fn what_was_wrong_before_is_no_fault_of_the_hop() {
    let fleet = fleet("{duration: 2h, gates: [addon-health]}");
    fleet.eks.change("prod-a", |cluster| {
        cluster.addons.get_mut("coredns").unwrap().status = Status::Unwell("DEGRADED".into());
    });
    fleet.later(150 * MINUTE_S, |eks| {
        eks.change("prod-a", |cluster| cluster.addons.get_mut("coredns").unwrap().status = Status::Active);
    });
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(told.count(|event| matches!(event, Event::GateFailed { .. })), 0);
}

#[test]
fn each_gate_sees_what_it_is_for() {
    type Happens = fn(&FakeEks);
    let unwell = |eks: &FakeEks| {
        eks.change("prod-a", |cluster| {
            cluster.addons.get_mut("vpc-cni").unwrap().status = Status::Unwell("DEGRADED".into());
        });
    };
    let insights = |eks: &FakeEks| {
        let error = insight(InsightStatus::Error, "webhooks time out");
        eks.change("prod-a", |cluster| cluster.insights.push(error));
    };
    let cases: [(&str, Happens, &str); 3] = [
        ("cluster-health", issue, "Ec2SubnetNotFound"),
        ("addon-health", unwell, "vpc-cni is DEGRADED"),
        ("insights", insights, "webhooks time out"),
    ];
    for (gate, happens, says) in cases {
        let fleet = fleet(&format!("{{duration: 2h, gates: [{gate}]}}"));
        fleet.later(40 * MINUTE_S, happens);
        let told = upgrade(&fleet, "1.35").halted("BakeFailed");
        assert!(told.words().contains(says), "{gate}: {}", told.words());
    }
}

#[test]
fn a_gate_that_cannot_be_told_is_waited_for_and_then_stops() {
    let fleet = fleet("{duration: 2h, gates: [insights]}");
    let unknown = insight(InsightStatus::Unknown, "not refreshed");
    fleet.later(40 * MINUTE_S, |eks| eks.change("prod-a", |cluster| cluster.insights.push(unknown)));
    let told = upgrade(&fleet, "1.35").halted("BakeUntold");
    let minutes = told.state.updated_at.duration_since(told.state.opened_at).as_mins();
    assert!((190..=225).contains(&minutes), "an hour past its time, not {minutes} min");
}

#[test]
fn by_policy_a_failed_gate_takes_the_control_plane_back() {
    let fleet = fleet("{duration: 2h, onFailure: roll-back}");
    fleet.later(40 * MINUTE_S, issue);
    let told = upgrade(&fleet, "1.35").rolled_back("BakeFailed");
    assert_eq!(
        told.began,
        ["UpdateClusterVersion version=1.35", "UpdateClusterVersion version=1.34 back force=false"]
    );
    assert_eq!(fleet.eks.see("prod-a").cluster.version.to_string(), "1.34");
    assert_eq!(fleet.eks.see("prod-a").node_groups["general"].version.to_string(), "1.34");
    assert!(told.words().contains("Ec2SubnetNotFound"), "{}", told.words());
}

#[test]
fn a_person_who_rolls_back_while_it_bakes_is_not_fought() {
    let fleet = fleet("{duration: 2h, onFailure: roll-back}");
    fleet.later(40 * MINUTE_S, |eks| {
        eks.change("prod-a", |cluster| cluster.cluster.version = "1.34".parse().unwrap());
    });
    let told = upgrade(&fleet, "1.35").halted("RolledBack");
    assert_eq!(told.began, ["UpdateClusterVersion version=1.35"]);
}

#[test]
fn each_hop_bakes_and_the_plan_says_what_it_gives_up() {
    let fleet = Fleet::new().under("bake: {duration: 1h}").with(installed("prod-a", "1.33"));
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(told.count(|event| matches!(event, Event::Baked { .. })), 2);
    let first = told.events.iter().find_map(|event| match event {
        Event::Planned { plan } => Some(plan),
        _ => None,
    });
    let findings = &first.unwrap().findings;
    assert!(findings.iter().any(|finding| finding.message.contains("gives up the way back")), "{findings:?}");
}
