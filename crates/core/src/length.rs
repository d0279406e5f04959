//! Lengths of time as people write them: `90m`, `4h 30m`, `3d`. A day is 24 hours.
//!
//! For fields: `#[serde(with = "crate::length")]`.

use jiff::{SignedDuration, Span, SpanRelativeTo};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serializer};

/// Reads a length.
pub fn read(text: &str) -> Result<SignedDuration, String> {
    let span = text.parse::<Span>().ok();
    let length = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    length.ok_or_else(|| {
        let text: String = text.chars().take(40).collect();
        format!("{text:?} is no length of time; write it like 90m, 4h 30m or 3d")
    })
}

/// Writes a length, like `4h 30m`.
#[must_use]
pub fn write(length: SignedDuration) -> String {
    format!("{length:#}")
}

/// For serde.
pub fn serialize<S: Serializer>(length: &SignedDuration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&write(*length))
}

/// For serde.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SignedDuration, D::Error> {
    let text = String::deserialize(deserializer)?;
    read(&text).map_err(serde::de::Error::custom)
}

/// For schemars: `#[schemars(schema_with = "crate::length::schema")]`.
#[must_use]
pub fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "examples": ["90m", "4h 30m", "3d"]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_reads_and_writes_back() {
        for (text, seconds) in
            [("90m", 5_400), ("4h 30m", 16_200), ("3d", 259_200), ("PT1H", 3_600), ("0s", 0)]
        {
            let length = read(text).unwrap();
            assert_eq!(length.as_secs(), seconds, "{text}");
            assert_eq!(read(&write(length)).unwrap(), length);
        }
        for text in ["", "soon", "1 month", "4"] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
