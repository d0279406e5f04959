//! The inside of a cluster of the fake EKS: nodes, pods and budgets that behave, and the Auto Scaling groups behind
//! nodes that EKS does not manage. A cluster without one cannot be looked into.

use std::collections::{BTreeMap, BTreeSet};

use eks_upgrade_core::arn::{ClusterArn, ClusterName};
use eks_upgrade_core::drain;
use eks_upgrade_core::health::Vitals;
use eks_upgrade_core::inside::{
    AutoScalingGroup, Budget, BudgetRule, Capacity, Component, CountOrShare, Inside, Node, NodeGroupOf,
    Owner, Phase, Pod, Rollout, Seen, Selector, Template, Unseen, Workload, WorkloadKind,
};
use eks_upgrade_core::inspection::{Following, InspectAnswer, InspectRequest, Inspection};
use eks_upgrade_core::preflight::Upgrade;
use eks_upgrade_core::version::Minor;
use eks_upgrade_pipeline::ports::EksDown;
use eks_upgrade_pipeline::ports::inside::{
    Depth, Evicted, GroupWrites, Groups, InsideWrites, Insides, Inspects, PodName, Sizes, TriesEvictions,
};
use jiff::{SignedDuration, Timestamp};

use crate::eks::FakeEks;
use crate::word;

/// How long an instance takes to join, in seconds.
const JOINS_S: i64 = 60;
/// The image family of every group.
pub const FAMILY: &str = "amazon-linux-2023/x86_64/standard";

/// One cluster's inside.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // What is odd about it, each by itself.
pub struct FakeInside {
    /// What is there.
    pub inside: Inside,
    /// Why nothing can be read, if it cannot.
    pub unreachable: Option<String>,
    /// Whether new nodes come up.
    pub nodes_join: bool,
    /// Whether a container of the first pod crashes again and again, whichever pod that is.
    pub crashes: bool,
    /// Whether deployments may be scaled to nothing only.
    pub denies_replicas: bool,
    /// Whether no pod starts with another image than the one it has.
    pub every_image_is_bad: bool,
    /// The minor of each launch template version.
    templates: BTreeMap<String, Minor>,
    joining: Vec<(Timestamp, String, Minor)>,
    made: u32,
    /// What was done, in order.
    pub done: Vec<String>,
}

/// A healthy inside without nodes.
#[must_use]
pub fn empty_inside(at: Timestamp, server: Minor) -> FakeInside {
    let inside = Inside {
        at,
        server: Seen::Is(server),
        nodes: Seen::Is(Vec::new()),
        pods: Seen::Is(Vec::new()),
        budgets: Seen::Is(Vec::new()),
        workloads: Seen::Is(Vec::new()),
        webhooks: Seen::Is(Vec::new()),
        called: Seen::Is(Vec::new()),
        applied: Seen::Is(Vec::new()),
        volumes: Seen::Is(Vec::new()),
        proxy_mode: Seen::Is(None),
        components: Seen::Is(Vec::new()),
        pools: Seen::Is(Vec::new()),
        claims: Seen::Is(Vec::new()),
        capacity: Capacity { subnets: Seen::Is(Vec::new()), groups: Seen::Is(Vec::new()) },
    };
    FakeInside {
        inside,
        unreachable: None,
        nodes_join: true,
        crashes: false,
        denies_replicas: false,
        every_image_is_bad: false,
        templates: BTreeMap::new(),
        joining: Vec::new(),
        made: 0,
        done: Vec::new(),
    }
}

/// What was read of a part that every fake has.
fn all<T>(part: &mut Seen<Vec<T>>) -> &mut Vec<T> {
    match part {
        Seen::Is(all) => all,
        Seen::Not(why) => panic!("{why}"),
    }
}

impl FakeInside {
    fn node(&mut self, group: NodeGroupOf, minor: Minor) -> String {
        self.made += 1;
        let name = format!("ip-10-0-0-{}.ec2.internal", self.made);
        let node = Node {
            name: name.clone(),
            kubelet: format!("v{minor}.1-eks-113cf36"),
            minor: Some(minor),
            runtime: "containerd://2.1.4".into(),
            os_image: "Amazon Linux 2023".into(),
            kernel: "6.12.40".into(),
            zone: Some("us-east-1a".into()),
            group,
            instance: Some(format!("i-{:017x}", self.made)),
            ready: true,
            ready_since: Some(self.inside.at),
            schedulable: true,
            taints: Vec::new(),
            labels: BTreeMap::new(),
            marks: BTreeMap::new(),
            made_at: self.inside.at,
        };
        all(&mut self.inside.nodes).push(node);
        name
    }

