//! How long updates take on EKS, as far as that is known: a few anchors, and a shape between them.

use std::f64::consts::PI;

use eks_upgrade_core::plan::StepKind;
use eks_upgrade_core::policy::NodeStrategy;
use eks_upgrade_core::version::{AddonVersion, Minor};
use serde::Serialize;

/// A control plane: 9 min 55 s seen, about ten minutes said.
const CONTROL_PLANE_S: f64 = 600.0;
/// 1 in 1,000 takes longer than the 20 minutes that are reported as the most: ln 2 / 3.09.
const CONTROL_PLANE_SPREAD: f64 = 0.224;

/// An add-on takes one to three minutes: 9 in 10 are within, evenly on both sides of sqrt(60 x 180) s.
const ADD_ON_S: f64 = 103.9;
/// ln 3 / (2 x 1.645).
const ADD_ON_SPREAD: f64 = 0.334;

/// Setting up, and scaling up and down again, so that groups of 2 to 10 nodes take the 15 to 60 minutes that are said.
const NODE_GROUP_FIXED_S: f64 = 420.0;
/// What differs there is how fast machines come.
const NODE_GROUP_FIXED_SPREAD: f64 = 0.2;
/// A node: about five minutes.
const NODE_S: f64 = 300.0;
/// What differs there is how fast pods leave: 9 in 10 nodes take three to nine minutes.
const NODE_SPREAD: f64 = 0.334;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Kind {
    /// One hop of a control plane.
    ControlPlane,
    /// One add-on.
    AddOn,
    /// One node group, a node at a time.
    NodeGroup {
        /// How many nodes it has.
        nodes: u32,
    },
}

impl Kind {
    /// A control plane.
    #[must_use]
    pub fn control_plane(_: &mut fastrand::Rng) -> Self {
        Self::ControlPlane
    }

    /// An add-on.
    #[must_use]
    pub fn add_on(_: &mut fastrand::Rng) -> Self {
        Self::AddOn
    }

    /// A node group of 2 to 10 nodes.
    #[must_use]
    pub fn node_group(rng: &mut fastrand::Rng) -> Self {
        Self::NodeGroup { nodes: rng.u32(2..=10) }
    }
}

/// The steps of a plan that stand for what is waited for.
#[derive(Clone, Debug)]
pub struct Steps {
    minors: (Minor, Minor),
    add_on: (AddonVersion, AddonVersion),
}

/// A version below is not one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoVersion(pub &'static str);

impl std::fmt::Display for NoVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is no version", self.0)
    }
}

impl std::error::Error for NoVersion {}

impl Steps {
    /// From 1.34 to 1.35. Which versions they are makes no difference to what is learned here: all are the same.
    pub fn new() -> Result<Self, NoVersion> {
        let minor = |text: &'static str| text.parse::<Minor>().map_err(|_| NoVersion(text));
        let add_on = |text: &'static str| text.parse::<AddonVersion>().map_err(|_| NoVersion(text));
        Ok(Self {
            minors: (minor("1.34")?, minor("1.35")?),
            add_on: (add_on("v1.11.4-eksbuild.2")?, add_on("v1.12.1-eksbuild.2")?),
        })
    }

    /// The step.
    #[must_use]
    pub fn of(&self, kind: Kind) -> StepKind {
        let (from, to) = self.minors;
        match kind {
            Kind::ControlPlane => StepKind::ControlPlane { from, to },
            Kind::AddOn => {
                let (from, to) = self.add_on.clone();
                StepKind::AddOn { name: "coredns".into(), from, to }
            }
            Kind::NodeGroup { nodes } => StepKind::NodeGroup {
                name: "workers".into(),
                from,
                to,
                strategy: NodeStrategy::Rolling,
                launch_template: None,
                custom_ami: false,
                size: nodes,
                max_unavailable: 1,
            },
        }
    }
}

/// How EKS is, next to what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct World {
    /// How long everything takes, as a multiple.
    pub pace: f64,
    /// How much it differs, as a multiple.
    pub spread: f64,
}

impl World {
    /// As the anchors have it.
    pub const ANCHORED: Self = Self { pace: 1.0, spread: 1.0 };

    /// How long one update takes, in seconds.
    #[must_use]
    pub fn lasts_s(self, kind: Kind, rng: &mut fastrand::Rng) -> f64 {
        let mut draw = |median_s: f64, spread: f64| median_s * (normal(rng) * spread * self.spread).exp();
        let lasts_s = match kind {
            Kind::ControlPlane => draw(CONTROL_PLANE_S, CONTROL_PLANE_SPREAD),
            Kind::AddOn => draw(ADD_ON_S, ADD_ON_SPREAD),
            Kind::NodeGroup { nodes } => {
                let fixed_s = draw(NODE_GROUP_FIXED_S, NODE_GROUP_FIXED_SPREAD);
                fixed_s + (0..nodes).map(|_| draw(NODE_S, NODE_SPREAD)).sum::<f64>()
            }
        };
        lasts_s * self.pace
    }
}

/// One draw of the standard normal distribution (Box and Muller).
fn normal(rng: &mut fastrand::Rng) -> f64 {
    (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (2.0 * PI * rng.f64()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Spread;

    fn spread(kind: Kind) -> (f64, f64) {
        let mut rng = fastrand::Rng::with_seed(5);
        let drawn = (0..20_000).map(|_| World::ANCHORED.lasts_s(kind, &mut rng));
        let Spread { median, p99, .. } = Spread::of(drawn.collect()).unwrap();
        (median / 60.0, p99 / 60.0)
    }

    #[test]
    fn the_anchors_hold() {
        let (median, p99) = spread(Kind::ControlPlane);
        assert!((9.8..10.2).contains(&median) && (16.0..18.0).contains(&p99), "{median} {p99}");
        let (median, p99) = spread(Kind::AddOn);
        assert!((1.6..1.9).contains(&median) && (3.5..4.1).contains(&p99), "{median} {p99}");
        assert!((16.0..19.0).contains(&spread(Kind::NodeGroup { nodes: 2 }).0));
        assert!((55.0..63.0).contains(&spread(Kind::NodeGroup { nodes: 10 }).0));
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let draw = |seed| World::ANCHORED.lasts_s(Kind::AddOn, &mut fastrand::Rng::with_seed(seed));
        assert!((draw(3) - draw(3)).abs() < f64::EPSILON && (draw(3) - draw(4)).abs() > f64::EPSILON);
    }
}
