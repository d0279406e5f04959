//! What a policy comes to for one cluster.

use std::collections::BTreeMap;

use anyhow::Context;
use eks_upgrade_core::arn::{ClusterArn, ClusterName};
use eks_upgrade_core::policy::{ApprovalRule, Policy, PolicyDocument, PolicyError, Selector};
use jiff::Timestamp;

use crate::fault::Usage;

/// The policy of one cluster.
pub struct Effective {
    cluster: ClusterArn,
    opted_in: bool,
    opt_in: String,
    /// What a run of it would record.
    pub policy: Policy,
    /// What in it can be meant and hardly is, and what may be otherwise for the cluster itself.
    pub doubts: Vec<String>,
}

/// The place that stands in where only a name is given; no cluster is there.
const NOWHERE: &str = "arn:aws:eks:us-east-1:000000000000:cluster/";

impl Effective {
    /// For a cluster of this name or ARN, with these tags. The outer error is of what was given, the inner one of
    /// the policy.
    pub fn of(
        document: &PolicyDocument,
        cluster: &str,
        tags: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> anyhow::Result<Result<Self, PolicyError>> {
        let arn = read(cluster).map_err(|error| Usage(format!("{error:#}")))?;
        let mut doubts = Vec::new();
        if !cluster.starts_with("arn:") && selects_by_place(document) {
            doubts.push(format!(
                "it selects clusters by account or Region, and {cluster} is no ARN: give its ARN to be sure"
            ));
        }
        Ok(document.for_cluster(&arn, tags).map(|policy| {
            doubts.extend(policy.schedule.check(now));
            Self {
                opted_in: document.opted_in(tags),
                opt_in: format!("{}={}", document.opt_in.key, document.opt_in.value),
                cluster: arn,
                policy,
                doubts,
            }
        }))
    }

    /// The cluster, and whether it takes part.
    pub fn title(&self) -> String {
        let name = &self.cluster.name;
        if self.opted_in {
            format!("{name}, which takes part ({})", self.opt_in)
        } else {
            format!("{name}, which is upgraded by hand only: it lacks the tag {}", self.opt_in)
        }
    }
}

fn read(cluster: &str) -> anyhow::Result<ClusterArn> {
    if cluster.starts_with("arn:") {
        return cluster.parse().context("--cluster");
    }
    let name: ClusterName = cluster.parse().context("--cluster takes a cluster's name, or its ARN")?;
    format!("{NOWHERE}{name}").parse().context("--cluster")
}

fn selects_by_place(document: &PolicyDocument) -> bool {
    let by_place = |selector: &Selector| !selector.accounts.is_empty() || !selector.regions.is_empty();
    let of_rule = |rule: &ApprovalRule| by_place(&rule.clusters);
    document.overrides.iter().any(|other| by_place(&other.clusters)) || document.approvals.iter().any(of_rule)
}

#[cfg(test)]
mod tests {
    use eks_upgrade_core::policy::NodeStrategy;

    use super::*;

    fn of(yaml: &str, cluster: &str, pairs: &[(&str, &str)]) -> Effective {
        let document = PolicyDocument::read(yaml).unwrap();
        let tags = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Effective::of(&document, cluster, &tags, Timestamp::UNIX_EPOCH).unwrap().unwrap()
    }

    const BY_PLACE: &str = "overrides:\n- {clusters: {regions: [eu-west-1]}, strategy: force}\n";

    #[test]
    fn overrides_and_tags_are_applied() {
        let yaml = "overrides:\n- {clusters: {names: [prod-*]}, strategy: force}\n";
        let tagged = of(yaml, "prod-a", &[("eks-upgrade:enabled", "true"), ("eks-upgrade:bake", "4h")]);
        assert_eq!(tagged.policy.strategy, NodeStrategy::Force);
        assert_eq!(tagged.policy.bake.duration.as_hours(), 4);
        assert!(tagged.title().contains("takes part") && tagged.doubts.is_empty());
        assert!(of(yaml, "dev-a", &[]).title().contains("by hand only"));
    }

    #[test]
    fn a_name_alone_is_doubted_where_the_place_matters() {
        assert_eq!(of(BY_PLACE, "prod-a", &[]).doubts.len(), 1);
        let there = of(BY_PLACE, "arn:aws:eks:eu-west-1:123456789012:cluster/prod-a", &[]);
        assert_eq!((there.doubts.len(), there.policy.strategy), (0, NodeStrategy::Force));
    }

    #[test]
    fn a_tag_that_means_nothing_is_the_policys_error_and_a_bad_name_the_callers() {
        let (document, now) = (PolicyDocument::default(), Timestamp::UNIX_EPOCH);
        let tags = BTreeMap::from([("eks-upgrade:bake".to_owned(), "9d".to_owned())]);
        assert!(Effective::of(&document, "prod-a", &tags, now).unwrap().is_err());
        assert!(Effective::of(&document, "prod a", &BTreeMap::new(), now).is_err());
    }
}
