//! Cluster Autoscaler, paused while nodes are rolled: it runs again however a run ends, and while one waits for long;
//! where that is impossible people are told, with the command.

use eks_upgrade_core::decide::WaitFor;
use eks_upgrade_core::ledger::{Ending, Event, RunState};
use eks_upgrade_core::news;
use eks_upgrade_support::{Execution, FakeInside, Fleet, empty_inside, installed};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::story::{Told, told, upgrade};

const ROLLS: &str = "{bake: {duration: 0s}, kubernetes: {access: full}}";
const COMMAND: &str = "kubectl --namespace shop scale deployment cluster-autoscaler --replicas 2";

fn inside(nodes: u32) -> FakeInside {
    let now: Timestamp = "2026-08-18T09:15:00Z".parse().unwrap();
    empty_inside(now, "1.34".parse().unwrap())
        .with_self_managed("workers", "1.34", nodes)
        .with_deployment("web", 2)
        .with_deployment("cluster-autoscaler", 2)
}

fn fleet_with(policy: &str, inside: FakeInside) -> Fleet {
    let fleet = Fleet::new().under(policy).with(installed("prod-a", "1.34").without_groups());
    fleet.eks.look_into("prod-a", inside);
    fleet
}

fn fleet() -> Fleet {
    fleet_with(ROLLS, inside(3))
}

fn request() -> Value {
    json!({"cluster": "prod-a", "target": "1.35"})
}

/// How many replicas it wants.
fn replicas(fleet: &Fleet) -> u32 {
    fleet.eks.within("prod-a", |inner| {
        let workloads = inner.inside.workloads.get().unwrap();
        workloads.iter().find(|workload| workload.name == "cluster-autoscaler").unwrap().wants
    })
}

/// An upgrade that has just paused it.
fn paused(fleet: &Fleet) -> Execution<'_> {
    let mut execution = fleet.start(request());
    while execution.is_running() && replicas(fleet) > 0 {
        execution.step();
    }
    assert!(execution.is_running(), "it was never paused");
    execution
}

fn nothing_is_cordoned(fleet: &Fleet) {
    fleet.eks.within("prod-a", |inner| {
        assert!(inner.inside.nodes.get().unwrap().iter().all(|node| node.schedulable));
    });
}

/// The record, the ending and the message say that it is still paused, with the command.
fn still_paused_and_said(told: &Told) {
    assert!(told.state.paused_autoscaler().is_some(), "the record does not say so");
    let words = told.words();
    assert!(words.contains("shop/cluster-autoscaler had 2 replica(s)"), "{words}");
    assert!(words.contains(COMMAND), "{words}");
    assert!(told.message.contains(COMMAND), "{}", told.message);
}

#[test]
fn a_control_plane_that_somebody_took_back_or_on_has_the_roll_taken_back_first() {
    for (version, code) in [("1.34", "RolledBack"), ("1.36", "MovedPastTarget")] {
        let fleet = fleet();
        let mut execution = paused(&fleet);
        fleet.eks.change("prod-a", |cluster| {
            cluster.cluster.version = version.parse().unwrap();
            // Which is theirs to keep in step.
            cluster.addons.remove("kube-proxy");
        });
        let told = told(&fleet, &mut execution);
        // A roll sees by itself that its nodes would be newer than the control plane.
        let ended =
            matches!(&told.ending, Ending::Halted { code: is, .. } if is == code || is == "VersionMismatch");
        assert!(ended, "{:?}", told.ending);
        assert_eq!(replicas(&fleet), 2, "{code}");
        assert!(told.state.paused_autoscaler().is_none());
        nothing_is_cordoned(&fleet);
    }
}

#[test]
fn the_same_of_a_run_that_was_interrupted_and_is_gone_on_with() {
    let fleet = fleet();
    let mut interrupted = paused(&fleet);
    let run = interrupted.run();
    interrupted.abort();
    fleet.eks.change("prod-a", |cluster| {
        cluster.cluster.version = "1.34".parse().unwrap();
        cluster.addons.remove("kube-proxy");
    });
    let resume = json!({"cluster": "prod-a", "resume": run.as_str()});
    let told = told(&fleet, &mut fleet.start(resume)).halted("RolledBack");
    assert_eq!(replicas(&fleet), 2);
    assert!(told.state.paused_autoscaler().is_none());
    nothing_is_cordoned(&fleet);
}

