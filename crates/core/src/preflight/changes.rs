//! What each minor on the way changes for its users.

use super::data::{Change, Hits, changes};
use super::report::Hit;
use super::{Look, Upgrade};
use crate::finding::Level;
use crate::inside::{Inside, Unseen};

/// One hit a minor: what changes there for somebody like this cluster.
pub(super) fn on_the_way(inside: &Inside, upgrade: Upgrade) -> Look {
    let all = changes()?;
    let hits = upgrade.from.hops_to(upgrade.target).flat_map(|minor| {
        let (mut certain, mut untold) = (Vec::new(), Vec::new());
        for change in all.iter().filter(|change| change.minor == minor) {
            match hits(&change.hits, inside) {
                Ok(true) => certain.push(change),
                Ok(false) => {}
                Err(_) => untold.push(change),
            }
        }
        let certain = (!certain.is_empty()).then(|| hit(Level::Warn, &minor.to_string(), "", &certain));
        let untold = (!untold.is_empty()).then(|| {
            hit(Level::Unknown, &minor.to_string(), "whether it matters here could not be told: ", &untold)
        });
        certain.into_iter().chain(untold)
    });
    Ok(hits.collect())
}

fn hit(level: Level, minor: &str, opening: &str, changes: &[&Change]) -> Hit {
    let what: Vec<String> =
        changes.iter().map(|change| format!("{}: {}", change.title, change.what)).collect();
    let mut sources: Vec<&str> = changes.iter().map(|change| change.source.as_str()).collect();
    sources.dedup();
    Hit::new(level, minor, format!("{opening}{}", what.join("; ")))
        .then(format!("read {}", sources.join(" ")))
}

fn hits(who: &Hits, inside: &Inside) -> Result<bool, Unseen> {
    Ok(match who {
        Hits::Anybody => true,
        Hits::Runtime { prefix } => {
            inside.nodes.get()?.iter().any(|node| node.runtime.starts_with(prefix.as_str()))
        }
        Hits::OsImage { prefix, except } => inside.nodes.get()?.iter().any(|node| {
            node.os_image.starts_with(prefix.as_str()) && !node.os_image.starts_with(except.as_str())
        }),
        Hits::Api { group, version, kind, resource } => {
            let api = if group.is_empty() { version.clone() } else { format!("{group}/{version}") };
            let applied =
                inside.applied.get()?.iter().any(|object| object.api_version == api && object.kind == *kind);
            let called = inside
                .called
                .get()?
                .iter()
                .any(|call| (&call.group, &call.version, &call.resource) == (group, version, resource));
            applied || called
        }
        Hits::Proxy { mode } => *inside.proxy_mode.get()? == Some(*mode),
    })
}
