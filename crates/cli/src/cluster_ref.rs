//! Which cluster a person means: by its name, or by its ARN where several accounts or Regions have one of that name.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use eks_upgrade_core::arn::{ClusterArn, ClusterName};

/// What a person calls a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterRef {
    /// By its name: that of any account and Region.
    Name(ClusterName),
    /// By its ARN.
    Arn(ClusterArn),
}

impl ClusterRef {
    /// Whether it is this one.
    pub fn is(&self, cluster: &ClusterArn) -> bool {
        match self {
            Self::Name(name) => cluster.name == *name,
            Self::Arn(arn) => cluster == arn,
        }
    }
}

impl FromStr for ClusterRef {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let told =
            if text.starts_with("arn:") { text.parse().map(Self::Arn) } else { text.parse().map(Self::Name) };
        told.map_err(|error| anyhow::anyhow!("{error}; give a cluster's name, or its ARN"))
    }
}

impl fmt::Display for ClusterRef {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(out),
            Self::Arn(arn) => arn.fmt(out),
        }
    }
}

/// What to call a cluster beside these others: its name, with its account and Region where another has that name too.
pub fn label<'a>(cluster: &ClusterArn, beside: impl Iterator<Item = &'a ClusterArn>) -> String {
    let namesakes: BTreeSet<&ClusterArn> = beside.filter(|other| other.name == cluster.name).collect();
    if namesakes.iter().any(|other| *other != cluster) {
        format!("{} ({}, {})", cluster.name, cluster.account, cluster.region)
    } else {
        cluster.name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "arn:aws:eks:us-east-1:123456789012:cluster/prod";
    const THEIRS: &str = "arn:aws:eks:eu-west-1:999999999999:cluster/prod";

    #[test]
    fn a_name_means_every_cluster_of_that_name_and_an_arn_means_one() {
        let clusters: [ClusterArn; 2] = [OURS.parse().unwrap(), THEIRS.parse().unwrap()];
        let meant = |text: &str| {
            let meant: ClusterRef = text.parse().unwrap();
            clusters.each_ref().map(|cluster| meant.is(cluster))
        };
        assert_eq!(meant("prod"), [true, true]);
        assert_eq!(meant(THEIRS), [false, true]);
        assert_eq!(meant("dev"), [false, false]);
        let wrong = "prod/a".parse::<ClusterRef>().unwrap_err().to_string();
        assert!(wrong.contains("prod/a") && wrong.contains("its ARN"), "{wrong}");
    }

    #[test]
    fn namesakes_are_told_apart() {
        let clusters: [ClusterArn; 2] = [OURS.parse().unwrap(), THEIRS.parse().unwrap()];
        assert_eq!(label(&clusters[0], clusters[..1].iter()), "prod");
        assert_eq!(label(&clusters[1], clusters.iter()), "prod (999999999999, eu-west-1)");
    }
}
