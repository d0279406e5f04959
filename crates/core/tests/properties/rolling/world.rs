//! A little world: Auto Scaling groups, their nodes, pods with budgets, a scheduler. Healthy unless told otherwise; it
//! moves on by the second, and keeps what must never happen.

use std::collections::{BTreeMap, BTreeSet};

use eks_upgrade_core::inside::{
    AutoScalingGroup, Budget, BudgetRule, CountOrShare, Inside, Node, NodeGroupOf, Owner, Phase, Pod, Seen,
    Selector, Template, Workload, WorkloadKind,
};
use eks_upgrade_core::roll::{Effect, Sizes};
use eks_upgrade_core::version::Minor;
use eks_upgrade_core::waits::{later, seconds_between};
use jiff::Timestamp;

use crate::given::{minor, now};

/// The group that is rolled.
pub const GROUP: &str = "workers";
/// Its template.
pub const TEMPLATE: &str = "lt-1";
/// Where its nodes are.
pub const FROM: u8 = 34;
/// Where they go.
pub const TO: u8 = 35;
/// How many pods fit on a node.
const ROOM: usize = 6;
/// From launch until an instance is a ready node, in seconds.
const JOINS_S: u32 = 60;
/// From its node until a pod is ready, in seconds.
const READY_S: u32 = 20;
/// How long a pod takes to end, in seconds.
const GRACE_S: u32 = 10;

/// What may be wrong with the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // Each by itself.
pub struct Faults {
    /// Nothing new is launched: no capacity, no addresses.
    pub no_capacity: bool,
    /// What is launched never becomes a node.
    pub no_join: bool,
    /// What is launched joins at the old minor, whatever its template says.
    pub wrong_image: bool,
    /// New pods never become ready.
    pub crashing: bool,
    /// Pods never end once they were told to.
    pub endless: bool,
    /// Instances stay in their group when they are ended.
    pub lingering: bool,
}

/// One deployment, of so many pods.
#[derive(Clone, Debug)]
pub struct Deployment {
    pub replicas: u32,
    /// How many have to stay; `None`: no budget.
    pub keeps: Option<u32>,
}

#[derive(Clone, Debug)]
struct Machine {
    id: String,
    node: String,
    minor: Minor,
    launched: Timestamp,
    joins: bool,
    cordoned: bool,
}

#[derive(Clone, Debug)]
struct Asg {
    sizes: Sizes,
    template: Template,
    machines: Vec<Machine>,
}

#[derive(Clone, Debug)]
struct Running {
    name: String,
    deployment: usize,
    node: Option<String>,
    made: Timestamp,
    placed: Option<Timestamp>,
    fails: bool,
    ends: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct World {
    pub now: Timestamp,
    pub faults: Faults,
    /// Replicas of Cluster Autoscaler; `None`: there is none.
    pub autoscaler: Option<u32>,
    /// What happened that never should.
    pub wrongs: Vec<String>,
    /// Processes of the groups that are suspended.
    pub suspended: Vec<String>,
    /// Whether workloads cannot be read.
    pub blind: bool,
    /// Nodes whose pods may be deleted.
    pub forced: BTreeSet<String>,
    groups: BTreeMap<String, Asg>,
    deployments: Vec<Deployment>,
    pods: Vec<Running>,
    made: u32,
}

impl World {
    pub fn new(size: u32, deployments: &[Deployment], autoscaler: Option<u32>) -> Self {
        let sizes = Sizes { min: 1, desired: size, max: size };
        let template = Template { id: TEMPLATE.into(), version: "1".into() };
        let mut world = Self {
            now: now(),
            faults: Faults::default(),
            autoscaler,
            wrongs: Vec::new(),
            suspended: Vec::new(),
            blind: false,
            forced: BTreeSet::new(),
            groups: BTreeMap::from([(GROUP.to_owned(), Asg { sizes, template, machines: Vec::new() })]),
            deployments: deployments.to_vec(),
            pods: Vec::new(),
            made: 0,
        };
        world.pass(300);
        world
    }

