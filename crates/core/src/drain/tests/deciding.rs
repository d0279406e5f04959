//! Who leaves, who does not, and why.

use jiff::ToSpan;

use super::*;
use crate::drain::{HeldBy, NodeForecast, forecast, held_on};
use crate::inside::{Backend, Owner, Phase, Webhook};
use crate::preflight::fixture::{at, webhook};

fn of_n1(inside: &Inside) -> NodeForecast {
    forecast(inside, LIMIT_S).unwrap().into_iter().find(|forecast| forecast.node == NODE).unwrap()
}

/// What holds the only pod that is held on `n1`.
fn only_cause(inside: &Inside) -> HeldBy {
    match of_n1(inside).held.as_slice() {
        [held] => held.why.clone(),
        other => panic!("{other:?}"),
    }
}

/// What holds `cart-1` on `n1`, with another pod of `cart` on `n2`.
fn cause(first: Pod, budget: Budget) -> Option<HeldBy> {
    let inside = inside(vec![first, pod("cart", 2, "n2")], vec![budget]);
    of_n1(&inside).held.first().map(|held| held.why.clone())
}

fn by(because: &str) -> HeldBy {
    HeldBy::Budget { budget: "shop/cart".into(), because: because.into() }
}

#[test]
fn pods_leave_and_those_of_the_node_itself_stay() {
    let daemon = Owner { kind: "DaemonSet".into(), name: "agent".into() };
    let file = Owner { kind: "Node".into(), name: NODE.into() };
    let pods = vec![
        pod("cart", 1, NODE),
        pod("cart", 2, "n2"),
        Pod { owner: Some(daemon), ..pod("agent", 1, NODE) },
        Pod { owner: Some(file), mirror: true, ..pod("proxy", 1, NODE) },
    ];
    let drained = of_n1(&inside(pods, vec![budget("cart", 2)]));
    assert_eq!((drained.leave, drained.stay, drained.held.len()), (1, 2, 0));
}

#[test]
fn a_budget_holds_as_its_arithmetic_says() {
    let percent = CountOrShare::Percent;
    let rows = [
        (rule(min_available(1), 2, 2), None),
        (rule(min_available(2), 2, 2), Some(by("minAvailable 2, 2 of 2 ready: 0 may go"))),
        (rule(min_available(5), 2, 2), Some(by("minAvailable 5, 2 of 2 ready: 0 may go"))),
        (rule(max_unavailable(1), 2, 2), None),
        (
            rule(max_unavailable(0), 2, 2),
            Some(by("maxUnavailable 0, so 2 have to stay, 2 of 2 ready: 0 may go")),
        ),
        // Half of two pods is one, half of three is rounded up to two: both ways.
        (rule(BudgetRule::MinAvailable(percent(50)), 2, 2), None),
        (
            rule(BudgetRule::MinAvailable(percent(67)), 3, 3),
            Some(by("minAvailable 67%, so 3 have to stay, 3 of 3 ready: 0 may go")),
        ),
        (rule(BudgetRule::MaxUnavailable(percent(1)), 2, 2), None),
        (
            rule(BudgetRule::MaxUnavailable(percent(0)), 2, 2),
            Some(by("maxUnavailable 0%, so 2 have to stay, 2 of 2 ready: 0 may go")),
        ),
        // One is down already.
        (
            rule(max_unavailable(1), 3, 2),
            Some(by("maxUnavailable 1, so 2 have to stay, 2 of 3 ready: 0 may go")),
        ),
    ];
    for (budget, expected) in rows {
        assert_eq!(cause(pod("cart", 1, NODE), budget.clone()), expected, "{}", budget.rule);
    }
}

#[test]
fn a_share_is_rounded_up() {
    let rows = [(50, 3, 2), (1, 100, 1), (1, 101, 2), (100, 7, 7), (0, 7, 0), (150, 2, 3)];
    for (share, whole, expected) in rows {
        assert_eq!(CountOrShare::Percent(share).of(whole), expected, "{share}% of {whole}");
    }
}

#[test]
fn one_at_a_time_is_no_block() {
    let pods = (1..=4).map(|number| pod("cart", number, NODE)).collect();
    let drained = of_n1(&inside(pods, vec![budget("cart", 4)]));
    assert_eq!((drained.leave, drained.held.len()), (4, 0));
}

#[test]
fn several_budgets_over_one_pod_hold_it_whatever_they_allow() {
    let other = Budget { name: "other".into(), ..budget("cart", 2) };
    let inside = inside(vec![pod("cart", 1, NODE), pod("cart", 2, "n2")], vec![budget("cart", 2), other]);
    assert_eq!(
        only_cause(&inside),
        HeldBy::Budgets { budgets: vec!["shop/cart".into(), "shop/other".into()] }
    );
}

#[test]
fn a_budget_covers_its_own_namespace_and_what_it_selects() {
    let never = rule(max_unavailable(0), 2, 2);
    let elsewhere = Budget { namespace: "pay".into(), ..never.clone() };
    assert_eq!(cause(pod("cart", 1, NODE), elsewhere), None);
    let nothing = Budget { selector: None, ..never.clone() };
    assert_eq!(cause(pod("cart", 1, NODE), nothing), None);
    let everything = Budget { selector: Some(crate::inside::Selector::default()), ..never };
    assert!(cause(pod("cart", 1, NODE), everything).is_some());
}