    /// Nodes of a managed group, or of a pool.
    #[must_use]
    pub fn with_nodes(mut self, group: &NodeGroupOf, minor: &str, count: u32) -> Self {
        for _ in 0..count {
            self.node(group.clone(), word(minor));
        }
        self
    }

    /// A group that EKS does not manage, its nodes at `minor`.
    #[must_use]
    pub fn with_self_managed(mut self, name: &str, minor: &str, count: u32) -> Self {
        let instances = (0..count)
            .map(|_| {
                self.node(NodeGroupOf::SelfManaged, word(minor));
                all(&mut self.inside.nodes).last().and_then(|node| node.instance.clone()).unwrap()
            })
            .collect();
        self.templates.insert("1".into(), word(minor));
        all(&mut self.inside.capacity.groups).push(AutoScalingGroup {
            name: name.into(),
            instances,
            min: 0,
            desired: count,
            max: count,
            zones: vec!["us-east-1a".into()],
            subnets: vec!["subnet-a".into()],
            template: Some(Template { id: "lt-1".into(), version: "1".into() }),
            suspended: Vec::new(),
            released: true,
        });
        self
    }

    /// A deployment with a pod on each node there is, in turn.
    #[must_use]
    pub fn with_deployment(mut self, name: &str, replicas: u32) -> Self {
        all(&mut self.inside.workloads).push(Workload {
            kind: WorkloadKind::Deployment,
            namespace: "shop".into(),
            name: name.into(),
            labels: BTreeMap::from([("app".into(), name.into())]),
            wants: replicas,
            ready: replicas,
            recreate: false,
            images: vec![format!("example/{name}:1")],
            system: false,
        });
        for _ in 0..replicas {
            self.pod(name);
        }
        self
    }

    /// A budget over a deployment.
    #[must_use]
    pub fn with_budget(mut self, over: &str, min_available: u32) -> Self {
        all(&mut self.inside.budgets).push(Budget {
            namespace: "shop".into(),
            name: over.into(),
            selector: Some(Selector {
                labels: BTreeMap::from([("app".into(), over.into())]),
                expressions: Vec::new(),
            }),
            rule: BudgetRule::MinAvailable(CountOrShare::Count(min_available)),
            lets_unhealthy_go: false,
            allowed: 0,
            healthy: 0,
            desired: min_available,
            expected: 0,
            observed: true,
        });
        self.settle(self.inside.at);
        self
    }

    /// A core component that is no add-on.
    #[must_use]
    pub fn with_component(mut self, name: &str, image: &str) -> Self {
        let rollout = Rollout { generation: 1, observed: 1, wants: 3, updated: 3, available: 3 };
        all(&mut self.inside.components).push(Component { name: name.into(), image: image.into(), rollout });
        self
    }

    /// A new pod of a deployment, on the open node with the fewest pods; pending where there is none.
    fn pod(&mut self, app: &str) {
        self.made += 1;
        let pods = self.inside.pods.get().cloned().unwrap_or_default();
        let load = |node: &Node| pods.iter().filter(|pod| pod.node.as_ref() == Some(&node.name)).count();
        let open = all(&mut self.inside.nodes).iter().filter(|node| node.ready && node.schedulable);
        let node = open.min_by_key(|node| load(node)).map(|node| node.name.clone());
        all(&mut self.inside.pods).push(Pod {
            namespace: "shop".into(),
            name: format!("{app}-{}", self.made),
            uid: format!("uid-{}", self.made),
            labels: BTreeMap::from([("app".into(), app.into())]),
            phase: if node.is_some() { Phase::Running } else { Phase::Pending },
            ready: node.is_some(),
            node,
            owner: Some(Owner { kind: "Deployment".into(), name: app.into() }),
            mirror: false,
            grace_s: 30,
            local_storage: false,
            host_path: false,
            tolerates_all: false,
            readiness_probes: true,
            claims: BTreeSet::new(),
            restarts: 0,
            waiting: None,
            do_not_disrupt: false,
            deleting_since: None,
            made_at: self.inside.at,
        });
    }

