//! The list of decisions that are others now, on purpose: `changes.yaml`.
//!
//! An entry covers a difference only if it names every field that differs, so that none hides another.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::replay::Difference;

/// Stands for any value.
const ANY: &str = "*";

/// An entry of the list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Why it is decided otherwise, for whoever upgrades.
    pub reason: String,
    /// In which histories, like `0.1.0/two-hops`; left out: in all.
    #[serde(default)]
    pub histories: Vec<String>,
    /// Fields of the decision as it was; `*` is any value.
    #[serde(default)]
    pub was: BTreeMap<String, Value>,
    /// Fields of the decision as it is.
    #[serde(default)]
    pub is: BTreeMap<String, Value>,
}

/// Reads the list.
pub fn read(yaml: &str) -> Result<Vec<Change>, String> {
    let changes: Vec<Change> = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
    match changes.iter().find(|change| change.reason.trim().is_empty()) {
        Some(change) => Err(format!("a change without a reason: {change:?}")),
        None => Ok(changes),
    }
}

impl Change {
    /// Whether it is this that it lists.
    pub fn covers(&self, difference: &Difference) -> bool {
        let here = self.histories.is_empty() || self.histories.contains(&difference.history);
        let matches = |wanted: &BTreeMap<String, Value>, decision: &Value| {
            wanted.iter().all(|(field, value)| {
                decision.get(field).is_some_and(|there| there == value || value.as_str() == Some(ANY))
            })
        };
        let named = |(field, (was, is)): (&String, &(Option<Value>, Option<Value>))| {
            (was.is_some() && self.was.contains_key(field)) || (is.is_some() && self.is.contains_key(field))
        };
        here && matches(&self.was, &difference.was)
            && matches(&self.is, &difference.is)
            && difference.fields.iter().all(named)
    }
}