    /// Time passes.
    pub fn pass(&mut self, seconds: u32) {
        for _ in 0..seconds.div_ceil(5) {
            self.now = later(self.now, 5);
            self.scale();
            self.run_pods();
        }
    }

    /// Groups launch what they lack, and end by themselves what they have too much: that asks no budget.
    fn scale(&mut self) {
        let (now, faults) = (self.now, self.faults);
        for (name, group) in &mut self.groups {
            while group.machines.len() > group.sizes.desired as usize {
                let ended = group.machines.remove(0);
                self.wrongs.push(format!("group {name} has ended {} by itself", ended.node));
            }
            while group.machines.len() < group.sizes.desired as usize && !faults.no_capacity {
                self.made += 1;
                let old = group.template.version == "1" || faults.wrong_image;
                group.machines.push(Machine {
                    id: format!("i-{:04}", self.made),
                    node: format!("node-{:04}", self.made),
                    minor: minor(if old { FROM } else { TO }),
                    launched: now,
                    joins: !faults.no_join,
                    cordoned: false,
                });
            }
        }
    }

    fn run_pods(&mut self) {
        let now = self.now;
        let there: BTreeSet<String> = self.joined().map(|machine| machine.node.clone()).collect();
        let endless = self.faults.endless;
        self.pods.retain(|pod| {
            let ended = pod.ends.is_some_and(|since| seconds_between(since, now) >= GRACE_S) && !endless;
            !ended && pod.node.as_ref().is_none_or(|node| there.contains(node))
        });
        for deployment in 0..self.deployments.len() {
            let has =
                self.pods.iter().filter(|pod| pod.deployment == deployment && pod.ends.is_none()).count();
            for _ in has..self.deployments[deployment].replicas as usize {
                self.made += 1;
                self.pods.push(Running {
                    name: format!("app-{deployment}-{}", self.made),
                    deployment,
                    node: None,
                    made: now,
                    placed: None,
                    fails: self.faults.crashing,
                    ends: None,
                });
            }
        }
        self.schedule();
    }

    fn schedule(&mut self) {
        let mut room: BTreeMap<String, usize> = BTreeMap::new();
        for machine in self.joined().filter(|machine| !machine.cordoned) {
            let on_it = self.pods.iter().filter(|pod| pod.node.as_ref() == Some(&machine.node)).count();
            room.insert(machine.node.clone(), ROOM.saturating_sub(on_it));
        }
        for pod in self.pods.iter_mut().filter(|pod| pod.node.is_none()) {
            let Some((node, left)) =
                room.iter_mut().max_by_key(|(_, left)| **left).filter(|(_, left)| **left > 0)
            else {
                return;
            };
            *left -= 1;
            (pod.node, pod.placed) = (Some(node.clone()), Some(self.now));
        }
    }

    fn machines(&self) -> impl Iterator<Item = &Machine> {
        self.groups.values().flat_map(|group| &group.machines)
    }

    fn joined(&self) -> impl Iterator<Item = &Machine> {
        let joins =
            |machine: &&Machine| machine.joins && seconds_between(machine.launched, self.now) >= JOINS_S;
        self.machines().filter(joins)
    }

    fn is_ready(&self, pod: &Running) -> bool {
        !pod.fails && pod.placed.is_some_and(|placed| seconds_between(placed, self.now) >= READY_S)
    }

    fn healthy(&self, deployment: usize) -> u32 {
        let healthy =
            |pod: &&Running| pod.deployment == deployment && pod.ends.is_none() && self.is_ready(pod);
        u32::try_from(self.pods.iter().filter(healthy).count()).unwrap()
    }

    /// What an eviction comes to: the budget's yes or no.
    pub fn evict(&mut self, name: &str) {
        let Some(place) = self.pods.iter().position(|pod| pod.name == name) else { return };
        let pod = &self.pods[place];
        let keeps = self.deployments[pod.deployment].keeps;
        let ready = self.is_ready(pod);
        if keeps.is_none_or(|keeps| self.healthy(pod.deployment) >= keeps + u32::from(ready)) {
            let now = self.now;
            self.pods[place].ends.get_or_insert(now);
        }
    }

