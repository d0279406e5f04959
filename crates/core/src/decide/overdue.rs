//! Updates that take longer than they ever should. They are watched on, as nothing else is safe; people are told once.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::cluster::Resource;
use crate::ledger::{Event, Phase, RunState};
use crate::plan::Plan;
use crate::waits::{self, seconds_between};

/// Somebody else's roll of a node group takes as long as the group is large, which nobody here knows, in seconds.
const THEIR_ROLL_LATE_S: u32 = 4 * 3600;

/// The updates, ours and others', that are overdue at `now` and of which the ledger does not say so yet.
#[must_use]
pub fn overdue(state: &RunState, now: Timestamp) -> Vec<Event> {
    if state.ended.is_some() {
        return Vec::new();
    }
    let steps = state.plan.iter().flat_map(Plan::steps);
    let ours = steps.filter_map(|step| {
        // What is changed inside the cluster has limits of its own.
        let resource = step.kind.resource()?;
        let Phase::InFlight { update, known_at, .. } = &state.steps.get(&step.id)?.phase else { return None };
        let (step_id, update, since) = (Some(step.id.clone()), update.clone(), *known_at);
        let late = step.span.is_late(since, now);
        late.then_some(Event::Overdue { step: step_id, resource, update, since })
    });
    let theirs = state.foreign.iter().filter(|(resource, foreign)| {
        let late_s = match resource {
            Resource::NodeGroup(_) => THEIR_ROLL_LATE_S,
            Resource::ControlPlane | Resource::AddOn(_) => waits::UNKNOWN.late_s,
        };
        seconds_between(foreign.since, now) > late_s
    });
    let theirs = theirs.map(|(resource, foreign)| {
        let (resource, update, since) = (resource.clone(), foreign.update.clone(), foreign.since);
        Event::Overdue { step: None, resource, update, since }
    });
    let mut said: BTreeSet<_> = state.overdue.clone();
    let unsaid = |event: &Event| match event {
        Event::Overdue { update, .. } => said.insert(update.clone()),
        _ => false,
    };
    ours.chain(theirs).filter(unsaid).collect()
}
