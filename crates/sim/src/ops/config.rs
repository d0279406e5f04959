//! `UpdateClusterConfig`: the support policy, and nothing else.

use serde_json::Value;

use super::clusters::{again, idle, start_update};
use super::{Done, cluster};
use crate::calendar::Support;
use crate::fleet::SupportType;
use crate::http::ApiError;
use crate::route::Call;
use crate::state::{Cluster, Scope, Target};
use crate::tokens::Claim;
use crate::updates::Start;
use crate::world::World;

const KIND: &str = "UpgradePolicyUpdate";

pub(super) fn update(world: &mut World, call: &Call) -> Result<Done, ApiError> {
    let cluster = cluster(world, call)?;
    let name = cluster.spec.name.clone();
    let refused = |refusal: ApiError| refusal.with("clusterName", &name);
    let wanted = asked(call).map_err(refused)?;
    let text = if wanted == SupportType::Standard { "STANDARD" } else { "EXTENDED" };
    let token = call.text("clientRequestToken")?;
    let claim = Claim { token, scope: Scope::Cluster, asked: format!("supportType {text}") };
    if let Some(id) = cluster.claimed(&claim, world.now, world.tokens_honoured)? {
        return Ok(again(cluster, id));
    }
    idle(cluster, KIND)?;
    may_become(world, cluster, wanted).map_err(refused)?;
    let start = Start {
        kind: KIND,
        scope: Scope::Cluster,
        params: vec![("UpgradePolicy", format!("{{\"supportType\":\"{text}\"}}"))],
        target: Target::Support(wanted),
        by: "api",
        at: world.now,
        force: false,
        visibility: world.visibility,
        timeout: None,
    };
    start_update(world, call, &name, start, claim)
}

/// The support type that the request asks for, alone.
fn asked(call: &Call) -> Result<SupportType, ApiError> {
    let fields = call.body.as_object().into_iter().flatten();
    let other = fields.filter(|(_, value)| !value.is_null()).map(|(name, _)| name.as_str());
    let other: Vec<&str> =
        other.filter(|name| !["upgradePolicy", "clientRequestToken"].contains(name)).collect();
    if !other.is_empty() {
        let message = format!(
            "The simulator updates upgradePolicy.supportType of a cluster, and not {}.",
            other.join(", ")
        );
        return Err(ApiError::new("UnknownOperationException", 404, message));
    }
    match call.body.pointer("/upgradePolicy/supportType").and_then(Value::as_str) {
        Some("STANDARD") => Ok(SupportType::Standard),
        Some("EXTENDED") => Ok(SupportType::Extended),
        _ => Err(ApiError::invalid_parameter("upgradePolicy.supportType is STANDARD or EXTENDED")),
    }
}

fn may_become(world: &World, cluster: &Cluster, wanted: SupportType) -> Result<(), ApiError> {
    if wanted == cluster.support_type {
        return Err(ApiError::invalid_parameter("No changes needed for the upgrade policy provided"));
    }
    let support = world.calendar.support(cluster.version, world.now);
    if wanted == SupportType::Standard && support == Some(Support::Extended) {
        return Err(ApiError::invalid_request(format!(
            "Cluster {} runs {}, which is in extended support: its supportType cannot become STANDARD",
            cluster.spec.name, cluster.version
        )));
    }
    Ok(())
}