    /// Gives the first node another name.
    #[must_use]
    pub fn with_first_node(mut self, name: &str) -> Self {
        let old = std::mem::replace(&mut all(&mut self.inside.nodes)[0].name, name.to_owned());
        for pod in all(&mut self.inside.pods).iter_mut().filter(|pod| pod.node.as_ref() == Some(&old)) {
            pod.node = Some(name.to_owned());
        }
        self
    }

    /// A node of a pool that is not at `minor` yet gets there.
    pub fn upgrade_one(&mut self, pool: &str, minor: &str) {
        let wanted: Minor = word(minor);
        let ours = |node: &&mut Node| {
            matches!(&node.group, NodeGroupOf::Karpenter(of) | NodeGroupOf::AutoMode(of) if of == pool)
                && node.minor != Some(wanted)
        };
        if let Some(node) = all(&mut self.inside.nodes).iter_mut().find(ours) {
            node.minor = Some(wanted);
        }
    }

    /// A container of the first pod crashes again and again, or no longer.
    pub fn crash(&mut self, crashes: bool) {
        self.crashes = crashes;
        self.settle(self.inside.at);
    }

    /// Lets happen what was to happen by `now`.
    pub fn settle(&mut self, now: Timestamp) {
        self.inside.at = now;
        self.join(now);
        let pending: Vec<String> = all(&mut self.inside.pods)
            .iter()
            .filter(|pod| pod.node.is_none())
            .filter_map(|pod| pod.labels.get("app").cloned())
            .collect();
        if !pending.is_empty()
            && all(&mut self.inside.nodes).iter().any(|node| node.ready && node.schedulable)
        {
            all(&mut self.inside.pods).retain(|pod| pod.node.is_some());
            for app in pending {
                self.pod(&app);
            }
        }
        for (place, pod) in all(&mut self.inside.pods).iter_mut().enumerate() {
            pod.waiting = (self.crashes && place == 0).then(|| "CrashLoopBackOff".into());
        }
        let pods = self.inside.pods.get().cloned().unwrap_or_default();
        for budget in all(&mut self.inside.budgets) {
            let covers = |pod: &&Pod| budget.selector.as_ref().is_some_and(|s| s.selects(&pod.labels));
            let number = |count: usize| u32::try_from(count).unwrap();
            budget.expected = number(pods.iter().filter(covers).count());
            budget.healthy = number(pods.iter().filter(covers).filter(|pod| pod.ready).count());
            budget.allowed = budget.healthy.saturating_sub(budget.desired);
        }
    }

    /// Every group gets as many instances as it wants, after a while.
    fn join(&mut self, now: Timestamp) {
        let at = now.checked_add(SignedDuration::from_secs(JOINS_S)).unwrap();
        let groups = all(&mut self.inside.capacity.groups).clone();
        for group in &groups {
            let coming = self.joining.iter().filter(|(_, name, _)| *name == group.name).count();
            let has = u32::try_from(group.instances.len() + coming).unwrap();
            let version = group.template.as_ref().map_or("1", |template| &template.version);
            for _ in has..group.desired {
                self.joining.push((at, group.name.clone(), self.templates[version]));
            }
        }
        let (come, later): (Vec<_>, Vec<_>) = self.joining.drain(..).partition(|(at, ..)| *at <= now);
        self.joining = later;
        let joins = self.nodes_join;
        for (_, name, minor) in come.into_iter().filter(|_| joins) {
            self.node(NodeGroupOf::SelfManaged, minor);
            let instance = all(&mut self.inside.nodes).last().and_then(|node| node.instance.clone()).unwrap();
            if let Some(group) = self.group_mut(&name) {
                group.instances.push(instance);
            }
        }
    }

    fn group_mut(&mut self, name: &str) -> Option<&mut AutoScalingGroup> {
        all(&mut self.inside.capacity.groups).iter_mut().find(|group| group.name == name)
    }

