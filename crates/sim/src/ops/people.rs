//! What other people do to the fleet: before the start, at set times, or when a test says so.

use crate::calendar::platform_version;
use crate::faults::Shape;
use crate::fleet::Act;
use crate::http::ApiError;
use crate::rollback::Arrival;
use crate::state::{AddonTarget, Cluster, Scope, Target};
use crate::time::{MINUTE, Ms};
use crate::updates::{AWS, ROLLBACK, Start, history};
use crate::world::World;

use super::{addons, clusters, no_cluster, nodegroups};

/// Who did it, in the state of an update.
const SOMEONE: &str = "someone";

fn start(kind: &'static str, scope: Scope, target: Target, at: Ms) -> Start {
    let params = match &target {
        Target::Version(version) => {
            vec![("Version", version.to_string()), ("PlatformVersion", platform_version(*version))]
        }
        Target::Nodes(config) => {
            vec![("Version", config.kubelet.to_string()), ("ReleaseVersion", config.release.clone())]
        }
        Target::Addon(addon) => {
            addon.version.iter().map(|version| ("AddonVersion", version.clone())).collect()
        }
        Target::Support(_) | Target::Nothing => Vec::new(),
    };
    Start { kind, scope, params, target, by: SOMEONE, at, force: false, visibility: 0, timeout: None }
}

/// Starts the updates that the fleet file says were started before `now`.
pub(crate) fn start_earlier_updates(cluster: &mut Cluster, now: Ms) {
    for spec in cluster.spec.updates.clone() {
        let at = now - i64::from(spec.started_ago_m) * MINUTE;
        let scope = match (&spec.nodegroup, &spec.addon) {
            (Some(name), _) => Scope::Nodegroup(name.clone()),
            (None, Some(name)) => Scope::Addon(name.clone()),
            (None, None) => Scope::Cluster,
        };
        if let Some(status) = spec.status.as_deref().filter(|status| *status != "InProgress") {
            let id = cluster.rng.uuid();
            cluster.updates.push(history(&spec, status, scope, now, id));
            continue;
        }
        let Some((kind, target)) = earlier_target(cluster, &scope, &spec.to) else { continue };
        let duration = spec.duration_m.map(|minutes| i64::from(minutes) * MINUTE);
        cluster.begin(start(kind, scope, target, at), Shape { duration, ..Shape::default() });
    }
    remember_arrival(cluster);
}

/// The last upgrade or rollback of the past to the version that the cluster has is how it came there.
fn remember_arrival(cluster: &mut Cluster) {
    let version = ("Version", cluster.version.to_string());
    let moves = cluster.updates.iter().filter(|update| {
        update.scope == Scope::Cluster && update.status == "Successful" && update.params.contains(&version)
    });
    let last = moves.filter_map(|update| Some((update.ended?, update.kind.as_str()))).max();
    match last {
        Some((at, "VersionUpdate")) => cluster.arrival = Arrival::Upgraded { at, automatic: false },
        Some((_, ROLLBACK)) => cluster.arrival = Arrival::RolledBack,
        _ => {}
    }
}

fn earlier_target(cluster: &Cluster, scope: &Scope, to: &str) -> Option<(&'static str, Target)> {
    match scope {
        Scope::Cluster => {
            let to = to.parse().ok()?;
            let kind = if to < cluster.version { ROLLBACK } else { "VersionUpdate" };
            Some((kind, Target::Version(to)))
        }
        Scope::Nodegroup(name) => {
            let mut config = cluster.nodegroups.get(name)?.config.clone();
            config.kubelet = to.parse().ok()?;
            config.release = crate::catalogue::newest_image(config.kubelet);
            Some(("VersionUpdate", Target::Nodes(config)))
        }
        Scope::Addon(_) => {
            let version = Some(to.to_owned());
            Some(("AddonUpdate", Target::Addon(AddonTarget { version, ..AddonTarget::default() })))
        }
    }
}

/// Does it now, under the rules that hold for everybody. Gives the update's id where one starts.
pub(crate) fn act(world: &mut World, act: Act) -> Result<Option<String>, ApiError> {
    let now = world.now;
    let find = |world: &World, name: &str| match world.clusters.get(name) {
        Some(cluster) => Ok(cluster.clone()),
        None => Err(no_cluster(name)),
    };
    let (name, start) = match act {
        Act::Upgrade { cluster: name } => {
            let cluster = find(world, &name)?;
            let to = clusters::may_upgrade(world, &cluster, &cluster.version.next().to_string())?;
            (name, start("VersionUpdate", Scope::Cluster, Target::Version(to), now))
        }
        Act::AutoUpgrade { cluster: name } => {
            let cluster = find(world, &name)?;
            let to = clusters::may_upgrade(world, &cluster, &cluster.version.next().to_string())?;
            let start = start("VersionUpdate", Scope::Cluster, Target::Version(to), now);
            (name, Start { by: AWS, ..start })
        }
        Act::RollBack { cluster: name } => {
            let cluster = find(world, &name)?;
            clusters::one_at_a_time(&cluster, ROLLBACK)?;
            let to = cluster.version.previous();
            (name, start(ROLLBACK, Scope::Cluster, Target::Version(to), now))
        }
        Act::UpdateNodegroup { cluster: name, nodegroup } => {
            let cluster = find(world, &name)?;
            let group = nodegroups::find(&cluster, &nodegroup)?;
            let to = cluster.version.to_string();
            let config = nodegroups::may_update(&cluster, group, Some(&to), None, None)?;
            (name, start("VersionUpdate", Scope::Nodegroup(nodegroup), Target::Nodes(config), now))
        }
        Act::UpdateAddon { cluster: name, addon, version } => {
            let cluster = find(world, &name)?;
            addons::may_update(world, &cluster, addons::find(&cluster, &addon)?, Some(&version))?;
            let target = AddonTarget { version: Some(version), ..AddonTarget::default() };
            (name, start("AddonUpdate", Scope::Addon(addon), Target::Addon(target), now))
        }
        other => return at_once(world, other).map(|()| None),
    };
    let cluster = world.clusters.get_mut(&name).ok_or_else(|| no_cluster(&name))?;
    let id = cluster.begin(start, Shape::default());
    world.plan_ahead();
    Ok(Some(id))
}

/// Acts that need no update.
fn at_once(world: &mut World, act: Act) -> Result<(), ApiError> {
    let now = world.now;
    let name = match &act {
        Act::DeleteCluster { cluster }
        | Act::DeleteNodegroup { cluster, .. }
        | Act::AddNodegroup { cluster, .. }
        | Act::Tag { cluster, .. } => cluster.clone(),
        _ => return Ok(()),
    };
    let cluster = world.clusters.get_mut(&name).ok_or_else(|| no_cluster(&name))?;
    match act {
        Act::DeleteNodegroup { nodegroup, .. } => {
            nodegroups::find(cluster, &nodegroup)?;
            cluster.nodegroups.remove(&nodegroup);
            cluster.updates.retain(|update| update.scope != Scope::Nodegroup(nodegroup.clone()));
        }
        Act::AddNodegroup { spec, .. } => cluster.add_nodegroup(*spec, now, now),
        Act::Tag { tags, .. } => {
            for (key, value) in tags {
                if value.is_empty() {
                    cluster.tags.remove(&key);
                } else {
                    cluster.tags.insert(key, value);
                }
            }
        }
        _ => world.delete_cluster(&name),
    }
    world.plan_ahead();
    Ok(())
}
