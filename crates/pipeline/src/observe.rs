//! Looking: answers the core's queries through the EKS port, and makes the inventory for a plan.

use std::collections::BTreeSet;

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::cluster::{
    Catalogue, Cluster, Found, InsightCategory, Inventory, Resource, Update, UpdateStatus,
};
use eks_upgrade_core::ids::UpdateId;
use eks_upgrade_core::inside::Seen;
use eks_upgrade_core::inspection::{InspectAnswer, InspectRequest, Inspection};
use eks_upgrade_core::observe::{InsideSeen, Query, World};
use eks_upgrade_core::preflight::Upgrade;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use crate::ports::inside::Inspects;
use crate::ports::{Eks, EksDown};

/// Reads of one cluster that go out at a time. EKS throttles per account; a handful is polite and enough.
const READS_AT_ONCE: usize = 6;

/// How long EKS gives the drain of a node without force, in seconds (EKS user guide, managed node update behavior).
const EKS_DRAIN_S: u32 = 900;

/// Answers what is not answered yet.
pub async fn look<E: Eks + Inspects>(
    eks: &E,
    cluster: &ClusterArn,
    queries: BTreeSet<Query>,
    world: &mut World,
) -> Result<(), EksDown> {
    let open: Vec<Query> = queries.into_iter().filter(|query| !world.answers(query)).collect();
    let answers: Vec<(Query, Result<World, EksDown>)> = stream::iter(open)
        .map(|query| async move { (query.clone(), answer(eks, cluster, query).await) })
        .buffer_unordered(READS_AT_ONCE)
        .collect()
        .await;
    let is_gone = |seen: &World| matches!(seen.cluster, Some(Found::Gone));
    let gone = is_gone(world) || answers.iter().any(|(_, seen)| seen.as_ref().is_ok_and(is_gone));
    for (query, seen) in answers {
        let seen = match seen {
            Err(_) if gone => nothing_left(&query).map_or(seen, Ok)?,
            seen => seen?,
        };
        world.cluster = seen.cluster.or(world.cluster.take());
        world.node_group_names = seen.node_group_names.or(world.node_group_names.take());
        world.updates.extend(seen.updates);
        world.node_groups.extend(seen.node_groups);
        world.addons.extend(seen.addons);
        world.insights.extend(seen.insights);
        world.inside.extend(seen.inside);
    }
    Ok(())
}

/// What lists of a cluster that is gone come to: EKS has no such list, and says so with an error.
fn nothing_left(query: &Query) -> Option<World> {
    match query {
        Query::NodeGroupNames => Some(World { node_group_names: Some(Vec::new()), ..World::default() }),
        Query::Insights(category) => {
            Some(World { insights: [(*category, Vec::new())].into(), ..World::default() })
        }
        _ => None,
    }
}

