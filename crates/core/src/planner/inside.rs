//! What the plan does inside the cluster: groups that EKS does not manage, core components that are no add-ons, pods
//! on Fargate, nodes that follow by themselves. Only where the policy lets it, and only what was seen.

use super::{HopBuilder, Stage, Wish, best_above, cni_chain, offers_of};
use crate::cluster::{Inventory, Offer};
use crate::component::{Image, minor_of};
use crate::drain;
use crate::finding::{Code, Finding, Level};
use crate::ids::{StepId, digest};
use crate::inside::{Component, NodeGroupOf, Seen};
use crate::inspection::{FargatePod, Inspection, SelfManagedGroup};
use crate::plan::{Reversibility, StepKind};
use crate::policy::{CoreComponentName, FargatePods, Kubernetes, NodeHops, NodeStrategy};
use crate::version::{Minor, skew_allows};

/// What was found inside, with what a drain would do judged by how each group is to be rolled.
pub(super) fn findings(inventory: &Inventory, wish: &Wish<'_>) -> Vec<Finding> {
    let Some(inside) = &inventory.inside else { return Vec::new() };
    // Of what nobody could see at all one line says more than one for each part.
    if let Some(why) = &inside.unread {
        let name = inventory.cluster.arn.name.as_str();
        return vec![unread(name, format!("its inside could not be read: {why}"))];
    }
    let may_force = |group: &NodeGroupOf| match group {
        NodeGroupOf::Managed(name) => wish.policy.strategy_of(name) != NodeStrategy::Rolling,
        NodeGroupOf::SelfManaged => wish.policy.strategy != NodeStrategy::Rolling,
        NodeGroupOf::Karpenter(_) | NodeGroupOf::AutoMode(_) | NodeGroupOf::Fargate => false,
    };
    let drains = drain::findings(&inside.forecast, &may_force);
    inside.findings.iter().cloned().chain(drains).collect()
}

fn unread(subject: &str, message: String) -> Finding {
    Finding::new(
        Code::InsideUnread,
        Level::Unknown,
        subject,
        message,
        "let the inspect function reach the cluster (docs/kubernetes.md), or judge it by yourself",
    )
}

/// What was not seen is said once, and stands against a run that nobody attends.
fn unseen<'a, T>(seen: &'a Seen<T>, what: &str, findings: &mut Vec<Finding>) -> Option<&'a T> {
    seen.get()
        .map_err(|why| {
            findings.push(unread(what, format!("{what} could not be read: {why}")));
        })
        .ok()
}

/// Everything inside, and the versions it has at this point of the plan.
pub(super) struct OnTheWay<'a> {
    policy: &'a Kubernetes,
    nodes: NodeHops,
    groups: Vec<GroupInside<'a>>,
    components: Vec<ComponentInside<'a>>,
    fargate: Vec<PodOnFargate<'a>>,
    pools: Vec<Pool>,
}

impl<'a> OnTheWay<'a> {
    pub(super) fn new(inventory: &'a Inventory, wish: &Wish<'a>, findings: &mut Vec<Finding>) -> Self {
        let policy = &wish.policy.kubernetes;
        let mut on_the_way = Self {
            policy,
            nodes: wish.policy.nodes,
            groups: Vec::new(),
            components: Vec::new(),
            fargate: Vec::new(),
            pools: Vec::new(),
        };
        let Some(inside) = inventory.inside.as_ref().filter(|inside| inside.unread.is_none()) else {
            return on_the_way;
        };
        on_the_way.take_groups(inside, wish, findings);
        on_the_way.take_components(inside, inventory, findings);
        on_the_way.take_followers(inside, wish.target, findings);
        on_the_way
    }

