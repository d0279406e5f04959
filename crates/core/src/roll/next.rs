//! What to do next with a self-managed group.

use jiff::Timestamp;

use super::stand::Stand;
use super::{Effect, Moved, Paused, Roll, Sizes, Was, Way, back, failure, forward, unseen};
use crate::health::Vitals;
use crate::inside::{AutoScalingGroup, Inside, Unseen};
use crate::remedy::Failure;
use crate::version::Minor;

/// How long until evictions that were not answered with a yes are asked for again, in seconds; `kubectl drain` takes
/// the same.
pub const EVICT_AGAIN_S: u32 = 5;
/// How long until the next look at something that has to happen by itself, in seconds.
pub(super) const LOOK_S: u32 = 15;
/// How long until the next look where nothing may begin, or nothing is seen, in seconds.
pub(super) const HELD_S: u32 = 60;

/// Why no further node may be begun now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held<'a> {
    /// A window, a regression, and so on, in words.
    pub why: &'a str,
    /// Whether that lasts for more than some minutes: Cluster Autoscaler runs meanwhile.
    pub long: bool,
}

/// What is seen, and what is wanted.
pub struct Scene<'a> {
    /// The inside of the cluster: nodes, pods, budgets, webhooks; and workloads, where [`needs_workloads`] says so.
    pub inside: &'a Inside,
    /// The group; `None` where it is gone.
    pub group: Option<&'a AutoScalingGroup>,
    /// The group beside it ([`super::beside`]), where there is one.
    pub new_group: Option<&'a AutoScalingGroup>,
    /// The version of the control plane: no node is made newer.
    pub control_plane: Minor,
    /// Where the nodes go.
    pub to: Minor,
    /// How.
    pub way: Way,
    /// How many nodes more than usual there may be, and how many old ones are out at a time; at least 1.
    pub surge: u32,
    /// How long the drain of a node may take, in seconds.
    pub drain_limit_s: u32,
    /// Whether pods that do not leave may be deleted, by policy or consent.
    pub may_force: bool,
    /// Why no further node may be begun now; what is begun is ended.
    pub held: Option<Held<'a>>,
    /// Cluster Autoscaler as it was before another roll of the same run paused it, or an earlier attempt.
    pub paused_elsewhere: Option<&'a Paused>,
    /// Whether another roll that is under way needs it paused, and will put it back.
    pub needed_elsewhere: bool,
    /// Since when the step is under way, whether or not anything was done.
    pub since: Timestamp,
    /// Now.
    pub now: Timestamp,
}

impl Scene<'_> {
    /// The group's name, as far as it is there.
    pub(super) fn group_name(&self) -> String {
        let group = self.new_group.or(self.group);
        group.map_or_else(|| "the group".to_owned(), |group| format!("group {}", group.name))
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Writes the line, and makes the effect if it is [`Moved::Meant`].
    Do(Moved),
    /// Evicts this very pod, once: no line, as it may be asked again and again.
    Evict {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its uid: another pod of its name is not meant.
        uid: String,
    },
}

/// What follows from a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Make these, in this order.
    Do(Vec<Move>),
    /// Nothing to do for so many seconds, for this reason.
    Wait {
        /// How long.
        seconds: u32,
        /// For what.
        text: String,
    },
    /// Every node is replaced, and all is as it was otherwise.
    Done,
    /// It cannot go on; all that can be taken back was.
    Failed(Failure),
}

impl Verdict {
    pub(super) fn line(moved: Moved) -> Self {
        Self::Do(vec![Move::Do(moved)])
    }

    pub(super) fn meant(effect: Effect) -> Self {
        Self::line(Moved::Meant { effect })
    }

    pub(super) fn given_up(failure: Failure) -> Self {
        Self::line(Moved::GivenUp { failure, denied: false })
    }

    pub(super) fn wait(seconds: u32, text: impl Into<String>) -> Self {
        Self::Wait { seconds, text: text.into() }
    }

    pub(super) fn held(why: &str) -> Self {
        Self::wait(HELD_S, format!("the next node waits: {why}"))
    }
}

/// How long to pause after these before the next look, in seconds: pods that may not leave yet are not asked at once
/// again. `None`: look at once, as there is a new line.
#[must_use]
pub fn pause_after(moves: &[Move]) -> Option<u32> {
    moves.iter().all(|one| matches!(one, Move::Evict { .. })).then_some(EVICT_AGAIN_S)
}

/// Whether the next look needs workloads: only to find Cluster Autoscaler, before there is room for new nodes, and
/// after a rest.
#[must_use]
pub fn needs_workloads(roll: Option<&Roll>) -> bool {
    roll.is_some_and(|roll| {
        (roll.room.is_none() || roll.rested) && roll.paused.is_none() && roll.given_up.is_none()
    })
}

/// What to do next.
#[must_use]
pub fn next(roll: Option<&Roll>, scene: &Scene<'_>) -> Verdict {
    let stand = match Stand::of(roll, scene) {
        Ok(stand) => stand,
        Err(Unseen(why)) => return unseen::next(roll, scene, &why),
    };
    let Some(roll) = roll else { return begin(scene, &stand) };
    if roll.unseen.is_some() {
        return Verdict::line(Moved::Seen);
    }
    match &roll.given_up {
        None => forward::next(roll, scene, &stand),
        Some(given_up) => back::next(roll, given_up, scene, &stand),
    }
}

/// Everything that would stop it later is asked before anything is done.
fn begin(scene: &Scene<'_>, stand: &Stand<'_>) -> Verdict {
    // A group that is gone, or has moved by itself, needs nothing.
    let Some(group) = scene.group.filter(|_| stand.is_behind()) else { return Verdict::Done };
    if let Some(held) = &scene.held {
        return Verdict::held(held.why);
    }
    match was(scene, stand, group) {
        Ok(was) => Verdict::line(Moved::Begun { was: Box::new(was) }),
        Err(failure) => Verdict::Failed(failure),
    }
}

/// What a roll needs of a group in order to end.
const PROCESSES: [&str; 2] = ["Launch", "Terminate"];

fn was(scene: &Scene<'_>, stand: &Stand<'_>, group: &AutoScalingGroup) -> Result<Was, Failure> {
    if scene.to != scene.control_plane {
        return Err(failure::refused(
            "VersionMismatch",
            format!("nodes at {} beside a control plane at {}", scene.to, scene.control_plane),
            "see who changed the control plane, then start again",
        ));
    }
    if let Some(process) = group.suspended.iter().find(|name| PROCESSES.contains(&name.as_str())) {
        return Err(failure::refused(
            "ProcessSuspended",
            format!("the process {process} of group {} is suspended", group.name),
            "resume it (aws autoscaling resume-processes), then start again",
        ));
    }
    let template = group.template.clone().ok_or_else(|| {
        failure::refused(
            "LaunchTemplateMissing",
            format!("group {} has no launch template that could be moved", group.name),
            "give it a launch template, or replace its nodes by hand",
        )
    })?;
    let unseen = |Unseen(why)| {
        failure::refused("InsideUnseen", why, "let the function reach the cluster, start again")
    };
    let others = |node: &&crate::inside::Node| !node.schedulable;
    Ok(Was {
        sizes: Sizes { min: group.min, desired: group.desired, max: group.max },
        template,
        nodes: stand.old.iter().map(|member| member.name.to_owned()).collect(),
        cordoned: stand
            .old
            .iter()
            .filter_map(|old| old.node)
            .filter(others)
            .map(|node| node.name.clone())
            .collect(),
        beside: scene.new_group.map_or(0, |group| group.desired),
        vitals: Vitals::of(scene.inside).map_err(unseen)?,
    })
}
