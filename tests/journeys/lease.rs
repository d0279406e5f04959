//! The lease: one run a cluster, one holder a run, and an old holder that cannot act.

use eks_upgrade_core::cluster::Resource;
use eks_upgrade_core::contract::DecideRequest;
use eks_upgrade_core::ids::Fence;
use eks_upgrade_core::ledger::{Ending, Event};
use eks_upgrade_support::{End, Execution, Fleet, Twist, finish, installed};
use serde_json::json;

use crate::story::{assert_tokens_begin_one_update_each, told, upgrade};

fn fleet() -> Fleet {
    Fleet::new().with(installed("prod-a", "1.34"))
}

fn request() -> serde_json::Value {
    json!({"cluster": "prod-a", "target": "1.35"})
}

fn stands_at_an_action(execution: &mut Execution<'_>) {
    execution.until_at("UpgradeControlPlane");
    assert!(execution.is_running(), "it ended");
}

fn close(execution: &Execution<'_>, fence: Fence, ending: Ending) -> DecideRequest {
    DecideRequest::Close { run: execution.run(), fence, ending, execution: execution.arn.clone() }
}

#[test]
fn the_second_trigger_is_told_which_run_has_the_cluster() {
    let fleet = fleet();
    let mut first = fleet.start(request());
    stands_at_an_action(&mut first);
    let end = fleet.start(request()).finish();
    let End::Refused(raised) = end else { panic!("not refused: {end:?}") };
    assert_eq!(raised.name, "LeaseHeld");
    assert!(raised.message.contains(first.run().as_str()), "{}", raised.message);
    told(&fleet, &mut first).completed();
}

#[test]
fn an_execution_that_ended_is_taken_over_with_its_run_and_plan() {
    let fleet = fleet();
    let mut first = fleet.start(request());
    stands_at_an_action(&mut first);
    first.step();
    first.abort();
    let mut second = fleet.start(request());
    let told = told(&fleet, &mut second).completed();
    assert_eq!(told.run, first.run());
    assert_eq!(told.count(|event| matches!(event, Event::Planned { .. })), 1, "the same plan goes on");
    assert_eq!(told.count(|event| matches!(event, Event::Resumed { .. })), 1);
    assert_eq!(told.hops().len(), 1);
    assert_eq!(fleet.lease("prod-a").unwrap().fence, Fence(2));
}

#[test]
fn a_new_run_after_an_ended_one_has_a_higher_fence() {
    let fleet = fleet();
    fleet.eks.twist(Resource::ControlPlane, Twist::Refused(403, "AccessDeniedException", "no".into()));
    let first = upgrade(&fleet, "1.35").halted("AccessDenied");
    let second = upgrade(&fleet, "1.35").completed();
    assert_ne!(first.run, second.run);
    assert_eq!(fleet.lease("prod-a").unwrap().fence, Fence(2));
}

#[test]
fn another_target_supersedes_a_run_whose_execution_ended() {
    let fleet = fleet();
    let mut first = fleet.start(json!({"cluster": "prod-a", "target": "1.36"}));
    stands_at_an_action(&mut first);
    first.abort();
    let second = upgrade(&fleet, "1.35").completed();
    assert_ne!(second.run, first.run());
    let ended = fleet.run(&first.run()).ended;
    assert!(matches!(ended, Some(Ending::Halted { code, .. }) if code == "Superseded"));
}

#[test]
fn a_request_that_is_turned_away_ends_no_other_run() {
    let fleet = fleet();
    let mut first = fleet.start(request());
    stands_at_an_action(&mut first);
    first.abort();
    let end = fleet.start(json!({"cluster": "prod-a", "rollBack": true})).finish();
    let End::Refused(raised) = end else { panic!("not refused: {end:?}") };
    assert_eq!(raised.name, "ConsentWanted");
    assert_eq!(fleet.run(&first.run()).ended, None);
    assert_eq!(upgrade(&fleet, "1.35").completed().run, first.run());
}

#[test]
fn an_old_holder_about_to_act_is_refused() {
    let fleet = fleet();
    let mut old = fleet.start(request());
    stands_at_an_action(&mut old);
    let orphan = old.act_request();
    old.abort();
    let mut new = fleet.start(request());
    stands_at_an_action(&mut new);

    let refused = fleet.act(&orphan).unwrap_err();
    assert_eq!(refused.name(), "LeaseLost");
    assert_eq!(fleet.eks.arrived(), 0);
    told(&fleet, &mut new).completed();
}

