//! The forecast against a drain played step by step, with nothing of the forecast's arithmetic in it: each step
//! reckons the budgets anew, asks for every eviction that is left, and lets what was evicted come up elsewhere.

use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;

use super::*;
use crate::drain::forecast;
use crate::inside::{Owner, Phase, Selector, Workload};
use crate::preflight::fixture::at;

/// What kind of pod is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ready,
    Broken,
    Starting,
    Pending,
    Daemon,
    Bare,
}

/// A pod of the little world.
#[derive(Clone, Debug)]
struct Made {
    app: usize,
    kind: Kind,
    on_n1: bool,
    /// Whether the budgets of the whole shop cover it too.
    gold: bool,
}

const APPS: [&str; 2] = ["cart", "pay"];

fn made() -> impl Strategy<Value = Made> {
    use Kind::{Bare, Broken, Daemon, Pending, Ready, Starting};
    // Most pods are ready, as in life; else next to no budget ever lets anybody go.
    let kinds = prop::sample::select(vec![
        Ready, Ready, Ready, Ready, Ready, Ready, Broken, Starting, Pending, Daemon, Bare,
    ]);
    (0..APPS.len(), kinds, any::<bool>(), prop::bool::weighted(0.2))
        .prop_map(|(app, kind, on_n1, gold)| Made { app, kind, on_n1, gold })
}

fn bound() -> impl Strategy<Value = CountOrShare> {
    prop_oneof![(0..4_u32).prop_map(CountOrShare::Count), (0..=100_u32).prop_map(CountOrShare::Percent)]
}

fn rules() -> impl Strategy<Value = BudgetRule> {
    prop_oneof![bound().prop_map(BudgetRule::MinAvailable), bound().prop_map(BudgetRule::MaxUnavailable)]
}

/// A budget over one app, or over all that is gold.
fn budgets() -> impl Strategy<Value = Budget> {
    let over = prop::sample::select(vec!["cart", "pay", "gold"]);
    (over, rules(), any::<bool>(), any::<bool>(), any::<u16>()).prop_map(
        |(over, rule, lets_unhealthy_go, observed, id)| {
            let key = if over == "gold" { "tier" } else { "app" };
            let labels = [(key.to_owned(), over.to_owned())].into();
            Budget {
                name: format!("{over}-{id}"),
                selector: Some(Selector { labels, expressions: Vec::new() }),
                rule,
                lets_unhealthy_go,
                observed,
                ..budget(over, 1)
            }
        },
    )
}

fn made_pod(number: usize, made: &Made) -> Pod {
    let number = u32::try_from(number).unwrap();
    let node = if made.on_n1 { NODE } else { "n2" };
    let mut pod = pod(APPS[made.app], number, node);
    if made.gold {
        pod.labels.insert("tier".into(), "gold".into());
    }
    let owned_by = |kind: &str| Some(Owner { kind: kind.into(), name: "agent".into() });
    match made.kind {
        Kind::Ready => {}
        Kind::Broken => (pod.ready, pod.restarts) = (false, 9),
        Kind::Starting => pod.ready = false,
        Kind::Pending => {
            (pod.ready, pod.phase, pod.waiting) = (false, Phase::Pending, Some("ImagePullBackOff".into()));
        }
        Kind::Daemon => pod.owner = owned_by("DaemonSet"),
        Kind::Bare => pod.owner = None,
    }
    pod
}

/// A budget's standing now: how many should be, have to stay, and are ready.
struct Standing {
    expected: usize,
    keeps: usize,
    ready: usize,
}

