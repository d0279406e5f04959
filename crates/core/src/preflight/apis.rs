//! Use of API versions that the target does not serve: who calls them, and what was applied through them. What is stored
//! is no matter: the API server converts it.

use std::collections::BTreeMap;

use super::data::{RemovedApi, removed_apis};
use super::report::{Hit, some_of};
use super::{Look, Upgrade};
use crate::finding::Level;
use crate::inside::{Applied, Called, Inside};
use crate::version::Minor;

/// `group/version`, or the version alone for the core group.
fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// What the API server remembers of calls since its start.
pub(super) fn called(inside: &Inside, upgrade: Upgrade) -> Look {
    let known = removed_apis()?;
    Ok(inside.called.get()?.iter().map(|call| judge(call, known, upgrade.target)).collect())
}

fn judge(call: &Called, known: &[RemovedApi], target: Minor) -> Hit {
    let api = group_version(&call.group, &call.version);
    let subject = format!("{api} {}", call.resource);
    let row = known.iter().find(|row| {
        (&row.group, &row.version, &row.resource) == (&call.group, &call.version, &call.resource)
    });
    // The API server knows its own version best; the table knows what came after it.
    let removed =
        if call.removed.is_empty() { row.map(|row| row.removed) } else { call.removed.parse().ok() };
    let (level, what) = match removed {
        Some(removed) if removed <= target => (Level::Block, format!("{removed} does not serve it")),
        Some(removed) => (Level::Warn, format!("deprecated, and gone with {removed}")),
        None if call.removed.is_empty() => (Level::Warn, "deprecated, with no end named".to_owned()),
        None => (Level::Unknown, format!("gone with {:?}, which is no minor", call.removed)),
    };
    let hit = Hit::new(level, subject, format!("called: since the API server's last start; {what}"));
    match row.and_then(|row| row.replacement.as_deref()) {
        Some(replacement) => {
            hit.then(format!("find the client in the audit log, and have it use {replacement}"))
        }
        None => hit,
    }
}

/// What a manifest somewhere still says.
pub(super) fn applied(inside: &Inside, upgrade: Upgrade) -> Look {
    let known = removed_apis()?;
    let mut kinds: BTreeMap<(&str, &str), Vec<&Applied>> = BTreeMap::new();
    for object in inside.applied.get()? {
        kinds.entry((&object.api_version, &object.kind)).or_default().push(object);
    }
    let hits = kinds.iter().filter_map(|((api, kind), objects)| {
        let row = known
            .iter()
            .find(|row| group_version(&row.group, &row.version) == **api && row.kind == **kind)
            .filter(|row| row.removed <= upgrade.target)?;
        let names = some_of(objects.iter().map(|object| full_name(object)));
        let message =
            format!("applied: the last manifest says {api}, which {} does not serve: {names}", row.removed);
        let hit = Hit::new(Level::Warn, format!("{api} {kind}"), message);
        Some(match &row.replacement {
            Some(replacement) => hit.then(format!("write {replacement} in the manifests")),
            None => hit,
        })
    });
    Ok(hits.collect())
}

fn full_name(object: &Applied) -> String {
    if object.namespace.is_empty() {
        object.name.clone()
    } else {
        format!("{}/{}", object.namespace, object.name)
    }
}
