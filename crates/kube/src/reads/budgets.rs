//! Disruption budgets, as `policy/v1` has them.

use eks_upgrade_core::inside::{Budget, BudgetRule, CountOrShare};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::meta::{count, name, namespace, selector};
use crate::failed::Failed;
use crate::link::{Link, Listing};

/// All budgets.
pub(super) async fn budgets(link: &Link) -> Result<Vec<Budget>, Failed> {
    let listing = Listing::of::<PodDisruptionBudget>("kubernetes:list poddisruptionbudgets");
    link.list(&listing, |one| Some(budget(one))).await
}

fn budget(one: PodDisruptionBudget) -> Budget {
    let PodDisruptionBudget { metadata: meta, spec, status } = one;
    let (spec, status) = (spec.unwrap_or_default(), status.unwrap_or_default());
    Budget {
        namespace: namespace(&meta),
        name: name(&meta),
        rule: rule(&spec),
        lets_unhealthy_go: spec.unhealthy_pod_eviction_policy.as_deref() == Some("AlwaysAllow"),
        selector: spec.selector.map(selector),
        allowed: count(status.disruptions_allowed),
        healthy: count(status.current_healthy),
        desired: count(status.desired_healthy),
        expected: count(status.expected_pods),
        observed: status.observed_generation.is_some() && status.observed_generation == meta.generation,
    }
}

/// The server takes one of both; one that has neither asks for nothing, and its status tells what comes of it.
fn rule(spec: &PodDisruptionBudgetSpec) -> BudgetRule {
    match (&spec.max_unavailable, &spec.min_available) {
        (Some(most), _) => BudgetRule::MaxUnavailable(count_or_share(most)),
        (None, Some(least)) => BudgetRule::MinAvailable(count_or_share(least)),
        (None, None) => BudgetRule::MinAvailable(CountOrShare::Count(0)),
    }
}

/// The server takes no text but whole percents.
fn count_or_share(value: &IntOrString) -> CountOrShare {
    match value {
        IntOrString::Int(number) => CountOrShare::Count(count(*number)),
        IntOrString::String(text) => CountOrShare::Percent(text.trim_end_matches('%').parse().unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of_spec(spec: &Value) -> Budget {
        let one = json!({"metadata": {"name": "web", "namespace": "shop", "generation": 2}, "spec": spec,
            "status": {"disruptionsAllowed": 1, "currentHealthy": 3, "desiredHealthy": 2, "expectedPods": 3,
                "observedGeneration": 1}});
        budget(serde_json::from_value(one).unwrap())
    }

    #[test]
    fn a_rule_is_a_count_or_a_share() {
        for (spec, rule) in [
            (json!({"maxUnavailable": 1}), BudgetRule::MaxUnavailable(CountOrShare::Count(1))),
            (json!({"minAvailable": "50%"}), BudgetRule::MinAvailable(CountOrShare::Percent(50))),
            (json!({}), BudgetRule::MinAvailable(CountOrShare::Count(0))),
        ] {
            assert_eq!(of_spec(&spec).rule, rule, "{spec}");
        }
    }

    #[test]
    fn no_selector_is_not_an_empty_one() {
        assert_eq!(of_spec(&json!({})).selector, None);
        assert_eq!(
            of_spec(&json!({"selector": {}})).selector,
            Some(eks_upgrade_core::inside::Selector::default())
        );
        let some = json!({"selector": {"matchLabels": {"app": "web"},
            "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}]}});
        let selector = of_spec(&some).selector.unwrap();
        assert_eq!(selector.labels["app"], "web");
        assert_eq!(selector.expressions[0].values, ["a", "b"]);
    }

    #[test]
    fn a_status_is_told_with_whether_it_is_of_the_present_spec() {
        let budget = of_spec(&json!({"unhealthyPodEvictionPolicy": "AlwaysAllow"}));
        assert_eq!((budget.allowed, budget.healthy, budget.desired, budget.expected), (1, 3, 2, 3));
        assert!(budget.lets_unhealthy_go && !budget.observed);
        assert!(!of_spec(&json!({"unhealthyPodEvictionPolicy": "IfHealthyBudget"})).lets_unhealthy_go);
    }
}
