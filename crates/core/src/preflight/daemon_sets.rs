//! Daemon sets of third parties: they run on every node, so that one that does not get along with the target takes
//! every node with it.

use super::data::{DaemonSet, daemon_sets};
use super::report::Hit;
use super::{Look, Upgrade};
use crate::finding::Level;
use crate::inside::{Inside, Workload, WorkloadKind};
use crate::version::Minor;

/// Those whose support of the target is not known. AWS's and Kubernetes' own are left out: the plan moves them; a
/// vendor's that is known is judged wherever it runs, in `kube-system` too.
pub(super) fn support(inside: &Inside, upgrade: Upgrade) -> Look {
    let known = daemon_sets()?;
    let running = inside
        .workloads
        .get()?
        .iter()
        .filter(|workload| workload.kind == WorkloadKind::DaemonSet && workload.wants > 0);
    Ok(running.filter_map(|workload| judge(workload, known, upgrade.target)).collect())
}

fn judge(workload: &Workload, known: &[DaemonSet], target: Minor) -> Option<Hit> {
    let found = workload.images.iter().find_map(|image| {
        let (repository, tag) = repository_and_tag(image);
        let vendor = known.iter().find(|vendor| vendor.images.iter().any(|end| is_of(repository, end)))?;
        Some((vendor, tag))
    });
    let Some((vendor, tag)) = found else {
        let message = format!("nothing is known here of {target} and {}", workload.images.join(", "));
        return (!workload.system).then(|| Hit::new(Level::Warn, workload.full_name(), message));
    };
    let why = verdict(vendor, tag, target)?;
    let message = format!("{} {tag}: {why}", vendor.name);
    Some(Hit::new(Level::Warn, workload.full_name(), message).then(format!("see {}", vendor.source)))
}

/// Why a version is not known to support the target; `None` where it is.
fn verdict(vendor: &DaemonSet, tag: &str, target: Minor) -> Option<String> {
    let Some(version) = numbers(tag) else {
        return Some(format!("its version does not read, so nothing is known of it and {target}"));
    };
    let reaches = |since: &str| numbers(since).is_some_and(|since| version >= since);
    // What is known of a later minor covers the target too; so does the newest row of a vendor who names minimums.
    let covers = vendor.supports.iter().any(|row| row.minor >= target && reaches(&row.since));
    let minimum = vendor.supports.iter().rev().find(|row| vendor.open_ended && row.minor <= target);
    if covers || minimum.is_some_and(|row| reaches(&row.since)) {
        return None;
    }
    let wanted = minimum.or_else(|| vendor.supports.iter().find(|row| row.minor >= target));
    Some(match wanted {
        Some(row) => format!("{} wants {} or later", row.minor, row.since),
        None => format!("its vendor names no version for {target} that is known here"),
    })
}

/// An image without its digest, split at its tag; an empty tag where it has none.
fn repository_and_tag(image: &str) -> (&str, &str) {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        // The colon of a registry's port is no tag's.
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (image, ""),
    }
}

fn is_of(repository: &str, end: &str) -> bool {
    repository.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
}

/// The first three numbers of a version such as `v1.18.3-0`.
fn numbers(version: &str) -> Option<[u32; 3]> {
    let version = version.strip_prefix('v').unwrap_or(version);
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    let mut next = || parts.next().and_then(|part| part.parse().ok());
    Some([next()?, next()?, next().unwrap_or(0)])
}
