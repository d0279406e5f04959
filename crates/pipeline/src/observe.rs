//! Looking: answers the core's queries through the EKS port, and makes the inventory for a plan.

use std::collections::BTreeSet;

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::cluster::{
    Catalogue, Cluster, InsightCategory, Inventory, Resource, Update, UpdateStatus,
};
use eks_upgrade_core::observe::{Query, World};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::ports::{Eks, EksDown};

/// Reads of one cluster that go out at a time. EKS throttles per account; a handful is polite and enough.
const READS_AT_ONCE: usize = 6;

/// Answers what is not answered yet.
pub async fn look<E: Eks>(
    eks: &E,
    cluster: &ClusterArn,
    queries: BTreeSet<Query>,
    world: &mut World,
) -> Result<(), EksDown> {
    let open: Vec<Query> = queries.into_iter().filter(|query| !world.answers(query)).collect();
    let answers: Vec<World> = stream::iter(open)
        .map(|query| answer(eks, cluster, query))
        .buffer_unordered(READS_AT_ONCE)
        .try_collect()
        .await?;
    for seen in answers {
        world.cluster = seen.cluster.or(world.cluster.take());
        world.node_group_names = seen.node_group_names.or(world.node_group_names.take());
        world.updates.extend(seen.updates);
        world.node_groups.extend(seen.node_groups);
        world.addons.extend(seen.addons);
        world.insights.extend(seen.insights);
    }
    Ok(())
}

async fn answer<E: Eks>(eks: &E, cluster: &ClusterArn, query: Query) -> Result<World, EksDown> {
    let mut seen = World::default();
    match query {
        Query::Cluster => seen.cluster = Some(eks.cluster(cluster).await?),
        Query::NodeGroupNames => seen.node_group_names = Some(eks.node_group_names(cluster).await?),
        Query::Update(resource, id) => {
            let update = eks.update(cluster, &resource, &id).await?;
            seen.updates.insert(id, update);
        }
        Query::NodeGroup(name) => {
            let group = eks.node_group(cluster, &name).await?;
            seen.node_groups.insert(name, group);
        }
        Query::Insights(category) => {
            let insights = eks.insights(cluster, category).await?;
            seen.insights.insert(category, insights);
        }
        Query::Addon(name) => {
            let addon = eks.addon(cluster, &name).await?;
            seen.addons.insert(name, addon);
        }
    }
    Ok(seen)
}

/// Everything that a plan is made from.
pub async fn inventory<E: Eks>(eks: &E, cluster: Cluster) -> Result<Inventory, EksDown> {
    let name = cluster.arn.clone();
    let group_names = eks.node_group_names(&name).await?;
    let node_groups = stream::iter(group_names)
        .map(|group| async {
            let group = group;
            eks.node_group(&name, &group).await
        })
        .buffered(READS_AT_ONCE)
        .try_filter_map(|group| async move { Ok(group.is().cloned()) })
        .try_collect()
        .await?;
    let addon_names = eks.addon_names(&name).await?;
    let addons: Vec<_> = stream::iter(addon_names)
        .map(|addon| async {
            let addon = addon;
            eks.addon(&name, &addon).await
        })
        .buffered(READS_AT_ONCE)
        .try_filter_map(|addon| async move { Ok(addon.is().cloned()) })
        .try_collect()
        .await?;
    let mut catalogue = Catalogue::new();
    for addon in &addons {
        catalogue.insert(addon.name.clone(), eks.offers(&name.home(), &addon.name).await?);
    }
    let fargate_profiles = eks.fargate_profiles(&name).await?;
    let insights = eks.insights(&name, InsightCategory::UpgradeReadiness).await?;
    Ok(Inventory { cluster, node_groups, addons, fargate_profiles, catalogue, insights })
}

/// Updates of a resource that are looked at when one is searched for: more than anybody starts in an hour.
const UPDATES_LOOKED_AT: usize = 10;

/// The recent updates of a resource, newest first.
pub async fn recent_updates<E: Eks>(
    eks: &E,
    cluster: &ClusterArn,
    resource: &Resource,
) -> Result<Vec<Update>, EksDown> {
    let ids = eks.update_ids(cluster, resource).await?;
    let mut updates: Vec<Update> = stream::iter(ids)
        .map(|id| async move { eks.update(cluster, resource, &id).await })
        .buffered(READS_AT_ONCE)
        .try_filter_map(|update| async move { Ok(update.is().cloned()) })
        .try_collect()
        .await?;
    updates.sort_by_key(|update| std::cmp::Reverse(update.created_at));
    updates.truncate(UPDATES_LOOKED_AT);
    Ok(updates)
}

/// The update that is changing a resource now.
pub async fn update_in_progress<E: Eks>(
    eks: &E,
    cluster: &ClusterArn,
    resource: &Resource,
) -> Result<Option<Update>, EksDown> {
    let updates = recent_updates(eks, cluster, resource).await?;
    Ok(updates.into_iter().find(|update| update.status == UpdateStatus::InProgress))
}
