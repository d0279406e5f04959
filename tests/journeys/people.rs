//! People who act on the cluster while a run has it, or before.

use eks_upgrade_core::cluster::Resource;
use eks_upgrade_core::guard::Call;
use eks_upgrade_core::ledger::Event;
use eks_upgrade_support::{End, FakeEks, Fleet, Outcome, Twist, installed, node_group, word};
use serde_json::json;

use crate::story::{group, told, upgrade};

fn to(minor: &str) -> Call {
    Call::UpdateClusterVersion { version: word(minor) }
}

fn set_version(eks: &FakeEks, minor: &'static str) {
    // kube-proxy may be ahead of a control plane that a person took back: not the run's doing.
    eks.state().excused = true;
    eks.change("prod-a", |cluster| cluster.cluster.version = word(minor));
}

#[test]
fn somebody_elses_upgrade_is_watched_and_then_planned_from_what_is() {
    let fleet = Fleet::new().with(installed("prod-a", "1.33"));
    fleet.eks.somebody_calls("prod-a", &to("1.34"), 900, Outcome::Successful);
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(told.hops(), ["UpdateClusterVersion version=1.35"], "theirs is never counted as ours");
    assert_eq!(told.count(|event| matches!(event, Event::ForeignUpdate { .. })), 1);
    assert_eq!(told.count(|event| matches!(event, Event::ForeignUpdateEnded { .. })), 1);
    assert_eq!(told.state.plan.as_ref().unwrap().from.to_string(), "1.34");
}

/// How often people are told of an overdue update.
fn overdue(told: &crate::story::Told) -> usize {
    told.message.matches("longer than it ever should").count()
}

#[test]
fn an_update_of_somebody_elses_that_hangs_is_told_once_and_waited_for() {
    let fleet = Fleet::new().with(installed("prod-a", "1.33"));
    fleet.eks.somebody_calls("prod-a", &to("1.34"), 5 * 3600, Outcome::Successful);
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(overdue(&told), 1, "{}", told.message);
    assert!(told.message.contains("somebody else's update of the control plane"), "{}", told.message);
}

#[test]
fn an_update_of_ours_that_hangs_is_told_once_and_waited_for() {
    for resource in [Resource::ControlPlane, group("general"), crate::story::addon("vpc-cni")] {
        let fleet = Fleet::new().with(installed("prod-a", "1.34"));
        fleet.eks.twist(resource.clone(), Twist::Lasts(5 * 3600));
        let told = upgrade(&fleet, "1.35").completed();
        assert_eq!(overdue(&told), 1, "{resource}: {}", told.message);
    }
}

#[test]
fn an_update_of_the_usual_length_is_not_overdue() {
    let told = upgrade(&Fleet::new().with(installed("prod-a", "1.33")), "1.35").completed();
    assert_eq!(overdue(&told), 0, "{}", told.message);
}

#[test]
fn somebody_elses_upgrade_that_fails_leaves_the_whole_way_to_us() {
    let fleet = Fleet::new().with(installed("prod-a", "1.33"));
    fleet.eks.somebody_calls("prod-a", &to("1.34"), 900, Outcome::Failed("IpNotAvailable", "none", &[]));
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(told.hops().len(), 2);
}

#[test]
fn somebody_elses_upgrade_to_our_target_leaves_the_rest_to_us() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    fleet.eks.somebody_calls("prod-a", &to("1.35"), 900, Outcome::Successful);
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(told.hops(), Vec::<&str>::new());
    assert_eq!(told.group_calls().len(), 1);
}

#[test]
fn somebody_elses_upgrade_past_our_target_frees_the_cluster() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    fleet.eks.somebody_calls("prod-a", &to("1.35"), 900, Outcome::Successful);
    let told = upgrade(&fleet, "1.34").halted("TargetNotNewer");
    assert_eq!(told.began, [""; 0], "nothing was upgraded");
    let lease = fleet.lease("prod-a").expect("a run began");
    assert_eq!(lease.ended, Some(told.ending), "the lease is held by nobody");
}

#[test]
fn somebody_who_goes_past_the_target_of_a_run_without_a_plan_has_it_ended() {
    let fleet = Fleet::new().with(installed("prod-a", "1.33"));
    fleet.eks.somebody_calls("prod-a", &to("1.34"), 900, Outcome::Successful);
    let mut first = fleet.start(json!({"cluster": "prod-a", "target": "1.34"}));
    first.until_at("WaitForOtherUpdate");
    first.abort();
    fleet.pass(3_600);
    set_version(&fleet.eks, "1.35");
    let run = fleet.lease("prod-a").expect("a run began").run;
    let resume = json!({"cluster": "prod-a", "resume": run});
    let told = told(&fleet, &mut fleet.start(resume)).halted("MovedPastTarget");
    assert_eq!(told.run, run);
    assert_eq!(told.began, [""; 0], "nothing was upgraded");
}

