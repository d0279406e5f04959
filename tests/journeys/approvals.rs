//! Approvals: nothing moves without the yes that the policy wants; a no, or no answer, ends the run.

use eks_upgrade_core::control::Answer;
use eks_upgrade_core::ledger::Event;
use eks_upgrade_pipeline::ports::NotKept;
use eks_upgrade_support::{Fleet, installed};

use crate::story::{Told, upgrade};

const HOUR_S: i64 = 3600;

fn fleet(approvals: &str) -> Fleet {
    let policy = format!("bake: {{duration: 0s}}\napprovals: [{approvals}]");
    Fleet::new().under(&policy).with(installed("prod-a", "1.34"))
}

fn answered(told: &Told) -> Vec<String> {
    let answered = told.events.iter().filter_map(|event| match event {
        Event::ApprovalAnswered { before, answered, .. } => Some(format!("{before}: {}", answered.by)),
        _ => None,
    });
    answered.collect()
}

#[test]
fn a_run_waits_for_its_yes_and_records_whose_it_was() {
    let fleet = fleet("{before: run}");
    fleet.then(5 * HOUR_S, |fleet| {
        assert_eq!(fleet.eks.arrived(), 0, "called before the yes");
        fleet.answer(Answer::Approve);
    });
    let told = upgrade(&fleet, "1.35").completed();
    let [who] = &answered(&told)[..] else { panic!("asked more than once") };
    assert!(who.contains("upgrade of prod-a to 1.35") && who.contains("ada@example.com"), "{who}");
}

#[test]
fn a_no_ends_the_run_in_words() {
    let fleet = fleet("{before: run}");
    fleet.then(HOUR_S, |fleet| fleet.answer(Answer::Reject));
    let told = upgrade(&fleet, "1.35").halted("Rejected");
    assert!(told.words().contains("ada@example.com: looked at it"), "{}", told.words());
    assert_eq!(fleet.eks.arrived(), 0);
}

#[test]
fn no_answer_in_time_is_a_no() {
    let fleet = fleet("{before: run, expires: 2h}");
    let told = upgrade(&fleet, "1.35").halted("ApprovalExpired");
    assert_eq!(told.count(|event| matches!(event, Event::ApprovalAsked { .. })), 1);
    let took = told.state.updated_at.duration_since(told.state.opened_at);
    assert_eq!(took.as_hours(), 2);
}

#[test]
fn an_answer_whose_word_is_lost_is_found_at_the_next_look() {
    let fleet = fleet("{before: run}");
    fleet.then(HOUR_S / 2, |fleet| {
        fleet.answer_quietly(Answer::Approve).unwrap();
    });
    let told = upgrade(&fleet, "1.35").completed();
    let since = told.state.opened_at;
    let call = fleet.eks.state().calls[0].at;
    assert!(call.duration_since(since).as_mins() <= 61, "{call}");
}

#[test]
fn the_first_answer_stands() {
    let fleet = fleet("{before: run}");
    fleet.then(HOUR_S, |fleet| {
        let question = fleet.questions().remove(0);
        fleet.answer(Answer::Approve);
        let again = eks_upgrade_core::control::Answered {
            answer: Answer::Reject,
            by: "arn:aws:iam::123456789012:user/bob".parse().unwrap(),
            reason: "too late".into(),
            at: eks_upgrade_pipeline::ports::Time::now(&fleet.clock),
        };
        let kept = (&fleet.table.memory, question);
        let late =
            eks_upgrade_support::finish(eks_upgrade_pipeline::ports::Hears::answer(&kept.0, &kept.1, again));
        let Some(Err(NotKept::NotCounted(refused))) = late else { panic!("{late:?}") };
        assert!(refused.to_string().contains("answered before: approved by"), "{refused}");
    });
    upgrade(&fleet, "1.35").completed();
}

#[test]
fn what_is_said_again_was_said_already() {
    let fleet = fleet("{before: run}");
    fleet.then(HOUR_S, |fleet| {
        let question = fleet.questions().remove(0);
        fleet.answer_quietly(Answer::Approve).unwrap();
        let again = eks_upgrade_core::control::Answered {
            answer: Answer::Approve,
            by: eks_upgrade_support::ada(),
            reason: "did that arrive?".into(),
            at: eks_upgrade_pipeline::ports::Time::now(&fleet.clock),
        };
        let kept = &fleet.table.memory;
        let said =
            eks_upgrade_support::finish(eks_upgrade_pipeline::ports::Hears::answer(&kept, &question, again));
        let Some(Ok((approval, Some(_)))) = said else { panic!("{said:?}") };
        assert_eq!(approval.answered.unwrap().reason, "looked at it", "the first answer stands");
    });
    upgrade(&fleet, "1.35").completed();
}

#[test]
fn only_the_steps_that_are_named_wait() {
    let fleet = fleet("{before: step, steps: [node-group]}");
    fleet.then(5 * HOUR_S, |fleet| {
        let moved = fleet.eks.began();
        assert!(moved.iter().any(|call| call.contains("UpdateClusterVersion")), "{moved:?}");
        assert!(!moved.iter().any(|call| call.contains("UpdateNodegroupVersion")), "{moved:?}");
        fleet.answer(Answer::Approve);
    });
    let told = upgrade(&fleet, "1.35").completed();
    assert!(answered(&told)[0].starts_with("node group general 1.34 → 1.35 of prod-a"));
}

#[test]
fn other_clusters_wait_for_nothing() {
    let fleet = fleet("{before: run, clusters: {names: [prod-b]}}");
    let told = upgrade(&fleet, "1.35").completed();
    assert!(answered(&told).is_empty());
}
