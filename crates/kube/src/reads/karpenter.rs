//! Karpenter's node pools and node claims, and those of EKS Auto Mode, which is Karpenter too. A cluster without
//! either does not serve the API: then there are none.

use std::collections::{BTreeMap, BTreeSet};

use eks_upgrade_core::inside::{Claim, Pool};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::{ObjectMeta, PartialObjectMeta};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::meta::{do_not_disrupt, label, name};
use super::nodes::POOL;
use crate::failed::Failed;
use crate::link::{Link, Listing};

const POOLS: &str = "/apis/karpenter.sh/v1/nodepools";
const CLAIMS: &str = "/apis/karpenter.sh/v1/nodeclaims";
const CLASSES: &str = "/apis/karpenter.k8s.aws/v1/ec2nodeclasses";
/// The group of Auto Mode's node classes: EKS chooses their image.
const AUTO_MODE: &str = "eks.amazonaws.com";
/// Why a machine is replaced when its image is not the class's any more.
const DRIFTED: &str = "Drifted";

#[derive(Clone, Deserialize)]
struct NodePool {
    metadata: ObjectMeta,
    spec: PoolSpec,
}

#[derive(Clone, Deserialize)]
struct PoolSpec {
    #[serde(default)]
    disruption: Disruption,
    template: ClaimTemplate,
}

#[derive(Clone, Default, Deserialize)]
struct Disruption {
    #[serde(default)]
    budgets: Vec<Budget>,
}

#[derive(Clone, Deserialize)]
struct Budget {
    nodes: String,
    schedule: Option<String>,
    #[serde(default)]
    reasons: Vec<String>,
}