#[test]
fn somebody_who_rolls_a_group_is_waited_for() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    fleet.later(500, |eks| {
        let theirs = Call::UpdateNodegroupVersion {
            name: "general".into(),
            version: Some(word("1.34")),
            launch_template: None,
            force: false,
        };
        eks.somebody_calls("prod-a", &theirs, 3_000, Outcome::Successful);
    });
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(told.count(|event| matches!(event, Event::ForeignUpdate { .. })), 1);
    assert_eq!(told.group_calls().len(), 1);
}

#[test]
fn a_person_who_upgrades_while_we_wait_has_done_the_step() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    fleet.eks.twist(Resource::ControlPlane, Twist::throttled());
    fleet.later(30, |eks| set_version(eks, "1.35"));
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(told.hops(), Vec::<&str>::new());
    assert!(
        told.count(
            |event| matches!(event, Event::Satisfied { step, .. } if step.as_str() == "1.35/control-plane")
        ) == 1
    );
}

#[test]
fn a_person_who_rolls_back_is_not_fought() {
    let fleet = Fleet::new().with(installed("prod-a", "1.33"));
    fleet.later(650, |eks| set_version(eks, "1.33"));
    let told = upgrade(&fleet, "1.35").halted("RolledBack");
    assert_eq!(told.hops().len(), 1, "nothing was upgraded again");
}

#[test]
fn a_rollback_before_an_interrupted_run_goes_on_is_seen() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    let request = json!({"cluster": "prod-a", "target": "1.35"});
    let mut first = fleet.start(request.clone());
    first.until_at("Complete");
    first.abort();
    fleet.clock.advance(3_600);
    set_version(&fleet.eks, "1.34");
    let told = told(&fleet, &mut fleet.start(request)).halted("RolledBack");
    assert_eq!(told.run, first.run());
}

#[test]
fn a_rollback_before_planning_again_is_not_fought_either() {
    let fleet = Fleet::new().with(installed("prod-a", "1.33"));
    fleet.eks.twist(Resource::ControlPlane, Twist::Lasts(600));
    let wants_equal = "Nodegroups general must be updated to match cluster version 1.34 before updating";
    let words = wants_equal.replace("before updating", "before updating cluster version");
    fleet.eks.twist(Resource::ControlPlane, Twist::Refused(400, "InvalidRequestException", words));
    let mut execution = fleet.start(json!({"cluster": "prod-a", "target": "1.35"}));
    execution.until_at("NextHop");
    execution.until_at("Plan");
    set_version(&fleet.eks, "1.33");
    let told = told(&fleet, &mut execution).halted("RolledBack");
    assert_eq!(told.hops().len(), 1);
}

#[test]
fn a_cluster_that_somebody_takes_past_the_target_is_left_to_them() {
    let fleet = Fleet::new().with(installed("prod-a", "1.33"));
    fleet.later(650, |eks| set_version(eks, "1.35"));
    let told = upgrade(&fleet, "1.34").halted("MovedPastTarget");
    assert_eq!(told.group_calls(), Vec::<&str>::new());
}

#[test]
fn a_cluster_that_is_deleted_while_it_bakes_ends_the_run_and_frees_the_lease() {
    let fleet = Fleet::new().under("bake: {duration: 6h}").with(installed("prod-a", "1.34"));
    fleet.later(3_600, |eks| eks.state().clusters.clear());
    upgrade(&fleet, "1.35").halted("TargetGone");
}

#[test]
fn a_deleted_cluster_ends_the_run_without_a_further_call() {
    for after_s in [200, 620, 1_500] {
        let fleet = Fleet::new().with(installed("prod-a", "1.34"));
        fleet.later(after_s, |eks| eks.state().clusters.clear());
        let mut execution = fleet.start(json!({"cluster": "prod-a", "target": "1.35"}));
        execution.until(|_| fleet.eks.state().clusters.is_empty());
        let calls = fleet.eks.arrived();
        told(&fleet, &mut execution).halted("TargetGone");
        assert_eq!(fleet.eks.arrived(), calls, "called after {after_s} s");
    }
}

#[test]
fn a_cluster_made_anew_under_the_same_name_is_not_touched() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    fleet.later(200, |eks| {
        let mut other = installed("prod-a", "1.33");
        other.cluster.created_at = word("2026-08-18T09:18:00Z");
        eks.state().clusters.clear();
        eks.add(other);
    });
    let told = upgrade(&fleet, "1.35").halted("AnotherCluster");
    assert_eq!(told.began.len(), 1);
    assert_eq!(fleet.eks.see("prod-a").cluster.version.to_string(), "1.33");
}

