//! Add-ons: to the default at the target, on the way only where they must, before the control plane where they can.

use eks_upgrade_core::cluster::Status;
use eks_upgrade_core::finding::{Code, Level};

use crate::given::{Case, addon, found, ids, offers, step, version, waits_for};

fn moves(case: &Case, name: &str) -> Vec<String> {
    let plan = case.plan();
    let of_addon = |id: &&str| id.contains(&format!("/add-on/{name}/"));
    ids(&plan).into_iter().filter(of_addon).map(|id| id.replace(".0-eksbuild.1", "")).collect()
}

#[test]
fn on_the_way_an_addon_moves_only_where_it_would_not_serve() {
    // 1.17 serves 1.33 and 1.34, and 1.18 serves 1.34 and 1.35.
    let moved = ["1.34/add-on/vpc-cni/v1.17", "1.35/add-on/vpc-cni/v1.18", "1.35/add-on/vpc-cni/v1.19"];
    assert_eq!(moves(&Case::to(35), "vpc-cni"), moved);
    let plan = Case::to(34).plan();
    let before = "1.34/add-on/vpc-cni/v1.17.0-eksbuild.1";
    assert!(waits_for(&plan, "1.34/control-plane", before), "what serves both goes first");
    let after = "1.34/add-on/vpc-cni/v1.18.0-eksbuild.1";
    assert!(waits_for(&plan, after, "1.34/control-plane"));
    assert_eq!(step(&plan, after).reason, "EKS's default for 1.34");
}

#[test]
fn kube_proxy_only_ever_follows() {
    let mut case = Case::to(34);
    case.offer("kube-proxy", 33, offers(&[33, 34], Some(33)));
    assert_eq!(moves(&case, "kube-proxy"), ["1.34/add-on/kube-proxy/v1.34"]);
    assert!(waits_for(&case.plan(), "1.34/add-on/kube-proxy/v1.34.0-eksbuild.1", "1.34/control-plane"));
}

#[test]
fn an_addon_never_goes_down() {
    let mut case = Case::to(34);
    case.offer("kube-proxy", 34, offers(&[33, 34], Some(33)));
    assert_eq!(moves(&case, "kube-proxy"), [""; 0], "it serves, and is at the default");
    case.inventory.addons[1].version = version(34);
    case.offer("kube-proxy", 33, offers(&[34], Some(34)));
    assert_eq!(moves(&case, "kube-proxy"), [""; 0], "it serves, and is past the default");
}

#[test]
fn without_a_default_above_it_the_newest_is_taken() {
    let mut case = Case::to(34);
    case.offer("kube-proxy", 34, offers(&[34, 36, 35], None));
    assert_eq!(moves(&case, "kube-proxy"), ["1.34/add-on/kube-proxy/v1.36"]);
    case.offer("kube-proxy", 34, offers(&[32, 34, 36], Some(34)));
    assert_eq!(moves(&case, "kube-proxy"), ["1.34/add-on/kube-proxy/v1.34"]);
}

#[test]
fn a_core_addon_without_a_version_blocks_and_another_is_left() {
    let mut case = Case::to(35);
    for at in [34, 35] {
        case.offer("kube-proxy", at, offers(&[32], Some(32)));
    }
    let mut vendors = addon("vendor", 9);
    vendors.status = Status::Unwell("DEGRADED".into());
    case.inventory.addons.push(vendors);
    let plan = case.plan();
    let left = [(Level::Block, "kube-proxy"), (Level::Warn, "vendor")];
    let mut told = found(&plan, Code::AddonNoVersion);
    told.sort_by_key(|(_, subject)| *subject);
    assert_eq!(told, left, "each is said once");
    assert_eq!(found(&plan, Code::AddonUnwell), [(Level::Warn, "vendor")]);
}

#[test]
fn the_network_plugin_climbs_one_minor_a_call_and_stops_at_a_gap() {
    let mut case = Case::to(34);
    case.offer("vpc-cni", 34, offers(&[17, 18, 19], Some(19)));
    let climbed = ["1.34/add-on/vpc-cni/v1.17", "1.34/add-on/vpc-cni/v1.18", "1.34/add-on/vpc-cni/v1.19"];
    assert_eq!(moves(&case, "vpc-cni"), climbed);
    let plan = case.plan();
    assert!(waits_for(
        &plan,
        "1.34/add-on/vpc-cni/v1.19.0-eksbuild.1",
        "1.34/add-on/vpc-cni/v1.18.0-eksbuild.1"
    ));
    assert!(step(&plan, "1.34/add-on/vpc-cni/v1.18.0-eksbuild.1").reason.contains("on the way to v1.19"));
    assert_eq!(found(&plan, Code::CniGap), []);
    case.offer("vpc-cni", 34, offers(&[17, 19], Some(19)));
    assert_eq!(found(&case.plan(), Code::CniGap), [(Level::Block, "vpc-cni")]);
}
