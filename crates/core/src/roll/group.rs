//! What the way there and the way back have in common: effects made again, too many new nodes, the groups and the
//! autoscaler as they shall be.

use super::next::LOOK_S;
use super::node::Next;
use super::stand::{Member, Stand};
use super::{EVICT_AGAIN_S, Effect, Move, Moved, Roll, Scene, Sizes, Verdict, Way, beside, failure};
use crate::inside::{AutoScalingGroup, Template};

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
        let late = self.roll.is_late(meant, self.scene.now);
        if late && meant.effect.mends() {
            return Some(Verdict::line(Moved::Left { effect: meant.effect.clone() }));
        }
        if late {
            return Some(Verdict::given_up(failure::refused(
                "EffectNotMade",
                format!("this does not come through: {}", meant.effect),
                "see the kube function's log for what AWS or the cluster answers, then start again",
            )));
        }
        self.again(&meant.effect)
    }

    /// As things are now: the effect may have been made, and others may have acted since.
    fn again(&self, effect: &Effect) -> Option<Verdict> {
        match effect {
            // What sizes a group shall keep is reckoned anew, each time.
            Effect::Restore { .. } => None,
            Effect::Surge { .. } | Effect::MakeGroup { .. } if self.roll.rested => {
                let made = || Verdict::line(Moved::Made { effect: effect.clone() });
                Some(self.room_again().unwrap_or_else(made))
            }
            Effect::Surge { template, .. } if self.scene.group?.template.as_ref() == Some(template) => {
                Some(Verdict::line(Moved::Made { effect: effect.clone() }))
            }
            Effect::Surge { template, .. } | Effect::MakeGroup { template, .. } => {
                Some(Verdict::meant(self.room(self.scene.group?, template)))
            }
            Effect::Terminate { node, instance, .. } if self.has_filled(node, instance) => {
                let surplus = self.roll.nodes.get(node).is_some_and(|node| node.surplus);
                let (node, instance) = (node.clone(), instance.clone());
                Some(Verdict::meant(Effect::Cordon { node, instance, surplus }))
            }
            effect => Some(Verdict::meant(effect.clone())),
        }
    }

    /// Somebody let pods onto a node that was about to end: they leave first.
    fn has_filled(&self, node: &str, instance: &str) -> bool {
        let open = self.stand.node_of(instance).is_some_and(|node| node.schedulable);
        open && self.stand.leaving(node).next().is_some()
    }

    /// The room that new nodes need.
    pub(super) fn room(&self, group: &AutoScalingGroup, template: &Template) -> Effect {
        let template = template.clone();
        match self.scene.way {
            Way::InPlace => {
                let extra = self.scene.surge.max(1).min(count(self.stand.old.len()));
                let desired = group.desired.saturating_add(extra);
                let sizes = Sizes { min: group.min, desired, max: group.max.max(desired) };
                Effect::Surge { template, sizes, extra }
            }
            Way::NewGroup => {
                let desired = self.roll.was.beside.saturating_add(group.desired);
                let sizes = Sizes { min: 0, desired, max: self.roll.was.sizes.max.max(desired) };
                let old = Sizes { min: 0, desired: group.desired, max: group.max };
                Effect::MakeGroup { name: beside(&group.name, self.scene.to), template, sizes, old }
            }
        }
    }

    /// The room that new nodes had before a rest, where Cluster Autoscaler has taken it away. Whatever else it has made
    /// of the group meanwhile stays so.
    pub(super) fn room_again(&self) -> Option<Verdict> {
        let (group, template) = (self.scene.group?, self.roll.template.clone()?);
        let was = &self.roll.was;
        let effect = match self.scene.way {
            Way::InPlace => {
                let extra = self.roll.extra_left().min(count(self.stand.old.len()));
                if extra == 0 || group.desired > was.total() {
                    return None;
                }
                let desired = group.desired.saturating_add(extra);
                let sizes = Sizes { min: group.min, desired, max: group.max.max(desired) };
                Effect::Surge { template, sizes, extra }
            }
            Way::NewGroup => {
                let new = self.scene.new_group?;
                let desired = was.beside.saturating_add(self.roll.room?.extra);
                if new.desired >= desired {
                    return None;
                }
                let sizes = Sizes { min: new.min, desired, max: new.max.max(desired) };
                let old = Sizes { min: 0, desired: group.desired, max: group.max };
                Effect::MakeGroup { name: new.name.clone(), template, sizes, old }
            }
        };
        Some(Verdict::meant(effect))
    }

    /// New nodes that there is no more need of go the same way as old ones.
    pub(super) fn surplus(&self) -> Option<Verdict> {
        let surplus = self.stand.surplus(self.roll).saturating_sub(self.unlaunched());
        let surplus = usize::try_from(surplus).unwrap_or(usize::MAX);
        let moves: Vec<Move> =
            self.stand.dispensable(self.roll).iter().take(surplus).map(|new| cordon(new, true)).collect();
        (!moves.is_empty()).then_some(Verdict::Do(moves))
    }

    /// Gives a group the sizes that it shall keep, once: its own bounds, unless that would end nodes.
    pub(super) fn restore(
        &self,
        group: Option<&AutoScalingGroup>,
        template: Option<Template>,
    ) -> Option<Verdict> {
        let group =
            group.filter(|group| self.roll.room.is_some() && !self.roll.restored.contains(&group.name))?;
        let was = self.roll.was.sizes;
        let forgets = if self.receiver() == Some(group) { self.unlaunched() } else { 0 };
        let desired = group.desired.saturating_sub(forgets);
        let sizes = Sizes { min: was.min.min(desired), desired, max: was.max.max(desired) };
        let is = Sizes { min: group.min, desired: group.desired, max: group.max };
        let template = template.filter(|template| group.template.as_ref() != Some(template));
        (sizes != is || template.is_some())
            .then(|| Verdict::meant(Effect::Restore { group: group.name.clone(), sizes, template }))
    }

    /// How many of the surplus nodes are not launched yet, or never will be: they are the only ones that a group may
    /// forget by itself, as it would choose otherwise which nodes to end.
    pub(super) fn unlaunched(&self) -> u32 {
        let missing =
            self.receiver().map_or(0, |group| group.desired.saturating_sub(count(group.instances.len())));
        missing.min(self.stand.surplus(self.roll))
    }

    /// The group that new nodes come into.
    pub(super) fn receiver(&self) -> Option<&AutoScalingGroup> {
        match self.scene.way {
            Way::InPlace => self.scene.group,
            Way::NewGroup => self.scene.new_group,
        }
    }

    /// Cluster Autoscaler runs again, unless another roll of the run still needs it paused: that one resumes it.
    pub(super) fn resume(&self) -> Option<Verdict> {
        if self.scene.needed_elsewhere { None } else { self.resume_now() }
    }

    /// The same, whatever other rolls do.
    pub(super) fn resume_now(&self) -> Option<Verdict> {
        let paused = self.roll.owes()?.clone();
        Some(Verdict::meant(Effect::ResumeAutoscaler { paused }))
    }
}

/// A group with no instances left is deleted.
pub(super) fn delete(group: &AutoScalingGroup) -> Verdict {
    if group.instances.is_empty() {
        return Verdict::meant(Effect::DeleteGroup { group: group.name.clone() });
    }
    Verdict::wait(LOOK_S, format!("group {} has instances left", group.name))
}

pub(super) fn cordon(member: &Member<'_>, surplus: bool) -> Move {
    let (node, instance) = (member.name.to_owned(), member.instance.to_owned());
    Move::Do(Moved::Meant { effect: Effect::Cordon { node, instance, surplus } })
}

/// What comes next for all nodes together.
pub(super) fn gather(steps: impl Iterator<Item = Next>) -> Option<Verdict> {
    let (mut moves, mut pause) = (Vec::new(), None::<(u32, String)>);
    for step in steps {
        match step {
            Next::Stuck(failure) => return Some(Verdict::given_up(failure)),
            Next::Moves(more) => moves.extend(more),
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

pub(super) fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
