//! What may follow on what, line by line. Whole rolls are told in `tests/properties/rolling`.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::autoscaler::running;
use super::*;
use crate::health::Vitals;
use crate::inside::WorkloadKind::{DaemonSet, Deployment};
use crate::inside::{Inside, Seen, Template, Workload, WorkloadKind};
use crate::remedy::{Failure, Remedy};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn template(version: &str) -> Template {
    Template { id: "lt-1".into(), version: version.into() }
}

fn sizes(min: u32, desired: u32, max: u32) -> Sizes {
    Sizes { min, desired, max }
}

fn begun() -> Moved {
    let was = Was {
        sizes: sizes(1, 2, 3),
        template: template("1"),
        nodes: vec!["a".into(), "b".into()],
        cordoned: Vec::new(),
        beside: 0,
        vitals: Vitals::default(),
    };
    Moved::Begun { was: Box::new(was) }
}

fn meant(effect: Effect) -> Moved {
    Moved::Meant { effect }
}

fn made(effect: Effect) -> Moved {
    Moved::Made { effect }
}

fn cordon(node: &str) -> Effect {
    Effect::Cordon { node: node.into(), instance: format!("i-{node}"), surplus: false }
}

fn terminate(node: &str) -> Effect {
    Effect::Terminate { node: node.into(), instance: format!("i-{node}"), shrink: true }
}

fn release(node: &str) -> Effect {
    Effect::Release { node: node.into() }
}

fn surge(extra: u32) -> Effect {
    Effect::Surge { template: template("2"), sizes: sizes(1, 2 + extra, 3), extra }
}

fn emptied(node: &str) -> Moved {
    Moved::Emptied { node: node.into() }
}

fn given_up(denied: bool) -> Moved {
    let failure = Failure {
        code: "X".into(),
        message: "y".into(),
        resources: Vec::new(),
        remedy: Remedy::Stop,
        next_action: "z".into(),
    };
    Moved::GivenUp { failure, denied }
}

/// The lines one after the other, ten seconds apart.
fn after(lines: &[Moved]) -> Option<Roll> {
    let mut roll = None;
    for (place, line) in lines.iter().enumerate() {
        roll = Some(Roll::after(roll, line, at(10 * i64::try_from(place).unwrap()))?);
    }
    roll
}

fn with_room() -> Vec<Moved> {
    vec![
        begun(),
        meant(Effect::MakeTemplate),
        Moved::TemplateMade { template: template("2"), image: "ami-2".into() },
        meant(surge(1)),
        made(surge(1)),
    ]
}

fn lines(more: &[Moved]) -> Vec<Moved> {
    with_room().into_iter().chain(more.iter().cloned()).collect()
}

#[test]
fn it_begins_once_and_first() {
    assert!(after(&[begun()]).is_some());
    assert!(after(&[begun(), begun()]).is_none());
    assert!(after(&[emptied("a")]).is_none());
}

#[test]
fn there_is_no_room_without_a_template_and_none_twice() {
    assert!(after(&[begun(), meant(surge(1))]).is_none());
    assert!(after(&with_room()).is_some());
    assert!(after(&lines(&[meant(surge(1))])).is_none());
}

#[test]
fn room_of_which_nobody_knows_whether_it_was_made_may_be_meant_otherwise() {
    let mut lines = with_room();
    lines.pop();
    lines.push(meant(surge(2)));
    assert_eq!(after(&lines).unwrap().room.unwrap().extra, 2);
}

#[test]
fn no_instance_ends_whose_node_was_not_emptied_or_forced() {
    let force = Effect::DeletePods { node: "a".into(), pods: vec!["shop/web".into()], uids: BTreeMap::new() };
    assert!(after(&lines(&[meant(terminate("a"))])).is_none());
    assert!(after(&lines(&[meant(cordon("a")), meant(terminate("a"))])).is_none());
    assert!(after(&lines(&[meant(cordon("a")), emptied("a"), meant(terminate("a"))])).is_some());
    assert!(after(&lines(&[meant(cordon("a")), meant(force), meant(terminate("a"))])).is_some());
    // Emptied once, and filled again since.
    let again = [meant(cordon("a")), emptied("a"), meant(cordon("a")), meant(terminate("a"))];
    assert!(after(&lines(&again)).is_none());
}

