//! What was read and written once reads and writes the same from then on.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Panics unless `value`, written as JSON, reads as itself.
pub fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let text =
        serde_json::to_string(value).unwrap_or_else(|error| panic!("{value:?} does not write: {error}"));
    let again: T =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text} does not read: {error}"));
    assert_eq!(again, *value, "it reads as something else");
}
