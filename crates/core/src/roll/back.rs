//! The way back after a failure: no node stays cordoned, what was added goes again, the group has its own template and
//! sizes, the autoscaler runs. New nodes that have taken the place of old ones stay: they are well.

use super::group::{Group, delete, gather};
use super::next::LOOK_S;
use super::node::{Next, Touched};
use super::stand::Stand;
use super::{GivenUp, NodeRoll, Roll, Scene, Verdict, Way, failure};
use crate::inside::AutoScalingGroup;
use crate::remedy::Failure;
use crate::waits::seconds_between;

pub(super) fn next(roll: &Roll, given_up: &GivenUp, scene: &Scene<'_>, stand: &Stand<'_>) -> Verdict {
    let way = Back { group: Group { roll, scene, stand }, surplus_stays: given_up.surplus_stays };
    way.group
        .outstanding()
        .or_else(|| way.touched())
        .or_else(|| way.surplus())
        .or_else(|| way.launches(given_up))
        .or_else(|| way.restore())
        .or_else(|| way.group.resume())
        .unwrap_or_else(|| way.failed(&given_up.failure))
}

/// How long an instance may take from its launch into service, in seconds; one that takes longer is not launched at all.
const LAUNCH_S_MAX: u32 = 600;

struct Back<'a> {
    group: Group<'a>,
    surplus_stays: bool,
}

impl Back<'_> {
    fn touched(&self) -> Option<Verdict> {
        let Group { roll, .. } = &self.group;
        let unfinished = roll.nodes.iter().filter(|(_, node)| node.phase.is_unfinished());
        gather(unfinished.map(|(name, node)| self.of_node(name, node)))
    }

    /// Old nodes take pods again. New ones that there is no need of go on leaving, unless their pods do not.
    fn of_node(&self, name: &str, node: &NodeRoll) -> Next {
        let Group { roll, scene, stand } = &self.group;
        let touched = Touched { name, node, roll, scene, stand };
        let leaves = node.surplus && !self.surplus_stays;
        if !leaves {
            return touched.release();
        }
        match touched.next() {
            Next::Stuck(_) => touched.release(),
            next => next,
        }
    }

    fn surplus(&self) -> Option<Verdict> {
        if self.surplus_stays { None } else { self.group.surplus() }
    }

    /// An instance that is being launched comes into service first, and goes then: a group that forgets one that is
    /// under way may end another.
    fn launches(&self, given_up: &GivenUp) -> Option<Verdict> {
        let Group { roll, scene, .. } = &self.group;
        let since = roll.unsettled.map_or(given_up.since, |unsettled| unsettled.min(given_up.since));
        let late = seconds_between(since, scene.now) >= LAUNCH_S_MAX;
        let unlaunched = self.group.unlaunched();
        (unlaunched > 0 && !late)
            .then(|| Verdict::wait(LOOK_S, format!("{unlaunched} instances are launched")))
    }

    fn restore(&self) -> Option<Verdict> {
        let Scene { group, new_group, way, .. } = self.group.scene;
        let was = self.group.roll.was.template.clone();
        match way {
            Way::InPlace => self.group.restore(*group, Some(was)),
            Way::NewGroup => self.group.restore(*group, None).or_else(|| self.beside(*new_group)),
        }
    }

    /// The group beside goes again if nothing is left in it.
    fn beside(&self, group: Option<&AutoScalingGroup>) -> Option<Verdict> {
        let made = group.filter(|_| self.group.roll.room.is_some())?;
        let needed = made.desired > self.group.stand.surplus(self.group.roll);
        if made.instances.is_empty() && !needed && !self.surplus_stays {
            return Some(delete(made));
        }
        self.group.restore(Some(made), None)
    }

    /// With what could not be taken back.
    fn failed(&self, failure: &Failure) -> Verdict {
        let mut failure = failure.clone();
        let surplus = self.group.stand.surplus(self.group.roll);
        if surplus > 0 {
            let told = format!("{}; {surplus} new nodes more than before stay", failure.message);
            failure.message = told;
        }
        Verdict::Failed(failure::left_undone(self.group.roll, failure))
    }
}
