//! A roll whose cluster is not seen any more: that is waited out, and if it lasts the roll ends as well as may be without
//! a look. Nothing is begun, and nothing but Cluster Autoscaler is touched, blindly.

use super::next::HELD_S;
use super::{Effect, Moved, Roll, Scene, Verdict, failure};
use crate::waits::seconds_between;

/// How long it is waited for that the cluster is seen again, in seconds: longer than API servers are away while EKS
/// replaces them, and short enough for a person to do what is left.
const UNSEEN_S_MAX: u32 = 3600;

pub(super) fn next(roll: Option<&Roll>, scene: &Scene<'_>, why: &str) -> Verdict {
    let wait = || Verdict::wait(HELD_S, format!("nodes and pods cannot be seen: {why}"));
    let Some(roll) = roll else {
        // Nothing was done yet, and so nothing is owed.
        let lasts = scene.held.is_none() && seconds_between(scene.since, scene.now) >= UNSEEN_S_MAX;
        return if lasts { Verdict::Failed(failure::unseen(why)) } else { wait() };
    };
    let Some(since) = roll.unseen else { return Verdict::line(Moved::Unseen { why: why.to_owned() }) };
    if seconds_between(since, scene.now) < UNSEEN_S_MAX {
        return wait();
    }
    let Some(given_up) = &roll.given_up else { return Verdict::given_up(failure::unseen(why)) };
    resume(roll, scene)
        .unwrap_or_else(|| Verdict::Failed(failure::left_undone(roll, given_up.failure.clone())))
}

/// Cluster Autoscaler runs again: that needs no look. Its deployment may be in reach where lists are not.
fn resume(roll: &Roll, scene: &Scene<'_>) -> Option<Verdict> {
    let paused = roll.owes().filter(|_| !scene.needed_elsewhere)?;
    let effect = Effect::ResumeAutoscaler { paused: paused.clone() };
    let meant = roll.meant.as_ref().filter(|meant| meant.effect == effect);
    Some(match meant {
        Some(meant) if roll.is_late(meant, scene.now) => Verdict::line(Moved::Left { effect }),
        _ => Verdict::meant(effect),
    })
}
