//! Exploring a setup, and what came of it in a form that a test can look at and a person can read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model, Path};

use crate::protocol::{Action, Protocol, State};
use crate::setup::Setup;
use crate::world::Note;

/// How many characters of a port call or a reply are told: what it is, and of what.
const WORDS_MAX: usize = 160;

/// What came of an exploration.
#[derive(Debug)]
pub struct Explored {
    setup: Setup,
    /// Distinct states.
    pub states: usize,
    /// Steps between them.
    pub steps: usize,
    /// The length of the longest of the shortest ways to a state.
    pub depth: usize,
    /// Distinct worlds.
    pub worlds: usize,
    /// Distinct points in invocations.
    pub points: usize,
    /// How long it took.
    pub took: Duration,
    /// The properties that do not hold, each with a way to where it does not: the shortest, if every state was explored.
    pub broken: BTreeMap<&'static str, String>,
    /// What was to be met somewhere, and was.
    pub met: BTreeSet<&'static str>,
    /// What was noted in some world.
    pub notes: BTreeSet<Note>,
}

/// Explores every state of a setup.
#[must_use]
pub fn explore(setup: Setup) -> Explored {
    let begun = Instant::now();
    let checker = Protocol::new(setup.clone()).checker().spawn_bfs().join();
    came_of(setup, &checker, begun.elapsed())
}

/// Explores a setup until one property is found broken; every state if it is not.
///
/// Deep before wide: what is broken late is far from the beginning, and most states are nearer.
#[must_use]
pub fn explore_until_broken(setup: Setup, property: &'static str) -> Explored {
    let begun = Instant::now();
    let until = HasDiscoveries::AnyOf(BTreeSet::from([property]));
    let checker = Protocol::new(setup.clone()).checker().finish_when(until).spawn_dfs().join();
    came_of(setup, &checker, begun.elapsed())
}

fn came_of(setup: Setup, checker: &impl Checker<Protocol>, took: Duration) -> Explored {
    let model = checker.model();
    let mut broken = BTreeMap::new();
    let mut met = BTreeSet::new();
    for (name, path) in checker.discoveries() {
        if model.property(name).expectation.discovery_is_failure() {
            broken.insert(name, told(model, path));
        } else {
            met.insert(name);
        }
    }
    let (worlds, points) = model.interned().counts();
    let notes = model.interned().notes();
    Explored {
        setup,
        states: checker.unique_state_count(),
        steps: checker.state_count(),
        depth: checker.max_depth(),
        worlds,
        points,
        took,
        broken,
        met,
        notes,
    }
}

impl Explored {
    /// Whether every property holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.broken.is_empty()
    }
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setup { work, executions, faults, leaps, flaw } = &self.setup;
        write!(f, "{work:?}, {} executions {executions:?}, at most {faults} faults", executions.len())?;
        write!(f, " and {leaps} leaps of the clock")?;
        if let Some(flaw) = flaw {
            write!(f, ", {flaw:?}")?;
        }
        let Self { states, steps, depth, worlds, points, took, .. } = self;
        write!(f, ": {states} states, {steps} steps, depth {depth}; {worlds} worlds, {points} points")?;
        writeln!(f, "; {:.1} s", took.as_secs_f64())?;
        writeln!(f, "  noted: {:?}", self.notes)?;
        for (property, way) in &self.broken {
            writeln!(f, "  broken: {property}\n{way}")?;
        }
        Ok(())
    }
}

fn told(model: &Protocol, path: Path<State, Action>) -> String {
    let tell =
        |(state, action): (State, Option<Action>)| Some(format!("    {}\n", tell(model, &state, action?)));
    path.into_vec().into_iter().filter_map(tell).collect()
}

fn tell(model: &Protocol, state: &State, action: Action) -> String {
    let short = |text: String| text.chars().take(WORDS_MAX).collect::<String>();
    match action {
        Action::Call(who, place, fate) => {
            let point = model.interned().point(who.at(state));
            let asked = point.open.iter().find(|(open, _)| *open == place).map(|(_, asked)| asked);
            format!("{who:?} {fate:?}: {}", short(asked.map_or(String::new(), |asked| format!("{asked:?}"))))
        }
        Action::Reply(execution, task) => {
            let point = state.executions.get(execution).and_then(|execution| execution.tasks.get(task));
            let reply = point.map(|point| format!("{:?}", model.interned().point(*point).reply));
            format!("Reply({execution}, {task}): {}", short(reply.unwrap_or_default()))
        }
        other => format!("{other:?}"),
    }
}
