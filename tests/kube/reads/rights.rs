//! No right is given that is not used: without any one of them something is not seen.

use crate::api_server::Server;
use eks_upgrade_core::inside::{Backend, Inside};
use eks_upgrade_pipeline::ports::inside::{Depth, Insides};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use kube::Api;

use super::objects::{self, CORE, KARPENTER, POOLS};
use super::{look, unseen};
use crate::product::{Found, INSPECT, cluster};

/// A right by its name, and the rules without it.
type Without = (String, Vec<PolicyRule>);

/// Each resource and path of a role, left out by itself.
fn one_by_one(rules: &[PolicyRule]) -> Vec<Without> {
    let rights = rules.iter().enumerate().flat_map(|(at, rule)| {
        let of = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
        let rights = [of(&rule.resources), of(&rule.non_resource_urls)].concat();
        rights.into_iter().map(move |right| (at, right))
    });
    rights.map(|(at, right)| (format!("{at} {right}"), without(rules, at, &right))).collect()
}

fn without(rules: &[PolicyRule], at: usize, right: &str) -> Vec<PolicyRule> {
    let mut rules = rules.to_vec();
    let PolicyRule { resources, non_resource_urls, .. } = &mut rules[at];
    for list in [resources, non_resource_urls].into_iter().flatten() {
        list.retain(|other| other != right);
    }
    rules.retain(|rule| {
        [&rule.resources, &rule.non_resource_urls].into_iter().flatten().any(|list| !list.is_empty())
    });
    rules
}

/// How much is not seen: parts, and endpoints of webhooks.
fn lacking(inside: &Inside) -> usize {
    let uncounted = |backend: &Backend| matches!(backend, Backend::Service { ready_endpoints: None, .. });
    let webhooks = inside.webhooks.get().into_iter().flatten();
    unseen(inside).len() + webhooks.filter(|webhook| uncounted(&webhook.backend)).count()
}

/// What gives a group these rights and no others.
fn grant(group: &str, rules: &[PolicyRule]) -> String {
    let rules = serde_json::to_string(rules).unwrap();
    format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: {group}}}
rules: {rules}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: {group}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {group}}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: Group, name: {group}}}]
---
"
    )
}

#[tokio::test]
async fn inspect_yaml_gives_no_right_that_is_not_used() {
    let Some(server) = Server::start().await else { return };
    let namespace = server.namespace("rights").await;
    server.apply(INSPECT).await;
    server.apply(CORE).await;
    server.apply(&objects::workloads(&namespace)).await;
    server.apply(KARPENTER).await;
    objects::are_served(&server).await;
    server.apply(POOLS).await;
    assert_eq!(lacking(&look(&server, "eks-upgrade:inspect", Depth::All).await), 0);

    let roles = Api::<ClusterRole>::all(server.admin());
    let granted = roles.get("eks-upgrade-inspect").await.unwrap().rules.unwrap();
    let all = one_by_one(&granted);
    assert!(all.len() > 30, "{all:?}");
    let named = all.iter().enumerate().map(|(number, (_, less))| grant(&format!("without-{number}"), less));
    // Roles are known to the server in the order in which they were made.
    let roles: String = named.chain([grant("last", &granted)]).collect();
    server.apply(&roles).await;
    look(&server, "last", Depth::All).await;

    let mut unused = Vec::new();
    for (number, (right, _)) in all.iter().enumerate() {
        let caller = server.grant(&[&format!("without-{number}")]);
        let inside = Found::of(&server, &caller).reads().inside(&cluster(&server), Depth::All).await;
        seen_in_part(&inside);
        if lacking(&inside) == 0 {
            unused.push(right.as_str());
        }
    }
    // The first is everybody's, unless a cluster takes that back; the second is for servers without endpoint slices.
    let unused: Vec<&str> = unused.iter().filter_map(|right| Some(right.split_once(' ')?.1)).collect();
    assert_eq!(unused, ["/version", "endpoints"]);
}

/// Most is seen whatever is left out: a caller who is not let in at all lacks everything, and proves nothing.
fn seen_in_part(inside: &Inside) {
    assert!(unseen(inside).len() <= 3, "{:?}", unseen(inside));
}
