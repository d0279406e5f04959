//! The whole measurement, as data.

use eks_upgrade_core::waits::{Learned, Span};
use serde::Serialize;

use crate::durations::{Kind, Steps, World};
use crate::figures::{Figures, Spread};
use crate::ours;
use crate::peers::Peer;
use crate::upgrade::{Cost, Upgrade};
use crate::wait::{Waited, wait};

/// Steps of each kind that a deployment has seen once it goes by what it learned: as many as `Learned` wants.
const OBSERVATIONS: u32 = 20;
/// Deployments, each with a history of its own: twenty draws are few, and luck must not decide.
const HISTORIES: u32 = 200;
/// Waits of each deployment, of each kind.
const WAITS_EACH: u32 = 100;
/// Whole upgrades of each deployment.
const UPGRADES_EACH: u32 = 10;

/// What one look of ours adds to the history of the hop's execution: `Decide` enters, is scheduled, started, succeeds and
/// exits; `WhatNow` and the wait enter and exit.
const EVENTS_A_LOOK: u32 = 9;
/// What it costs in state transitions: `Decide`, `WhatNow`, the wait.
const TRANSITIONS_A_LOOK: u32 = 3;
/// A wait that nobody looks after, in seconds: a week.
const STUCK_S: f64 = 7.0 * 86_400.0;

/// By which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Rule {
    /// Ours, in a deployment that has seen nothing yet.
    Cold,
    /// Ours, by what twenty steps of each kind taught.
    Learned,
    /// Another tool's.
    #[serde(untagged)]
    Of(Peer),
}

impl Rule {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Cold, Self::Learned].into_iter().chain(Peer::ALL.map(Self::Of))
    }

    /// Whether it is ours.
    #[must_use]
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Cold | Self::Learned)
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cold => f.write_str("eks-upgrade, new"),
            Self::Learned => write!(f, "eks-upgrade, after {OBSERVATIONS}"),
            Self::Of(peer) => f.write_str(peer.name()),
        }
    }
}

/// How one rule does.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Whose.
    pub rule: Rule,
    /// How well.
    #[serde(flatten)]
    pub figures: Figures,
}

/// How all rules do on one kind of update.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Section {
    /// Of what, in words.
    pub what: &'static str,
    /// In which world.
    pub world: World,
    /// A row a rule.
    pub rows: Vec<Row>,
}

/// What the waits of whole upgrades cost by one rule.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeRow {
    /// Whose.
    pub rule: Rule,
    /// Calls an upgrade.
    pub calls: Spread,
    /// The same as a part of eksctl's calls for the same upgrade.
    pub of_eksctl: Spread,
    /// Of 100 upgrades, in how many a wait was given up.
    pub gave_up_percent: f64,
    /// State transitions that the waits take; none elsewhere.
    pub transitions: Spread,
}

/// What becomes of a week of waiting for something that never ends.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stuck {
    /// How often it is looked at.
    pub looks: u32,
    /// The events that this leaves in a history.
    pub events: u32,
}

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The seed that it came from.
    pub seed: u64,
    /// Waits a row.
    pub waits: u32,
    /// Kinds of updates, as far as is known how long they take.
    pub kinds: Vec<Section>,
    /// Control planes where EKS is not as known.
    pub elsewhere: Vec<Section>,
    /// Whole upgrades.
    pub upgrades: Vec<UpgradeRow>,
    /// The kind of wait with the most looks in a week.
    pub stuck: Stuck,
}

