//! What must hold in every state, and what must be met somewhere, so that holding means something.

use stateright::Property;

use crate::machine::End;
use crate::protocol::{Protocol, Stage, State};
use crate::world::Note;

/// Met where a run completes.
pub const COMPLETES: &str = "a run completes";
/// Met where a trigger finds the lease taken.
pub const TURNED_AWAY: &str = "a second trigger is turned away";
/// Holds where an attempt's started update is the one that its own token began.
pub const ITS_OWN_UPDATE: &str = "an attempt names its own update";
/// No step has two updates, unless the first failed.
pub const ONE_UPDATE_A_STEP: &str = "one update a step, unless it failed";

/// All of them.
#[must_use]
pub fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always("who writes has the highest fence", |model, state| {
            never(model, state, Note::OutdatedWriter)
        }),
        Property::always("the lines read, and their chain holds", |model, state| {
            never(model, state, Note::BrokenLedger)
        }),
        Property::always("one run at most is open", |model, state| never(model, state, Note::TwoRunsOpen)),
        Property::always("the lease names the open run", |model, state| {
            never(model, state, Note::LeaseAndLedgerDiffer)
        }),
        Property::always("the intent is in the ledger before the effect", |model, state| {
            never(model, state, Note::EffectBeforeIntent)
        }),
        Property::always("who calls had the lease when it last made sure", |model, state| {
            never(model, state, Note::UncheckedCall)
        }),
        Property::always("one update a token", |model, state| never(model, state, Note::TokenBeganTwo)),
        Property::always(ONE_UPDATE_A_STEP, |model, state| never(model, state, Note::SecondUpdate)),
        Property::always(ITS_OWN_UPDATE, |model, state| never(model, state, Note::UpdateOfAnotherAttempt)),
        Property::always("nobody is turned away by an earlier try of its own", |_, state| {
            !is_over(state, End::RefusedByItself)
        }),
        Property::always("whoever can do nothing is over", |model, state| {
            let ended = |stage: &Stage| matches!(stage, Stage::Over(_) | Stage::Aborted { .. });
            model.can_go_on(state) || state.executions.iter().all(|execution| ended(&execution.stage))
        }),
        Property::always("a fresh execution completes", Protocol::recovers),
        Property::sometimes(COMPLETES, |_, state| is_over(state, End::Completed)),
        Property::sometimes(TURNED_AWAY, |_, state| is_over(state, End::Refused)),
    ]
}

fn never(model: &Protocol, state: &State, note: Note) -> bool {
    !model.world(state).notes.contains(&note)
}

fn is_over(state: &State, end: End) -> bool {
    state.executions.iter().any(|execution| execution.stage == Stage::Over(end))
}
