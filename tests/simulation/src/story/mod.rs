//! A story: everything that one simulation begins with, and everything that will happen in it, drawn from a seed.
//!
//! It is data, so that it can be printed, and told again. What befalls functions at their ports is drawn while it runs,
//! from a stream of the same seed.

mod events;
mod fleet;
mod inside;
mod policy;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chance::Chance;

/// When every story begins: the day of the notice of 1.34, 15 weeks before its end of standard support.
pub const START: &str = "2026-08-18T09:15:00Z";
/// Nothing goes wrong any more after so many minutes.
pub const HEALS_M: u32 = 2 * 24 * 60;
/// A story is over after so many minutes, whatever goes on.
pub const ENDS_M: u32 = 45 * 24 * 60;

/// Something that happens at its time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// A notice, or what looks like one, arrives at intake.
    Notice(Value),
    /// The daily sweep.
    Sweep,
    /// Somebody starts an upgrade with this input.
    Start(Value),
    /// The kill switch.
    Switch(bool),
    /// Somebody consents.
    Consent {
        /// The cluster's name.
        cluster: String,
        /// To what.
        scope: Value,
        /// For how many hours.
        hours: u32,
    },
    /// Somebody answers all open questions.
    Answer {
        /// With yes.
        yes: bool,
        /// And the word arrives at once.
        wakes: bool,
    },
    /// Somebody stops an execution.
    Abort {
        /// Which, counted through those that run.
        which: u32,
        /// Without those that it waits for.
        alone: bool,
    },
    /// The table goes down, or comes back.
    Table {
        /// Whether it is down.
        down: bool,
    },
    /// Every clock jumps ahead by so many minutes.
    Jump(u32),
    /// Another policy is deployed.
    Deploy(Value),
    /// Somebody has every run gone on with that was interrupted.
    Resume,
    /// From now on nothing goes wrong.
    Heal,
}

/// How often functions suffer at their ports, in ten thousand calls.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Weather {
    /// They die, on the way there or back.
    pub dies: u32,
    /// The call fails, on the way there or back.
    pub fails: u32,
}

/// A story.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Story {
    /// Its seed.
    #[serde(default)]
    pub seed: u64,
    /// The simulator's fleet file.
    pub fleet: Value,
    /// The first policy.
    pub policy: Value,
    /// What happens, by minute.
    pub events: Vec<(u32, Event)>,
    /// What befalls functions.
    #[serde(default)]
    pub weather: Weather,
}

impl Story {
    /// The story of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut chance = Chance::new(seed, 1);
        let mut fleet = fleet::draw(&mut chance, seed);
        let mut policy = policy::draw(&mut chance);
        let mut events = events::draw(&mut chance, &mut Chance::new(seed, 3), &fleet, &policy);
        let weather = match chance.between(0, 9) {
            0..=3 => Weather::default(),
            4..=7 => Weather { dies: 40, fails: 60 },
            _ => Weather { dies: 150, fails: 250 },
        };
        inside::draw(&mut Chance::new(seed, 4), &mut fleet, &mut policy, &mut events);
        Self { seed, fleet, policy, events, weather }
    }

    /// Whether there are clusters in it that can be looked into.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        let clusters = self.fleet["clusters"].as_array().into_iter().flatten();
        clusters.into_iter().any(|cluster| cluster.get("kubernetes").is_some())
    }
}

/// The names of a fleet's clusters.
fn clusters(fleet: &Value) -> Vec<String> {
    names(&fleet["clusters"])
}

/// The names in a list of things that have one.
fn names(list: &Value) -> Vec<String> {
    let all = list.as_array().into_iter().flatten();
    all.filter_map(|thing| thing["name"].as_str().map(str::to_owned)).collect()
}