/// A way to draw one kind of update, with its name.
type Drawn = (&'static str, fn(&mut fastrand::Rng) -> Kind);

const CONTROL_PLANE: Drawn = ("control plane", Kind::control_plane);
const KINDS: [Drawn; 3] =
    [CONTROL_PLANE, ("node group of 2 to 10 nodes", Kind::node_group), ("add-on", Kind::add_on)];

/// Where the anchors of the durations are wrong.
const ELSEWHERE: [World; 4] = [
    World { pace: 0.7, spread: 1.0 },
    World { pace: 1.5, spread: 1.0 },
    World { pace: 1.0, spread: 0.5 },
    World { pace: 1.0, spread: 1.5 },
];

impl Report {
    /// Measures everything; `None` where there is nothing to measure.
    #[must_use]
    pub fn measure(seed: u64, steps: &Steps) -> Option<Self> {
        let measure = |drawn: Drawn, world: World| section(drawn, world, steps, seed);
        Some(Self {
            seed,
            waits: HISTORIES * WAITS_EACH,
            kinds: KINDS.into_iter().map(|drawn| measure(drawn, World::ANCHORED)).collect::<Option<_>>()?,
            elsewhere: ELSEWHERE
                .into_iter()
                .map(|world| measure(CONTROL_PLANE, world))
                .collect::<Option<_>>()?,
            upgrades: upgrades(steps, seed)?,
            stuck: stuck(steps, seed),
        })
    }
}

/// One kind of update. Every rule waits for the same updates.
fn section((what, draw): Drawn, world: World, steps: &Steps, seed: u64) -> Option<Section> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut waits: Vec<(Rule, Vec<Waited>)> = Rule::all().map(|rule| (rule, Vec::new())).collect();
    for _ in 0..HISTORIES {
        let learned = ours::history(OBSERVATIONS, steps, world, &mut rng);
        for _ in 0..WAITS_EACH {
            let kind = draw(&mut rng);
            let lasted_s = world.lasts_s(kind, &mut rng);
            for (rule, waited) in &mut waits {
                waited.push(match rule {
                    Rule::Cold => wait(ours::looks(Span::of(&steps.of(kind))), lasted_s),
                    Rule::Learned => ours::wait_for(&steps.of(kind), lasted_s, &learned),
                    Rule::Of(peer) => wait(peer.schedule(kind).looks(&mut rng), lasted_s),
                });
            }
        }
    }
    let row = |(rule, waited): &(Rule, Vec<Waited>)| Some(Row { rule: *rule, figures: Figures::of(waited)? });
    Some(Section { what, world, rows: waits.iter().map(row).collect::<Option<_>>()? })
}

fn upgrades(steps: &Steps, seed: u64) -> Option<Vec<UpgradeRow>> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut costs: Vec<(Rule, Vec<(Cost, f64)>)> = Rule::all().map(|rule| (rule, Vec::new())).collect();
    for _ in 0..HISTORIES {
        let learned = ours::history(OBSERVATIONS, steps, World::ANCHORED, &mut rng);
        for _ in 0..UPGRADES_EACH {
            let upgrade = Upgrade::draw(World::ANCHORED, &mut rng);
            let eksctl = upgrade.by_peer(Peer::Eksctl, &mut rng);
            for (rule, costs) in &mut costs {
                let cost = match rule {
                    Rule::Cold => upgrade.by_us(steps, &Learned::default()),
                    Rule::Learned => upgrade.by_us(steps, &learned),
                    Rule::Of(Peer::Eksctl) => eksctl,
                    Rule::Of(peer) => upgrade.by_peer(*peer, &mut rng),
                };
                costs.push((cost, f64::from(cost.calls) / f64::from(eksctl.calls)));
            }
        }
    }
    costs.iter().map(|(rule, costs)| upgrade_row(*rule, costs)).collect()
}

fn upgrade_row(rule: Rule, costs: &[(Cost, f64)]) -> Option<UpgradeRow> {
    let gave_up = costs.iter().map(|(cost, _)| if cost.complete { 0.0 } else { 100.0 }).collect();
    let transitions = costs.iter().map(|(cost, _)| f64::from(cost.looks * TRANSITIONS_A_LOOK)).collect();
    Some(UpgradeRow {
        rule,
        calls: Spread::of(costs.iter().map(|(cost, _)| f64::from(cost.calls)).collect())?,
        of_eksctl: Spread::of(costs.iter().map(|(_, part)| *part).collect())?,
        gave_up_percent: Spread::of(gave_up)?.mean,
        transitions: Spread::of(transitions)?,
    })
}

fn stuck(steps: &Steps, seed: u64) -> Stuck {
    let mut rng = fastrand::Rng::with_seed(seed);
    let looks = KINDS.into_iter().map(|(_, draw)| {
        let span = Span::of(&steps.of(draw(&mut rng)));
        ours::looks(span).take_while(|at_s| *at_s <= STUCK_S).fold(0_u32, |count, _| count.saturating_add(1))
    });
    let looks = looks.max().unwrap_or(0);
    Stuck { looks, events: looks.saturating_mul(EVENTS_A_LOOK) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_measures_the_same() {
        let steps = Steps::new().unwrap();
        let measure =
            |seed| serde_json::to_string(&section(CONTROL_PLANE, World::ANCHORED, &steps, seed)).unwrap();
        assert_eq!(measure(1), measure(1));
        assert_ne!(measure(1), measure(2));
    }
}