#[test]
fn only_a_node_that_is_on_record_is_emptied_released_or_gone() {
    for line in [emptied("a"), meant(release("a")), Moved::Gone { node: "a".into() }] {
        assert!(after(&lines(&[line])).is_none());
    }
}

#[test]
fn a_node_is_on_record_from_the_line_before_its_cordon() {
    let roll = after(&lines(&[meant(cordon("a"))])).unwrap();
    assert_eq!(roll.nodes["a"].phase, NodePhase::Cordoned);
    assert!(!roll.is_at_rest());
}

#[test]
fn a_drain_counts_from_the_first_cordon() {
    let roll = after(&lines(&[meant(cordon("a")), emptied("a"), meant(cordon("a"))])).unwrap();
    assert_eq!((roll.nodes["a"].began, roll.nodes["a"].since), (at(50), at(70)));
}

#[test]
fn said_twice_is_said_once() {
    let once = lines(&[meant(cordon("a")), made(cordon("a")), emptied("a"), meant(terminate("a"))]);
    let mut twice = once.clone();
    twice.push(meant(terminate("a")));
    let (once, twice) = (after(&once).unwrap(), after(&twice).unwrap());
    assert_eq!(once.nodes, twice.nodes);
    assert_eq!(twice.meant.as_ref().map(|meant| (meant.since, meant.tries)), Some((at(80), 2)));
    let done = Roll::after(Some(twice), &made(terminate("a")), at(200)).unwrap();
    assert_eq!(Roll::after(Some(done.clone()), &made(terminate("a")), at(300)), Some(done));
}

#[test]
fn it_rests_between_nodes_and_not_before_the_end() {
    let whole = |node: &str| {
        vec![
            meant(cordon(node)),
            made(cordon(node)),
            emptied(node),
            meant(terminate(node)),
            made(terminate(node)),
        ]
    };
    assert!(after(&with_room()).unwrap().is_at_rest());
    assert!(after(&lines(&whole("a"))).unwrap().is_at_rest());
    // The sizes and the autoscaler are left.
    assert!(!after(&lines(&[whole("a"), whole("b")].concat())).unwrap().is_at_rest());
    assert!(!after(&lines(&[given_up(false)])).unwrap().is_at_rest());
}

#[test]
fn what_was_denied_at_once_needs_not_be_taken_back() {
    let paused = Paused { deployment: "kube-system/ca".into(), replicas: 2 };
    let pause = meant(Effect::PauseAutoscaler { paused: paused.clone() });
    assert_eq!(after(&[begun(), pause.clone(), given_up(true)]).unwrap().paused, None);
    assert_eq!(after(&[begun(), pause, given_up(false)]).unwrap().paused, Some(paused));
    assert!(after(&lines(&[meant(cordon("a")), given_up(true)])).unwrap().nodes.is_empty());
    assert!(!after(&lines(&[meant(cordon("a")), given_up(false)])).unwrap().nodes.is_empty());
    // It may have been made by the first try.
    let tried = [meant(cordon("a")), meant(cordon("a")), given_up(true)];
    assert!(!after(&lines(&tried)).unwrap().nodes.is_empty());
}

#[test]
fn given_up_twice_the_first_reason_stands_and_the_surplus_stays() {
    let roll = after(&lines(&[given_up(false), given_up(false)])).unwrap();
    assert!(roll.given_up.is_some_and(|given_up| given_up.surplus_stays));
}