    /// Makes an effect, or denies it by taking no notice.
    pub fn make(&mut self, effect: &Effect) {
        match effect {
            Effect::PauseAutoscaler { .. } => self.autoscaler = self.autoscaler.map(|_| 0),
            Effect::ResumeAutoscaler { paused } => self.autoscaler = self.autoscaler.map(|_| paused.replicas),
            Effect::MakeTemplate => {}
            Effect::Surge { template, sizes, .. } => self.update(GROUP, Some(template), *sizes),
            Effect::MakeGroup { name, template, sizes, old } => {
                let made = Asg { sizes: *sizes, template: template.clone(), machines: Vec::new() };
                self.groups.entry(name.clone()).or_insert(made);
                self.update(name, Some(template), *sizes);
                self.update(GROUP, None, *old);
            }
            Effect::Cordon { node, .. } => self.set_cordoned(node, true),
            Effect::Release { node } => self.set_cordoned(node, false),
            Effect::DeletePods { node, pods, .. } => {
                self.forced.insert(node.clone());
                let now = self.now;
                for pod in &mut self.pods {
                    if pods.iter().any(|name| name.ends_with(&format!("/{}", pod.name))) {
                        pod.ends.get_or_insert(now);
                    }
                }
            }
            Effect::Terminate { node, instance, shrink } => self.terminate(node, instance, *shrink),
            Effect::Restore { group, sizes, template } => self.update(group, template.as_ref(), *sizes),
            Effect::DeleteGroup { group } => self.delete_group(group),
        }
    }

    fn update(&mut self, group: &str, template: Option<&Template>, sizes: Sizes) {
        if sizes.min > sizes.desired || sizes.desired > sizes.max {
            self.wrongs.push(format!("group {group} would be refused the sizes {sizes:?}"));
        }
        if let Some(group) = self.groups.get_mut(group) {
            group.sizes = sizes;
            group.template = template.cloned().unwrap_or_else(|| group.template.clone());
        }
    }

    fn terminate(&mut self, node: &str, instance: &str, shrink: bool) {
        let killed = self.pods.iter().filter(|pod| pod.node.as_deref() == Some(node)).count();
        if killed > 0 && !self.forced.contains(node) && self.machines().any(|machine| machine.id == instance)
        {
            self.wrongs.push(format!("{node} was ended with {killed} pods on it"));
        }
        if self.faults.lingering {
            return;
        }
        for group in self.groups.values_mut() {
            let before = group.machines.len();
            group.machines.retain(|machine| machine.id != instance);
            if shrink && group.machines.len() < before {
                if group.sizes.desired == group.sizes.min {
                    self.wrongs.push("a group would go below its least size".into());
                }
                group.sizes.desired = group.sizes.desired.saturating_sub(1);
            }
        }
    }

    /// Somebody restarts all pods: new ones go where there is most room.
    pub fn restart_pods(&mut self) {
        self.pods.clear();
        self.pass(5);
    }

    /// Somebody lets no budget spare a pod any more.
    pub fn tighten(&mut self) {
        for deployment in &mut self.deployments {
            deployment.keeps = Some(deployment.replicas);
        }
    }

    /// All instances of a group are lost, and none can be launched.
    pub fn lose_all(&mut self, group: &str) {
        self.faults.no_capacity = true;
        if let Some(group) = self.groups.get_mut(group) {
            group.machines.clear();
        }
    }

    /// Somebody gives the group another version of its template.
    pub fn set_template(&mut self, version: &str) {
        if let Some(group) = self.groups.get_mut(GROUP) {
            version.clone_into(&mut group.template.version);
        }
    }

