//! The machines behind nodes: those of node groups, managed and not.

use std::collections::BTreeMap;

use crate::asg::Machine;
use crate::minor::Minor;
use crate::rng::Rng;
use crate::state::{Cluster, Node, Nodegroup};
use crate::time::{Ms, SECOND};

/// From the launch of a managed node until it is ready.
const MANAGED_READY: Ms = 40 * SECOND;
/// From the registration of another kubelet until its node is ready. Its boot lies behind it.
pub(crate) const KUBELET_READY: Ms = 10 * SECOND;

/// The label by which workloads are bound to a group that EKS does not manage.
pub(crate) const GROUP_LABEL: &str = "node-group";
/// The label of the node whose pods say no to an eviction.
pub(crate) const GUARDED_LABEL: &str = "simulator/guarded";

/// A machine that is, or becomes, a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) name: String,
    /// E.g. `i-0123456789abcdef0`.
    pub(crate) instance: String,
    /// Unset: the API server spreads such hosts over the zones.
    pub(crate) zone: Option<String>,
    pub(crate) kubelet: Minor,
    /// The release of its image, or the id of an image of their own.
    pub(crate) release: String,
    pub(crate) system: System,
    /// Its type, e.g. `m7i.large`.
    pub(crate) hardware: String,
    /// Beside those that each node has.
    pub(crate) labels: BTreeMap<String, String>,
    /// From when it is first seen until its node is ready.
    pub(crate) patience: Ms,
    /// It shuts down.
    pub(crate) leaving: bool,
}

/// What runs on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    AmazonLinux2,
    AmazonLinux2023,
    Bottlerocket,
}

impl System {
    fn of_ami_type(ami_type: &str) -> Self {
        if ami_type.starts_with("AL2_") {
            Self::AmazonLinux2
        } else if ami_type.starts_with("BOTTLEROCKET") {
            Self::Bottlerocket
        } else {
            Self::AmazonLinux2023
        }
    }

    /// `nodeInfo.osImage`.
    pub(crate) fn image(self) -> &'static str {
        match self {
            Self::AmazonLinux2 => "Amazon Linux 2",
            Self::AmazonLinux2023 => "Amazon Linux 2023.9.20251027",
            Self::Bottlerocket => "Bottlerocket OS 1.49.0",
        }
    }

    /// `nodeInfo.kernelVersion`.
    pub(crate) fn kernel(self) -> &'static str {
        match self {
            Self::AmazonLinux2 => "5.10.245-241.978.amzn2.x86_64",
            Self::AmazonLinux2023 => "6.1.156-177.286.amzn2023.x86_64",
            Self::Bottlerocket => "6.1.155",
        }
    }
}

/// An instance id that always belongs to that name.
pub(crate) fn instance_id(name: &str) -> String {
    let mut ids = Rng::new(0, name);
    format!("i-0{:016x}", ids.next())
}

impl Cluster {
    /// The machines of its node groups.
    pub(crate) fn hosts(&self, now: Ms) -> Vec<Host> {
        let managed =
            self.nodegroups.values().flat_map(|group| group.nodes.iter().map(|node| managed(group, node)));
        let machines = self.machines(now);
        managed.chain(machines.into_iter().map(|machine| self.self_managed_host(machine))).collect()
    }

    fn self_managed_host(&self, machine: Machine) -> Host {
        let group = self.self_managed.get(&machine.group);
        let instance =
            group.and_then(|group| group.instances.iter().find(|instance| instance.node == machine.name));
        // Labels come with the launch template's user data: another group of that template has the same.
        let label = group.and_then(|group| self.group_of_template(&group.template.id));
        let label = label.unwrap_or(&machine.group).to_owned();
        Host {
            name: machine.name,
            instance: machine.instance_id,
            zone: Some(machine.zone),
            kubelet: machine.kubelet,
            release: machine.release,
            system: System::AmazonLinux2023,
            hardware: instance.map_or("m7i.large", |instance| &instance.hardware).to_owned(),
            labels: BTreeMap::from([(GROUP_LABEL.to_owned(), label)]),
            patience: KUBELET_READY,
            leaving: machine.leaving,
        }
    }

    /// The group of the fleet file that a launch template was made for.
    fn group_of_template(&self, template: &str) -> Option<&str> {
        let named = self.spec.self_managed.iter().map(|spec| spec.name.as_str());
        named
            .into_iter()
            .find(|name| self.self_managed.get(*name).is_some_and(|group| group.template.id == template))
    }
}

fn managed(group: &Nodegroup, node: &Node) -> Host {
    let mut labels = group.spec.labels.clone();
    let own = [
        ("eks.amazonaws.com/nodegroup", group.spec.name.as_str()),
        ("eks.amazonaws.com/nodegroup-image", node.config.release.as_str()),
        ("eks.amazonaws.com/capacityType", group.spec.capacity_type.as_str()),
    ];
    labels.extend(own.map(|(key, value)| (key.to_owned(), value.to_owned())));
    if node.protected {
        labels.insert(GUARDED_LABEL.to_owned(), group.spec.name.clone());
    }
    let hardware = group.spec.instance_types.first();
    Host {
        name: node.name.clone(),
        instance: instance_id(&node.name),
        zone: None,
        kubelet: node.config.kubelet,
        release: node.config.release.clone(),
        system: System::of_ami_type(&group.spec.ami_type),
        hardware: hardware.map_or("m7i.large", String::as_str).to_owned(),
        labels,
        patience: MANAGED_READY,
        leaving: false,
    }
}
