//! Karpenter: pools of machines that follow the control plane by themselves, one after the other.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Surroundings;
use super::hosts::{Host, KUBELET_READY, System, instance_id};
use super::object::{annotation, condition, stamp, text};
use super::resource::Resource;
use super::store::{Key, Store};
use crate::catalogue::newest_image;
use crate::fleet::{KarpenterSpec, PoolSpec};
use crate::minor::Minor;
use crate::time::{Ms, minutes};

/// What keeps a machine, or the machine of a pod.
const DO_NOT_DISRUPT: &str = "karpenter.sh/do-not-disrupt";
const POOL: &str = "karpenter.sh/nodepool";

/// The machines of all pools.
#[derive(Clone, Debug)]
pub(super) struct Karpenter {
    pools: Vec<Pool>,
    /// Auto Mode: EKS runs it, and its nodes say so.
    auto_mode: bool,
    machines_made: i64,
}

#[derive(Clone, Debug)]
struct Pool {
    spec: PoolSpec,
    machines: Vec<Machine>,
    /// When the next drifted machine is replaced.
    next: Option<Ms>,
}

#[derive(Clone, Debug)]
struct Machine {
    claim: String,
    node: String,
    kubelet: Minor,
}

impl Karpenter {
    /// The pools of the fleet file, each with its machines.
    pub(super) fn new(
        spec: &KarpenterSpec,
        auto_mode: bool,
        store: &mut Store,
        around: &Surroundings<'_>,
    ) -> Self {
        let mut made = Self { pools: Vec::new(), auto_mode, machines_made: 0 };
        for pool in &spec.pools {
            plant_pool(store, pool, around.now);
            let kubelet = pool.version.unwrap_or(around.version);
            let machines = (0..pool.size).map(|_| made.launch(store, around, &pool.name, kubelet)).collect();
            made.pools.push(Pool { spec: pool.clone(), machines, next: None });
        }
        made
    }

    /// A new machine, with its claim.
    fn launch(
        &mut self,
        store: &mut Store,
        around: &Surroundings<'_>,
        pool: &str,
        kubelet: Minor,
    ) -> Machine {
        let number = self.machines_made;
        self.machines_made += 1;
        let node = format!("ip-10-0-{}-{}.{}", 128 + number / 250, 4 + number % 250, around.domain);
        let claim = store.fresh_name(pool);
        let object = json!({
            "metadata": {"labels": {POOL: pool}},
            "spec": {"nodeClassRef": {"group": "eks.amazonaws.com", "kind": "NodeClass", "name": "default"}},
            "status": {"nodeName": node, "providerID": format!("aws:///{}/{}", around.zone(0), instance_id(&node)),
                       "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": stamp(around.now)}]},
        });
        store.insert(Key::new(Resource::NodeClaim, "", &claim), object, around.now);
        Machine { claim, node, kubelet }
    }

    /// The machines that there are.
    pub(super) fn hosts(&self) -> Vec<Host> {
        let machines =
            self.pools.iter().flat_map(|pool| pool.machines.iter().map(move |machine| (pool, machine)));
        machines.map(|(pool, machine)| self.host(&pool.spec.name, machine)).collect()
    }

    fn host(&self, pool: &str, machine: &Machine) -> Host {
        let mut labels = BTreeMap::from([(POOL.to_owned(), pool.to_owned())]);
        if self.auto_mode {
            labels.insert(super::nodes::COMPUTE_TYPE.to_owned(), "auto".to_owned());
        }
        Host {
            name: machine.node.clone(),
            instance: instance_id(&machine.node),
            zone: None,
            kubelet: machine.kubelet,
            release: newest_image(machine.kubelet),
            system: if self.auto_mode { System::Bottlerocket } else { System::AmazonLinux2023 },
            hardware: "m7i.large".to_owned(),
            labels,
            patience: KUBELET_READY,
            leaving: false,
        }
    }

    /// When it does something next by itself.
    pub(super) fn next_due(&self) -> Option<Ms> {
        self.pools.iter().filter_map(|pool| pool.next).min()
    }

    /// Marks what drifted, and replaces one machine a pool when it is time.
    pub(super) fn run(&mut self, store: &mut Store, around: &Surroundings<'_>) {
        let mut pools = std::mem::take(&mut self.pools);
        for pool in &mut pools {
            self.run_pool(store, around, pool);
        }
        self.pools = pools;
    }

    fn run_pool(&mut self, store: &mut Store, around: &Surroundings<'_>, pool: &mut Pool) {
        let drifted = |machine: &Machine| pool.spec.drifts && machine.kubelet != around.version;
        for machine in pool.machines.iter().filter(|machine| drifted(machine)) {
            mark_drifted(store, around, &machine.claim);
        }
        let may = |machine: &&Machine| drifted(machine) && !is_kept(store, machine);
        let oldest = pool.machines.iter().find(may).map(|machine| machine.node.clone());
        let forbidden = pool.spec.budgets.iter().any(|budget| budget.trim_end_matches('%') == "0");
        match (oldest.filter(|_| !forbidden), pool.next) {
            (None, _) => pool.next = None,
            (Some(_), None) => pool.next = Some(around.now + minutes(pool.spec.drift_m)),
            (Some(node), Some(next)) if next <= around.now => {
                pool.next = None;
                let gone = pool.machines.iter().position(|machine| machine.node == node);
                if let Some(gone) = gone.map(|at| pool.machines.remove(at)) {
                    store.remove(&Key::new(Resource::NodeClaim, "", &gone.claim));
                }
                let machine = self.launch(store, around, &pool.spec.name, around.version);
                pool.machines.push(machine);
            }
            _ => {}
        }
    }
}

fn plant_pool(store: &mut Store, pool: &PoolSpec, now: Ms) {
    let budgets: Vec<Value> = pool.budgets.iter().map(|nodes| json!({"nodes": nodes})).collect();
    let class = json!({"group": "eks.amazonaws.com", "kind": "NodeClass", "name": "default"});
    let object = json!({"spec": {
        "disruption": {"consolidationPolicy": "WhenEmptyOrUnderutilized", "consolidateAfter": "1m", "budgets": budgets},
        "template": {"metadata": {"labels": {}}, "spec": {"nodeClassRef": class, "requirements": []}},
    }});
    store.insert(Key::new(Resource::NodePool, "", &pool.name), object, now);
}

fn mark_drifted(store: &mut Store, around: &Surroundings<'_>, claim: &str) {
    let key = Key::new(Resource::NodeClaim, "", claim);
    if store.get(&key).is_none_or(|claim| condition(claim, "Drifted") == Some("True")) {
        return;
    }
    let since = stamp(around.now);
    store.change(&key, |claim| {
        if let Some(conditions) = claim.pointer_mut("/status/conditions").and_then(Value::as_array_mut) {
            conditions.push(json!({"type": "Drifted", "status": "True", "reason": "AMIDrift",
                                   "lastTransitionTime": since}));
        }
    });
}

/// Whether somebody keeps the machine: by a mark on its node, its claim, or a pod on it.
fn is_kept(store: &Store, machine: &Machine) -> bool {
    let marked = |object: &Value| annotation(object, DO_NOT_DISRUPT) == Some("true");
    let node = store.get(&Key::node(&machine.node)).is_some_and(marked);
    let claim = store.get(&Key::new(Resource::NodeClaim, "", &machine.claim)).is_some_and(marked);
    let mut pods = store.of(Resource::Pod).map(|(_, pod)| pod);
    node || claim || pods.any(|pod| text(pod, "/spec/nodeName") == Some(&machine.node) && marked(pod))
}
