//! What intake asks of EKS and Health, in memory: two clusters that are due, one of them opted in, and one that is
//! not due.

use std::collections::BTreeMap;

use eks_upgrade_core::arn::{ClusterArn, Home};
use eks_upgrade_core::calendar::Calendar;
use eks_upgrade_core::cluster::{
    Addon, Cluster, Found, Insight, InsightCategory, NodeGroup, Offer, Resource, Status, Update,
};
use eks_upgrade_core::ids::UpdateId;
use eks_upgrade_core::version::Minor;
use eks_upgrade_pipeline::ports::{Affected, Eks, EksDown, Health, InsightsRefresh, Time};
use jiff::Timestamp;

use crate::calendar::calendar;
use crate::policy;

/// The cluster that a notice may lead to an upgrade of.
pub const DUE: &str = "arn:aws:eks:us-east-1:123456789012:cluster/prod-a";

/// Each with its minor, and whether it is opted in.
const CLUSTERS: [(&str, &str, bool); 3] = [
    (DUE, "1.34", true),
    ("arn:aws:eks:us-east-1:123456789012:cluster/prod-b", "1.34", false),
    ("arn:aws:eks:us-east-1:123456789012:cluster/new", "1.36", true),
];

type Read<T> = Result<T, EksDown>;

/// EKS and Health.
pub struct Clusters;

/// A clock that stands still.
pub struct Still;

impl Time for Still {
    fn now(&self) -> Timestamp {
        policy::now()
    }
}

/// Intake has no business with this.
fn never<T>(operation: &'static str) -> Read<T> {
    panic!("intake asked for {operation}")
}

fn cluster(arn: &ClusterArn) -> Found<Cluster> {
    let text = arn.to_string();
    let Some((_, version, opted_in)) = CLUSTERS.iter().find(|(known, ..)| *known == text) else {
        return Found::Gone;
    };
    Found::Is(Cluster {
        arn: arn.clone(),
        created_at: policy::now(),
        version: version.parse().expect("it reads"),
        status: Status::Active,
        tags: BTreeMap::from([("eks-upgrade:enabled".to_owned(), opted_in.to_string())]),
        auto_mode: false,
        extended_support: true,
        health_issues: Vec::new(),
    })
}

impl Eks for Clusters {
    async fn cluster(&self, arn: &ClusterArn) -> Read<Found<Cluster>> {
        Ok(cluster(arn))
    }

    async fn clusters(&self, place: &Home) -> Read<Vec<ClusterArn>> {
        let all = CLUSTERS.iter().filter_map(|(arn, ..)| arn.parse::<ClusterArn>().ok());
        Ok(all.filter(|arn| arn.home() == *place).collect())
    }

    async fn calendar(&self, _: &Home) -> Read<Calendar> {
        Ok(calendar())
    }

    async fn node_group_names(&self, _: &ClusterArn) -> Read<Vec<String>> {
        never("node groups")
    }

    async fn node_group(&self, _: &ClusterArn, _: &str) -> Read<Found<NodeGroup>> {
        never("a node group")
    }

    async fn addon_names(&self, _: &ClusterArn) -> Read<Vec<String>> {
        never("add-ons")
    }

    async fn addon(&self, _: &ClusterArn, _: &str) -> Read<Found<Addon>> {
        never("an add-on")
    }

    async fn offers(&self, _: &Home, _: &str) -> Read<BTreeMap<Minor, Vec<Offer>>> {
        never("offers")
    }

    async fn fargate_profiles(&self, _: &ClusterArn) -> Read<Vec<String>> {
        never("Fargate profiles")
    }

    async fn insights(&self, _: &ClusterArn, _: InsightCategory) -> Read<Vec<Insight>> {
        never("insights")
    }

    async fn insights_refresh(&self, _: &ClusterArn) -> Read<Option<InsightsRefresh>> {
        never("a refresh of insights")
    }

    async fn refresh_insights(&self, _: &ClusterArn) -> Read<()> {
        never("new insights")
    }

    async fn update_ids(&self, _: &ClusterArn, _: &Resource) -> Read<Vec<UpdateId>> {
        never("updates")
    }

    async fn update(&self, _: &ClusterArn, _: &Resource, _: &UpdateId) -> Read<Found<Update>> {
        never("an update")
    }
}

impl Health for Clusters {
    async fn affected(&self, _: &str) -> Read<Affected> {
        Ok(Affected::NoSubscription)
    }
}
