//! Whether a control plane can still go back to the minor it came from.

use crate::minor::Minor;
use crate::state::{Cluster, Nodegroup, Scope, Target};
use crate::time::{DAY, Ms, rfc3339};

/// The way back stays open that long after an upgrade.
const WINDOW: Ms = 7 * DAY;

/// How a control plane came to its version.
#[derive(Clone, Debug)]
pub(crate) enum Arrival {
    /// It was created so.
    Created,
    /// By an upgrade in place.
    Upgraded {
        /// When that ended.
        at: Ms,
        /// By AWS, at the end of extended support.
        automatic: bool,
    },
    /// By a rollback.
    RolledBack,
}

impl Cluster {
    /// The minor before the last upgrade while there is a way back to it; else why there is none.
    pub(crate) fn way_back(&self, now: Ms) -> Result<Minor, String> {
        match self.arrival {
            Arrival::Created => Err(format!("it was not upgraded in place to {}", self.version)),
            Arrival::RolledBack => Err("it was rolled back already".to_owned()),
            Arrival::Upgraded { automatic: true, .. } => {
                Err("it was upgraded automatically at the end of extended support".to_owned())
            }
            Arrival::Upgraded { at, .. } if now - at > WINDOW => {
                Err(format!("its upgrade ended at {}, more than 7 days ago", rfc3339(at)))
            }
            Arrival::Upgraded { .. } => Ok(self.version.previous()),
        }
    }

    /// Node groups that have, or are about to have, nodes newer than `minor`.
    pub(crate) fn groups_newer_than(&self, minor: Minor) -> Vec<&Nodegroup> {
        let newer = |group: &&Nodegroup| {
            let scope = Scope::Nodegroup(group.spec.name.clone());
            let coming = self.running(&scope).and_then(|update| match &update.target {
                Target::Nodes(config) => Some(config.kubelet),
                _ => None,
            });
            let nodes = group.nodes.iter().map(|node| node.config.kubelet);
            nodes.chain([group.config.kubelet]).chain(coming).any(|kubelet| kubelet > minor)
        };
        self.nodegroups.values().filter(newer).collect()
    }
}
