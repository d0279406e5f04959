//! Rolling a control plane back by one minor.

use serde_json::Value;

use super::clusters::{idle, to_version};
use crate::calendar::Support;
use crate::fleet::SupportType;
use crate::http::ApiError;
use crate::insights;
use crate::minor::Minor;
use crate::route::Call;
use crate::state::Cluster;
use crate::time::{MINUTE, Ms};
use crate::updates::{ROLLBACK, Start};
use crate::world::World;

/// Minutes that `rollbackConfig.timeoutMinutes` allows, and what it is when nobody says.
const TIMEOUT: std::ops::RangeInclusive<i64> = 120..=10_080;
const TIMEOUT_USUAL: i64 = 720;

/// `rollbackConfig` of a request, if it has one.
pub(super) fn timeout(call: &Call) -> Result<Option<Ms>, ApiError> {
    let malformed = |what: &str| ApiError::new("SerializationException", 400, what);
    let minutes = match call.body.get("rollbackConfig") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(config)) => config.get("timeoutMinutes").filter(|minutes| !minutes.is_null()),
        Some(_) => return Err(malformed("rollbackConfig must be an object.")),
    };
    let minutes = match minutes {
        None => TIMEOUT_USUAL,
        Some(minutes) => {
            minutes.as_i64().ok_or_else(|| malformed("timeoutMinutes must be a whole number."))?
        }
    };
    if TIMEOUT.contains(&minutes) {
        return Ok(Some(minutes * MINUTE));
    }
    Err(ApiError::invalid_parameter(format!("timeoutMinutes must be between 120 and 10080, not {minutes}")))
}

/// The rollback to `to`, the minor before the cluster's, if it may start now.
pub(super) fn plan(
    world: &World,
    cluster: &Cluster,
    to: Minor,
    force: bool,
    timeout: Option<Ms>,
) -> Result<Start, ApiError> {
    idle(cluster, ROLLBACK)?;
    let (name, from) = (&cluster.spec.name, cluster.version);
    possible(world, cluster, to).map_err(|why| {
        let message = format!("Cluster {name} cannot be rolled back from {from} to {to}: {why}");
        ApiError::invalid_request(message).with("clusterName", name)
    })?;
    let blocking = blocking_insights(world, cluster);
    if !force && !blocking.is_empty() {
        let message = format!(
            "Amazon EKS detected rollback readiness issues on cluster {name}: {}. Call the ListInsights API to view \
             them, or pass the force flag to override them.",
            blocking.join(", ")
        );
        return Err(ApiError::new("InvalidStateException", 400, message).with("clusterName", name));
    }
    // Only the nodes of Auto Mode go back too, and only their way can take too long.
    let timeout = cluster.spec.auto_mode.then(|| timeout.unwrap_or(TIMEOUT_USUAL * MINUTE));
    Ok(Start { force, timeout, ..to_version(world, ROLLBACK, to) })
}

/// What no force overrides.
fn possible(world: &World, cluster: &Cluster, to: Minor) -> Result<(), String> {
    cluster.way_back(world.now)?;
    match world.calendar.support(to, world.now) {
        None | Some(Support::Unsupported) => return Err(format!("{to} is no longer supported")),
        Some(Support::Extended) if cluster.support_type == SupportType::Standard => {
            return Err(format!(
                "{to} is in extended support, set supportType of the upgradePolicy to EXTENDED first"
            ));
        }
        Some(_) => {}
    }
    let newer = cluster.groups_newer_than(to);
    if newer.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = newer.iter().map(|group| group.spec.name.as_str()).collect();
    Err(format!("Nodegroups {} have nodes newer than {to}", names.join(", ")))
}

fn blocking_insights(world: &World, cluster: &Cluster) -> Vec<String> {
    let blocks = |insight: &insights::Insight| {
        insight.category == insights::ROLLBACK && ["ERROR", "UNKNOWN"].contains(&insight.status.as_str())
    };
    let shown = insights::shown(world, cluster);
    shown.iter().filter(|i| blocks(i)).map(|i| format!("{} is {}", i.name, i.status)).collect()
}
