//! Drains of a healthy cluster, and of one with one thing wrong.

mod causes;
mod deciding;
mod simulation;

use crate::inside::{Budget, BudgetRule, CountOrShare, Inside, Node, NodeGroupOf, Pod, Seen};
use crate::preflight::fixture::{budget, healthy, minor, node, pod, seen, workload};

/// How long a drain may take in these tests, in seconds: as EKS's.
const LIMIT_S: u32 = 900;

const NODE: &str = "n1";

fn web(name: &str) -> Node {
    node(name, NodeGroupOf::Managed("web".into()), "eu-central-1a", minor("1.33"))
}

/// Nodes `n1` and `n2`, these pods, these budgets, and nothing that judges evictions.
fn inside(pods: Vec<Pod>, budgets: Vec<Budget>) -> Inside {
    Inside {
        nodes: Seen::Is(vec![web(NODE), web("n2")]),
        pods: Seen::Is(pods),
        budgets: Seen::Is(budgets),
        workloads: Seen::Is(vec![workload("cart", 2)]),
        webhooks: Seen::Is(Vec::new()),
        ..healthy(minor("1.33"))
    }
}

/// A pod of `shop/cart` that is not ready, and will not be.
fn broken(number: u32, on: &str) -> Pod {
    Pod { ready: false, restarts: 7, waiting: Some("CrashLoopBackOff".into()), ..pod("cart", number, on) }
}

/// The budget of `shop/cart` with this rule over so many pods, of which so many are ready.
fn rule(rule: BudgetRule, expected: u32, ready: u32) -> Budget {
    let desired = rule.keeps(expected);
    let allowed = ready.saturating_sub(desired);
    Budget { rule, expected, healthy: ready, desired, allowed, ..budget("cart", expected) }
}

fn min_available(count: u32) -> BudgetRule {
    BudgetRule::MinAvailable(CountOrShare::Count(count))
}

fn max_unavailable(count: u32) -> BudgetRule {
    BudgetRule::MaxUnavailable(CountOrShare::Count(count))
}
