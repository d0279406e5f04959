//! `ListUpdates` and `DescribeUpdate`: of the cluster, or of the node group or add-on that is named.

use serde_json::json;

use super::{Done, cluster, page};
use crate::http::ApiError;
use crate::route::Call;
use crate::state::{Cluster, Scope};
use crate::world::World;

fn scope(cluster: &Cluster, call: &Call) -> Result<Scope, ApiError> {
    match (&call.nodegroup, &call.addon) {
        (Some(_), Some(_)) => Err(ApiError::invalid_parameter("nodegroupName or addonName, not both")
            .with("clusterName", &cluster.spec.name)),
        (Some(name), None) => {
            super::nodegroups::find(cluster, name)?;
            Ok(Scope::Nodegroup(name.clone()))
        }
        (None, Some(name)) => {
            super::addons::find(cluster, name)?;
            Ok(Scope::Addon(name.clone()))
        }
        (None, None) => Ok(Scope::Cluster),
    }
}

pub(super) fn list(world: &World, call: &Call) -> Result<Done, ApiError> {
    let cluster = cluster(world, call)?;
    let scope = scope(cluster, call)?;
    let mut ids: Vec<&str> = cluster
        .updates
        .iter()
        .filter(|update| update.scope == scope && world.now >= update.visible)
        .map(|update| update.id.as_str())
        .collect();
    // The order is not documented: ids sort at random with respect to time.
    ids.sort_unstable();
    page(call, "updateIds", ids.into_iter().map(|id| json!(id)).collect())
}

pub(super) fn describe(world: &World, call: &Call) -> Result<Done, ApiError> {
    let cluster = cluster(world, call)?;
    let scope = scope(cluster, call)?;
    let id = call.id.as_deref().unwrap_or_default();
    cluster
        .updates
        .iter()
        .find(|update| update.id == id && update.scope == scope && world.now >= update.visible)
        .map(|update| Done { update_id: Some(id.to_owned()), ..Done::read_of("update", update.describe()) })
        .ok_or_else(|| {
            ApiError::not_found(format!("No update found for ID: {id}"))
                .with("clusterName", &cluster.spec.name)
        })
}
