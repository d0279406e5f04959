//! The way of the group: Cluster Autoscaler paused, a template, room for new nodes, then the old ones, first one by
//! itself and then as many at a time as there is room for; at the end its sizes and the autoscaler as they were.

use super::next::LOOK_S;
use super::node::{Next, Touched};
use super::stand::{Member, Stand};
use super::{
    EVICT_AGAIN_S, Effect, Move, Moved, NodePhase, Paused, Roll, Scene, Sizes, Verdict, Way, beside, failure,
};
use crate::health::Vitals;
use crate::inside::{AutoScalingGroup, Template};
use crate::remedy::Failure;
use crate::waits::seconds_between;

/// How long the first new nodes may take to join, in seconds: what EKS gives those of managed groups.
const JOIN_S_MAX: u32 = 1200;
/// How long new nodes and workloads may take to settle after nodes were replaced, in seconds.
const SETTLE_S_MAX: u32 = 1800;
/// How long an effect is tried again that never comes through, in seconds.
const EFFECT_S_MAX: u32 = 1800;
/// How long an instance that was told to end may stay in its group, in seconds: lifecycle hooks hold it for up to an
/// hour unless they say otherwise, and it is out of service by then.
const END_S_MAX: u32 = 600;

pub(super) fn next(roll: &Roll, scene: &Scene<'_>, stand: &Stand<'_>) -> Verdict {
    let way = Group { roll, scene, stand };
    way.outstanding()
        .or_else(|| way.outdated())
        .or_else(|| way.touched())
        .or_else(|| way.prepare())
        .or_else(|| way.replace())
        .or_else(|| way.surplus())
        .or_else(|| way.tidy())
        .unwrap_or(Verdict::Done)
}

/// A roll, and what is seen of it now.
pub(super) struct Group<'a> {
    pub(super) roll: &'a Roll,
    pub(super) scene: &'a Scene<'a>,
    pub(super) stand: &'a Stand<'a>,
}