#[test]
fn an_old_holder_that_had_meant_a_call_does_not_make_it_any_more() {
    let fleet = fleet();
    fleet.eks.twist(Resource::ControlPlane, Twist::NeverArrives);
    let mut old = fleet.start(request());
    stands_at_an_action(&mut old);
    let orphan = old.act_request();
    assert_eq!(fleet.act(&orphan).unwrap_err().name(), "FateUnknown");
    old.abort();
    let mut new = fleet.start(request());
    new.until_at("NextHop");

    // The intent stands, and the run is somebody else's: the call is theirs to make.
    let refused = fleet.act(&orphan).unwrap_err();
    assert_eq!(refused.name(), "LeaseLost");
    assert_eq!(fleet.eks.arrived(), 0);
    let told = told(&fleet, &mut new).completed();
    assert_eq!(told.hops().len(), 1);
}

#[test]
fn nobody_acts_for_a_run_that_is_over() {
    let fleet = fleet();
    fleet.eks.twist(Resource::ControlPlane, Twist::NeverArrives);
    let mut execution = fleet.start(request());
    stands_at_an_action(&mut execution);
    let late = execution.act_request();
    assert_eq!(fleet.act(&late).unwrap_err().name(), "FateUnknown");
    let ending =
        Ending::Halted { code: "Stopped".into(), message: "by hand".into(), next_action: "none".into() };
    finish(fleet.decider().answer(&close(&execution, Fence(1), ending))).unwrap().unwrap();
    assert!(fleet.act(&late).is_err());
    assert_eq!(fleet.eks.arrived(), 0);
}

#[test]
fn an_old_holder_may_neither_decide_nor_close() {
    let fleet = fleet();
    let mut old = fleet.start(request());
    stands_at_an_action(&mut old);
    old.until_at("Decide");
    let mut ghost = fleet.start(request());
    // The execution is gone for Step Functions, and one of its functions still runs.
    fleet.table.memory.kept().over.insert(old.arn.clone());
    ghost.until_at("NextHop");
    fleet.pass(700);
    let end = old.finish();
    assert!(matches!(&end, End::Interrupted(raised) if raised.name == "LeaseLost"), "{end:?}");
    let closing = close(&old, Fence(1), Ending::Completed);
    assert!(finish(fleet.decider().answer(&closing)).unwrap().is_err());
    told(&fleet, &mut ghost).completed();
    assert_tokens_begin_one_update_each(&fleet);
}

#[test]
fn two_executions_side_by_side_make_one_upgrade() {
    let fleet = fleet();
    let (mut one, mut two) = (fleet.start(request()), fleet.start(request()));
    one.let_go();
    two.let_go();
    let ends = [one.finish(), two.finish()];
    assert_eq!(ends.iter().filter(|end| matches!(end, End::Closed(_))).count(), 1, "{ends:?}");
    assert_eq!(fleet.eks.began().iter().filter(|call| call.contains("ClusterVersion")).count(), 1);
}

#[test]
fn a_run_can_be_gone_on_with_by_name_as_it_was_opened() {
    let fleet = fleet();
    let mut first =
        fleet.start(json!({"cluster": "prod-a", "target": "1.35", "strategy": "rolling-then-force"}));
    stands_at_an_action(&mut first);
    first.abort();
    let resume = json!({"cluster": "prod-a", "resume": first.run().as_str()});
    let mut second = fleet.start(resume);
    let told = told(&fleet, &mut second).completed();
    assert_eq!(told.run, first.run());
    assert_eq!(told.count(|event| matches!(event, Event::Resumed { .. })), 1);
}

#[test]
fn asking_for_another_run_than_the_open_one_touches_neither() {
    let fleet = fleet();
    let mut first = fleet.start(request());
    stands_at_an_action(&mut first);
    first.abort();
    let before = fleet.run(&first.run());
    let end = fleet.start(json!({"cluster": "prod-a", "resume": "prod-a-1.35-another"})).finish();
    let End::Refused(raised) = end else { panic!("not refused: {end:?}") };
    assert_eq!(raised.name, "NothingToResume");
    assert_eq!(fleet.run(&first.run()), before);
    assert!(fleet.lease("prod-a").unwrap().ended.is_none());
}

#[test]
fn who_asks_for_another_strategy_does_not_get_the_old_run_back() {
    let fleet = fleet();
    let mut first = fleet.start(json!({"cluster": "prod-a", "target": "1.35", "strategy": "force"}));
    stands_at_an_action(&mut first);
    first.abort();
    let second = upgrade(&fleet, "1.35").completed();
    assert_ne!(second.run, first.run());
    assert!(
        second.group_calls().iter().all(|call| call.contains("force=false")),
        "{:?}",
        second.group_calls()
    );
}
