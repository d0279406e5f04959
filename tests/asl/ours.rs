//! The state machines of the product, run as they are.

use eks_upgrade_core::cluster::Resource;
use eks_upgrade_support::{End, Fleet, Twist, installed};
use serde_json::{Value, json};

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
