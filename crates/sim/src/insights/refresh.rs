//! When insights are refreshed: every 24 hours, and when somebody asks for it.

use super::current;
use crate::state::Cluster;
use crate::time::{DAY, HOUR, MINUTE, Ms, SECOND};
use crate::world::World;

/// A refresh that was asked for; it runs until `ended`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refresh {
    pub(crate) started: Ms,
    pub(crate) ended: Ms,
}

/// The last refresh that is over.
pub(crate) fn last_refresh(world: &World, cluster: &Cluster) -> Refresh {
    let asked = cluster.refreshes.iter().rev().copied().find(|refresh| refresh.ended <= world.now);
    let own = by_itself(world, cluster);
    asked.filter(|asked| asked.ended > own.ended).unwrap_or(own)
}

/// The last refresh of EKS's own. The last time before the start was six hours before it; frozen insights are not refreshed again.
pub(crate) fn by_itself(world: &World, cluster: &Cluster) -> Refresh {
    let first = world.start - 6 * HOUR;
    let ended =
        if cluster.frozen_insights.is_some() { first } else { first + (world.now - first) / DAY * DAY };
    Refresh { started: ended - MINUTE, ended }
}

impl World {
    /// Starts a refresh unless one runs.
    pub(crate) fn start_refresh(&mut self, name: &str) {
        let now = self.now;
        let Some(cluster) = self.clusters.get_mut(name) else { return };
        if cluster.refreshes.last().is_some_and(|refresh| refresh.ended > now) {
            return;
        }
        let ended = now + cluster.rng.between(60, 120) * SECOND;
        cluster.refreshes.push(Refresh { started: now, ended });
        self.refresh_at(ended, name);
    }

    /// What frozen insights show from now on.
    pub(crate) fn freeze_insights(&mut self, name: &str) {
        let Some(cluster) = self.clusters.get(name).filter(|cluster| cluster.spec.insights_frozen) else {
            return;
        };
        let insights = current(self, cluster);
        if let Some(cluster) = self.clusters.get_mut(name) {
            cluster.frozen_insights = Some(insights);
        }
    }
}