    /// Somebody, or an effect, deletes a group with all that is in it.
    pub fn delete_group(&mut self, group: &str) {
        if let Some(gone) = self.groups.remove(group) {
            for machine in &gone.machines {
                if self.pods.iter().any(|pod| pod.node.as_ref() == Some(&machine.node)) {
                    self.wrongs.push(format!("{} went with its group", machine.node));
                }
            }
        }
    }

    fn set_cordoned(&mut self, node: &str, cordoned: bool) {
        let machines = self.groups.values_mut().flat_map(|group| &mut group.machines);
        for machine in machines.filter(|machine| machine.node == node) {
            machine.cordoned = cordoned;
        }
    }

    /// Somebody lets pods onto all nodes again.
    pub fn uncordon_all(&mut self) {
        for machine in self.groups.values_mut().flat_map(|group| &mut group.machines) {
            machine.cordoned = false;
        }
    }

    /// Somebody cordons the first node.
    pub fn cordon_one(&mut self) -> String {
        let node = self.nodes(minor(FROM)).into_iter().next().unwrap();
        self.set_cordoned(&node, true);
        node
    }

    /// Somebody ends an instance; its group replaces it.
    pub fn lose_one(&mut self) {
        for group in self.groups.values_mut() {
            if let Some(lost) = group.machines.pop() {
                self.pods.retain(|pod| pod.node.as_ref() != Some(&lost.node));
                return;
            }
        }
    }

    /// Somebody wants so many more nodes, or fewer of them.
    pub fn grow(&mut self, by: u32) {
        if let Some(group) = self.groups.get_mut(GROUP) {
            group.sizes.desired += by;
            group.sizes.max = group.sizes.max.max(group.sizes.desired);
        }
    }

    /// Cluster Autoscaler takes away a new node of a group that is larger than it has to be, while it runs.
    pub fn shrink_one(&mut self, group: &str) {
        assert!(self.autoscaler.is_none_or(|replicas| replicas > 0), "it is paused");
        let group = self.groups.get_mut(group).unwrap();
        let lost = group.machines.pop().unwrap();
        group.sizes.desired -= 1;
        self.pods.retain(|pod| pod.node.as_ref() != Some(&lost.node));
    }

    /// The nodes of a minor.
    pub fn nodes(&self, of: Minor) -> Vec<String> {
        self.joined().filter(|machine| machine.minor == of).map(|machine| machine.node.clone()).collect()
    }

    /// Nodes that take no pods.
    pub fn cordoned(&self) -> Vec<String> {
        self.joined().filter(|machine| machine.cordoned).map(|machine| machine.node.clone()).collect()
    }

    pub fn sizes(&self, group: &str) -> Option<Sizes> {
        self.groups.get(group).map(|group| group.sizes)
    }

    pub fn template(&self, group: &str) -> Option<Template> {
        self.groups.get(group).map(|group| group.template.clone())
    }

    /// As the ports give a group.
    pub fn group(&self, name: &str) -> Option<AutoScalingGroup> {
        let group = self.groups.get(name)?;
        let in_service = group.machines.iter().filter(|one| seconds_between(one.launched, self.now) >= 20);
        Some(AutoScalingGroup {
            name: name.to_owned(),
            instances: in_service.map(|machine| machine.id.clone()).collect(),
            min: group.sizes.min,
            desired: group.sizes.desired,
            max: group.sizes.max,
            zones: Vec::new(),
            subnets: Vec::new(),
            template: Some(group.template.clone()),
            suspended: self.suspended.clone(),
            released: true,
        })
    }

    /// As the ports give the inside.
    pub fn inside(&self) -> Inside {
        Inside {
            nodes: Seen::Is(self.joined().map(node).collect()),
            pods: Seen::Is(self.pods.iter().map(|pod| self.pod(pod)).chain(self.daemons()).collect()),
            budgets: Seen::Is(self.budgets()),
            workloads: self.workloads(),
            webhooks: Seen::Is(Vec::new()),
            ..Inside::unread(self.now, "not in this world")
        }
    }

