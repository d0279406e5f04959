//! What of a self-managed group is a node of the cluster.

use super::instance::{Kubelet, Life};
use crate::minor::Minor;
use crate::state::Cluster;
use crate::time::Ms;

/// An instance whose kubelet has joined the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    /// The node's name, e.g. `ip-10-0-64-4.ec2.internal`.
    pub(crate) name: String,
    /// E.g. `i-0123456789abcdef0`.
    pub(crate) instance_id: String,
    /// Availability zone.
    pub(crate) zone: String,
    /// The minor of its kubelet.
    pub(crate) kubelet: Minor,
    /// The release of its image, or the id of an image of their own.
    pub(crate) release: String,
    /// The Auto Scaling group's name.
    pub(crate) group: String,
    /// When it joined; never later than the instant of the question.
    pub(crate) joined: Ms,
    /// It is being terminated.
    pub(crate) leaving: bool,
}

impl Cluster {
    /// The nodes of its self-managed groups. An instance that has yet to join, or never will, is none.
    pub(crate) fn machines(&self, now: Ms) -> Vec<Machine> {
        let instances = self
            .self_managed
            .values()
            .flat_map(|group| group.instances.iter().map(move |instance| (group, instance)));
        instances
            .filter_map(|(group, instance)| match instance.kubelet {
                Kubelet::Joined { since } if since <= now => Some(Machine {
                    name: instance.node.clone(),
                    instance_id: instance.id.clone(),
                    zone: instance.subnet.zone.clone(),
                    kubelet: instance.image.kubelet(),
                    release: instance.image.release(),
                    group: group.name.clone(),
                    joined: since,
                    leaving: matches!(instance.life, Life::Terminating { .. }),
                }),
                _ => None,
            })
            .collect()
    }
}
