//! Updates that take longer than they ever should. They are watched on, as nothing else is safe; people are told once.

use jiff::Timestamp;

use crate::ledger::{Event, Phase, RunState};
use crate::plan::Plan;
use crate::waits;

/// The updates, ours and others', that are overdue at `now` and of which the ledger does not say so yet.
#[must_use]
pub fn overdue(state: &RunState, now: Timestamp) -> Vec<Event> {
    let steps = state.plan.iter().flat_map(Plan::steps);
    let ours = steps.filter_map(|step| {
        // What is changed inside the cluster has limits of its own.
        let resource = step.kind.resource()?;
        let Phase::InFlight { update, since, .. } = &state.steps.get(&step.id)?.phase else { return None };
        step.span.is_late(*since, now).then(|| Event::Overdue {
            step: Some(step.id.clone()),
            resource,
            update: update.clone(),
            since: *since,
        })
    });
    let theirs = state.foreign.iter().filter(|(_, foreign)| waits::UNKNOWN.is_late(foreign.since, now));
    let theirs = theirs.map(|(resource, foreign)| Event::Overdue {
        step: None,
        resource: resource.clone(),
        update: foreign.update.clone(),
        since: foreign.since,
    });
    let unsaid = |event: &Event| match event {
        Event::Overdue { update, .. } => !state.overdue.contains(update),
        _ => false,
    };
    ours.chain(theirs).filter(unsaid).collect()
}