#[test]
fn a_node_group_that_is_deleted_is_skipped_and_recorded() {
    for after_s in [200, 1_200] {
        let fleet = Fleet::new().with(installed("prod-a", "1.34").with(node_group("batch", "1.34")));
        fleet.later(after_s, |eks| {
            eks.change("prod-a", |cluster| {
                cluster.node_groups.remove("batch");
            });
        });
        let told = upgrade(&fleet, "1.35").completed();
        let skipped = |event: &Event| matches!(event, Event::Skipped { step, .. } if step.as_str() == "1.35/node-group/batch");
        let succeeded = |event: &Event| matches!(event, Event::Succeeded { step, .. } if step.as_str() == "1.35/node-group/batch");
        assert_eq!(told.count(skipped) + told.count(succeeded), 1, "{after_s}");
        assert_eq!(told.count(skipped), usize::from(after_s == 200));
    }
}

fn comes_up_late(eks: &FakeEks) {
    eks.change("prod-a", |cluster| {
        let late = node_group("late", "1.34");
        cluster.node_groups.insert(late.name.clone(), late);
    });
}

#[test]
fn what_is_done_and_not_shown_yet_is_not_planned_again() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    fleet.later(1_000, comes_up_late);
    let mut execution = fleet.start(json!({"cluster": "prod-a", "target": "1.35"}));
    execution.until_at("NextHop");
    execution.until_at("Plan");
    let shows = |eks: &FakeEks, minor: &str| {
        eks.change("prod-a", |cluster| cluster.node_groups.get_mut("general").unwrap().version = word(minor));
    };
    shows(&fleet.eks, "1.34");
    fleet.later(100, move |eks| shows(eks, "1.35"));
    let told = told(&fleet, &mut execution).completed();
    assert_eq!(told.group_calls().len(), 2, "{:?}", told.began);
}

#[test]
fn a_node_group_that_comes_up_meanwhile_is_brought_along() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    fleet.later(1_000, comes_up_late);
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(told.count(|event| matches!(event, Event::Planned { .. })), 2);
    assert_eq!(fleet.eks.see("prod-a").node_groups["late"].version.to_string(), "1.35");
}

#[test]
fn an_addon_that_is_deleted_is_skipped() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    fleet.later(200, |eks| {
        eks.change("prod-a", |cluster| {
            cluster.addons.remove("coredns");
        });
    });
    let told = upgrade(&fleet, "1.35").completed();
    assert!(told.count(|event| matches!(event, Event::Skipped { .. })) > 0);
}

#[test]
fn a_dry_run_writes_nothing_and_calls_nothing() {
    let fleet = Fleet::new().with(installed("prod-a", "1.33"));
    let end = fleet.start(json!({"cluster": "prod-a", "target": "1.36", "dryRun": true})).finish();
    let End::DryRun(plan) = end else { panic!("no plan: {end:?}") };
    assert_eq!(plan.upgrades(), 3);
    assert_eq!(fleet.eks.arrived(), 0);
    let kept = fleet.table.memory.kept();
    assert!(kept.lines.is_empty() && kept.leases.is_empty());
}

#[test]
fn an_update_that_somebody_cancels_is_never_success() {
    for (outcome, name) in [(Outcome::Cancelled, "Cancelled"), (Outcome::Unheard("Paused"), "Paused")] {
        let fleet = Fleet::new().with(installed("prod-a", "1.34"));
        fleet.eks.twist(Resource::ControlPlane, Twist::Ends(outcome));
        let told = upgrade(&fleet, "1.35").halted("UpdateNotSuccessful");
        assert!(told.words().contains(name), "{}", told.words());
        assert_eq!(told.began.len(), 1, "not tried again, and nothing after it");
    }
}

#[test]
fn a_group_update_that_is_cancelled_stops_the_run() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    fleet.eks.twist(group("general"), Twist::Ends(Outcome::Cancelled));
    upgrade(&fleet, "1.35").halted("UpdateNotSuccessful");
}

#[test]
fn a_run_whose_cluster_was_taken_back_below_what_eks_offers_is_ended_by_who_goes_on_with_it() {
    let fleet = Fleet::new().with(installed("prod-a", "1.33"));
    let mut first = fleet.start(json!({"cluster": "prod-a", "target": "1.35"}));
    first.until_at("WaitForControlPlane");
    first.abort();
    fleet.clock.advance(3_600);
    set_version(&fleet.eks, "1.29");
    let resume = json!({"cluster": "prod-a", "resume": first.run()});
    let told = told(&fleet, &mut fleet.start(resume)).halted("RolledBack");
    assert_eq!(told.run, first.run());
}
