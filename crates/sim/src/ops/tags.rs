//! Tags of clusters, node groups and add-ons.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Done;
use crate::http::ApiError;
use crate::route::Call;
use crate::world::World;

type Tags = BTreeMap<String, String>;

fn tags_of<'a>(world: &'a mut World, call: &Call) -> Result<&'a mut Tags, ApiError> {
    let (arn, caller) = (call.id.as_deref().unwrap_or_default(), &call.caller);
    let prefix = format!("arn:aws:eks:{}:{}:", caller.region, caller.account);
    let resource = arn.strip_prefix(&prefix).ok_or_else(|| {
        ApiError::new(
            "BadRequestException",
            400,
            format!("{arn} is not the ARN of an EKS resource of this account"),
        )
    })?;
    let parts: Vec<&str> = resource.split('/').collect();
    let cluster = parts.get(1).and_then(|name| world.clusters.get_mut(*name));
    let cluster = cluster.filter(|cluster| cluster.place.is(&caller.account, &caller.region));
    let found = match (parts.as_slice(), cluster) {
        (["cluster", _], Some(cluster)) => Some(&mut cluster.tags),
        (["nodegroup", _, name, _], Some(cluster)) => {
            cluster.nodegroups.get_mut(*name).map(|group| &mut group.tags)
        }
        (["addon", _, name, _], Some(cluster)) => cluster.addons.get_mut(*name).map(|addon| &mut addon.tags),
        _ => None,
    };
    found.ok_or_else(|| ApiError::new("NotFoundException", 404, format!("Resource was not found: {arn}")))
}

pub(super) fn list(world: &mut World, call: &Call) -> Result<Done, ApiError> {
    Ok(Done::read(json!({"tags": tags_of(world, call)?})))
}

pub(super) fn tag(world: &mut World, call: &Call) -> Result<Done, ApiError> {
    let tags = tags_of(world, call)?;
    let Some(Value::Object(wanted)) = call.body.get("tags") else {
        return Err(ApiError::new("BadRequestException", 400, "tags is required"));
    };
    for (key, value) in wanted {
        let Value::String(value) = value else {
            return Err(ApiError::new(
                "BadRequestException",
                400,
                format!("the value of tag {key} must be text"),
            ));
        };
        tags.insert(key.clone(), value.clone());
    }
    Ok(Done { body: json!({}), update_id: None, mutated: true })
}

pub(super) fn untag(world: &mut World, call: &Call) -> Result<Done, ApiError> {
    let tags = tags_of(world, call)?;
    for key in call.queries("tagKeys") {
        tags.remove(key);
    }
    Ok(Done { body: json!({}), update_id: None, mutated: true })
}