    fn workloads(&self) -> Seen<Vec<Workload>> {
        if self.blind {
            return Seen::Not("it may not".into());
        }
        Seen::Is(self.autoscaler.into_iter().map(autoscaler).collect())
    }

    /// What belongs on its node: a daemon set's pod and a static one.
    fn daemons(&self) -> impl Iterator<Item = Pod> {
        let owned = |kind: &str, mirror: bool, node: &str| Pod {
            name: format!("{kind}-{node}").to_lowercase(),
            namespace: "kube-system".into(),
            labels: BTreeMap::new(),
            owner: Some(Owner { kind: kind.into(), name: "aws-node".into() }),
            mirror,
            node: Some(node.to_owned()),
            ..self.pod(&Running {
                name: String::new(),
                deployment: 0,
                node: Some(node.to_owned()),
                made: self.now,
                placed: Some(self.now),
                fails: false,
                ends: None,
            })
        };
        let nodes = self.joined().map(|machine| machine.node.as_str());
        nodes.flat_map(move |node| [owned("DaemonSet", false, node), owned("Node", true, node)])
    }

    fn pod(&self, pod: &Running) -> Pod {
        let crashes = pod.fails && pod.placed.is_some();
        Pod {
            namespace: "shop".into(),
            name: pod.name.clone(),
            uid: format!("uid-{}", pod.name),
            labels: BTreeMap::from([("app".into(), pod.deployment.to_string())]),
            node: pod.node.clone(),
            phase: if pod.node.is_some() { Phase::Running } else { Phase::Pending },
            ready: self.is_ready(pod),
            owner: Some(Owner { kind: "Deployment".into(), name: format!("app-{}", pod.deployment) }),
            mirror: false,
            grace_s: GRACE_S,
            local_storage: false,
            host_path: false,
            tolerates_all: false,
            readiness_probes: true,
            claims: BTreeSet::new(),
            restarts: 0,
            waiting: crashes.then(|| "CrashLoopBackOff".to_owned()),
            do_not_disrupt: false,
            deleting_since: pod.ends,
            made_at: pod.made,
        }
    }

    fn budgets(&self) -> Vec<Budget> {
        let of = |(place, deployment): (usize, &Deployment)| {
            let keeps = deployment.keeps?;
            let healthy = self.healthy(place);
            Some(Budget {
                namespace: "shop".into(),
                name: format!("app-{place}"),
                selector: Some(Selector {
                    labels: BTreeMap::from([("app".into(), place.to_string())]),
                    expressions: Vec::new(),
                }),
                rule: BudgetRule::MinAvailable(CountOrShare::Count(keeps)),
                lets_unhealthy_go: false,
                allowed: healthy.saturating_sub(keeps),
                healthy,
                desired: keeps,
                expected: deployment.replicas,
                observed: true,
            })
        };
        self.deployments.iter().enumerate().filter_map(of).collect()
    }
}

fn autoscaler(replicas: u32) -> Workload {
    Workload {
        kind: WorkloadKind::Deployment,
        namespace: "kube-system".into(),
        name: "cluster-autoscaler".into(),
        labels: BTreeMap::new(),
        wants: replicas,
        ready: replicas,
        recreate: false,
        images: vec!["registry.k8s.io/autoscaling/cluster-autoscaler:v1.34.0".into()],
        system: true,
    }
}

fn node(machine: &Machine) -> Node {
    Node {
        name: machine.node.clone(),
        kubelet: format!("v{}.0-eks", machine.minor),
        minor: Some(machine.minor),
        runtime: String::new(),
        os_image: String::new(),
        kernel: String::new(),
        zone: None,
        group: NodeGroupOf::SelfManaged,
        instance: Some(machine.id.clone()),
        ready: true,
        ready_since: Some(later(machine.launched, JOINS_S)),
        schedulable: !machine.cordoned,
        taints: Vec::new(),
        labels: BTreeMap::new(),
        marks: BTreeMap::new(),
        made_at: later(machine.launched, JOINS_S),
    }
}