impl Group<'_> {
    /// An effect of which nobody knows whether it was made is made again.
    pub(super) fn outstanding(&self) -> Option<Verdict> {
        let meant = self.roll.meant.as_ref()?;
        let late = seconds_between(meant.since, self.scene.now) >= EFFECT_S_MAX;
        let pauses = matches!(meant.effect, Effect::PauseAutoscaler { .. });
        if late && !pauses && !meant.effect.mends() {
            return Some(Verdict::given_up(failure::refused(
                "EffectNotMade",
                format!("{} does not come through", in_words(&meant.effect)),
                "see the kube function's log for what AWS or the cluster answers, then start again",
            )));
        }
        Some(self.again(&meant.effect))
    }

    /// Meanwhile pods may have come onto a node that was about to end: they leave first.
    fn again(&self, effect: &Effect) -> Verdict {
        if let Effect::Terminate { node, instance, .. } = effect
            && let Some(touched) = self.roll.nodes.get(node)
            && self.stand.node_of(instance).is_some_and(|node| node.schedulable)
            && self.stand.leaving(node).next().is_some()
        {
            let (node, instance, surplus) = (node.clone(), instance.clone(), touched.surplus);
            return Verdict::meant(Effect::Cordon { node, instance, surplus });
        }
        Verdict::meant(effect.clone())
    }

    /// The control plane has gone back: no node may be newer than it.
    fn outdated(&self) -> Option<Verdict> {
        let Scene { to, control_plane, .. } = self.scene;
        (to > control_plane).then(|| {
            Verdict::given_up(failure::refused(
                "VersionMismatch",
                format!("nodes at {to} would be newer than a control plane at {control_plane}"),
                "see who changed the control plane, then start again",
            ))
        })
    }

    /// Nodes that are begun are ended.
    fn touched(&self) -> Option<Verdict> {
        let steps = self.roll.nodes.iter().map(|(name, node)| {
            let Self { roll, scene, stand } = self;
            Touched { name, node, roll, scene, stand }.next()
        });
        gather(steps).or_else(|| self.ending(Verdict::given_up))
    }

    /// Instances that were told to end have to leave their group.
    pub(super) fn ending(&self, late: impl Fn(Failure) -> Verdict) -> Option<Verdict> {
        let told = |member: &&Member<'_>| {
            let touched = member.touched(self.roll);
            touched.is_some_and(|node| node.phase == NodePhase::Terminated)
        };
        let all = self.stand.old.iter().chain(&self.stand.new);
        let ending: Vec<Member<'_>> = all.filter(told).copied().collect();
        let since = ending.iter().filter_map(|member| member.touched(self.roll)).map(|node| node.since).min()?;
        if seconds_between(since, self.scene.now) >= END_S_MAX {
            return Some(late(failure::not_ended(&ending)));
        }
        Some(Verdict::wait(LOOK_S, format!("{} instances end", ending.len())))
    }

    /// All that comes before the first node.
    fn prepare(&self) -> Option<Verdict> {
        let group = self.scene.group.filter(|_| self.roll.room.is_none() && !self.stand.old.is_empty())?;
        if let Some(why) = self.scene.held {
            return Some(Verdict::held(why));
        }
        Some(match (&self.roll.paused, self.scene.autoscaler, &self.roll.template) {
            (None, Some((deployment, replicas)), _) if replicas > 0 => {
                let paused = Paused { deployment: deployment.to_owned(), replicas };
                Verdict::meant(Effect::PauseAutoscaler { paused })
            }
            (_, _, None) => Verdict::meant(Effect::MakeTemplate),
            (_, _, Some(template)) => Verdict::meant(self.room(group, template)),
        })
    }

    fn room(&self, group: &AutoScalingGroup, template: &Template) -> Effect {
        let (old, template) = (count(self.stand.old.len()), template.clone());
        match self.scene.way {
            Way::InPlace => {
                let desired = group.desired.saturating_add(self.scene.surge.max(1).min(old));
                let sizes = Sizes { min: group.min, desired, max: group.max.max(desired) };
                Effect::Surge { template, sizes }
            }
            Way::NewGroup => {
                let desired = self.roll.was.beside.saturating_add(group.desired);
                let sizes = Sizes { min: 0, desired, max: self.roll.was.sizes.max.max(desired) };
                let old = Sizes { min: 0, desired: group.desired, max: group.max };
                Effect::MakeGroup { name: beside(&group.name, self.scene.to), template, sizes, old }
            }
        }
    }

    /// The next old nodes, once the new ones and the workloads are well.
    fn replace(&self) -> Option<Verdict> {
        let over = self.stand.old.is_empty() && (self.stand.wants_new == 0 || !self.roll.restored.is_empty());
        if over || self.roll.room.is_none() {
            return None;
        }
        if let Some(failure) = self.changed_by_others() {
            return Some(Verdict::given_up(failure));
        }
        if let Some(why) = self.scene.held.filter(|_| !self.stand.old.is_empty()) {
            // What is held must not be given up for the time that passes.
            let settled = self.roll.unsettled.map(|_| Verdict::line(Moved::Settled));
            return Some(settled.unwrap_or_else(|| Verdict::held(why)));
        }
        if let Some((why, failure)) = self.unwell() {
            return Some(self.unsettled(why, failure));
        }
        if self.stand.old.is_empty() {
            return None;
        }
        Some(Verdict::Do(self.batch()))
    }

    fn changed_by_others(&self) -> Option<Failure> {
        let changed = |what: String| {
            failure::refused("GroupChanged", what, "see who changes the group meanwhile, then start again")
        };
        let name = &self.scene.group?.name;
        match self.scene.way {
            Way::NewGroup if self.scene.new_group.is_none() => {
                Some(changed(format!("the group beside {name} is gone")))
            }
            Way::InPlace if self.scene.group?.template != self.roll.template => {
                Some(changed(format!("group {name} has another template than it was given")))
            }
            Way::InPlace | Way::NewGroup => None,
        }
    }

    /// Why the next nodes have to wait, and what that comes to if it lasts.
    fn unwell(&self) -> Option<(String, Failure)> {
        let (ready, wanted) = (self.stand.ready(self.roll), self.stand.wants_new);
        if ready < wanted {
            let receiver = match self.scene.way {
                Way::InPlace => self.scene.group,
                Way::NewGroup => self.scene.new_group,
            };
            let name = receiver.map_or("", |group| &group.name);
            let failure = failure::not_joined(name, self.scene.to, ready, wanted, &self.stand.not_joined());
            return Some((failure.message.clone(), failure));
        }
        let worse = match Vitals::of(self.scene.inside) {
            Ok(vitals) => vitals.worse_than(&self.roll.was.vitals),
            Err(why) => vec![why.to_string()],
        };
        (!worse.is_empty()).then(|| (worse.join("; "), failure::worse(&worse.join("; "))))
    }

    fn unsettled(&self, why: String, failure: Failure) -> Verdict {
        let replaced = self.roll.nodes.values().any(|node| !node.phase.is_unfinished());
        let limit_s = if replaced { SETTLE_S_MAX } else { JOIN_S_MAX };
        match self.roll.unsettled {
            None => Verdict::line(Moved::Unsettled { why }),
            Some(since) if seconds_between(since, self.scene.now) >= limit_s => Verdict::given_up(failure),
            Some(_) => Verdict::wait(LOOK_S, why),
        }
    }

    /// One node by itself first, whole; then as many as there is room for.
    fn batch(&self) -> Vec<Move> {
        let first = !self.roll.nodes.values().any(|node| !node.surplus && !node.phase.is_unfinished());
        let size = if first { 1 } else { usize::try_from(self.scene.surge.max(1)).unwrap_or(1) };
        let settled = self.roll.unsettled.map(|_| Move::Do(Moved::Settled));
        let cordons = self.stand.old.iter().take(size).map(|old| cordon(old, false));
        settled.into_iter().chain(cordons).collect()
    }

    /// New nodes that there is no more need of go the same way as old ones.
    pub(super) fn surplus(&self) -> Option<Verdict> {
        let surplus = usize::try_from(self.stand.surplus(self.roll)).unwrap_or(usize::MAX);
        let moves: Vec<Move> =
            self.stand.dispensable(self.roll).iter().take(surplus).map(|new| cordon(new, true)).collect();
        (!moves.is_empty()).then_some(Verdict::Do(moves))
    }

    /// The groups as they shall be, then the autoscaler.
    fn tidy(&self) -> Option<Verdict> {
        let (keeps, goes) = match self.scene.way {
            Way::InPlace => (self.scene.group, None),
            Way::NewGroup => (self.scene.new_group, self.scene.group),
        };
        self.restore(keeps, self.followed_latest())
            .or_else(|| self.delete(goes.filter(|_| keeps.is_some())))
            .or_else(|| self.resume())
    }

    /// A group that took the latest version of its template takes it again: that is the one that was made.
    fn followed_latest(&self) -> Option<Template> {
        let was = &self.roll.was.template;
        (self.scene.way == Way::InPlace && was.version == "$Latest").then(|| was.clone())
    }

    /// Gives a group the sizes that it shall keep, once: its own bounds, unless that would end nodes.
    pub(super) fn restore(
        &self,
        group: Option<&AutoScalingGroup>,
        template: Option<Template>,
    ) -> Option<Verdict> {
        let group = group.filter(|group| self.roll.room.is_some() && !self.roll.restored.contains(&group.name))?;
        let was = self.roll.was.sizes;
        let desired = group.desired.saturating_sub(self.unfilled(group));
        let sizes = Sizes { min: was.min.min(desired), desired, max: was.max.max(desired) };
        let is = Sizes { min: group.min, desired: group.desired, max: group.max };
        let template = template.filter(|template| group.template.as_ref() != Some(template));
        (sizes != is || template.is_some())
            .then(|| Verdict::meant(Effect::Restore { group: group.name.clone(), sizes, template }))
    }

    /// How many of the surplus nodes were never launched: they are the only ones that a group may forget by itself, as
    /// otherwise it would choose which nodes to end.
    fn unfilled(&self, group: &AutoScalingGroup) -> u32 {
        let receives = match self.scene.way {
            Way::InPlace => true,
            Way::NewGroup => self.scene.new_group.is_some_and(|new| new.name == group.name),
        };
        if !receives {
            return 0;
        }
        let missing = group.desired.saturating_sub(count(group.instances.len()));
        missing.min(self.stand.surplus(self.roll))
    }

    pub(super) fn delete(&self, group: Option<&AutoScalingGroup>) -> Option<Verdict> {
        let group = group?;
        if group.instances.is_empty() {
            return Some(Verdict::meant(Effect::DeleteGroup { group: group.name.clone() }));
        }
        Some(Verdict::wait(LOOK_S, format!("group {} has instances left", group.name)))
    }

    pub(super) fn resume(&self) -> Option<Verdict> {
        let paused = self.roll.paused.clone()?;
        Some(Verdict::meant(Effect::ResumeAutoscaler { paused }))
    }
}