fn standing(budget: &Budget, pods: &[Pod], workloads: &[Workload]) -> Option<Standing> {
    let covered: Vec<&Pod> = pods.iter().filter(|pod| budget.covers(pod)).collect();
    let ready = covered.iter().filter(|pod| pod.ready).count();
    let scale = || {
        let mut owners = BTreeSet::new();
        for pod in &covered {
            let owner = pod.owner.as_ref()?;
            owners.insert(workloads.iter().position(|workload| workload.name == owner.name)?);
        }
        Some(owners.into_iter().map(|place| workloads[place].wants as usize).sum::<usize>())
    };
    // By halves and quarters of floating point, as Kubernetes itself does it.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let share = |percent: u32, whole: usize| (f64::from(percent) * whole as f64 / 100.0).ceil() as usize;
    let (expected, keeps) = match budget.rule {
        BudgetRule::MinAvailable(CountOrShare::Count(count)) => (covered.len(), count as usize),
        BudgetRule::MinAvailable(CountOrShare::Percent(percent)) => {
            let scale = scale()?;
            (scale, share(percent, scale))
        }
        BudgetRule::MaxUnavailable(CountOrShare::Count(count)) => {
            let scale = scale()?;
            (scale, scale.saturating_sub(count as usize))
        }
        BudgetRule::MaxUnavailable(CountOrShare::Percent(percent)) => {
            let scale = scale()?;
            (scale, scale.saturating_sub(share(percent, scale)))
        }
    };
    Some(Standing { expected, keeps, ready })
}

/// Whether the API server evicts this pod now.
fn evicts(pod: &Pod, pods: &[Pod], budgets: &[Budget], workloads: &[Workload]) -> bool {
    if pod.phase == Phase::Pending {
        return true;
    }
    let covering: Vec<&Budget> = budgets.iter().filter(|budget| budget.covers(pod)).collect();
    let [budget] = covering.as_slice() else { return covering.is_empty() };
    let standing = standing(budget, pods, workloads);
    let healthy_budget = standing.as_ref().is_some_and(|s| s.ready >= s.keeps && s.keeps > 0);
    if !pod.ready && (budget.lets_unhealthy_go || healthy_budget) {
        return true;
    }
    standing.is_some_and(|s| s.expected > 0 && s.ready > s.keeps)
}

/// Drains `n1` until nothing moves any more; gives who is still there of those that should not be.
fn play(mut pods: Vec<Pod>, budgets: &[Budget], workloads: &[Workload]) -> BTreeSet<String> {
    for pod in pods.iter_mut().filter(|pod| !pod.ready && pod.restarts == 0 && pod.waiting.is_none()) {
        pod.ready = true;
    }
    let on_node = |pod: &Pod| pod.node.as_deref() == Some(NODE) && !pod.is_daemon();
    loop {
        let mut moved = Vec::new();
        for place in 0..pods.len() {
            let pod = &pods[place];
            let asked = on_node(pod) && pod.owner.is_some();
            if asked && evicts(pod, &pods, budgets, workloads) {
                // What its controller makes in its place starts elsewhere.
                pods[place].node = Some("n2".into());
                moved.push((place, std::mem::replace(&mut pods[place].ready, false)));
            }
        }
        for (place, was_ready) in &moved {
            pods[*place].ready = *was_ready;
        }
        if moved.is_empty() {
            return pods.iter().filter(|pod| on_node(pod)).map(Pod::full_name).collect();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_forecast_is_what_a_drain_comes_to(made in vec(made(), 1..10), budgets in vec(budgets(), 0..3)) {
        let pods: Vec<Pod> = made.iter().enumerate().map(|(number, made)| made_pod(number, made)).collect();
        let of = |app: &str| pods.iter().filter(|pod| {
            pod.owner.as_ref().is_some_and(|owner| owner.name == app)
        }).count();
        let workloads: Vec<Workload> =
            APPS.iter().map(|app| workload(app, u32::try_from(of(app)).unwrap())).collect();
        let mut budgets = budgets;
        for budget in &mut budgets {
            // A status that is of the present spec says what the controller reckons; another says nonsense.
            let status = standing(budget, &pods, &workloads).filter(|_| budget.observed);
            let status = status.unwrap_or(Standing { expected: 0, keeps: 0, ready: 0 });
            let number = |n: usize| u32::try_from(n).unwrap();
            (budget.expected, budget.desired, budget.healthy) =
                (number(status.expected), number(status.keeps), number(status.ready));
        }
        let stay = play(pods.clone(), &budgets, &workloads);
        let mut inside = inside(pods, budgets);
        inside.workloads = Seen::Is(workloads);
        inside.at = at();
        let foretold = forecast(&inside, LIMIT_S).unwrap();
        let held: BTreeSet<String> = foretold.iter().filter(|forecast| forecast.node == NODE)
            .flat_map(|forecast| forecast.held.iter().map(|held| held.pod.clone())).collect();
        prop_assert_eq!(held, stay);
    }
}