    fn take_groups(&mut self, inside: &'a Inspection, wish: &Wish<'a>, findings: &mut Vec<Finding>) {
        for group in unseen(&inside.self_managed, "self-managed node groups", findings).into_iter().flatten()
        {
            let name = &group.group.name;
            let target = wish.target;
            let mut say = |level, message: String, next: &str| {
                findings.push(Finding::new(Code::SelfManagedNodes, level, name, message, next));
            };
            let Some(oldest) = group.oldest else {
                let message = "the version of a node of this group does not read".to_owned();
                say(Level::Unknown, message, "look at its nodes (kubectl get nodes)");
                continue;
            };
            if oldest >= target {
                continue;
            }
            let rolls = self.policy.may_act() && group.group.released;
            let family = group.image.as_deref().filter(|_| rolls);
            if !self.policy.may_act() {
                say(
                    Level::Warn,
                    format!("EKS does not manage this group; its nodes stay at {oldest}"),
                    "roll it by hand after the control plane, or set kubernetes.access to full",
                );
            } else if !group.group.released {
                say(
                    Level::Warn,
                    format!("its owner does not let it be rolled; its nodes stay at {oldest}"),
                    "tag the group and its launch template eks-upgrade:managed=true, or replace its nodes by hand",
                );
            } else if family.is_none() {
                say(
                    Level::Warn,
                    format!(
                        "EKS publishes no image like its own, or its template cannot be moved; it stays at {oldest}"
                    ),
                    "give its launch template an image for the target, and replace its nodes",
                );
            }
            let strategy = wish.policy.strategy_of(name);
            self.groups.push(GroupInside { group, version: oldest, family, strategy, reported: false });
        }
    }

    fn take_components(
        &mut self,
        inside: &'a Inspection,
        inventory: &Inventory,
        findings: &mut Vec<Finding>,
    ) {
        let all = unseen(&inside.components, "core components", findings).into_iter().flatten();
        let ours = all.filter(|component| inventory.addons.iter().all(|addon| addon.name != component.name));
        for component in ours {
            let wanted = self.policy.components.iter().any(|name| name.as_str() == component.name);
            let known = Image::read(&component.image).and_then(|image| image.version()).is_some();
            if self.policy.may_act() && wanted && known {
                self.components.push(ComponentInside { component, image: component.image.clone() });
                continue;
            }
            let why = match (known, self.policy.may_act()) {
                (false, _) => "its image is no build of EKS's",
                (true, false) => "kubernetes.access is not full",
                (true, true) => "kubernetes.components leaves it out",
            };
            findings.push(Finding::new(
                Code::SelfManagedComponent,
                Level::Warn,
                &component.name,
                format!("it is no EKS add-on, and runs {}; it is left as it is, as {why}", component.image),
                "update it by hand after the control plane, or make it an EKS add-on",
            ));
        }
    }

    fn take_followers(&mut self, inside: &'a Inspection, target: Minor, findings: &mut Vec<Finding>) {
        let Some(following) = unseen(&inside.following, "nodes that follow by themselves", findings) else {
            return;
        };
        self.fargate = following.fargate.iter().map(PodOnFargate::new).collect();
        self.pools = following
            .pools
            .iter()
            .filter_map(|follower| {
                Some(Pool { name: follower.pool.clone(), oldest: *follower.nodes.iter().min()? })
            })
            .collect();
        for pool in self.pools.iter().filter(|pool| pool.oldest < target) {
            findings.push(Finding::new(
                Code::NodesFollow,
                Level::Pass,
                &pool.name,
                format!("its nodes, the oldest at {}, follow the control plane by themselves", pool.oldest),
                "",
            ));
        }
    }

    /// The steps of one hop.
    pub(super) fn move_for(
        &mut self,
        hop: &mut HopBuilder<'_>,
        inventory: &Inventory,
        findings: &mut Vec<Finding>,
    ) {
        for component in &mut self.components {
            component.move_for(hop, inventory, findings);
        }
        for group in &mut self.groups {
            group.roll_for(hop, self.nodes, self.policy, findings);
        }
        self.restart_fargate(hop, findings);
        self.follow(hop);
    }

