//! What the lines of a roll add up to, and which line may follow which.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Effect, Moved, Paused, Was};
use crate::inside::Template;
use crate::remedy::Failure;
use crate::waits::seconds_between;

/// How long an effect is tried again that never comes through, in seconds.
const EFFECT_S_MAX: u32 = 1800;
/// How often it is tried at least: whoever comes back after hours has not tried for hours.
const TRIES_MIN: u32 = 5;

/// Where a node stands that was touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodePhase {
    /// It gets no more pods, and those it has leave.
    Cordoned,
    /// Those that do not leave are deleted.
    Forced,
    /// None is left; load balancers forget it.
    Emptied,
    /// Its instance is about to be ended.
    Terminating,
    /// Its instance was told to end.
    Terminated,
    /// It is about to take pods again.
    Releasing,
    /// It takes pods again.
    Released,
    /// It is not there any more.
    Gone,
    /// It stays cordoned: letting pods onto it never came through.
    Left,
}

impl NodePhase {
    /// Whether something is left to be done to the node.
    #[must_use]
    pub fn is_unfinished(self) -> bool {
        !matches!(self, Self::Terminated | Self::Released | Self::Gone | Self::Left)
    }
}

/// One node that was touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRoll {
    /// Its instance.
    pub instance: String,
    /// Whether it is a new one that there is no more need of.
    pub surplus: bool,
    /// Since when it is being replaced.
    pub began: Timestamp,
    /// Where it stands.
    pub phase: NodePhase,
    /// Since when.
    pub since: Timestamp,
    /// Whether its group was told to want one less for it.
    pub shrunk: bool,
}

/// An effect of which nobody knows yet whether it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meant {
    /// It.
    pub effect: Effect,
    /// Since when it is meant.
    pub since: Timestamp,
    /// How often that was said.
    pub tries: u32,
}

/// The room that new nodes have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// How many nodes more were asked for than there were.
    pub extra: u32,
    /// Since when.
    pub since: Timestamp,
}

/// A roll that is being taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// Why.
    pub failure: Failure,
    /// Since when.
    pub since: Timestamp,
    /// Whether new nodes that there is no need of stay: taking them away failed as well.
    pub surplus_stays: bool,
}

/// What the lines add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roll {
    /// The group as it was.
    pub was: Was,
    /// Since when it is rolled.
    pub since: Timestamp,
    /// The effect of which nobody knows yet whether it was made: at most one at any time.
    pub meant: Option<Meant>,
    /// Cluster Autoscaler, from when it is about to be paused until it runs again.
    pub paused: Option<Paused>,
    /// Whether Cluster Autoscaler has run since there was room for new nodes: it may have taken that away.
    pub rested: bool,
    /// The template that was made.
    pub template: Option<Template>,
    /// The room for new nodes, from when it is about to be made.
    pub room: Option<Room>,
    /// The nodes that were touched.
    pub nodes: BTreeMap<String, NodeRoll>,
    /// Since when the next nodes have to wait, where they have to.
    pub unsettled: Option<Timestamp>,
    /// The groups that have the sizes that they shall keep.
    pub restored: BTreeSet<String>,
    /// Since when nodes and pods cannot be seen, if they cannot.
    pub unseen: Option<Timestamp>,
    /// What should have been put in order, and is left to a person.
    pub left: Vec<Effect>,
    /// Why it is taken back, if it is.
    pub given_up: Option<GivenUp>,
}

impl Roll {
    /// What the lines so far and one more add up to; `None` where it may not follow.
    #[must_use]
    pub fn after(state: Option<Self>, moved: &Moved, at: Timestamp) -> Option<Self> {
        match (state, moved) {
            (None, Moved::Begun { was }) => Some(Self::begun(was, at)),
            (None, _) | (Some(_), Moved::Begun { .. }) => None,
            (Some(mut roll), moved) => roll.apply(moved, at).then_some(roll),
        }
    }

    /// Whether somebody else had cordoned a node before: then it is not for us to let pods onto it.
    #[must_use]
    pub fn was_cordoned(&self, node: &str) -> bool {
        self.was.cordoned.iter().any(|name| name == node)
    }

    fn begun(was: &Was, at: Timestamp) -> Self {
        Self {
            was: was.clone(),
            since: at,
            meant: None,
            paused: None,
            rested: false,
            template: None,
            room: None,
            nodes: BTreeMap::new(),
            unsettled: None,
            restored: BTreeSet::new(),
            unseen: None,
            left: Vec::new(),
            given_up: None,
        }
    }

