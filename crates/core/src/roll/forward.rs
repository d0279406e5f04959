//! The way of the group: Cluster Autoscaler paused, a template, room for new nodes, then the old ones, first one by
//! itself and then as many at a time as there is room for; at the end its sizes and the autoscaler as they were.

use super::autoscaler::running;
use super::group::{Group, cordon, delete, gather};
use super::next::LOOK_S;
use super::node::Touched;
use super::stand::{Member, Stand};
use super::{Effect, Held, Move, Moved, NodePhase, Roll, Scene, Verdict, Way, failure};
use crate::health::Vitals;
use crate::inside::{Template, Unseen};
use crate::remedy::Failure;
use crate::waits::seconds_between;

/// How long the first new nodes may take to join, in seconds: what EKS gives those of managed groups.
const JOIN_S_MAX: u32 = 1200;
/// How long new nodes and workloads may take to settle after nodes were replaced, in seconds.
const SETTLE_S_MAX: u32 = 1800;
/// How long an instance that was told to end may stay in service, in seconds: it is out of it within one minute.
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
        .unwrap_or_else(|| way.done())
}

impl Group<'_> {
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
        gather(steps).or_else(|| self.ending())
    }

    /// Instances that were told to end have to leave their group.
    fn ending(&self) -> Option<Verdict> {
        let told = |member: &&Member<'_>| {
            let touched = member.touched(self.roll);
            touched.is_some_and(|node| node.phase == NodePhase::Terminated)
        };
        let all = self.stand.old.iter().chain(&self.stand.new);
        let ending: Vec<Member<'_>> = all.filter(told).copied().collect();
        let since =
            ending.iter().filter_map(|member| member.touched(self.roll)).map(|node| node.since).min()?;
        if seconds_between(since, self.scene.now) >= END_S_MAX {
            return Some(Verdict::given_up(failure::not_ended(&ending)));
        }
        Some(Verdict::wait(LOOK_S, format!("{} instances end", ending.len())))
    }

    /// All that comes before the first node.
    fn prepare(&self) -> Option<Verdict> {
        let group = self.scene.group.filter(|_| self.roll.room.is_none() && !self.stand.old.is_empty())?;
        if let Some(held) = &self.scene.held {
            return Some(self.rest(held));
        }
        Some(match (self.autoscaler(), &self.roll.template) {
            (Some(verdict), _) => verdict,
            (None, None) => Verdict::meant(Effect::MakeTemplate),
            (None, Some(template)) => Verdict::meant(self.room(group, template)),
        })
    }

    /// It would take new nodes away while they are empty.
    fn autoscaler(&self) -> Option<Verdict> {
        if self.roll.paused.is_some() {
            return None;
        }
        match running(self.scene.inside) {
            Ok(running) => {
                // Where it is paused already it is for this roll as well.
                let paused = running.or_else(|| self.scene.paused_elsewhere.cloned())?;
                Some(Verdict::meant(Effect::PauseAutoscaler { paused }))
            }
            Err(Unseen(why)) => {
                Some(Verdict::wait(LOOK_S, format!("whether Cluster Autoscaler runs cannot be seen: {why}")))
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
        if let Some(held) = self.scene.held.as_ref().filter(|_| !self.stand.old.is_empty()) {
            // What is held must not be given up for the time that passes.
            let settled = self.roll.unsettled.map(|_| Verdict::line(Moved::Settled));
            return Some(settled.unwrap_or_else(|| self.rest(held)));
        }
        if let Some(verdict) = self.go_on() {
            return Some(verdict);
        }
        if let Some((why, failure)) = self.unwell() {
            return Some(self.unsettled(why, failure));
        }
        if self.stand.old.is_empty() {
            return None;
        }
        Some(Verdict::Do(self.batch()))
    }

    /// Between two nodes. Where it takes long Cluster Autoscaler runs meanwhile: the cluster has to grow and shrink.
    fn rest(&self, held: &Held<'_>) -> Verdict {
        let resumed = self.resume_now().filter(|_| held.long);
        resumed.unwrap_or_else(|| Verdict::held(held.why))
    }

    /// After a rest it is as before it: Cluster Autoscaler paused, and room for new nodes.
    fn go_on(&self) -> Option<Verdict> {
        if !self.roll.rested || self.stand.old.is_empty() {
            return None;
        }
        self.autoscaler().or_else(|| self.room_again())
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
        let (ready, wanted) = (self.stand.ready(), self.stand.wants_new);
        if ready < wanted {
            let name = self.receiver().map_or("", |group| &group.name);
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

    /// The groups as they shall be, then the autoscaler.
    fn tidy(&self) -> Option<Verdict> {
        let (keeps, goes) = match self.scene.way {
            Way::InPlace => (self.scene.group, None),
            Way::NewGroup => (self.scene.new_group, self.scene.group),
        };
        self.restore(keeps, self.followed_latest())
            .or_else(|| goes.filter(|_| keeps.is_some()).map(delete))
            .or_else(|| self.resume())
    }

    /// Every node is replaced; that something stays out of order wants a person all the same.
    fn done(&self) -> Verdict {
        if self.roll.left.is_empty() {
            return Verdict::Done;
        }
        Verdict::Failed(failure::left_undone(self.roll, failure::not_in_order(&self.scene.group_name())))
    }

    /// A group that took the latest version of its template takes it again: that is the one that was made.
    fn followed_latest(&self) -> Option<Template> {
        let was = &self.roll.was.template;
        (self.scene.way == Way::InPlace && was.version == "$Latest").then(|| was.clone())
    }
}
