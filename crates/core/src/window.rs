//! Placeholder.
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// W.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// S.
    pub start: String,
}
impl std::str::FromStr for Window {
    type Err = String;
    fn from_str(_: &str) -> Result<Self, String> {
        Err("no".into())
    }
}
/// F.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Freeze {
    /// N.
    pub name: String,
}
/// S.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Schedule {
    /// W.
    pub windows: Vec<Window>,
    /// F.
    pub freezes: Vec<Freeze>,
}
/// W.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// C.
    ControlPlane,
    /// N.
    Nodes,
    /// A.
    AddOns,
}
/// A.
#[derive(Clone, Debug, PartialEq)]
pub enum Admission {
    /// O.
    Open {
        /// U.
        until: Option<Timestamp>,
    },
    /// C.
    Closed {
        /// O.
        opens: Timestamp,
        /// W.
        why: Closed,
    },
    /// N.
    Never {
        /// W.
        why: Closed,
    },
}
/// C.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed;
impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed")
    }
}
impl Schedule {
    /// A.
    #[must_use]
    pub fn admits(&self, _: Work, _: SignedDuration, _: Timestamp) -> Admission {
        Admission::Open { until: None }
    }
    /// C.
    #[must_use]
    pub fn check(&self, _: Timestamp) -> Vec<String> {
        Vec::new()
    }
    /// L.
    #[must_use]
    pub fn longest(&self) -> Option<SignedDuration> {
        None
    }
}