#[test]
fn only_what_puts_something_in_order_and_was_tried_is_left_to_a_person() {
    let paused = Paused { deployment: "kube-system/ca".into(), replicas: 2 };
    let resume = Effect::ResumeAutoscaler { paused: paused.clone() };
    let left = |effect: &Effect| Moved::Left { effect: effect.clone() };
    let pause = meant(Effect::PauseAutoscaler { paused: paused.clone() });
    let so_far = [begun(), pause, meant(resume.clone())];
    let roll = after(&[&so_far[..], &[left(&resume)][..]].concat()).unwrap();
    assert_eq!((roll.owes(), roll.paused.as_ref()), (None, Some(&paused)));
    assert!(after(&[&so_far[..2], &[left(&resume)][..]].concat()).is_none(), "it was not tried");
    assert!(after(&lines(&[meant(cordon("a")), left(&cordon("a"))])).is_none(), "it puts nothing in order");
    let released = lines(&[meant(cordon("a")), meant(release("a")), left(&release("a"))]);
    assert_eq!(after(&released).unwrap().nodes["a"].phase, NodePhase::Left);
}

#[test]
fn what_is_left_paused_is_said_with_the_command_that_puts_it_back() {
    let paused = Paused { deployment: "ops/ca".into(), replicas: 2 };
    assert_eq!(paused.in_words(), "Cluster Autoscaler is still paused: ops/ca had 2 replica(s)");
    assert_eq!(paused.restore_command(), "kubectl --namespace ops scale deployment ca --replicas 2");
}

#[test]
fn groups_are_put_in_order_only_when_no_node_is_half_done() {
    let restore = Effect::Restore { group: "g".into(), sizes: sizes(1, 2, 3), template: None };
    assert!(after(&lines(&[meant(cordon("a")), meant(restore.clone())])).is_none());
    assert!(after(&lines(&[meant(restore)])).is_some());
}

#[test]
fn the_group_beside_has_one_name_however_often_it_was_made() {
    let (from, to) = ("1.34".parse().unwrap(), "1.35".parse().unwrap());
    assert_eq!(beside("workers", to), "workers-eks-upgrade-1.35");
    assert_eq!(beside(&beside("workers", from), to), "workers-eks-upgrade-1.35");
}

#[test]
fn only_evictions_alone_are_followed_by_a_pause() {
    let evict = Move::Evict { namespace: "shop".into(), name: "web".into(), uid: "u-1".into() };
    assert_eq!(pause_after(std::slice::from_ref(&evict)), Some(EVICT_AGAIN_S));
    assert_eq!(pause_after(&[evict, Move::Do(emptied("a"))]), None);
}

#[test]
fn lines_read_back_as_they_were_written() {
    for line in lines(&[meant(cordon("a")), made(cordon("a")), given_up(true), Moved::Settled]) {
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(serde_json::from_str::<Moved>(&text).unwrap(), line, "{text}");
    }
}

fn workload(kind: WorkloadKind, namespace: &str, name: &str, image: &str, wants: u32) -> Workload {
    Workload {
        kind,
        namespace: namespace.into(),
        name: name.into(),
        labels: BTreeMap::new(),
        wants,
        ready: wants,
        recreate: false,
        images: vec![image.into()],
        system: false,
    }
}

#[test]
fn cluster_autoscaler_is_known_by_its_image_or_by_its_name_where_the_system_is() {
    let image = "registry.k8s.io/autoscaling/cluster-autoscaler:v1.34.0@sha256:0";
    let found = |workload: Workload| {
        let inside = Inside { workloads: Seen::Is(vec![workload]), ..Inside::unread(at(0), "") };
        running(&inside).unwrap().map(|paused| paused.deployment)
    };
    assert_eq!(found(workload(Deployment, "ops", "scaler", image, 1)).as_deref(), Some("ops/scaler"));
    let named = workload(Deployment, "kube-system", "aws-cluster-autoscaler", "mirror/ca:1", 2);
    assert_eq!(found(named).as_deref(), Some("kube-system/aws-cluster-autoscaler"));
    assert_eq!(found(workload(Deployment, "ops", "scaler", image, 0)), None);
    assert_eq!(found(workload(Deployment, "shop", "cluster-autoscaler-docs", "web:1", 1)), None);
    assert_eq!(found(workload(DaemonSet, "kube-system", "cluster-autoscaler", image, 1)), None);
    let other = workload(Deployment, "kube-system", "dns-autoscaler", "cluster-proportional-autoscaler:1", 1);
    assert_eq!(found(other), None);
    assert!(running(&Inside::unread(at(0), "")).is_err());
}
