//! Consents: each allows one thing on one cluster for a while, and is on record.

use eks_upgrade_core::control::ConsentScope;
use eks_upgrade_core::finding::{Code, Level};
use eks_upgrade_core::ledger::Event;
use eks_upgrade_support::{End, Fleet, Twist, installed};
use serde_json::json;

use crate::story::{addon, group, upgrade};

const ROLLED: &str = "UpdateNodegroupVersion nodegroup=general version=1.35 force=false";
const FORCED: &str = "UpdateNodegroupVersion nodegroup=general version=1.35 force=true";

fn force(node_group: &str) -> ConsentScope {
    ConsentScope::Force { node_group: node_group.into() }
}

/// A group whose pods do not leave until they are made to.
fn stubborn() -> Fleet {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    fleet.eks.twist(group("general"), Twist::eviction_fails());
    fleet
}

#[test]
fn force_is_used_after_a_rolling_update_failed_and_the_consent_is_on_record() {
    let fleet = stubborn();
    fleet.consent("prod-a", force("general"), 24);
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(told.group_calls(), [ROLLED, FORCED]);
    let by: Vec<_> = told
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Intended { consent: Some(consent), .. } => Some(consent.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(by, ["co-1"]);
}

#[test]
fn force_that_nobody_consented_to_here_and_now_is_not_used() {
    for (cluster, node_group, hours, why) in [
        ("prod-a", "other", 24, "of another group"),
        ("prod-b", "general", 24, "of another cluster"),
        ("prod-a", "general", 0, "that has expired"),
    ] {
        let fleet = stubborn();
        fleet.eks.twist(group("general"), Twist::eviction_fails());
        fleet.consent(cluster, force(node_group), hours);
        let told = upgrade(&fleet, "1.35").halted("PodEvictionFailure");
        assert_eq!(told.group_calls(), [ROLLED, ROLLED], "a consent {why}");
        assert!(told.words().contains("eks-upgrade consent"), "{}", told.words());
    }
}

#[test]
fn a_conflict_is_overwritten_only_where_policy_or_a_consent_says_so() {
    let conflict = || Twist::fails("ConfigurationConflict", "Conflicts: DaemonSet.apps aws-node - .spec");
    let with = |consented: bool, policy: &str| {
        let fleet = Fleet::new().under(policy).with(installed("prod-a", "1.34"));
        fleet.eks.twist(addon("coredns"), conflict());
        if consented {
            fleet.consent("prod-a", ConsentScope::Overwrite { addon: "coredns".into() }, 24);
        }
        upgrade(&fleet, "1.35")
    };
    let told = with(false, "bake: {duration: 0s}").halted("ConfigurationConflict");
    assert!(told.words().contains(".spec") && told.words().contains("overwrite"), "{}", told.words());
    for (consented, policy) in
        [(true, "bake: {duration: 0s}"), (false, "{overwriteAddons: [coredns], bake: {duration: 0s}}")]
    {
        let told = with(consented, policy).completed();
        let coredns: Vec<_> =
            told.addon_calls().into_iter().filter(|call| call.contains("coredns")).collect();
        let [first, second] = coredns[..] else { panic!("{coredns:?}") };
        assert!(!first.contains("OVERWRITE") && second.contains("OVERWRITE"), "{coredns:?}");
    }
}

#[test]
fn a_finding_that_is_overridden_by_name_warns_and_says_by_whom() {
    let unwell = || {
        let mut cluster = installed("prod-a", "1.34");
        cluster.cluster.health_issues = vec!["Ec2SecurityGroupNotFound: sg-1".into()];
        Fleet::new().with(cluster)
    };
    upgrade(&unwell(), "1.35").halted("Blocked");

    let fleet = unwell();
    let finding = Code::ClusterUnwell;
    fleet.consent("prod-a", ConsentScope::Override { finding, subject: None }, 24);
    // The issue goes away by itself meanwhile: verification asks for a cluster that is well.
    fleet.later(300, |eks| eks.change("prod-a", |cluster| cluster.cluster.health_issues.clear()));
    let told = upgrade(&fleet, "1.35").completed();
    let found = &told.state.plan.as_ref().unwrap().findings[0];
    assert_eq!((found.code, found.level), (finding, Level::Warn));
    assert!(found.message.contains("ada@example.com"), "{}", found.message);
}

#[test]
fn what_kubernetes_forbids_nobody_can_allow() {
    let fleet = Fleet::new().with(installed("prod-a", "1.33"));
    fleet.eks.change("prod-a", |cluster| {
        cluster.node_groups.get_mut("general").unwrap().version = "1.30".parse().unwrap();
        cluster.node_groups.get_mut("general").unwrap().ami = eks_upgrade_core::cluster::AmiFamily::Custom;
    });
    fleet.consent("prod-a", ConsentScope::Override { finding: Code::SkewExceeded, subject: None }, 24);
    upgrade(&fleet, "1.35").halted("Blocked");
    assert_eq!(fleet.eks.arrived(), 0);
}

#[test]
fn the_way_back_by_hand_takes_a_consent() {
    let fleet = Fleet::new().with(installed("prod-a", "1.35"));
    let end = fleet.start(json!({"cluster": "prod-a", "rollBack": true})).finish();
    let End::Refused(raised) = end else { panic!("{end:?}") };
    assert_eq!(raised.name, "ConsentWanted");
    assert!(raised.message.contains("eks-upgrade roll-back prod-a"), "{}", raised.message);
    assert_eq!(fleet.eks.arrived(), 0);
}

#[test]
fn a_consent_that_comes_while_a_call_is_in_doubt_makes_a_call_of_its_own() {
    let fleet = stubborn();
    // The second rolling call is meant, and the function dies before it reaches EKS, until nobody tries any more.
    for _ in 0..9 {
        fleet.eks.twist(group("general"), Twist::DiesBefore);
    }
    let mut execution = fleet.start(json!({"cluster": "prod-a", "target": "1.35"}));
    execution.until_at("LookAgain");
    fleet.consent("prod-a", force("general"), 24);
    let told = crate::story::told(&fleet, &mut execution).completed();
    assert_eq!(told.group_calls(), [ROLLED, FORCED]);
    let meant: Vec<(u32, bool)> = told
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Intended { step, attempt, consent, .. } if step.as_str().contains("node-group") => {
                Some((*attempt, consent.is_some()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(meant, [(1, false), (2, false), (3, true)], "each call has a line, and a token, of its own");
}