    fn evict(&mut self, pod: &PodName, dry: bool) -> Evicted {
        let Some(place) = all(&mut self.inside.pods).iter().position(|p| is_meant(p, pod)) else {
            return Evicted::Gone;
        };
        let labels = self.inside.pods.get().unwrap()[place].labels.clone();
        let covering: Vec<Budget> = all(&mut self.inside.budgets)
            .iter()
            .filter(|budget| budget.selector.as_ref().is_some_and(|s| s.selects(&labels)))
            .cloned()
            .collect();
        match covering.as_slice() {
            [_, _, ..] => return Evicted::Refused("several budgets".into()),
            [budget] if budget.allowed == 0 => return Evicted::NotNow(budget.full_name()),
            _ => {}
        }
        if !dry {
            self.lose(place);
        }
        Evicted::Leaves
    }

    fn lose(&mut self, place: usize) {
        let pod = all(&mut self.inside.pods).remove(place);
        if let Some(app) = pod.labels.get("app") {
            self.pod(app);
        }
        self.settle(self.inside.at);
    }

    fn terminate(&mut self, instance: &str, shrink: bool) {
        let nodes = all(&mut self.inside.nodes);
        let Some(node) = nodes.iter().find(|node| node.instance.as_deref() == Some(instance)).cloned() else {
            return;
        };
        nodes.retain(|other| other.name != node.name);
        while let Some(place) =
            all(&mut self.inside.pods).iter().position(|pod| pod.node.as_ref() == Some(&node.name))
        {
            self.done.push(format!("lost {}", self.inside.pods.get().unwrap()[place].name));
            self.lose(place);
        }
        for group in all(&mut self.inside.capacity.groups) {
            if group.instances.iter().any(|id| id == instance) {
                group.instances.retain(|id| id != instance);
                if shrink {
                    group.desired -= 1;
                }
            }
        }
        self.settle(self.inside.at);
    }
}

/// Whether a call that names a pod means this one.
fn is_meant(pod: &Pod, named: &PodName) -> bool {
    let same_name = pod.namespace == named.namespace && pod.name == named.name;
    same_name && named.uid.as_ref().is_none_or(|uid| *uid == pod.uid)
}

impl FakeEks {
    /// Gives a cluster an inside.
    pub fn look_into(&self, cluster: &str, inside: FakeInside) {
        self.state().insides.insert(word(cluster), inside);
    }

    /// Changes, or looks at, the inside of a cluster.
    pub fn within<T>(&self, cluster: &str, does: impl FnOnce(&mut FakeInside) -> T) -> T {
        does(self.state().insides.get_mut(&word::<ClusterName>(cluster)).unwrap())
    }

    async fn inner<T>(
        &self,
        cluster: &ClusterArn,
        operation: &'static str,
        does: impl FnOnce(&mut FakeInside) -> T,
    ) -> Result<T, EksDown> {
        let down = |why: &str| EksDown { operation, denied: false, why: why.to_owned() };
        let effect = || {
            let mut state = self.state();
            let inside = state.insides.get_mut(&cluster.name).ok_or_else(|| down("no inside"))?;
            match &inside.unreachable {
                Some(why) => Err(down(why)),
                None => Ok(does(inside)),
            }
        };
        self.faults.around(effect).await.map_err(|_| down("the call was lost"))?
    }
}

impl Inspects for &FakeEks {
    async fn inspect(&self, request: &InspectRequest) -> InspectAnswer {
        let cluster = match request {
            InspectRequest::Preflight { cluster, .. }
            | InspectRequest::Vitals { cluster }
            | InspectRequest::Held { cluster, .. }
            | InspectRequest::Components { cluster }
            | InspectRequest::Following { cluster } => cluster,
            InspectRequest::Policy {} => return InspectAnswer::Unseen("only people ask for it".into()),
        };
        let inside = match self.inner(cluster, "kube:List", |inner| inner.inside.clone()).await {
            Ok(inside) => inside,
            Err(down) => return InspectAnswer::Unseen(down.to_string()),
        };
        let answer = match request {
            InspectRequest::Preflight { from, target, drain_limit_s, .. } => {
                let upgrade = Upgrade { from: *from, target: *target, drain_limit_s: *drain_limit_s };
                let groups = inside.capacity.groups.get().cloned().unwrap_or_default();
                let images = groups.into_iter().map(|group| (group.name, FAMILY.to_owned())).collect();
                Ok(InspectAnswer::Inspection(Box::new(Inspection::of(&inside, upgrade, &images))))
            }
            InspectRequest::Vitals { .. } => Vitals::of(&inside).map(InspectAnswer::Vitals),
            InspectRequest::Held { nodes, drain_limit_s, .. } => {
                drain::held_on(&inside, nodes, *drain_limit_s).map(InspectAnswer::Held)
            }
            InspectRequest::Components { .. } => {
                inside.components.get().cloned().map(InspectAnswer::Components)
            }
            InspectRequest::Following { .. } => Following::of(&inside).map(InspectAnswer::Following),
            InspectRequest::Policy {} => Err(Unseen("only people ask for it".into())),
        };
        answer.unwrap_or_else(|Unseen(why)| InspectAnswer::Unseen(why))
    }
}

