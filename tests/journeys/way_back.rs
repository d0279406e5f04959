//! The way back by hand: what EKS allows, and for each thing that it does not, what to do instead.

use eks_upgrade_core::cluster::{Insight, InsightCategory, InsightStatus};
use eks_upgrade_core::control::ConsentScope;
use eks_upgrade_core::finding::Code;
use eks_upgrade_core::ledger::Ending;
use eks_upgrade_support::{Fleet, installed};
use serde_json::json;

use crate::story::{Told, upgrade, upgrade_with};

const DAY_S: i64 = 24 * 3600;

/// A cluster whose control plane has just gone up, its nodes still where they were.
fn upgraded(from: &str, to: &str) -> Fleet {
    let fleet = Fleet::new().under("bake: {duration: 1h}").with(installed("prod-a", from));
    fleet.later(30 * 60, |eks| {
        eks.change("prod-a", |cluster| cluster.cluster.health_issues.push("Ec2SubnetNotFound: gone".into()));
    });
    upgrade(&fleet, to).halted("BakeFailed");
    fleet.eks.change("prod-a", |cluster| cluster.cluster.health_issues.clear());
    fleet
}

fn back(fleet: &Fleet) -> Told {
    fleet.consent("prod-a", ConsentScope::RollBack, 24);
    upgrade_with(fleet, json!({"cluster": "prod-a", "rollBack": true, "reason": "it broke the webhooks"}))
}

fn insight(status: InsightStatus) -> Insight {
    Insight {
        name: "Incompatible API usage".into(),
        category: InsightCategory::RollbackReadiness,
        status,
        about: Some("1.34".parse().unwrap()),
        reason: "a new API is used".into(),
        refreshed_at: None,
        deprecated: Vec::new(),
    }
}

#[test]
fn within_seven_days_the_control_plane_goes_back_and_says_why() {
    let fleet = upgraded("1.34", "1.35");
    fleet.pass(6 * DAY_S);
    let told = back(&fleet).rolled_back("RolledBackByHand");
    assert_eq!(told.began.last().unwrap(), "UpdateClusterVersion version=1.34 back force=false");
    assert!(told.words().contains("it broke the webhooks"), "{}", told.words());
    assert_eq!(fleet.eks.see("prod-a").cluster.version.to_string(), "1.34");
}

#[test]
fn what_stands_against_it_is_named_with_the_next_safe_thing() {
    type Change = fn(&Fleet);
    let rows: [(&str, Change, Code, &str); 5] = [
        ("eight days", |fleet| fleet.pass(8 * DAY_S), Code::RollBackTooLate, "new cluster"),
        (
            "a newer group",
            |fleet| {
                fleet.eks.state().excused = true;
                fleet.eks.change("prod-a", |cluster| {
                    cluster.node_groups.get_mut("general").unwrap().version = "1.35".parse().unwrap();
                });
            },
            Code::NodesNewer,
            "make a group at the older version",
        ),
        (
            "an insight that is ERROR",
            |fleet| {
                let error = insight(InsightStatus::Error);
                fleet.eks.change("prod-a", |cluster| cluster.insights.push(error));
            },
            Code::RollBackInsight,
            "consent CLUSTER override roll-back-insight",
        ),
        (
            "an insight that is UNKNOWN",
            |fleet| {
                let unknown = insight(InsightStatus::Unknown);
                fleet.eks.change("prod-a", |cluster| cluster.insights.push(unknown));
            },
            Code::RollBackInsight,
            "consent CLUSTER override roll-back-insight",
        ),
        (
            "taken back before",
            |fleet| {
                back(fleet).rolled_back("RolledBackByHand");
            },
            Code::NothingToRollBack,
            "new cluster",
        ),
    ];
    for (row, change, code, next) in rows {
        let fleet = upgraded("1.34", "1.35");
        change(&fleet);
        let calls = fleet.eks.arrived();
        let told = back(&fleet).halted("RollBackBlocked");
        assert!(told.words().contains(&code.to_string()), "{row}: {}", told.words());
        assert!(told.words().contains(next), "{row}: {}", told.words());
        assert_eq!(fleet.eks.arrived(), calls, "{row}: it was tried all the same");
    }
}

#[test]
fn an_insight_may_be_overridden_by_name_and_only_then_is_force_sent() {
    let fleet = upgraded("1.34", "1.35");
    let error = insight(InsightStatus::Error);
    fleet.eks.change("prod-a", |cluster| cluster.insights.push(error));
    let finding = Code::RollBackInsight;
    fleet.consent("prod-a", ConsentScope::Override { finding, subject: None }, 24);
    let told = back(&fleet).rolled_back("RolledBackByHand");
    assert_eq!(told.began.last().unwrap(), "UpdateClusterVersion version=1.34 back force=true");
}

#[test]
fn into_extended_support_the_support_type_goes_first() {
    let fleet = upgraded("1.33", "1.34");
    fleet.eks.change("prod-a", |cluster| cluster.cluster.extended_support = false);
    let told = back(&fleet).rolled_back("RolledBackByHand");
    let calls: Vec<&str> = told.began.iter().map(String::as_str).skip(1).collect();
    assert_eq!(
        calls,
        ["UpdateClusterConfig supportType=EXTENDED", "UpdateClusterVersion version=1.33 back force=false"]
    );
}