fn cordon(member: &Member<'_>, surplus: bool) -> Move {
    let (node, instance) = (member.name.to_owned(), member.instance.to_owned());
    Move::Do(Moved::Meant { effect: Effect::Cordon { node, instance, surplus } })
}

/// What comes next for all nodes together. One instance at a time ends: how many are left decides on the next one.
pub(super) fn gather(steps: impl Iterator<Item = Next>) -> Option<Verdict> {
    let (mut moves, mut pause, mut ends) = (Vec::new(), None::<(u32, String)>, false);
    for step in steps {
        match step {
            Next::Stuck(failure) => return Some(Verdict::given_up(failure)),
            Next::Moves(more) if ends && more.iter().any(terminates) => {}
            Next::Moves(more) => {
                ends |= more.iter().any(terminates);
                moves.extend(more);
            }
            Next::Wait(seconds, text) if pause.as_ref().is_none_or(|(least, _)| seconds < *least) => {
                pause = Some((seconds, text));
            }
            Next::Wait(..) | Next::Over => {}
        }
    }
    if !moves.is_empty() {
        return Some(Verdict::Do(moves));
    }
    pause.map(|(seconds, text)| Verdict::wait(seconds.max(EVICT_AGAIN_S), text))
}

fn terminates(one: &Move) -> bool {
    matches!(one, Move::Do(Moved::Meant { effect: Effect::Terminate { .. } }))
}

fn in_words(effect: &Effect) -> String {
    match effect {
        Effect::PauseAutoscaler { paused } => format!("pausing {}", paused.deployment),
        Effect::ResumeAutoscaler { paused } => format!("resuming {}", paused.deployment),
        Effect::MakeTemplate => "making the launch template version".into(),
        Effect::Surge { .. } => "giving the group room for new nodes".into(),
        Effect::MakeGroup { name, .. } => format!("making group {name}"),
        Effect::Cordon { node, .. } => format!("cordoning {node}"),
        Effect::DeletePods { node, .. } => format!("deleting the pods that stay on {node}"),
        Effect::Terminate { node, .. } => format!("ending {node}"),
        Effect::Release { node } => format!("letting pods onto {node}"),
        Effect::Restore { group, .. } => format!("restoring group {group}"),
        Effect::DeleteGroup { group } => format!("deleting group {group}"),
    }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