async fn answer<E: Eks + Inspects>(eks: &E, cluster: &ClusterArn, query: Query) -> Result<World, EksDown> {
    let mut seen = World::default();
    match query {
        Query::Cluster => seen.cluster = Some(eks.cluster(cluster).await?),
        Query::NodeGroupNames => seen.node_group_names = Some(eks.node_group_names(cluster).await?),
        Query::Update(resource, id) => {
            let found = update(eks, cluster, &resource, &id).await?;
            seen.updates.insert(id, found);
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
        Query::Vitals | Query::Components | Query::Following | Query::Held(_) => {
            seen.inside = inside(eks, cluster.clone(), query).await;
        }
    }
    Ok(seen)
}

/// An update, which is gone only where EKS neither describes nor lists it: one look that goes astray must not have it
/// taken for lost, and tried again.
async fn update<E: Eks>(
    eks: &E,
    cluster: &ClusterArn,
    resource: &Resource,
    id: &UpdateId,
) -> Result<Found<Update>, EksDown> {
    match eks.update(cluster, resource, id).await? {
        Found::Gone if eks.update_ids(cluster, resource).await?.contains(id) => {
            Ok(Found::Is(Update::undescribed(id.clone())))
        }
        found => Ok(found),
    }
}

/// What only the cluster itself can tell. That it cannot is an answer, too.
async fn inside<E: Inspects>(eks: &E, cluster: ClusterArn, query: Query) -> InsideSeen {
    let mut seen = InsideSeen::default();
    match query {
        Query::Vitals => {
            let answer = eks.inspect(&InspectRequest::Vitals { cluster }).await;
            seen.vitals = Some(told(answer, |answer| match answer {
                InspectAnswer::Vitals(vitals) => Ok(vitals),
                other => Err(other),
            }));
        }
        Query::Components => {
            let answer = eks.inspect(&InspectRequest::Components { cluster }).await;
            seen.components = Some(told(answer, |answer| match answer {
                InspectAnswer::Components(components) => Ok(components),
                other => Err(other),
            }));
        }
        Query::Following => {
            let answer = eks.inspect(&InspectRequest::Following { cluster }).await;
            seen.following = Some(told(answer, |answer| match answer {
                InspectAnswer::Following(following) => Ok(following),
                other => Err(other),
            }));
        }
        Query::Held(nodes) => {
            let key = InsideSeen::key_of(&nodes);
            let asked = InspectRequest::Held { cluster, nodes, drain_limit_s: EKS_DRAIN_S };
            let held = told(eks.inspect(&asked).await, |answer| match answer {
                InspectAnswer::Held(held) => Ok(held),
                other => Err(other),
            });
            seen.held.insert(key, held);
        }
        _ => {}
    }
    seen
}

fn told<T>(answer: InspectAnswer, is: impl Fn(InspectAnswer) -> Result<T, InspectAnswer>) -> Seen<T> {
    match is(answer) {
        Ok(seen) => Seen::Is(seen),
        Err(InspectAnswer::Unseen(why)) => Seen::Not(why),
        Err(_) => Seen::Not("the inspect function answered something else: is it of this version?".into()),
    }
}

/// The inside for a plan.
async fn inspection<E: Inspects>(
    eks: &E,
    cluster: &ClusterArn,
    upgrade: Upgrade,
    now: Timestamp,
) -> Inspection {
    let Upgrade { from, target, drain_limit_s, .. } = upgrade;
    let asked = InspectRequest::Preflight { cluster: cluster.clone(), from, target, drain_limit_s };
    let seen = told(eks.inspect(&asked).await, |answer| match answer {
        InspectAnswer::Inspection(inspection) => Ok(*inspection),
        other => Err(other),
    });
    match seen {
        Seen::Is(inspection) => inspection,
        Seen::Not(why) => Inspection::unseen(now, &why),
    }
}

/// Everything that a plan is made from; with the inside where `inside` says for what.
pub async fn inventory<E: Eks + Inspects>(
    eks: &E,
    cluster: Cluster,
    inside: Option<Upgrade>,
    now: Timestamp,
) -> Result<Inventory, EksDown> {
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
    let addons: Vec<eks_upgrade_core::cluster::Addon> = stream::iter(addon_names)
        .map(|addon| async {
            let addon = addon;
            eks.addon(&name, &addon).await
        })
        .buffered(READS_AT_ONCE)
        .try_filter_map(|addon| async move { Ok(addon.is().cloned()) })
        .try_collect()
        .await?;
    let inside = match inside {
        Some(upgrade) => Some(inspection(eks, &name, upgrade, now).await),
        None => None,
    };
    let components = inside.iter().filter_map(|inside| inside.components.get().ok()).flatten();
    let offered: BTreeSet<&String> =
        addons.iter().map(|addon| &addon.name).chain(components.map(|component| &component.name)).collect();
    let mut catalogue = Catalogue::new();
    for addon in offered {
        catalogue.insert(addon.clone(), eks.offers(&name.home(), addon).await?);
    }
    let fargate_profiles = eks.fargate_profiles(&name).await?;
    let insights = eks.insights(&name, InsightCategory::UpgradeReadiness).await?;
    Ok(Inventory { cluster, node_groups, addons, fargate_profiles, catalogue, insights, inside })
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