impl Insides for &FakeEks {
    async fn inside(&self, cluster: &ClusterArn, _: Depth) -> Inside {
        match self.inner(cluster, "kube:List", |inner| inner.inside.clone()).await {
            Ok(inside) => inside,
            Err(down) => Inside::unread(Timestamp::UNIX_EPOCH, &down.to_string()),
        }
    }

    async fn control_plane_subnets(&self, _: &ClusterArn) -> Result<Vec<String>, EksDown> {
        Ok(Vec::new())
    }
}

impl TriesEvictions for &FakeEks {
    async fn try_eviction(&self, cluster: &ClusterArn, pod: &PodName) -> Result<Evicted, EksDown> {
        self.inner(cluster, "kube:Evict", |inner| inner.evict(pod, true)).await
    }
}

impl InsideWrites for &FakeEks {
    async fn cordon(&self, cluster: &ClusterArn, node: &str, run: Option<&str>) -> Result<bool, EksDown> {
        let mark = |inner: &mut FakeInside| {
            let found = all(&mut inner.inside.nodes).iter_mut().find(|other| other.name == node);
            let there = found.is_some();
            if let Some(found) = found {
                found.schedulable = run.is_none();
            }
            let what = if run.is_some() { "cordon" } else { "uncordon" };
            inner.done.push(format!("{what} {node}"));
            there
        };
        self.inner(cluster, "kube:PatchNode", mark).await
    }

    async fn evict(&self, cluster: &ClusterArn, pod: &PodName) -> Result<Evicted, EksDown> {
        self.inner(cluster, "kube:Evict", |inner| inner.evict(pod, false)).await
    }

    async fn delete_pod(&self, cluster: &ClusterArn, pod: &PodName) -> Result<(), EksDown> {
        let delete = |inner: &mut FakeInside| {
            let place = all(&mut inner.inside.pods).iter().position(|other| is_meant(other, pod));
            inner.done.push(format!("delete {}", pod.name));
            if let Some(place) = place {
                inner.lose(place);
            }
        };
        self.inner(cluster, "kube:DeletePod", delete).await
    }

    async fn scale(
        &self,
        cluster: &ClusterArn,
        deployment: &str,
        replicas: u32,
    ) -> Result<Option<u32>, EksDown> {
        if replicas > 0 && self.inner(cluster, "kube:Scale", |inner| inner.denies_replicas).await? {
            return Err(EksDown { operation: "kube:Scale", denied: true, why: "no right to scale".into() });
        }
        let scale = |inner: &mut FakeInside| {
            inner.done.push(format!("scale {deployment} to {replicas}"));
            let (_, name) = deployment.split_once('/')?;
            let found = all(&mut inner.inside.workloads).iter_mut().find(|other| other.name == name)?;
            Some(std::mem::replace(&mut found.wants, replicas))
        };
        self.inner(cluster, "kube:Scale", scale).await
    }

    async fn set_image(&self, cluster: &ClusterArn, component: &str, to: &str) -> Result<(), EksDown> {
        let set = |inner: &mut FakeInside| {
            inner.done.push(format!("image {component} {to}"));
            let starts = !inner.every_image_is_bad;
            if let Some(found) = all(&mut inner.inside.components).iter_mut().find(|c| c.name == component) {
                to.clone_into(&mut found.image);
                found.rollout.generation += 1;
                found.rollout.observed += 1;
                found.rollout.available = if starts { found.rollout.wants } else { found.rollout.wants - 1 };
            }
        };
        self.inner(cluster, "kube:PatchDaemonSet", set).await
    }