    /// Whether it may wait for another day: no node is half done, nothing is being taken back, and there are nodes
    /// left to be replaced.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        let replaced = |name: &String| self.nodes.get(name).is_some_and(|node| !node.phase.is_unfinished());
        self.meant.is_none()
            && self.given_up.is_none()
            && !self.nodes.values().any(|node| node.phase.is_unfinished())
            && !self.was.nodes.iter().all(replaced)
    }

    /// Whether an effect was tried often enough, and for long enough, to say that it does not come through. Where one
    /// was left to a person already the others need not be tried for as long.
    #[must_use]
    pub fn is_late(&self, meant: &Meant, now: Timestamp) -> bool {
        let long = !self.left.is_empty() || seconds_between(meant.since, now) >= EFFECT_S_MAX;
        meant.tries >= TRIES_MIN && long
    }

    /// How many of the nodes that were added were not taken away again.
    pub(super) fn extra_left(&self) -> u32 {
        let shrunk = self.nodes.values().filter(|node| node.shrunk).count();
        let shrunk = u32::try_from(shrunk).unwrap_or(u32::MAX);
        self.room.map_or(0, |room| room.extra).saturating_sub(shrunk)
    }

    /// Cluster Autoscaler as it was, where it is paused and still can be put back.
    #[must_use]
    pub fn owes(&self) -> Option<&Paused> {
        let given_over = |effect: &Effect| matches!(effect, Effect::ResumeAutoscaler { .. });
        self.paused.as_ref().filter(|_| !self.left.iter().any(given_over))
    }

    /// Applies a line; `false` where it may not follow.
    fn apply(&mut self, moved: &Moved, at: Timestamp) -> bool {
        match moved {
            Moved::Begun { .. } => return false,
            Moved::Meant { effect } => return self.mean(effect, at),
            Moved::Made { effect } => self.made(effect, at),
            Moved::TemplateMade { template, .. } => {
                self.template = Some(template.clone());
                self.no_more(&Effect::MakeTemplate);
            }
            Moved::Emptied { node } => {
                return self.pass(node, &[NodePhase::Cordoned, NodePhase::Forced], NodePhase::Emptied, at);
            }
            Moved::Gone { node } => match self.nodes.get_mut(node) {
                Some(touched) => touched.enter(NodePhase::Gone, at),
                None => return false,
            },
            Moved::Unsettled { .. } => self.unsettled = self.unsettled.or(Some(at)),
            Moved::Settled => self.unsettled = None,
            Moved::Unseen { .. } => self.unseen = self.unseen.or(Some(at)),
            Moved::Seen => self.unseen = None,
            Moved::Left { effect } => return self.leave(effect, at),
            Moved::GivenUp { failure, denied } => {
                if *denied {
                    self.forget();
                }
                self.give_up(failure, at);
            }
        }
        true
    }

    /// What was denied when it was first tried need not be taken back; that may be denied as well.
    fn forget(&mut self) {
        let Some(Meant { effect, since, tries: 1 }) = &self.meant else { return };
        match effect {
            Effect::PauseAutoscaler { .. } => self.paused = None,
            Effect::Cordon { node, .. } => {
                // One that was on record before this line stays so.
                self.nodes.retain(|name, touched| name != node || touched.began != *since);
            }
            _ => {}
        }
    }

    /// Only what puts something in order is left to a person, and only after it was tried.
    fn leave(&mut self, effect: &Effect, at: Timestamp) -> bool {
        if !effect.mends() || !self.means(effect) {
            return false;
        }
        self.meant = None;
        match effect {
            Effect::Release { node } => {
                self.pass(node, &[NodePhase::Releasing], NodePhase::Left, at);
            }
            Effect::Restore { group, .. } => {
                self.restored.insert(group.clone());
            }
            _ => {}
        }
        self.left.push(effect.clone());
        true
    }

    fn give_up(&mut self, failure: &Failure, since: Timestamp) {
        self.meant = None;
        match &mut self.given_up {
            Some(given_up) => given_up.surplus_stays = true,
            None => self.given_up = Some(GivenUp { failure: failure.clone(), since, surplus_stays: false }),
        }
    }

    /// An effect is meant. One that was meant before and not known to be made gives way.
    fn mean(&mut self, effect: &Effect, at: Timestamp) -> bool {
        let may = match effect {
            Effect::PauseAutoscaler { paused } => {
                let first = self.paused.is_none();
                self.paused.get_or_insert_with(|| paused.clone());
                first || self.means(effect)
            }
            Effect::ResumeAutoscaler { .. } => self.paused.is_some(),
            Effect::MakeTemplate => self.template.is_none(),
            Effect::Surge { extra, .. } => self.open(*extra, at),
            Effect::MakeGroup { sizes, .. } => self.open(sizes.desired.saturating_sub(self.was.beside), at),
            Effect::Cordon { node, instance, surplus } => self.cordon(node, instance, *surplus, at),
            Effect::DeletePods { node, .. } => {
                self.pass(node, &[NodePhase::Cordoned, NodePhase::Forced], NodePhase::Forced, at)
            }
            Effect::Terminate { node, shrink, .. } => self.terminate(node, *shrink, at),
            Effect::Release { node } => self.release(node, at),
            Effect::Restore { .. } | Effect::DeleteGroup { .. } => !self.has_unfinished(),
        };
        if may {
            self.say(effect, at);
        }
        may
    }

    fn say(&mut self, effect: &Effect, at: Timestamp) {
        match &mut self.meant {
            Some(meant) if meant.effect == *effect => meant.tries = meant.tries.saturating_add(1),
            meant => *meant = Some(Meant { effect: effect.clone(), since: at, tries: 1 }),
        }
    }

    fn means(&self, effect: &Effect) -> bool {
        self.meant.as_ref().is_some_and(|meant| meant.effect == *effect)
    }

    fn no_more(&mut self, effect: &Effect) {
        if self.means(effect) {
            self.meant = None;
        }
    }

    fn has_unfinished(&self) -> bool {
        self.nodes.values().any(|node| node.phase.is_unfinished())
    }

    /// A node is cordoned, for the first time or again: its drain counts from the first.
    fn cordon(&mut self, node: &str, instance: &str, surplus: bool, at: Timestamp) -> bool {
        self.rested = false;
        match self.nodes.get_mut(node).filter(|touched| touched.phase.is_unfinished()) {
            Some(touched) if touched.phase == NodePhase::Releasing => false,
            Some(touched) => {
                touched.enter(NodePhase::Cordoned, at);
                touched.shrunk = false;
                true
            }
            None => {
                let touched = NodeRoll {
                    instance: instance.to_owned(),
                    surplus,
                    began: at,
                    phase: NodePhase::Cordoned,
                    since: at,
                    shrunk: false,
                };
                self.nodes.insert(node.to_owned(), touched);
                true
            }
        }
    }

    /// No instance ends whose node was not emptied, or its pods deleted by consent.
    fn terminate(&mut self, node: &str, shrink: bool, at: Timestamp) -> bool {
        let from = [NodePhase::Emptied, NodePhase::Forced, NodePhase::Terminating];
        let may = self.pass(node, &from, NodePhase::Terminating, at);
        if let Some(touched) = self.nodes.get_mut(node).filter(|_| may) {
            touched.shrunk = shrink;
        }
        may
    }

    fn release(&mut self, node: &str, at: Timestamp) -> bool {
        match self.nodes.get_mut(node).filter(|touched| touched.phase.is_unfinished()) {
            Some(touched) => {
                touched.shrunk = false;
                touched.enter(NodePhase::Releasing, at);
                true
            }
            None => false,
        }
    }

    /// An effect was made. Repeating it changes nothing.
    fn made(&mut self, effect: &Effect, at: Timestamp) {
        if !self.means(effect) {
            return;
        }
        self.meant = None;
        match effect {
            Effect::ResumeAutoscaler { .. } => {
                self.paused = None;
                self.rested = self.room.is_some();
            }
            Effect::Surge { .. } | Effect::MakeGroup { .. } => {
                self.rested = false;
                self.room = self.room.map(|room| Room { since: at, ..room });
            }
            Effect::Terminate { node, .. } => {
                self.pass(node, &[NodePhase::Terminating], NodePhase::Terminated, at);
            }
            Effect::Release { node } => {
                self.pass(node, &[NodePhase::Releasing], NodePhase::Released, at);
            }
            Effect::Restore { group, .. } => {
                self.restored.insert(group.clone());
            }
            Effect::PauseAutoscaler { .. }
            | Effect::MakeTemplate
            | Effect::Cordon { .. }
            | Effect::DeletePods { .. }
            | Effect::DeleteGroup { .. } => {}
        }
    }

    /// There is room for more nodes, or about to be: once, and with the new template only. As long as nobody knows
    /// whether it was made it may be meant otherwise: the group may have another size by now. After a rest there is as
    /// much room again as there was.
    fn open(&mut self, extra: u32, since: Timestamp) -> bool {
        let outstanding = self.meant.as_ref().is_some_and(|meant| meant.effect.opens());
        let again = self.room.filter(|_| self.rested);
        let may = self.template.is_some() && (self.room.is_none() || outstanding || again.is_some());
        if may {
            self.room = Some(Room { extra: again.map_or(extra, |room| room.extra), since });
        }
        may
    }

    fn pass(&mut self, node: &str, from: &[NodePhase], to: NodePhase, at: Timestamp) -> bool {
        match self.nodes.get_mut(node).filter(|touched| from.contains(&touched.phase)) {
            Some(touched) => {
                touched.enter(to, at);
                true
            }
            None => false,
        }
    }
}

impl NodeRoll {
    /// A phase that is repeated keeps the time it began.
    fn enter(&mut self, phase: NodePhase, at: Timestamp) {
        if self.phase != phase {
            self.phase = phase;
            self.since = at;
        }
    }
}