#[test]
fn a_pod_that_is_not_ready_goes_while_the_others_are_enough() {
    // Two of three are ready and two have to be: a ready one may not go, the broken one may.
    assert_eq!(cause(broken(1, NODE), rule(max_unavailable(1), 3, 2)), None);
    // One too few: nobody goes, unless the budget lets the broken ones go in any case.
    let short = rule(max_unavailable(1), 3, 1);
    assert!(cause(broken(1, NODE), short.clone()).is_some());
    assert_eq!(cause(broken(1, NODE), Budget { lets_unhealthy_go: true, ..short.clone() }), None);
    assert!(cause(pod("cart", 1, NODE), Budget { lets_unhealthy_go: true, ..short }).is_some());
}

#[test]
fn none_is_enough_for_a_budget_that_keeps_none() {
    // Kubernetes asks for more than zero to stay before it lets pods go that are not ready.
    assert!(cause(broken(1, NODE), rule(max_unavailable(2), 2, 0)).is_some());
}

#[test]
fn a_pod_that_has_not_started_asks_no_budget() {
    let pending = Pod { phase: Phase::Pending, ..broken(1, NODE) };
    assert_eq!(cause(pending, rule(max_unavailable(0), 2, 1)), None);
}

#[test]
fn a_pod_that_is_on_its_way_out_leaves() {
    let leaving = Pod { deleting_since: Some(at()), ..pod("cart", 1, NODE) };
    assert_eq!(cause(leaving, rule(max_unavailable(0), 2, 1)), None);
}

#[test]
fn a_pod_that_comes_up_counts_as_ready() {
    let one_short = || rule(max_unavailable(1), 3, 2);
    let starting = Pod { ready: false, ..pod("cart", 3, "n2") };
    let pods = |third: Pod| vec![pod("cart", 1, NODE), pod("cart", 2, "n2"), third];
    assert_eq!(of_n1(&inside(pods(starting.clone()), vec![one_short()])).held, Vec::new());
    let stuck = [
        Pod { made_at: at() - 10.minutes(), ..starting.clone() },
        Pod { restarts: 1, ..starting.clone() },
        Pod { waiting: Some("ImagePullBackOff".into()), ..starting.clone() },
        Pod { node: None, ..starting.clone() },
        Pod { phase: Phase::Unknown, ..starting.clone() },
        Pod { deleting_since: Some(at()), ..starting.clone() },
    ];
    for third in stuck {
        assert_eq!(of_n1(&inside(pods(third.clone()), vec![one_short()])).held.len(), 1, "{third:?}");
    }
    let creating = Pod { waiting: Some("ContainerCreating".into()), ..starting };
    assert_eq!(of_n1(&inside(pods(creating), vec![one_short()])).held, Vec::new());
}

#[test]
fn a_stale_status_says_nothing_and_the_rule_is_reckoned_anew() {
    let stale = |rule| Budget {
        rule,
        observed: false,
        allowed: 9,
        healthy: 9,
        desired: 0,
        expected: 9,
        ..budget("cart", 2)
    };
    assert!(cause(pod("cart", 1, NODE), stale(max_unavailable(0))).is_some());
    assert_eq!(cause(pod("cart", 1, NODE), stale(max_unavailable(1))), None);
    // Its deployment wants more than there is: what is missing counts as out.
    let mut inside =
        inside(vec![pod("cart", 1, NODE), pod("cart", 2, "n2")], vec![stale(max_unavailable(1))]);
    seen(&mut inside.workloads)[0].wants = 3;
    assert_eq!(of_n1(&inside).held.len(), 1);
}

#[test]
fn a_budget_without_pods_that_should_be_there_lets_none_go() {
    let empty = Budget { expected: 0, healthy: 2, desired: 0, ..budget("cart", 2) };
    assert!(cause(pod("cart", 1, NODE), empty).is_some());
}

#[test]
fn a_budget_over_pods_without_a_scale_lets_none_go() {
    let job = Owner { kind: "Job".into(), name: "import".into() };
    let of_a_job = Pod { owner: Some(job), ..pod("cart", 2, "n2") };
    let with = |rule| inside(vec![pod("cart", 1, NODE), of_a_job.clone()], vec![super::rule(rule, 2, 2)]);
    let why = only_cause(&with(max_unavailable(1))).to_string();
    assert!(why.contains("whose controller has no scale"), "{why}");
    assert_eq!(of_n1(&with(min_available(1))).held, Vec::new());
}

fn dead_webhook() -> Webhook {
    let nobody =
        Backend::Service { namespace: "judge".into(), name: "judge".into(), ready_endpoints: Some(0) };
    Webhook { on_evictions: true, backend: nobody, ..webhook() }
}

