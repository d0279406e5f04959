//! The state machines of the product, run as they are.

use eks_upgrade_core::cluster::Resource;
use eks_upgrade_core::contract::{CampaignInput, Notification};
use eks_upgrade_tests::asl::Entered;
use eks_upgrade_tests::{End, Fleet, Twist, installed};
use serde_json::{Value, json};

fn campaign(clusters: &[&str]) -> CampaignInput {
    let clusters: Vec<Value> =
        clusters.iter().map(|name| json!({"cluster": name, "target": "1.35"})).collect();
    let input = json!({"campaign": "notice-1", "clusters": clusters, "clustersAtOnce": 2, "leftAlone": [],
        "notification": Notification { subject: "left alone".into(), message: "some".into() }});
    serde_json::from_value(input).unwrap()
}

#[test]
fn a_campaign_upgrades_its_clusters_side_by_side_and_one_that_fails_is_its_own() {
    let fleet = ["prod-a", "prod-b", "prod-c"]
        .into_iter()
        .fold(Fleet::new(), |fleet, name| fleet.with(installed(name, "1.34")));
    let output = fleet.start_campaign(&campaign(&["prod-a", "gone", "prod-b", "prod-c"])).output().unwrap();
    for name in ["prod-a", "prod-b", "prod-c"] {
        assert_eq!(fleet.eks.see(name).cluster.version.to_string(), "1.35");
    }
    assert_eq!(output["clusters"][0]["outcome"], "completed");
    assert_eq!(output["clusters"][1]["error"]["name"], "ClusterNotFound");
    let told: Vec<String> = fleet.told.borrow().iter().map(|message| message.subject.clone()).collect();
    assert_eq!((told.len(), told[0].as_str()), (4, "left alone"), "{told:?}");
    // Two at once: the second of those that succeed begins before the first has ended.
    let plans = fleet.history();
    let at = |name: &str, state: &str| {
        let is = |entered: &Entered| entered.execution == name && entered.state == state;
        plans.iter().position(is).unwrap_or_else(|| panic!("{name} never entered {state}"))
    };
    let ends: Vec<&Entered> = plans.iter().filter(|entered| entered.state == "Upgraded").collect();
    let begun: Vec<&Entered> = plans.iter().filter(|entered| entered.state == "Remember").collect();
    assert_eq!((ends.len(), begun[0].execution.as_str()), (3, "notice-1"));
    assert!(at(&ends[1].execution, "Plan") < at(&ends[0].execution, "Upgraded"));
    assert_eq!(fleet.wrongs(), Vec::<String>::new());
}

#[test]
fn a_child_that_is_left_alone_goes_on_and_the_run_is_not_lost() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    let request = json!({"cluster": "prod-a", "target": "1.35"});
    let mut first = fleet.start(request.clone());
    first.until_at("WaitForControlPlane");
    first.abort_alone();
    // The hop has no holder any more, and ends as soon as it is told so.
    let end = fleet.start(request).finish();
    assert!(matches!(end, End::Closed(_)), "{end:?}");
    assert_eq!(fleet.eks.began().iter().filter(|call| call.contains("ClusterVersion")).count(), 1);
    assert_eq!(fleet.wrongs(), Vec::<String>::new());
}

#[test]
fn a_function_may_be_put_in_the_place_of_another() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    let odd = |_: &Fleet, _: Value| Ok(json!({"outcome": "odd"}));
    fleet.function("${PlanFunctionArn}", std::rc::Rc::new(odd));
    let failed = fleet.start(json!({"cluster": "prod-a"})).output().unwrap_err();
    assert_eq!(failed.error, "UnknownAnswer");
}

#[test]
fn items_that_wait_do_not_hold_up_the_others() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    fleet.eks.twist(Resource::AddOn("coredns".into()), Twist::DiesBefore);
    let end = fleet.start(json!({"cluster": "prod-a", "target": "1.35"})).finish();
    assert!(matches!(end, End::Closed(_)));
    let began = fleet.eks.began();
    let place = |of: &str| began.iter().position(|call| call.contains(of)).unwrap();
    assert!(place("coredns") > place("kube-proxy"), "{began:#?}");
}

#[test]
fn a_hop_that_goes_on_for_long_goes_on_in_another_execution_with_an_empty_history() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    fleet.eks.twist(Resource::ControlPlane, Twist::Lasts(5 * 86_400));
    let end = fleet.start(json!({"cluster": "prod-a", "target": "1.35"})).finish();
    assert!(matches!(end, End::Closed(_)), "{end:?}");
    let history = fleet.history();
    let hops: Vec<&str> = history
        .iter()
        .filter(|entered| entered.state == "GoOnInAnotherExecution")
        .map(|entered| entered.execution.as_str())
        .collect();
    assert_eq!(hops, ["e1.1"]);
    assert!(history.iter().any(|entered| entered.execution == "e1.2" && entered.state == "HopEnded"));
    assert_eq!(fleet.eks.began().iter().filter(|call| call.contains("ClusterVersion")).count(), 1);
}
