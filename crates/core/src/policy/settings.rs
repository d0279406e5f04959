//! Single settings: how nodes are replaced, what is looked at while a hop bakes, what wins at the end of support.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How managed nodes are replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeStrategy {
    /// Drain, honouring every `PodDisruptionBudget`; fail if a node does not empty in time.
    #[default]
    Rolling,
    /// Drain likewise, then delete the pods that did not leave.
    Force,
    /// Rolling first; force only after EKS reported a `PodEvictionFailure`.
    RollingThenForce,
}

impl std::str::FromStr for NodeStrategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "rolling" => Ok(Self::Rolling),
            "force" => Ok(Self::Force),
            "rolling-then-force" => Ok(Self::RollingThenForce),
            other => Err(format!("{other:?} is no node strategy: rolling, force or rolling-then-force")),
        }
    }
}

/// When node groups follow the control plane in a run of several hops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeHops {
    /// Once, as late as the skew rule allows.
    #[default]
    Last,
    /// After every hop.
    EachHop,
}

impl std::str::FromStr for NodeHops {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "last" => Ok(Self::Last),
            "each-hop" => Ok(Self::EachHop),
            other => Err(format!("{other:?} is neither last nor each-hop")),
        }
    }
}

/// The kinds of step that change something, as policies name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StepName {
    /// A control-plane hop.
    ControlPlane,
    /// An add-on's update.
    AddOn,
    /// A node group's roll.
    NodeGroup,
    /// The control plane's way back.
    RollBack,
    /// The roll of a group that EKS does not manage.
    SelfManagedNodes,
    /// The update of a core component that is no add-on.
    CoreComponent,
    /// The restart of pods on Fargate.
    FargatePods,
}

/// What is looked at while a hop bakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// The cluster is `ACTIVE`, and EKS reports no health issue that was not there before.
    ClusterHealth,
    /// Every add-on that was `ACTIVE` before is still.
    AddonHealth,
    /// No upgrade insight of the cluster's version is `ERROR` that was not before.
    Insights,
    /// No more nodes are down, and no more pods pending or crashing, than before. Judged where the policy lets the
    /// inside of the cluster be looked at.
    Workloads,
}

/// What follows when a gate fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The run stops, and offers the way back.
    #[default]
    Stop,
    /// The control plane goes back by itself, if EKS allows it.
    RollBack,
}

/// The time after a control-plane hop in which nothing else moves, so that the way back stays open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Bake {
    /// How long, like `2h`; `0s` for none, at most `6d`: EKS takes a control plane back for 7 days.
    #[serde(with = "crate::length")]
    #[schemars(schema_with = "crate::length::schema")]
    pub duration: SignedDuration,
    /// What is looked at.
    pub gates: BTreeSet<Gate>,
    /// What follows when a gate fails.
    pub on_failure: OnFailure,
}

/// The longest bake: a day before EKS closes the way back.
const BAKE_MAX: SignedDuration = SignedDuration::from_hours(6 * 24);

impl Default for Bake {
    fn default() -> Self {
        Self {
            // Long enough for the controllers of a cluster to meet the new API server, and for its caches to expire.
            duration: SignedDuration::from_hours(1),
            gates: BTreeSet::from([Gate::ClusterHealth, Gate::AddonHealth, Gate::Insights, Gate::Workloads]),
            on_failure: OnFailure::Stop,
        }
    }
}

impl Bake {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.duration.is_negative() || self.duration > BAKE_MAX {
            return Err(format!("bake.duration is {:#}; it may be 0s to 6d", self.duration));
        }
        Ok(())
    }
}

/// Which of two wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Wins {
    /// The run waits for the window, past the end of support, and pays for it.
    #[default]
    Window,
    /// The run goes ahead before the end of support, outside the window.
    Deadline,
}

/// What happens when support ends before the next window opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct EndOfSupport {
    /// What wins.
    pub wins: Wins,
    /// With `deadline`: how many days before the end of support windows cease to bind; 1 to 90. People are told as
    /// soon as it is known.
    #[schemars(range(min = 1, max = 90))]
    pub notice_days: u16,
}

impl Default for EndOfSupport {
    fn default() -> Self {
        Self { wins: Wins::Window, notice_days: 14 }
    }
}
