//! Who is old and who is new, as the cluster and its groups show it now.

use super::{NodeRoll, Roll, Scene, Way};
use crate::inside::{AutoScalingGroup, Node, Pod, Unseen};
use crate::version::Minor;

/// An instance of a group, with its node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member<'a> {
    /// The name of its node; its instance where it has none.
    pub(super) name: &'a str,
    /// Its instance.
    pub(super) instance: &'a str,
    /// Its node, if it has joined.
    pub(super) node: Option<&'a Node>,
}

impl Member<'_> {
    /// What was done to it. Names of nodes come back: another instance is another node.
    pub(super) fn touched<'r>(&self, roll: &'r Roll) -> Option<&'r NodeRoll> {
        roll.nodes.get(self.name).filter(|node| node.instance == self.instance)
    }

    fn is_at(&self, minor: Minor) -> bool {
        self.node.is_some_and(|node| node.minor == Some(minor))
    }

    fn is_ready_at(&self, minor: Minor) -> bool {
        self.is_at(minor) && self.node.is_some_and(|node| node.ready)
    }
}

/// How things stand.
pub(super) struct Stand<'a> {
    /// Those that are to be replaced and are still in their group.
    pub(super) old: Vec<Member<'a>>,
    /// The others of the group that receives new nodes.
    pub(super) new: Vec<Member<'a>>,
    /// How many of those the group wants.
    pub(super) wants_new: u32,
    /// How many nodes both groups want.
    pub(super) desired: u32,
    to: Minor,
    nodes: &'a [Node],
    pods: &'a [Pod],
    groups: [Option<&'a AutoScalingGroup>; 2],
}

impl<'a> Stand<'a> {
    /// Needs nodes and pods.
    pub(super) fn of(roll: Option<&Roll>, scene: &Scene<'a>) -> Result<Self, Unseen> {
        let (nodes, pods) = (scene.inside.nodes.get()?.as_slice(), scene.inside.pods.get()?.as_slice());
        let of_group = members(scene.group, nodes);
        let (old, others): (Vec<Member<'a>>, Vec<Member<'a>>) = match scene.way {
            Way::InPlace => of_group.into_iter().partition(|member| is_old(member, roll, scene.to)),
            Way::NewGroup => (of_group, members(scene.new_group, nodes)),
        };
        let wants_new = match scene.way {
            Way::InPlace => desired(scene.group).saturating_sub(count(old.len())),
            Way::NewGroup => desired(scene.new_group),
        };
        Ok(Self {
            old,
            new: others,
            wants_new,
            desired: desired(scene.group).saturating_add(desired(scene.new_group)),
            to: scene.to,
            nodes,
            pods,
            groups: [scene.group, scene.new_group],
        })
    }

    /// Whether a node is left at another minor.
    pub(super) fn is_behind(&self) -> bool {
        self.old.iter().any(|member| !member.is_at(self.to))
    }

    /// How many of the new ones are ready at the new minor.
    pub(super) fn ready(&self) -> u32 {
        count(self.new.iter().filter(|member| member.is_ready_at(self.to)).count())
    }

    /// Instances of the receiving group that are no ready nodes of the new minor.
    pub(super) fn not_joined(&self) -> Vec<&'a str> {
        self.new.iter().filter(|member| !member.is_ready_at(self.to)).map(|member| member.instance).collect()
    }

    /// Those that are taken away first when there are too many: that never joined, then with the fewest pods.
    pub(super) fn dispensable(&self, roll: &Roll) -> Vec<Member<'a>> {
        let untouched = |member: &Member<'_>| member.touched(roll).is_none();
        let mut new: Vec<Member<'a>> = self.new.iter().copied().filter(untouched).collect();
        new.sort_by_key(|member| {
            (member.is_ready_at(self.to), self.leaving(member.name).count(), member.name)
        });
        new
    }

    /// The node of an instance, if it has joined and is still there.
    pub(super) fn node_of(&self, instance: &str) -> Option<&'a Node> {
        self.nodes.iter().find(|node| node.instance.as_deref() == Some(instance))
    }

    /// Whether an instance is in one of the groups.
    pub(super) fn has(&self, instance: &str) -> bool {
        self.groups.iter().flatten().any(|group| group.instances.iter().any(|id| id == instance))
    }

    /// The pods that have to leave a node: those of daemon sets and static ones belong there.
    pub(super) fn leaving(&self, node: &str) -> impl Iterator<Item = &'a Pod> {
        let on_it = move |pod: &&Pod| pod.node.as_deref() == Some(node);
        self.pods.iter().filter(on_it).filter(|pod| !pod.is_daemon() && !pod.mirror)
    }

    /// How many nodes there are more than there shall be at the end: never more than were added here, as others may
    /// have resized the group for reasons of their own.
    pub(super) fn surplus(&self, roll: &Roll) -> u32 {
        roll.extra_left().min(self.desired.saturating_sub(roll.was.total()))
    }
}

/// In place a node is old that was so at the start, or that has joined at another minor before there was room for new
/// ones. One that comes after that at another minor is no old one: it is a new one that went wrong.
fn is_old(member: &Member<'_>, roll: Option<&Roll>, to: Minor) -> bool {
    let Some(node) = member.node.filter(|_| !member.is_at(to)) else { return false };
    let Some(roll) = roll else { return true };
    let before = roll.room.is_none_or(|room| node.made_at < room.since);
    before || roll.was.nodes.contains(&node.name)
}

fn members<'a>(group: Option<&'a AutoScalingGroup>, nodes: &'a [Node]) -> Vec<Member<'a>> {
    let instances = group.into_iter().flat_map(|group| &group.instances);
    let mut members: Vec<Member<'a>> = instances
        .map(|instance| {
            let node = nodes.iter().find(|node| node.instance.as_ref() == Some(instance));
            Member { name: node.map_or(instance, |node| &node.name), instance, node }
        })
        .collect();
    members.sort_by_key(|member| member.name);
    members
}

fn desired(group: Option<&AutoScalingGroup>) -> u32 {
    group.map_or(0, |group| group.desired)
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
