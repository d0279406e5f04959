//! Add-ons: order, conflicts, and the climb of vpc-cni.

use eks_upgrade_core::cluster::{Offer, Status};
use eks_upgrade_core::ledger::Event;
use eks_upgrade_core::version::Minor;
use eks_upgrade_support::{Fleet, Twist, installed, word};

use crate::story::{addon, upgrade};

#[test]
fn an_addon_that_fails_once_is_tried_again() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    fleet.eks.twist(addon("coredns"), Twist::fails("InsufficientNumberOfReplicas", "not ready"));
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(told.addon_calls().iter().filter(|call| call.contains("coredns")).count(), 2);
    assert_eq!(told.count(|event| matches!(event, Event::Failed { .. })), 1);
}

#[test]
fn a_conflict_stops_the_run_while_the_others_go_on() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    let fields = "Conflicts found when trying to apply. Conflicts: Deployment.apps coredns - .spec.replicas";
    fleet.eks.twist(addon("coredns"), Twist::fails("ConfigurationConflict", fields));
    let told = upgrade(&fleet, "1.35").halted("ConfigurationConflict");
    assert!(told.words().contains(".spec.replicas"), "{}", told.words());
    let after = fleet.eks.see("prod-a");
    assert_eq!(after.addons["kube-proxy"].version.to_string(), "v1.35.0-eksbuild.1");
    assert_eq!(after.node_groups["general"].version.to_string(), "1.35");
    assert_eq!(told.addon_calls().iter().filter(|call| call.contains("coredns")).count(), 1);
}

#[test]
fn an_addon_keeps_the_role_and_the_configuration_that_people_gave_it() {
    let mut cluster = installed("prod-a", "1.34");
    let cni = cluster.addons.get_mut("vpc-cni").unwrap();
    cni.role = Some("arn:aws:iam::123456789012:role/cni".into());
    cni.configuration = Some(r#"{"env":{"WARM_IP_TARGET":"2"}}"#.into());
    let before = cni.clone();
    let fleet = Fleet::new().with(cluster);
    upgrade(&fleet, "1.35").completed();
    let after = &fleet.eks.see("prod-a").addons["vpc-cni"];
    assert!(after.version > before.version);
    assert_eq!((&after.role, &after.configuration), (&before.role, &before.configuration));
}

#[test]
fn vpc_cni_climbs_one_minor_a_call_and_is_through_before_nodes_roll() {
    let fleet = Fleet::new().with(installed("prod-a", "1.33"));
    let told = upgrade(&fleet, "1.36").completed();
    let climbed: Vec<&str> = told
        .addon_calls()
        .into_iter()
        .filter_map(|call| call.split("addon=vpc-cni version=").nth(1))
        .filter_map(|rest| rest.split('-').next())
        .collect();
    assert_eq!(climbed, ["v1.17.0", "v1.18.0", "v1.19.0", "v1.20.0", "v1.21.0", "v1.22.0"]);
    assert!(told.place("addon=vpc-cni version=v1.22.0") < told.place("nodegroup=general"));
}

#[test]
fn nodes_wait_for_a_slow_vpc_cni() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    fleet.eks.twist(addon("vpc-cni"), Twist::Lasts(3_000));
    let told = upgrade(&fleet, "1.35").completed();
    let at = |what: &str, is: fn(&Event) -> bool| {
        let found = told.events.iter().position(|event| is(event) && format!("{event:?}").contains(what));
        found.unwrap_or_else(|| panic!("no such event of {what}"))
    };
    let through = at("vpc-cni/v1.20", |event| matches!(event, Event::Succeeded { .. }));
    assert!(through < at("node-group/general", |event| matches!(event, Event::Intended { .. })));
}

#[test]
fn kube_proxy_follows_the_control_plane_and_never_leads() {
    let fleet = Fleet::new().with(installed("prod-a", "1.33"));
    let told = upgrade(&fleet, "1.35").completed();
    for minor in ["1.34", "1.35"] {
        let proxy = told.place(&format!("addon=kube-proxy version=v{minor}"));
        assert!(proxy > told.place(&format!("UpdateClusterVersion version={minor}")));
    }
}

#[test]
fn a_core_addon_without_a_version_for_the_target_blocks_before_any_call() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    fleet.eks.state().catalogue.get_mut("coredns").unwrap().remove(&word::<Minor>("1.35"));
    let told = upgrade(&fleet, "1.35").halted("Blocked");
    assert!(told.words().contains("coredns"), "{}", told.words());
    assert_eq!(fleet.eks.arrived(), 0);
}

#[test]
fn another_addon_without_a_version_is_left_and_told_about() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34").with_addon("vendor-agent", "v2.0.0"));
    let only_here = vec![Offer { version: word("v2.0.0"), is_default: true }];
    let by_minor = [(word::<Minor>("1.34"), only_here)].into();
    fleet.eks.state().catalogue.insert("vendor-agent".into(), by_minor);
    let told = upgrade(&fleet, "1.35").completed();
    assert!(told.message.contains("vendor-agent"), "{}", told.message);
    assert_eq!(fleet.eks.see("prod-a").addons["vendor-agent"].version.to_string(), "v2.0.0");
}

#[test]
fn an_addon_never_goes_down() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34").with_addon("coredns", "v1.99.0-eksbuild.1"));
    upgrade(&fleet, "1.35").halted("Blocked");
    assert_eq!(fleet.eks.arrived(), 0);
}

#[test]
fn a_core_addon_that_degrades_stops_the_run_before_the_next_hop() {
    let fleet = Fleet::new().with(installed("prod-a", "1.33"));
    // coredns serves 1.34 as it is, so the hop does not touch it; DNS is needed all the same.
    fleet.later(400, |eks| {
        eks.change("prod-a", |cluster| {
            cluster.addons.get_mut("coredns").unwrap().status = Status::Unwell("DEGRADED".into());
        });
    });
    let told = upgrade(&fleet, "1.35").halted("NotVerified");
    assert_eq!(told.hops().len(), 1, "no next hop on a cluster without DNS");
}

#[test]
fn an_addon_that_recovers_in_time_holds_nothing_up() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    fleet.later(600, |eks| {
        eks.change("prod-a", |c| c.addons.get_mut("kube-proxy").unwrap().health_issues = vec!["X: y".into()]);
    });
    fleet.later(2_600, |eks| {
        eks.change("prod-a", |c| c.addons.get_mut("kube-proxy").unwrap().health_issues.clear());
    });
    upgrade(&fleet, "1.35").completed();
}
