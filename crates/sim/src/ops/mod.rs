//! The API operations, one module a resource.

mod addons;
mod cancel;
mod clusters;
mod config;
mod fargate;
pub(crate) mod health;
mod insights;
mod nodegroups;
pub(crate) mod people;
mod rollback;
mod sts;
mod tags;
mod updates;
mod versions;

use serde_json::{Value, json};

use crate::http::{ApiError, Protocol};
use crate::route::Call;
use crate::state::Cluster;
use crate::world::World;

/// What an operation answers, and whether it changed anything.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) body: Value,
    pub(crate) update_id: Option<String>,
    pub(crate) mutated: bool,
}

impl Done {
    pub(crate) fn read(body: Value) -> Self {
        Self { body, update_id: None, mutated: false }
    }

    /// A read of one thing, in the member of that name. What is there already is not built twice, as `json!` would.
    pub(crate) fn read_of(member: &str, body: Value) -> Self {
        Self::read(Value::Object([(member.to_owned(), body)].into_iter().collect()))
    }

    /// Something that is no update was changed, or was so already.
    pub(crate) fn changed(body: Value, mutated: bool) -> Self {
        Self { body, update_id: None, mutated }
    }
}

/// Most entries of a page, and how many there are when nobody says.
const PAGE_MAX: usize = 100;

/// Performs a call that the route has recognised.
pub(crate) fn perform(world: &mut World, call: &Call) -> Result<Done, ApiError> {
    match call.operation {
        "ListClusters" => clusters::list(world, call),
        "DescribeCluster" => clusters::describe(world, call),
        "DescribeClusterVersions" => versions::describe(world, call),
        "UpdateClusterVersion" => clusters::update_version(world, call),
        "CancelUpdate" => cancel::cancel(world, call),
        "UpdateClusterConfig" => config::update(world, call),
        "DescribeUpdate" => updates::describe(world, call),
        "ListUpdates" => updates::list(world, call),
        "ListNodegroups" => nodegroups::list(world, call),
        "DescribeNodegroup" => nodegroups::describe(world, call),
        "UpdateNodegroupVersion" => nodegroups::update_version(world, call),
        "ListAddons" => addons::list(world, call),
        "DescribeAddon" => addons::describe(world, call),
        "DescribeAddonVersions" => addons::describe_versions(world, call),
        "UpdateAddon" => addons::update(world, call),
        "ListFargateProfiles" => fargate::list(world, call),
        "DescribeFargateProfile" => fargate::describe(world, call),
        "ListInsights" => insights::list(world, call),
        "DescribeInsight" => insights::describe(world, call),
        "StartInsightsRefresh" => insights::start_refresh(world, call),
        "DescribeInsightsRefresh" => insights::describe_refresh(world, call),
        "AssumeRole" => sts::assume_role(world, call),
        "GetCallerIdentity" => sts::caller_identity(world, call),
        "TagResource" => tags::tag(world, call),
        "UntagResource" => tags::untag(world, call),
        "ListTagsForResource" => tags::list(world, call),
        "DescribeEvents" => health::events(world, call),
        "DescribeAffectedEntities" => health::entities(world, call),
        "DescribeEventDetails" => health::details(world, call),
        _ => crate::asg::perform(world, call),
    }
}

/// The cluster that the call names.
fn cluster<'a>(world: &'a World, call: &Call) -> Result<&'a Cluster, ApiError> {
    let name = call.cluster.as_deref().unwrap_or_default();
    world.clusters.get(name).ok_or_else(|| no_cluster(name))
}

/// Nobody sees the clusters of another account or Region.
pub(crate) fn check_place(world: &World, call: &Call) -> Result<(), ApiError> {
    let Some(name) = call.cluster.as_deref() else { return Ok(()) };
    match world.clusters.get(name) {
        Some(cluster) if !cluster.place.is(&call.caller.account, &call.caller.region) => {
            Err(no_cluster(name))
        }
        _ => Ok(()),
    }
}

fn no_cluster(name: &str) -> ApiError {
    ApiError::not_found(format!("No cluster found for name: {name}.")).with("clusterName", name)
}

/// One page of `items` under `key`, as `maxResults` and `nextToken` of the call ask for.
fn page(call: &Call, key: &str, mut items: Vec<Value>) -> Result<Done, ApiError> {
    let asked = match call.query("maxResults") {
        Some(text) => Some(text.to_owned()),
        None => call.body.get("maxResults").map(Value::to_string),
    };
    let size = match asked {
        None => PAGE_MAX,
        Some(text) => text.parse().ok().filter(|size| (1..=PAGE_MAX).contains(size)).ok_or_else(|| {
            ApiError::invalid_parameter(format!("maxResults must be between 1 and {PAGE_MAX}, not {text}"))
        })?,
    };
    let token = match call.query("nextToken") {
        Some(token) => Some(token),
        None => call.text("nextToken")?,
    };
    let prefix = format!("{}-", call.operation);
    let from = match token {
        None => 0,
        Some(token) => token
            .strip_prefix(&prefix)
            .and_then(|offset| offset.parse::<usize>().ok())
            .filter(|offset| *offset <= items.len())
            .ok_or_else(|| bad_token(call, token))?,
    };
    let rest = items.split_off(from.min(items.len()));
    let more = rest.len() > size;
    let mut done = Done::read_of(key, rest.into_iter().take(size).collect());
    if more {
        done.body["nextToken"] = json!(format!("{prefix}{}", from + size));
    }
    Ok(done)
}

fn bad_token(call: &Call, token: &str) -> ApiError {
    let kind = if call.protocol == Protocol::JsonRpc {
        "InvalidPaginationToken"
    } else {
        "InvalidParameterException"
    };
    ApiError::new(kind, 400, format!("The nextToken {token} is not one of this operation."))
}