    async fn restart(
        &self,
        cluster: &ClusterArn,
        _: WorkloadKind,
        workload: &PodName,
        _: &str,
    ) -> Result<(), EksDown> {
        let restart = |inner: &mut FakeInside| {
            inner.done.push(format!("restart {}/{}", workload.namespace, workload.name));
            let server = *inner.inside.server.get().unwrap();
            for node in all(&mut inner.inside.nodes).iter_mut().filter(|n| n.group == NodeGroupOf::Fargate) {
                node.minor = Some(server);
            }
        };
        self.inner(cluster, "kube:PatchDeployment", restart).await
    }
}

impl Groups for &FakeEks {
    async fn capacity(&self, cluster: &ClusterArn, _: &[String]) -> Capacity {
        let seen = self.inner(cluster, "autoscaling:Describe", |inner| inner.inside.capacity.clone()).await;
        seen.unwrap_or_else(|down| Capacity {
            subnets: Seen::Not(down.to_string()),
            groups: Seen::Not(down.to_string()),
        })
    }

    async fn group(&self, cluster: &ClusterArn, name: &str) -> Result<Option<AutoScalingGroup>, EksDown> {
        self.inner(cluster, "autoscaling:Describe", |inner| inner.group_mut(name).cloned()).await
    }

    async fn image_family(&self, _: &ClusterArn, _: &Template) -> Result<Option<String>, EksDown> {
        Ok(Some(FAMILY.to_owned()))
    }
}

impl GroupWrites for &FakeEks {
    async fn make_template(
        &self,
        cluster: &ClusterArn,
        from: &Template,
        _: &str,
        minor: Minor,
        token: &str,
    ) -> Result<(Template, String), EksDown> {
        let make = |inner: &mut FakeInside| {
            let version = token.to_owned();
            inner.templates.insert(version.clone(), minor);
            (Template { id: from.id.clone(), version }, format!("ami-{minor}"))
        };
        self.inner(cluster, "ec2:CreateLaunchTemplateVersion", make).await
    }

    async fn update_group(
        &self,
        cluster: &ClusterArn,
        name: &str,
        template: Option<&Template>,
        sizes: Option<Sizes>,
    ) -> Result<(), EksDown> {
        let update = |inner: &mut FakeInside| {
            inner.done.push(format!("update {name} {sizes:?}"));
            if let Some(group) = inner.group_mut(name) {
                if let Some(template) = template {
                    group.template = Some(template.clone());
                }
                if let Some(Sizes { min, desired, max }) = sizes {
                    (group.min, group.desired, group.max) = (min, desired, max);
                }
            }
        };
        self.inner(cluster, "autoscaling:UpdateAutoScalingGroup", update).await
    }

    async fn make_group(
        &self,
        cluster: &ClusterArn,
        like: &str,
        name: &str,
        template: &Template,
        sizes: Sizes,
    ) -> Result<(), EksDown> {
        let make = |inner: &mut FakeInside| {
            inner.done.push(format!("make {name}"));
            if inner.group_mut(name).is_none()
                && let Some(mut group) = inner.group_mut(like).cloned()
            {
                name.clone_into(&mut group.name);
                group.instances.clear();
                group.template = Some(template.clone());
                (group.min, group.desired, group.max) = (sizes.min, sizes.desired, sizes.max);
                all(&mut inner.inside.capacity.groups).push(group);
            }
        };
        self.inner(cluster, "autoscaling:CreateAutoScalingGroup", make).await
    }

    async fn terminate(&self, cluster: &ClusterArn, instance: &str, shrink: bool) -> Result<(), EksDown> {
        let end = |inner: &mut FakeInside| {
            inner.done.push(format!("terminate {instance}"));
            inner.terminate(instance, shrink);
        };
        self.inner(cluster, "autoscaling:TerminateInstance", end).await
    }

    async fn delete_group(&self, cluster: &ClusterArn, name: &str) -> Result<(), EksDown> {
        let delete = |inner: &mut FakeInside| {
            inner.done.push(format!("delete {name}"));
            all(&mut inner.inside.capacity.groups).retain(|group| group.name != name);
        };
        self.inner(cluster, "autoscaling:DeleteAutoScalingGroup", delete).await
    }
}
