//! Fargate profiles, read only.

use serde_json::json;

use super::{Done, cluster, page};
use crate::http::ApiError;
use crate::rng::Rng;
use crate::route::Call;
use crate::time::epoch_seconds;
use crate::world::World;

pub(super) fn list(world: &World, call: &Call) -> Result<Done, ApiError> {
    let profiles = &cluster(world, call)?.spec.fargate_profiles;
    page(call, "fargateProfileNames", profiles.iter().map(|profile| json!(profile.name)).collect())
}

pub(super) fn describe(world: &World, call: &Call) -> Result<Done, ApiError> {
    let cluster = cluster(world, call)?;
    let (of, name) = (&cluster.spec.name, call.id.as_deref().unwrap_or_default());
    let profile =
        cluster.spec.fargate_profiles.iter().find(|profile| profile.name == name).ok_or_else(|| {
            ApiError::not_found(format!("No Fargate Profile found with name: {name}."))
                .with("clusterName", of)
                .with("fargateProfileName", name)
        })?;
    let id = Rng::new(cluster.created.unsigned_abs(), name).uuid();
    Ok(Done::read(json!({"fargateProfile": {
        "fargateProfileName": name,
        "fargateProfileArn": cluster.place.arn(&format!("fargateprofile/{of}/{name}/{id}")),
        "clusterName": of,
        "createdAt": epoch_seconds(cluster.created),
        "podExecutionRoleArn": format!("arn:aws:iam::{}:role/eks-fargate", cluster.place.account),
        "subnets": cluster.spec.subnets.iter().map(|subnet| &subnet.id).collect::<Vec<_>>(),
        "selectors": [{"namespace": profile.namespace}],
        "status": "ACTIVE",
        "tags": {},
        "health": {"issues": []},
    }})))
}
