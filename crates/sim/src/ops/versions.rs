//! `DescribeClusterVersions`: the support calendar.

use super::{Done, page};
use crate::calendar::{Support, describe as describe_entry};
use crate::http::ApiError;
use crate::route::Call;
use crate::world::World;

const STANDINGS: [&str; 3] = ["STANDARD_SUPPORT", "EXTENDED_SUPPORT", "UNSUPPORTED"];
const DEPRECATED_STANDINGS: [&str; 3] = ["standard-support", "extended-support", "unsupported"];

pub(super) fn describe(world: &World, call: &Call) -> Result<Done, ApiError> {
    let flag = |name: &str| call.query(name) == Some("true");
    let named = call.queries("clusterVersions");
    let standing = match (call.query("versionStatus"), call.query("status")) {
        (Some(status), _) => Some(one_of(status, STANDINGS)?),
        (None, Some(status)) => {
            let at = one_of(status, DEPRECATED_STANDINGS)?;
            Some(at)
        }
        (None, None) => None,
    };
    let all = flag("includeAll") || !named.is_empty() || standing.is_some();
    let entries = world
        .calendar
        .released(world.now)
        .filter(|(entry, support)| {
            (all || *support != Support::Unsupported)
                && (!flag("defaultOnly") || entry.default)
                && (named.is_empty() || named.contains(&entry.version.to_string().as_str()))
                && standing.is_none_or(|at| STANDINGS.get(at) == Some(&support.name()))
        })
        .map(|(entry, support)| describe_entry(entry, support));
    page(call, "clusterVersions", entries.collect())
}

/// Which of the names it is.
fn one_of(status: &str, names: [&str; 3]) -> Result<usize, ApiError> {
    names
        .iter()
        .position(|name| *name == status)
        .ok_or_else(|| ApiError::invalid_parameter(format!("{status} is none of {}", names.join(", "))))
}
