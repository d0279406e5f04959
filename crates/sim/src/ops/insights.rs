//! `ListInsights`, `DescribeInsight`, and the refresh that can be asked for.

use serde_json::{Value, json};

use super::{Done, cluster, page};
use crate::http::ApiError;
use crate::insights::refresh::{Refresh, last_refresh};
use crate::insights::{Insight, ROLLBACK, shown};
use crate::rng::Rng;
use crate::route::Call;
use crate::state::Cluster;
use crate::time::epoch_seconds;
use crate::world::World;

pub(super) fn list(world: &World, call: &Call) -> Result<Done, ApiError> {
    let cluster = cluster(world, call)?;
    let wanted = |pointer: &str, value: &str| {
        let list = call.texts(pointer);
        list.is_empty() || list.contains(&value)
    };
    let summaries = shown(world, cluster)
        .into_iter()
        .filter(|insight| {
            wanted("/filter/categories", &insight.category)
                && wanted("/filter/kubernetesVersions", &insight.about.to_string())
                && wanted("/filter/statuses", &insight.status)
        })
        .map(|insight| summary(cluster, &insight, world));
    page(call, "insights", summaries.collect())
}

pub(super) fn describe(world: &World, call: &Call) -> Result<Done, ApiError> {
    let cluster = cluster(world, call)?;
    let asked = call.id.as_deref().unwrap_or_default();
    let found = shown(world, cluster).into_iter().find(|insight| id(cluster, insight) == asked);
    let insight = found.ok_or_else(|| {
        ApiError::not_found(format!("No insight found for ID: {asked}"))
            .with("clusterName", &cluster.spec.name)
    })?;
    let mut body = summary(cluster, &insight, world);
    body["recommendation"] = json!(match insight.status.as_str() {
        "PASSING" => "Nothing to do.",
        _ if insight.category == ROLLBACK =>
            "Resolve what is listed before the control plane is rolled back.",
        _ => "Resolve what is listed before the control plane is upgraded.",
    });
    body["additionalInfo"] = json!({});
    body["resources"] = json!(insight.resources);
    body["categorySpecificSummary"] = insight.specific;
    Ok(Done::read_of("insight", body))
}

fn id(cluster: &Cluster, insight: &Insight) -> String {
    Rng::new(cluster.created.unsigned_abs(), &format!("{} {}", insight.name, insight.about)).uuid()
}

fn summary(cluster: &Cluster, insight: &Insight, world: &World) -> Value {
    json!({
        "id": id(cluster, insight),
        "name": insight.name,
        "category": insight.category,
        "kubernetesVersion": insight.about,
        "lastRefreshTime": epoch_seconds(last_refresh(world, cluster).ended),
        "lastTransitionTime": epoch_seconds(cluster.version_since),
        "description": format!("{} of the cluster.", insight.name),
        "insightStatus": {"status": insight.status, "reason": insight.reason},
    })
}

pub(super) fn start_refresh(world: &mut World, call: &Call) -> Result<Done, ApiError> {
    let name = cluster(world, call)?.spec.name.clone();
    // Nothing of the cluster changes by it: who counts the calls that change something need not know.
    world.start_refresh(&name);
    let body = json!({"status": "IN_PROGRESS", "message": "The refresh of the insights is in progress."});
    Ok(Done::read(body))
}

pub(super) fn describe_refresh(world: &World, call: &Call) -> Result<Done, ApiError> {
    let cluster = cluster(world, call)?;
    let running = cluster.refreshes.last().copied().filter(|refresh| refresh.ended > world.now);
    let Refresh { started, ended } = running.unwrap_or_else(|| last_refresh(world, cluster));
    let mut body = json!({
        "status": "IN_PROGRESS",
        "message": "The refresh of the insights is in progress.",
        "startedAt": epoch_seconds(started),
    });
    if running.is_none() {
        body["status"] = json!("COMPLETED");
        body["message"] = json!("The refresh of the insights is complete.");
        body["endedAt"] = epoch_seconds(ended);
    }
    Ok(Done::read(body))
}
