//! What `/_sim/state` tells of self-managed groups: how they are, node for node.

use serde_json::{Map, Value, json};

use super::group::AutoScalingGroup;
use super::machine::Machine;
use crate::state::Cluster;
use crate::time::{Ms, rfc3339};

impl Cluster {
    /// Its groups by name.
    pub(crate) fn groups_state(&self, now: Ms) -> Value {
        let machines = self.machines(now);
        let of = |group: &AutoScalingGroup| {
            let nodes = machines.iter().filter(|machine| machine.group == group.name);
            (group.name.clone(), group_state(group, &nodes.map(node_state).collect::<Vec<_>>()))
        };
        Value::Object(self.self_managed.values().map(of).collect::<Map<_, _>>())
    }
}

fn group_state(group: &AutoScalingGroup, nodes: &[Value]) -> Value {
    let suspended: Vec<&str> = group.suspended.iter().map(|process| process.name()).collect();
    let instances: Vec<Value> = group
        .instances
        .iter()
        .map(|instance| {
            json!({"id": instance.id, "state": instance.lifecycle_state(), "imageId": instance.image.id(),
                   "launchTemplateVersion": instance.template_version})
        })
        .collect();
    let failures: Vec<&String> =
        group.activities.iter().filter_map(|activity| activity.failure.as_ref()).collect();
    json!({
        "minSize": group.sizes.min(),
        "desiredCapacity": group.sizes.desired(),
        "maxSize": group.sizes.max(),
        "launchTemplateVersion": group.template.version.to_string(),
        "suspended": suspended,
        "deleting": group.deleting,
        "instances": instances,
        "nodes": nodes,
        "failedLaunches": failures,
    })
}

fn node_state(machine: &Machine) -> Value {
    json!({
        "name": machine.name,
        "instanceId": machine.instance_id,
        "zone": machine.zone,
        "kubeletVersion": machine.kubelet,
        "releaseVersion": machine.release,
        "joinedAt": rfc3339(machine.joined),
        "leaving": machine.leaving,
    })
}
