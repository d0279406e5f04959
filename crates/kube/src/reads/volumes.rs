//! Persistent volumes that only nodes of one zone can use.

use std::collections::BTreeSet;

use eks_upgrade_core::inside::Volume;
use k8s_openapi::api::core::v1::{NodeSelectorTerm, PersistentVolume};
use kube::core::ObjectMeta;

use super::meta::{label, name};
use crate::failed::Failed;
use crate::link::{Link, Listing};

/// The labels of nodes that name their zone: Kubernetes', the EBS drivers', and the one before 1.17.
const ZONE_KEYS: [&str; 4] = [
    "topology.kubernetes.io/zone",
    "topology.ebs.csi.aws.com/zone",
    "topology.ebs.csi.eks.amazonaws.com/zone",
    "failure-domain.beta.kubernetes.io/zone",
];

/// All that are pinned to a zone.
pub(super) async fn volumes(link: &Link) -> Result<Vec<Volume>, Failed> {
    link.list(&Listing::of::<PersistentVolume>("kubernetes:list persistentvolumes"), volume).await
}

fn volume(one: PersistentVolume) -> Option<Volume> {
    let PersistentVolume { metadata: meta, spec, status } = one;
    let spec = spec.unwrap_or_default();
    let affinity = spec.node_affinity.and_then(|affinity| affinity.required);
    let zone = affinity
        .and_then(|required| zone_of_terms(&required.node_selector_terms))
        .or_else(|| zone_of_labels(&meta))?;
    let bound = status.and_then(|status| status.phase).as_deref() == Some("Bound");
    let claim = spec.claim_ref.filter(|_| bound).and_then(|claim| claim.namespace.zip(claim.name));
    Some(Volume {
        name: name(&meta),
        zone,
        claim: claim.map(|(namespace, name)| format!("{namespace}/{name}")),
    })
}

/// The one zone that all terms ask for. A node has to fit one of them.
fn zone_of_terms(terms: &[NodeSelectorTerm]) -> Option<String> {
    let zones: Option<Vec<BTreeSet<&str>>> = terms.iter().map(zones_of_term).collect();
    let zones: BTreeSet<&str> = zones?.into_iter().flatten().collect();
    if zones.len() == 1 { zones.first().map(|zone| (*zone).to_owned()) } else { None }
}

/// The zones that a term allows, where it is about zones.
fn zones_of_term(term: &NodeSelectorTerm) -> Option<BTreeSet<&str>> {
    let mut lines = term.match_expressions.iter().flatten();
    let line = lines.find(|line| ZONE_KEYS.contains(&line.key.as_str()) && line.operator == "In")?;
    Some(line.values.iter().flatten().map(String::as_str).collect())
}

/// Volumes from before the drivers say it by a label of theirs.
fn zone_of_labels(meta: &ObjectMeta) -> Option<String> {
    ZONE_KEYS.iter().find_map(|key| label(meta, key)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn with(terms: &Value, phase: &str) -> Option<Volume> {
        volume(
            from_value(json!({"metadata": {"name": "pv-1"}, "status": {"phase": phase}, "spec": {
                "claimRef": {"namespace": "shop", "name": "data"},
                "nodeAffinity": {"required": {"nodeSelectorTerms": terms}}}}))
            .unwrap(),
        )
    }

    fn term(key: &str, values: &[&str]) -> Value {
        json!({"matchExpressions": [{"key": key, "operator": "In", "values": values}]})
    }

    #[test]
    fn a_volume_of_one_zone_is_told_with_its_claim() {
        let ebs = "topology.ebs.csi.aws.com/zone";
        let volume = with(&json!([term(ebs, &["us-east-1a"])]), "Bound").unwrap();
        assert_eq!((volume.zone.as_str(), volume.claim.as_deref()), ("us-east-1a", Some("shop/data")));
        assert_eq!(with(&json!([term(ebs, &["us-east-1a"])]), "Released").unwrap().claim, None);
    }

    #[test]
    fn a_volume_that_several_zones_can_use_is_not() {
        let zone = "topology.kubernetes.io/zone";
        for terms in [
            json!([term(zone, &["us-east-1a", "us-east-1b"])]),
            json!([term(zone, &["us-east-1a"]), term(zone, &["us-east-1b"])]),
            json!([term(zone, &["us-east-1a"]), term("disk", &["ssd"])]),
        ] {
            assert_eq!(with(&terms, "Bound"), None, "{terms}");
        }
    }
}
