//! What people are told.

use super::*;
use crate::drain::{Held, HeldBy, NodeForecast, findings, in_words};
use crate::finding::{Code, Finding, Level};

fn held(node: &str, pod: &str, why: HeldBy) -> Held {
    Held {
        node: node.into(),
        pod: format!("shop/{pod}"),
        owner: "Deployment cart".into(),
        why,
        confirmed: None,
    }
}

fn by_budget() -> HeldBy {
    HeldBy::Budget { budget: "shop/cart".into(), because: "maxUnavailable 0".into() }
}

fn of(node: &str, group: &str, held: Vec<Held>) -> NodeForecast {
    let group = NodeGroupOf::Managed(group.into());
    NodeForecast { node: node.into(), group, leave: 3, stay: 2, held, takes_s: 30 }
}

fn told(nodes: Vec<NodeForecast>) -> Vec<Finding> {
    let may_force = |group: &NodeGroupOf| *group == NodeGroupOf::Managed("forced".into());
    findings(&Seen::Is(nodes), &may_force)
}

fn of_code(findings: &[Finding], code: Code) -> Vec<(Level, &str)> {
    findings.iter().filter(|f| f.code == code).map(|f| (f.level, f.subject.as_str())).collect()
}

#[test]
fn a_good_forecast_is_one_line() {
    let slow = NodeForecast { takes_s: 400, ..of("n2", "web", Vec::new()) };
    let told = told(vec![of("n1", "web", Vec::new()), slow]);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].code, told[0].level), (Code::DrainForecast, Level::Pass));
    assert_eq!(
        told[0].message,
        "2 node(s), of which 6 pod(s) leave; the longest drain, of n2, takes about 7 min"
    );
}

#[test]
fn without_nodes_there_is_nothing_to_say() {
    assert_eq!(told(Vec::new()), Vec::new());
}

#[test]
fn what_was_not_seen_is_unknown() {
    let told = findings(&Seen::Not("pods: forbidden".into()), &|_| true);
    assert_eq!(of_code(&told, Code::InsideUnread), [(Level::Unknown, "drains")]);
    assert!(told[0].message.contains("pods: forbidden"));
    assert_eq!(told.len(), 1);
}

#[test]
fn a_cause_is_told_once_however_many_it_holds() {
    let pods = |node: &str, from: u32| {
        (from..from + 4).map(|n| held(node, &format!("cart-{n}"), by_budget())).collect::<Vec<_>>()
    };
    let told = told(vec![of("n1", "web", pods("n1", 1)), of("n2", "web", pods("n2", 5))]);
    assert_eq!(of_code(&told, Code::DrainBlocked), [(Level::Block, "shop/cart")]);
    let message = &told[1].message;
    assert!(
        message.starts_with("8 pod(s) would not leave 2 nodes: PodDisruptionBudget shop/cart"),
        "{message}"
    );
    assert!(
        message.contains("(shop/cart-1 of Deployment cart, shop/cart-2 of Deployment cart, "),
        "{message}"
    );
    assert!(message.ends_with("shop/cart-5 of Deployment cart, and 3 more)"), "{message}");
    assert!(told[1].next_action.contains("shop/cart"));
}

#[test]
fn each_kind_of_cause_has_its_own_subject() {
    let rows = [
        (by_budget(), "shop/cart"),
        (HeldBy::Budgets { budgets: vec!["shop/a".into(), "shop/b".into()] }, "shop/a and shop/b"),
        (HeldBy::Webhook { webhook: "w".into() }, "w"),
        (HeldBy::NoController, "shop/cart-1"),
        (HeldBy::Slow { grace_s: 7200 }, "Deployment shop/cart"),
    ];
    for (why, subject) in rows {
        let told = told(vec![of("n1", "web", vec![held("n1", "cart-1", why.clone())])]);
        assert_eq!(of_code(&told, Code::DrainBlocked), [(Level::Block, subject)]);
        assert!(!told[1].next_action.is_empty(), "{why}");
    }
}

#[test]
fn where_pods_may_be_deleted_it_is_a_warning() {
    let held = |node: &str| vec![held(node, "cart-1", by_budget())];
    let told = told(vec![of("n1", "forced", held("n1")), of("n2", "web", held("n2"))]);
    assert_eq!(
        of_code(&told, Code::DrainBlocked),
        [(Level::Block, "shop/cart"), (Level::Warn, "shop/cart")],
        "one group may be forced, the other may not"
    );
}

#[test]
fn a_pod_without_an_owner_is_named_alone() {
    let lone = Held { owner: String::new(), ..held("n1", "lone", HeldBy::NoController) };
    let told = told(vec![of("n1", "web", vec![lone])]);
    assert!(told[1].message.ends_with("(shop/lone)"), "{}", told[1].message);
}

#[test]
fn too_many_causes_are_counted_and_none_is_lost() {
    let bare = |n: u32| held("n1", &format!("lone-{n:02}"), HeldBy::NoController);
    let told = told(vec![of("n1", "web", (0..25).map(bare).collect())]);
    let blocked = of_code(&told, Code::DrainBlocked);
    assert_eq!((blocked.len(), blocked[20]), (21, (Level::Block, "others")));
    assert_eq!(told.last().unwrap().message, "5 more causes hold 5 more pods");
}

#[test]
fn words_name_five_and_count_the_rest() {
    let held: Vec<Held> = (1..=7).map(|n| held("n1", &format!("cart-{n}"), HeldBy::NoController)).collect();
    let words = in_words(&held);
    assert!(words.starts_with("pod shop/cart-1 of Deployment cart on n1: nothing would make it again; "));
    assert!(
        words.contains("cart-5") && !words.contains("cart-6") && words.ends_with("and 2 more"),
        "{words}"
    );
    assert_eq!(in_words(&held[..5]).matches("; ").count(), 4);
    assert_eq!(in_words(&[]), "");
}
