//! One EC2 instance of a self-managed group, from its launch to its end.

use std::collections::BTreeMap;

use super::group::Subnet;
use super::image::Image;
use crate::time::{Ms, SECOND};

/// An instance is pending that long.
pub(crate) const PENDING: Ms = 20 * SECOND;
/// Its kubelet joins that long after it is in service.
pub(crate) const JOINING: Ms = 40 * SECOND;

/// An instance.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    /// E.g. `i-0123456789abcdef0`.
    pub(crate) id: String,
    /// Its private DNS name, which is the node's.
    pub(crate) node: String,
    pub(crate) subnet: Subnet,
    pub(crate) image: Image,
    /// Its type, e.g. `m7i.large`.
    pub(crate) hardware: String,
    /// The launch template that it was launched from, and its version's number.
    pub(crate) template_id: String,
    pub(crate) template_version: u32,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) launched: Ms,
    pub(crate) life: Life,
    pub(crate) kubelet: Kubelet,
}

/// Where an instance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It boots.
    Pending {
        /// In service from then on.
        until: Ms,
    },
    /// It runs.
    InService,
    /// It shuts down.
    Terminating {
        /// Gone from then on.
        until: Ms,
    },
}

/// Whether it is a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kubelet {
    /// It will be.
    Starting {
        /// From then on.
        joins: Ms,
    },
    /// It is, or was until its instance shut down.
    Joined {
        /// From then on.
        since: Ms,
    },
    /// It never will be.
    Never,
}

/// What happens to an instance when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes on.
    Stays,
    /// It is gone.
    Gone,
}

impl Instance {
    /// Whether it counts for the group's size: it has not begun to go.
    pub(crate) fn counts(&self) -> bool {
        !matches!(self.life, Life::Terminating { .. })
    }

    /// When it changes next by itself.
    pub(crate) fn next_event(&self) -> Option<Ms> {
        let life = match self.life {
            Life::Pending { until } | Life::Terminating { until } => Some(until),
            Life::InService => None,
        };
        let joins = match self.kubelet {
            Kubelet::Starting { joins } => Some(joins),
            Kubelet::Joined { .. } | Kubelet::Never => None,
        };
        life.into_iter().chain(joins).min()
    }

    /// Lets happen what is due.
    pub(crate) fn pass(&mut self, now: Ms) -> Fate {
        match self.life {
            Life::Terminating { until } if until <= now => return Fate::Gone,
            Life::Pending { until } if until <= now => self.life = Life::InService,
            _ => {}
        }
        if let Kubelet::Starting { joins } = self.kubelet
            && joins <= now
        {
            self.kubelet = Kubelet::Joined { since: joins };
        }
        Fate::Stays
    }

    /// It begins to go, and is gone at `until`. What has not joined by now does not any more.
    pub(crate) fn terminate(&mut self, until: Ms) {
        self.life = Life::Terminating { until };
        if let Kubelet::Starting { .. } = self.kubelet {
            self.kubelet = Kubelet::Never;
        }
    }

    /// As Auto Scaling names where it stands.
    pub(crate) fn lifecycle_state(&self) -> &'static str {
        match self.life {
            Life::Pending { .. } => "Pending",
            Life::InService => "InService",
            Life::Terminating { .. } => "Terminating",
        }
    }

    /// As EC2 does: code and name.
    pub(crate) fn instance_state(&self) -> (u8, &'static str) {
        match self.life {
            Life::Pending { .. } => (0, "pending"),
            Life::InService => (16, "running"),
            Life::Terminating { .. } => (32, "shutting-down"),
        }
    }

    /// Its private address, which its name spells.
    pub(crate) fn address(&self) -> String {
        let host = self.node.split('.').next().unwrap_or_default();
        host.trim_start_matches("ip-").replace('-', ".")
    }
}