    fn restart_fargate(&mut self, hop: &mut HopBuilder<'_>, findings: &mut Vec<Finding>) {
        let stage = hop.stage;
        let old =
            |one: &&mut PodOnFargate<'_>| !one.left && one.version.is_none_or(|version| version < stage.to);
        let due: Vec<&mut PodOnFargate<'_>> =
            self.fargate.iter_mut().filter(old).filter(|pod| stage.has_to_follow(pod.version)).collect();
        let restarts = self.policy.may_act() && self.policy.fargate == FargatePods::Restart;
        let (moved, left): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|one| restarts && !one.pod.workload.is_empty());
        if let Some(first) = left.first() {
            findings.push(left_on_fargate(stage, &first.pod.pod, left.len()));
        }
        let mut workloads: Vec<String> = moved.iter().map(|one| one.pod.workload.clone()).collect();
        workloads.sort();
        workloads.dedup();
        if let Some(id) = hop.id("fargate").filter(|_| !workloads.is_empty()) {
            let reason = "a kubelet on Fargate is as old as its pod's last start".to_owned();
            let kind = StepKind::FargatePods { workloads, to: stage.to };
            let step = hop.step(id, kind, Vec::new(), reason, Reversibility::OneWay);
            hop.after.push(step);
        }
        for one in moved {
            one.version = Some(stage.to);
        }
        for one in left {
            one.left = true;
        }
    }

    fn follow(&mut self, hop: &mut HopBuilder<'_>) {
        let stage = hop.stage;
        let due = |pool: &&mut Pool| pool.oldest < stage.to && stage.has_to_follow(Some(pool.oldest));
        let mut pools = Vec::new();
        for pool in self.pools.iter_mut().filter(due) {
            pool.oldest = stage.to;
            pools.push(pool.name.clone());
        }
        let Some(id) = hop.id("follow").filter(|_| !pools.is_empty()) else { return };
        let stall_s = u32::try_from(self.policy.stall.as_secs()).unwrap_or(u32::MAX);
        let reason = "Karpenter and Auto Mode replace their nodes by themselves; it is watched that they do"
            .to_owned();
        let kind = StepKind::Follow { pools, to: stage.to, stall_s };
        let step = hop.step(id, kind, Vec::new(), reason, Reversibility::ChangesNothing);
        hop.after.push(step);
    }
}

impl Stage {
    /// Whether what follows the control plane by itself, or by a restart, has to have followed before the next hop: at the
    /// target always, on the way where that would be too far for it.
    fn has_to_follow(self, version: Option<Minor>) -> bool {
        let too_far = self.next.zip(version).is_some_and(|(next, version)| !skew_allows(next, version));
        self.to == self.target || too_far
    }
}

/// What is said of pods on Fargate that nobody restarts: on the way it stands against the next hop.
fn left_on_fargate(stage: Stage, first: &str, count: usize) -> Finding {
    match stage.next {
        Some(next) => Finding::new(
            Code::SkewExceeded,
            Level::Block,
            first,
            format!("{count} pod(s) on Fargate stay too far behind a control plane at {next}"),
            "choose a lower target and restart their workloads there, or set kubernetes.fargate to restart",
        ),
        None => Finding::new(
            Code::FargatePods,
            Level::Warn,
            first,
            format!("{count} pod(s) on Fargate keep their kubelet until somebody restarts them"),
            "restart their workloads after the upgrade (kubectl rollout restart), or set kubernetes.fargate to restart",
        ),
    }
}

/// A pool whose nodes follow by themselves, and the oldest of their versions at this point of the plan.
struct Pool {
    name: String,
    oldest: Minor,
}

/// A pod on Fargate, and the version that its kubelet has at this point of the plan, where that reads.
struct PodOnFargate<'a> {
    pod: &'a FargatePod,
    version: Option<Minor>,
    /// Whether it was said that nobody restarts it.
    left: bool,
}

impl<'a> PodOnFargate<'a> {
    fn new(pod: &'a FargatePod) -> Self {
        Self { pod, version: pod.minor, left: false }
    }
}

/// A group that EKS does not manage, and the version it has at this point of the plan.
struct GroupInside<'a> {
    group: &'a SelfManagedGroup,
    version: Minor,
    /// The image that its nodes get; without one they stay.
    family: Option<&'a str>,
    strategy: NodeStrategy,
    reported: bool,
}