#[test]
fn automation_leaves_a_cluster_alone_that_was_taken_back() {
    let fleet = upgraded("1.34", "1.35");
    back(&fleet).rolled_back("RolledBackByHand");
    let answer = fleet.take(&json!({"trigger": "sweep"})).unwrap().unwrap();
    let answer = serde_json::to_value(answer).unwrap();
    assert_eq!(answer["leftAlone"][0]["code"], "halted-before", "{answer}");
}

#[test]
fn a_dry_run_of_the_way_back_shows_the_way_back() {
    let fleet = upgraded("1.34", "1.35");
    let calls = fleet.eks.arrived();
    let end = fleet.start(json!({"cluster": "prod-a", "rollBack": true, "dryRun": true})).finish();
    let eks_upgrade_support::End::DryRun(plan) = end else { panic!("{end:?}") };
    assert_eq!(plan.target.to_string(), "1.34");
    assert_eq!(fleet.eks.arrived(), calls);
}

#[test]
fn a_consent_that_is_taken_back_meanwhile_is_not_acted_upon() {
    let fleet = upgraded("1.34", "1.35");
    let calls = fleet.eks.arrived();
    fleet.switch(true);
    fleet.then(1_800, |fleet| {
        let now = eks_upgrade_pipeline::ports::Time::now(&fleet.clock);
        fleet.table.memory.kept().consents.iter_mut().for_each(|consent| consent.expires_at = now);
        fleet.switch(false);
    });
    let told = back(&fleet).halted("ConsentWanted");
    assert!(told.words().contains("eks-upgrade roll-back prod-a"), "{}", told.words());
    assert_eq!(fleet.eks.arrived(), calls);
}

#[test]
fn an_override_that_has_ended_lets_no_force_through() {
    let fleet = upgraded("1.34", "1.35");
    let calls = fleet.eks.arrived();
    let error = insight(InsightStatus::Error);
    fleet.eks.change("prod-a", |cluster| cluster.insights.push(error));
    let finding = Code::RollBackInsight;
    fleet.consent("prod-a", ConsentScope::Override { finding, subject: None }, 24);
    fleet.switch(true);
    fleet.then(1_800, |fleet| {
        let now = eks_upgrade_pipeline::ports::Time::now(&fleet.clock);
        let mut kept = fleet.table.memory.kept();
        let overrides = kept.consents.iter_mut().filter(|one| one.scope != ConsentScope::RollBack);
        overrides.for_each(|consent| consent.expires_at = now);
        drop(kept);
        fleet.switch(false);
    });
    back(&fleet).halted("ConsentWanted");
    assert_eq!(fleet.eks.arrived(), calls);
}

#[test]
fn a_way_back_that_waits_for_a_window_goes_at_once_when_somebody_says_so() {
    let policy = "bake: {duration: 1h, onFailure: roll-back}\n\
                  windows: [{dates: [18], start: \"09:00\", duration: 60m}]";
    let fleet = Fleet::new().under(policy).with(installed("prod-a", "1.34").without_groups());
    fleet.later(30 * 60, |eks| {
        eks.change("prod-a", |cluster| cluster.cluster.health_issues.push("Ec2SubnetNotFound: gone".into()));
    });
    let asked_s = 5 * 3_600;
    fleet.then(asked_s, |fleet| {
        assert_eq!(fleet.eks.arrived(), 1, "outside the window it waits");
        fleet.consent("prod-a", ConsentScope::RollBack, 24);
    });
    let told = upgrade(&fleet, "1.35").rolled_back("BakeFailed");
    let at = fleet.eks.state().calls[1].at.duration_since(told.state.opened_at).as_secs();
    assert!((asked_s..asked_s + 700).contains(&at), "{at} s");
    assert!(told.events.iter().any(|event| {
        matches!(event, eks_upgrade_core::ledger::Event::Paused { text, .. } if text.contains("consent prod-a roll-back"))
    }));
}

#[test]
fn what_was_taken_back_is_not_cleared_by_asking_for_where_it_is() {
    let fleet = upgraded("1.34", "1.35");
    assert!(matches!(back(&fleet).ending, Ending::RolledBack { .. }));
    let here = fleet.start(json!({"cluster": "prod-a", "target": "1.34"})).output().unwrap_err();
    assert_eq!(here.error, "TargetNotNewer", "{here:?}");
    assert!(matches!(fleet.lease("prod-a").unwrap().ended, Some(Ending::RolledBack { .. })));
    // Somebody brings it up again, nodes and all: that clears it.
    fleet.eks.change("prod-a", |cluster| {
        let created_at = cluster.cluster.created_at;
        *cluster = installed("prod-a", "1.35");
        cluster.cluster.created_at = created_at;
    });
    let _ = fleet.start(json!({"cluster": "prod-a", "target": "1.35"})).finish();
    assert_eq!(fleet.lease("prod-a").unwrap().ended, Some(Ending::Completed));
}