#[test]
fn a_cluster_that_is_gone_or_another_one_by_now_is_not_touched_and_people_are_told() {
    let gone: fn(&Fleet) = |fleet| {
        fleet.eks.state().clusters.clear();
    };
    let another: fn(&Fleet) = |fleet| {
        fleet
            .eks
            .change("prod-a", |cluster| cluster.cluster.created_at = "2026-08-18T09:30:00Z".parse().unwrap());
    };
    for (happens, code) in [(gone, "TargetGone"), (another, "AnotherCluster")] {
        let fleet = fleet();
        let mut execution = paused(&fleet);
        let before = fleet.eks.within("prod-a", |inner| inner.done.len());
        happens(&fleet);
        let told = told(&fleet, &mut execution).halted(code);
        still_paused_and_said(&told);
        assert_eq!(fleet.eks.within("prod-a", |inner| inner.done.len()), before, "{code}");
    }
}

#[test]
fn a_cluster_that_lets_nobody_in_any_more_ends_the_run_and_people_are_told() {
    let fleet = fleet();
    let mut execution = paused(&fleet);
    fleet.eks.within("prod-a", |inner| inner.unreachable = Some("no route to its endpoint".into()));
    let told = told(&fleet, &mut execution).halted("InsideUnseen");
    still_paused_and_said(&told);
    assert!(told.words().contains("no route to its endpoint"), "{}", told.words());
}

#[test]
fn past_the_kill_switch_it_stays_paused_and_the_message_says_so() {
    let fleet = fleet();
    let mut execution = paused(&fleet);
    fleet.switch(true);
    execution.until_at("WaitForKillSwitch");
    assert_eq!(replicas(&fleet), 0, "something was changed past the kill switch");
    let message = messages(&fleet, &execution);
    assert!(
        message.contains("shop/cluster-autoscaler had 2 replica(s)") && message.contains(COMMAND),
        "{message}"
    );
    fleet.switch(false);
    let told = told(&fleet, &mut execution).completed();
    assert!(told.state.paused_autoscaler().is_none());
    assert_eq!(replicas(&fleet), 2);
}

#[test]
fn past_the_kill_switch_a_run_that_goes_no_further_waits_to_take_its_roll_back() {
    let fleet = fleet();
    let mut execution = paused(&fleet);
    fleet.switch(true);
    fleet.eks.change("prod-a", |cluster| cluster.cluster.version = "1.36".parse().unwrap());
    fleet.then(3 * 3600, |fleet| {
        assert_eq!(replicas(fleet), 0, "something was changed past the kill switch");
        fleet.switch(false);
    });
    let told = told(&fleet, &mut execution).halted("MovedPastTarget");
    assert_eq!(told.count(|event| matches!(event, Event::Paused { wait_for: WaitFor::KillSwitch, .. })), 1);
    assert_eq!(replicas(&fleet), 2);
}

#[test]
fn a_run_that_another_takes_the_place_of_is_taken_back_first() {
    let fleet = fleet();
    let mut first = paused(&fleet);
    first.abort();
    let other = json!({"cluster": "prod-a", "target": "1.36"});
    let ended = told(&fleet, &mut fleet.start(other.clone())).halted("Superseded");
    assert_eq!(ended.run, first.run());
    assert_eq!(replicas(&fleet), 2);
    nothing_is_cordoned(&fleet);
    assert_eq!(ended.hops().len(), 1, "it went on with the old plan");
    let second = told(&fleet, &mut fleet.start(other)).completed();
    assert_ne!(second.run, ended.run);
    assert_eq!(replicas(&fleet), 2);
}

#[test]
fn a_run_that_is_picked_up_puts_it_back_at_its_end() {
    let fleet = fleet();
    let mut first = paused(&fleet);
    first.abort();
    upgrade(&fleet, "1.35").completed();
    assert_eq!(replicas(&fleet), 2);
}

