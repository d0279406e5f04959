//! Text from outside. Making a newtype out of it: the one way in which every parsed word of the domain meets serde
//! and JSON Schema, so that a value read from JSON passes the same checks as one parsed from a command line. And
//! repeating it in a message.

/// Longest part of a message that repeats what came from outside, in characters. An error of a function becomes the
/// output of a state, which Step Functions bounds at 256 KiB: beyond, an execution fails past every `Catch`.
const SAID_CHARS_MAX: usize = 500;

/// What a parser says of a text from outside, fit for one sentence: on one line, and cut where it is too long.
#[must_use]
pub fn said(message: &str) -> String {
    let mut chars = message.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut said: String = chars.by_ref().take(SAID_CHARS_MAX).collect();
    if chars.next().is_some() {
        said.push('…');
    }
    said
}

/// Gives a type with `FromStr` and `Display` its serde and schema implementations: a string on the wire.
#[macro_export]
macro_rules! string_on_the_wire {
    ($type:ty, $name:expr, $pattern:literal, $what:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern, "description": $what })
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_stays_on_one_line_and_is_cut() {
        assert_eq!(said("unknown field `a\nb`"), "unknown field `a b`");
        let long = said(&"ä".repeat(SAID_CHARS_MAX + 1));
        assert_eq!(long.chars().count(), SAID_CHARS_MAX + 1);
        assert!(long.ends_with('…'));
        assert_eq!(said(&"ä".repeat(SAID_CHARS_MAX)), "ä".repeat(SAID_CHARS_MAX));
    }
}