#[derive(Clone, Deserialize)]
struct ClaimTemplate {
    spec: ClaimSpec,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClaimSpec {
    node_class_ref: ClassRef,
}

#[derive(Clone, Deserialize)]
struct ClassRef {
    group: String,
    name: String,
}

#[derive(Clone, Deserialize)]
struct NodeClass {
    metadata: ObjectMeta,
    spec: ClassSpec,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClassSpec {
    #[serde(default)]
    ami_selector_terms: Vec<ImageTerm>,
}

#[derive(Clone, Deserialize)]
struct ImageTerm {
    alias: Option<String>,
}

#[derive(Clone, Deserialize)]
struct NodeClaim {
    metadata: ObjectMeta,
    #[serde(default)]
    status: ClaimStatus,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClaimStatus {
    node_name: Option<String>,
    #[serde(default)]
    conditions: Vec<Condition>,
}

/// All node pools.
pub(super) async fn pools(link: &Link) -> Result<Vec<Pool>, Failed> {
    let pools: Vec<NodePool> = optional(link, "kubernetes:list nodepools", POOLS).await?;
    let on_their_own = pools.iter().any(|pool| pool.spec.template.spec.node_class_ref.group != AUTO_MODE);
    let classes: Vec<NodeClass> = if on_their_own {
        optional(link, "kubernetes:list ec2nodeclasses", CLASSES).await?
    } else {
        Vec::new()
    };
    let follow = classes.iter().map(|class| (name(&class.metadata), follows(&class.spec))).collect();
    Ok(pools.into_iter().map(|one| pool(one, &follow)).collect())
}

/// All node claims.
pub(super) async fn claims(link: &Link) -> Result<Vec<Claim>, Failed> {
    let claims: Vec<NodeClaim> = optional(link, "kubernetes:list nodeclaims", CLAIMS).await?;
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let nodes = Listing::of::<Node>("kubernetes:list nodes").labels(POOL).metadata();
    let kept = |node: PartialObjectMeta<Node>| do_not_disrupt(&node.metadata).then(|| name(&node.metadata));
    let kept: BTreeSet<String> = link.list(&nodes, kept).await?.into_iter().collect();
    Ok(claims.into_iter().map(|one| claim(one, &kept)).collect())
}

/// All there are; none where the API is not served.
async fn optional<T: DeserializeOwned + Clone>(
    link: &Link,
    operation: &'static str,
    path: &str,
) -> Result<Vec<T>, Failed> {
    match link.list(&Listing::at(operation, path), Some).await {
        Err(failed) if failed.is_missing() => Ok(Vec::new()),
        answer => answer,
    }
}

fn pool(NodePool { metadata, spec }: NodePool, follow: &BTreeMap<String, bool>) -> Pool {
    let class = spec.template.spec.node_class_ref;
    let always = spec.disruption.budgets.into_iter().filter(|budget| budget.schedule.is_none());
    let of_drift =
        always.filter(|budget| budget.reasons.is_empty() || budget.reasons.iter().any(|why| why == DRIFTED));
    Pool {
        name: name(&metadata),
        budgets: of_drift.map(|budget| budget.nodes).collect(),
        drifts: class.group == AUTO_MODE || follow.get(&class.name).copied().unwrap_or(false),
    }
}

/// Whether a class's image follows the control plane by itself. `alias: …@latest` alone does: every other term names
/// an image, or waits for somebody to make one.
fn follows(class: &ClassSpec) -> bool {
    let latest = |term: &ImageTerm| term.alias.as_ref().is_some_and(|alias| alias.ends_with("@latest"));
    class.ami_selector_terms.iter().any(latest)
}

fn claim(NodeClaim { metadata, status }: NodeClaim, kept: &BTreeSet<String>) -> Claim {
    let drifted =
        status.conditions.iter().any(|condition| condition.type_ == DRIFTED && condition.status == "True");
    let node = status.node_name.filter(|node| !node.is_empty());
    Claim {
        name: name(&metadata),
        pool: label(&metadata, POOL).unwrap_or_default().to_owned(),
        drifted,
        do_not_disrupt: do_not_disrupt(&metadata) || node.as_ref().is_some_and(|node| kept.contains(node)),
        node,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn pool_of(group: &str, budgets: &Value) -> Pool {
        let one = json!({"metadata": {"name": "spot"}, "spec": {"disruption": {"budgets": budgets},
            "template": {"spec": {"nodeClassRef": {"group": group, "kind": "x", "name": "default"}}}}});
        pool(from_value(one).unwrap(), &BTreeMap::from([("default".to_owned(), true)]))
    }

    #[test]
    fn budgets_that_always_hold_for_drift_are_told() {
        let budgets = json!([{"nodes": "10%"}, {"nodes": "0", "schedule": "@daily", "duration": "8h"},
            {"nodes": "1", "reasons": ["Empty"]}, {"nodes": "2", "reasons": ["Drifted", "Empty"]}]);
        assert_eq!(pool_of("karpenter.k8s.aws", &budgets).budgets, ["10%", "2"]);
    }

    #[test]
    fn only_the_latest_image_follows_by_itself() {
        let follows_by = |terms: Value| follows(&from_value(json!({"amiSelectorTerms": terms})).unwrap());
        assert!(follows_by(json!([{"alias": "al2023@latest"}])));
        for terms in [
            json!([]),
            json!([{"alias": "al2023@v20260101"}]),
            json!([{"id": "ami-1"}]),
            json!([{"tags": {"team": "a"}}]),
        ] {
            assert!(!follows_by(terms.clone()), "{terms}");
        }
    }

    #[test]
    fn a_pool_of_auto_mode_drifts_and_one_without_its_class_does_not() {
        assert!(pool_of(AUTO_MODE, &json!([])).drifts && pool_of("karpenter.k8s.aws", &json!([])).drifts);
        let lost = json!({"metadata": {"name": "a"}, "spec": {"template": {"spec": {
            "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "gone"}}}}});
        assert!(!pool(from_value(lost).unwrap(), &BTreeMap::new()).drifts);
    }

    #[test]
    fn a_claim_is_let_be_for_its_own_sake_or_its_nodes() {
        let of = |annotations: Value| {
            let one = json!({"metadata": {"name": "c", "labels": {POOL: "spot"}, "annotations": annotations},
                "status": {"nodeName": "node-a", "conditions": [{"type": "Drifted", "status": "True",
                    "lastTransitionTime": "2026-11-01T00:00:00Z", "message": "", "reason": "x"}]}});
            from_value::<NodeClaim>(one).unwrap()
        };
        let plain = claim(of(json!({})), &BTreeSet::new());
        assert_eq!(
            (plain.pool.as_str(), plain.node.as_deref(), plain.drifted),
            ("spot", Some("node-a"), true)
        );
        assert!(!plain.do_not_disrupt);
        assert!(claim(of(json!({})), &BTreeSet::from(["node-a".to_owned()])).do_not_disrupt);
        assert!(claim(of(json!({"karpenter.sh/do-not-disrupt": "true"})), &BTreeSet::new()).do_not_disrupt);
    }
}
