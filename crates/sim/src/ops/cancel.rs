//! `CancelUpdate`: stops a rollback of an Auto Mode cluster while its nodes go back.

use super::clusters::again;
use super::{Done, cluster, no_cluster};
use crate::http::ApiError;
use crate::route::Call;
use crate::state::{Beat, Cluster, Scope, Update};
use crate::time::Ms;
use crate::tokens::Claim;
use crate::updates::ROLLBACK;
use crate::world::World;

pub(super) fn cancel(world: &mut World, call: &Call) -> Result<Done, ApiError> {
    let now = world.now;
    let cluster = cluster(world, call)?;
    let name = cluster.spec.name.clone();
    let id = call.id.as_deref().unwrap_or_default();
    let token = call.text("clientRequestToken")?;
    let claim = Claim { token, scope: Scope::Cluster, asked: format!("cancel {id}") };
    if let Some(id) = cluster.claimed(&claim, now, world.tokens_honoured)? {
        return Ok(again(cluster, id));
    }
    let refused = |refusal: ApiError| refusal.with("clusterName", &name);
    let update = cluster.updates.iter().find(|update| update.id == id && now >= update.visible);
    let update =
        update.ok_or_else(|| refused(ApiError::not_found(format!("No update found for ID: {id}"))))?;
    may_cancel(cluster, update, now).map_err(|why| {
        refused(ApiError::invalid_request(format!(
            "Update {id} of cluster {name} cannot be cancelled: {why}"
        )))
    })?;
    let cluster = world.clusters.get_mut(&name).ok_or_else(|| no_cluster(&name))?;
    if let Some(update) = cluster.updates.iter_mut().find(|update| update.id == id) {
        "Cancelled".clone_into(&mut update.status);
        update.ended = Some(now);
        update.beats.clear();
        update.cancelled = Some("Cancelled by a call of CancelUpdate.".to_owned());
    }
    cluster.remember(claim, id, now);
    Ok(Done { mutated: true, ..again(cluster, id) })
}

fn may_cancel(cluster: &Cluster, update: &Update, now: Ms) -> Result<(), String> {
    if update.kind != ROLLBACK {
        return Err(format!("it is a {}, and only a {ROLLBACK} can be", update.kind));
    }
    if !cluster.spec.auto_mode {
        return Err("only rollbacks of Auto Mode clusters can be".to_owned());
    }
    if update.ended.is_some() {
        return Err(format!("it is not in progress but {}", update.status));
    }
    if control_plane_begins(update).is_some_and(|begins| now >= begins) {
        return Err("the rollback of the control plane has begun".to_owned());
    }
    Ok(())
}

/// The first half of a rollback is that of the nodes; a stuck one is stuck there.
fn control_plane_begins(update: &Update) -> Option<Ms> {
    match update.beats.back() {
        Some((at, Beat::End { status, .. })) if status != "Cancelled" => {
            Some(update.created + (at - update.created) / 2)
        }
        _ => None,
    }
}