#[test]
fn a_right_that_was_taken_away_ends_the_run_and_people_are_told() {
    let fleet = fleet();
    fleet.eks.within("prod-a", |inner| {
        inner.nodes_join = false;
        inner.denies_replicas = true;
    });
    let told = upgrade(&fleet, "1.35").halted("NodeCreationFailure");
    still_paused_and_said(&told);
    nothing_is_cordoned(&fleet);
}

#[test]
fn another_attempt_puts_back_what_an_earlier_one_could_not() {
    let fleet = fleet();
    fleet.eks.within("prod-a", |inner| {
        inner.nodes_join = false;
        inner.denies_replicas = true;
    });
    let mut execution = paused(&fleet);
    let failed = |event: &Event| matches!(event, Event::Failed { .. });
    while execution.is_running() && !fleet.events(&execution.run()).iter().any(failed) {
        execution.step();
    }
    assert!(fleet.run(&execution.run()).paused_autoscaler().is_some());
    fleet.eks.within("prod-a", |inner| {
        inner.nodes_join = true;
        inner.denies_replicas = false;
    });
    let told = told(&fleet, &mut execution).completed();
    assert!(told.state.paused_autoscaler().is_none());
    assert_eq!(replicas(&fleet), 2);
}

#[test]
fn two_groups_at_a_time_share_the_pause_and_the_last_one_ends_it() {
    let inside = inside(2).with_self_managed("batch", "1.34", 4);
    let fleet = fleet_with("{bake: {duration: 0s}, nodeGroupsAtOnce: 2, kubernetes: {access: full}}", inside);
    upgrade(&fleet, "1.35").completed();
    assert_eq!(replicas(&fleet), 2);
    fleet.eks.within("prod-a", |inner| {
        let scaled = inner.done.iter().rposition(|what| what == "scale shop/cluster-autoscaler to 2");
        let touched = inner.done.iter().rposition(|what| what.starts_with("terminate"));
        assert!(scaled > touched, "it ran while nodes were replaced: {:#?}", inner.done);
        let resumed = inner.done.iter().filter(|what| *what == "scale shop/cluster-autoscaler to 2").count();
        assert_eq!(resumed, 1, "{:#?}", inner.done);
    });
}

/// Each window lets a node or two be replaced, and no more of the six.
#[test]
fn while_a_roll_waits_for_its_window_it_runs_and_is_paused_again_when_the_roll_goes_on() {
    let policy = "{bake: {duration: 0s}, kubernetes: {access: full}, \
                  windows: [{start: \"09:00\", duration: 82m, timeZone: UTC}]}";
    let fleet = fleet_with(policy, inside(6));
    // At 17:00 of the second day, long after the window has closed.
    fleet.then((24 * 60 + 465) * 60, |fleet| {
        assert_eq!(replicas(fleet), 2, "it is paused while nothing is rolled");
        fleet.eks.within("prod-a", |inner| {
            let nodes = inner.inside.nodes.get().unwrap();
            let new = nodes.iter().filter(|node| node.minor == Some("1.35".parse().unwrap())).count();
            assert!(0 < new && new < nodes.len(), "the story is about a roll that waits: {new} are new");
        });
    });
    let told = upgrade(&fleet, "1.35").completed();
    assert_eq!(replicas(&fleet), 2);
    fleet.eks.within("prod-a", |inner| {
        let pauses = inner.done.iter().filter(|what| *what == "scale shop/cluster-autoscaler to 0").count();
        assert!(pauses > 1, "{:#?}", inner.done);
    });
    assert!(told.state.paused_autoscaler().is_none());
}

/// What people were told of a run so far.
fn messages(fleet: &Fleet, execution: &Execution<'_>) -> String {
    let lines = fleet.table.memory.kept().lines[&execution.run()].clone();
    assert!(RunState::read(&lines).is_ok());
    let news = news::of_run(&lines).unwrap();
    news.into_iter().filter_map(|news| news.tell).map(|told| told.message).collect()
}