impl GroupInside<'_> {
    fn roll_for(
        &mut self,
        hop: &mut HopBuilder<'_>,
        nodes: NodeHops,
        policy: &Kubernetes,
        findings: &mut Vec<Finding>,
    ) {
        let Stage { to, next, target, .. } = hop.stage;
        let needed = next.is_some_and(|next| !skew_allows(next, self.version));
        let reason = if to <= self.version || self.family.is_none() {
            None
        } else if needed {
            Some(format!("at {} it would be too far behind the next control plane", self.version))
        } else if to == target {
            Some(format!("{to} is the target"))
        } else if nodes == NodeHops::EachHop {
            Some("policy: nodes follow every hop".to_owned())
        } else {
            None
        };
        if let Some((reason, family)) = reason.zip(self.family) {
            let name = self.group.group.name.clone();
            let Some(id) = hop.id(&format!("self-managed/{}", step_name(&name))) else { return };
            let size = u32::try_from(self.group.group.instances.len()).unwrap_or(u32::MAX);
            let kind = StepKind::SelfManagedNodes {
                name,
                from: self.version,
                to,
                way: policy.self_managed.way,
                strategy: self.strategy,
                size,
                surge: policy.self_managed.surge.min(size.max(1)),
                family: family.to_owned(),
            };
            let step = hop.step(id, kind, Vec::new(), reason, Reversibility::OneWay);
            hop.groups.push(step);
            self.version = to;
        }
        if !skew_allows(to, self.version) && !std::mem::replace(&mut self.reported, true) {
            findings.push(Finding::new(
                Code::SkewExceeded,
                Level::Block,
                &self.group.group.name,
                format!("its nodes are at {}, too far behind a control plane at {to}", self.version),
                "bring the group to a newer version first, or choose a lower target",
            ));
        }
    }
}

/// How much of a group's name stands in its step's.
const NAME_CHARS_MAX: usize = 200;

/// Names of Auto Scaling groups may hold what no step's may, and be longer. What was left out of a name is in a few digits
/// behind it, so that no two groups share a step.
fn step_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-/:@+=,".contains(c) { c } else { '_' };
    let kept: String = name.chars().map(plain).take(NAME_CHARS_MAX).collect();
    if kept == name {
        return kept;
    }
    let digits: String = digest(&[name]).chars().take(8).collect();
    format!("{kept}-{digits}")
}

/// A core component that is no add-on, and the image it has at this point of the plan.
struct ComponentInside<'a> {
    component: &'a Component,
    image: String,
}

impl ComponentInside<'_> {
    fn move_for(&mut self, hop: &mut HopBuilder<'_>, inventory: &Inventory, findings: &mut Vec<Finding>) {
        let Stage { from, to, next, target } = hop.stage;
        let name = &self.component.name;
        // At the minor where the cluster is already, and at the target, it goes to EKS's default; on the way only
        // where kube-proxy would be left too far behind.
        let too_far =
            next.zip(minor_of(name, &self.image)).is_some_and(|(next, minor)| !skew_allows(next, minor));
        if !(to == target || (too_far && from.is_some())) {
            return;
        }
        let here: &[Offer] = offers_of(inventory, name, to);
        let Some(version) = Image::read(&self.image).and_then(|image| image.version()) else { return };
        let serves = here.iter().any(|offer| offer.version == version);
        let default = here.iter().find(|offer| offer.is_default).map(|offer| &offer.version);
        let goal = match default {
            Some(default) if *default > version => Some(default),
            Some(_) if serves => None,
            _ => best_above(here, &version),
        };
        let Some(goal) = goal else {
            if !serves {
                findings.push(Finding::new(
                    Code::SelfManagedComponent,
                    Level::Warn,
                    name,
                    format!("EKS offers no version at or above {version} for {to}; it is left as it is"),
                    "see which version of it supports the target, and update it by hand",
                ));
            }
            return;
        };
        let is_cni = *name == CoreComponentName::VpcCni.as_str();
        let chain = if is_cni { cni_chain(&version, goal, here) } else { Ok(vec![goal.clone()]) };
        let Ok(chain) = chain else {
            findings.push(Finding::new(
                Code::CniGap,
                Level::Block,
                name,
                format!(
                    "it moves one minor at a time, and EKS offers none between {version} and {goal} for {to}"
                ),
                "update vpc-cni by hand to the newest minor below the gap, then start again",
            ));
            return;
        };
        let mut previous: Option<StepId> = None;
        for version in chain {
            let Some(image) = Image::read(&self.image).map(|image| image.at(&version)) else { return };
            let Some(id) = hop.id(&format!("core-component/{name}/{version}")) else { return };
            let kind = StepKind::CoreComponent {
                name: name.clone(),
                from: std::mem::replace(&mut self.image, image.clone()),
                to: image,
            };
            let reason = format!("EKS's version for {to}; it is no add-on here");
            let step =
                hop.step(id.clone(), kind, previous.into_iter().collect(), reason, Reversibility::OneWay);
            hop.addons.push(step);
            previous = Some(id);
        }
    }
}