#[test]
fn a_webhook_without_anybody_behind_it_holds_every_pod_it_is_asked_about() {
    let with = |webhook: Webhook| {
        let mut inside = inside(vec![pod("cart", 1, NODE)], Vec::new());
        seen(&mut inside.webhooks).push(webhook);
        inside
    };
    let held = HeldBy::Webhook { webhook: "pods.judge.example.com".into() };
    assert_eq!(only_cause(&with(dead_webhook())), held);
    let ready =
        Backend::Service { namespace: "judge".into(), name: "judge".into(), ready_endpoints: Some(1) };
    let harmless = [
        Webhook { fails_closed: false, ..dead_webhook() },
        Webhook { on_evictions: false, ..dead_webhook() },
        Webhook { not_in: vec!["shop".into()], ..dead_webhook() },
        Webhook { backend: ready, ..dead_webhook() },
        Webhook { backend: Backend::Url, ..dead_webhook() },
    ];
    for webhook in harmless {
        assert_eq!(of_n1(&with(webhook.clone())).held, Vec::new(), "{webhook:?}");
    }
}

#[test]
fn a_pod_without_a_controller_is_not_drained() {
    let lone = Pod { owner: None, ..pod("cart", 1, NODE) };
    assert_eq!(only_cause(&inside(vec![lone], Vec::new())), HeldBy::NoController);
}

#[test]
fn a_pod_that_ends_too_slowly_holds_the_drain() {
    let of = |grace_s| inside(vec![Pod { grace_s, ..pod("cart", 1, NODE) }], Vec::new());
    assert_eq!(only_cause(&of(LIMIT_S + 1)), HeldBy::Slow { grace_s: LIMIT_S + 1 });
    assert_eq!(of_n1(&of(LIMIT_S)).held, Vec::new());
}

#[test]
fn nothing_is_told_of_what_was_not_seen() {
    let whole = || inside(vec![pod("cart", 1, NODE)], Vec::new());
    let unread = || Seen::Not("forbidden".into());
    let on = [NODE.to_owned()];
    for part in 0..3 {
        let mut inside = whole();
        match part {
            0 => inside.pods = Seen::Not("forbidden".into()),
            1 => inside.budgets = Seen::Not("forbidden".into()),
            _ => inside.webhooks = Seen::Not("forbidden".into()),
        }
        assert_eq!(forecast(&inside, LIMIT_S).unwrap_err().0, "forbidden", "{part}");
        assert_eq!(held_on(&inside, &on, LIMIT_S).unwrap_err().0, "forbidden", "{part}");
    }
    let nodeless = Inside { nodes: unread(), ..whole() };
    assert!(forecast(&nodeless, LIMIT_S).is_err());
    assert_eq!(held_on(&nodeless, &on, LIMIT_S), Ok(Vec::new()), "nodes are named already");
    let mut whole = whole();
    let unknown = Backend::Service { namespace: "judge".into(), name: "judge".into(), ready_endpoints: None };
    seen(&mut whole.webhooks).push(Webhook { backend: unknown, ..dead_webhook() });
    assert!(forecast(&whole, LIMIT_S).unwrap_err().0.contains("judge/judge"));
}

#[test]
fn only_the_nodes_that_are_asked_about_are_told_of() {
    let pods = vec![pod("cart", 1, NODE), pod("cart", 2, "n2")];
    let inside = inside(pods, vec![rule(max_unavailable(0), 2, 2)]);
    let held = held_on(&inside, &["n2".to_owned(), "gone".to_owned()], LIMIT_S).unwrap();
    let names: Vec<_> = held.iter().map(|held| (held.node.as_str(), held.pod.as_str())).collect();
    assert_eq!(names, [("n2", "shop/cart-2")]);
    assert_eq!(held[0].owner, "Deployment cart");
}

#[test]
fn nodes_of_fargate_are_not_drained() {
    let mut inside = inside(vec![pod("cart", 1, NODE)], Vec::new());
    seen(&mut inside.nodes)[0].group = NodeGroupOf::Fargate;
    assert!(forecast(&inside, LIMIT_S).unwrap().iter().all(|forecast| forecast.node != NODE));
}

#[test]
fn a_drain_takes_as_long_as_its_slowest_budget() {
    let carts = |count| (1..=count).map(|number| pod("cart", number, NODE)).collect::<Vec<_>>();
    let takes_s = |pods, budgets| of_n1(&inside(pods, budgets)).takes_s;
    assert_eq!(takes_s(Vec::new(), Vec::new()), 0);
    assert_eq!(takes_s(carts(4), Vec::new()), 30, "all at once");
    assert_eq!(takes_s(carts(4), vec![budget("cart", 4)]), 4 * 30 + 3 * 60, "one after another");
    assert_eq!(takes_s(carts(4), vec![rule(max_unavailable(3), 4, 4)]), 2 * 30 + 60, "in two waves");
    let slow = Pod { grace_s: 200, ..pod("slow", 1, NODE) };
    assert_eq!(takes_s([carts(2), vec![slow]].concat(), vec![budget("cart", 2)]), 200, "beside each other");
    let endless = Pod { grace_s: u32::MAX, ..pod("slow", 1, NODE) };
    assert_eq!(takes_s(vec![endless], Vec::new()), LIMIT_S, "no longer than it may");
}
