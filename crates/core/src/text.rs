//! Making a newtype out of text: the one way in which every parsed word of the domain meets serde and JSON
//! Schema, so that a value read from JSON passes the same checks as one parsed from a command line. And what of text
//! that is none of ours may stand in a sentence of ours.

/// Longest text of others that a sentence of ours quotes, in characters. An error of a function becomes the output of a
/// state, which Step Functions bounds at 256 KiB: beyond, an execution fails past every `Catch`.
const QUOTED_CHARS_MAX: usize = 500;

/// What a sentence quotes of text that somebody else chose: on one line, and not at any length.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut quoted: String = plain.by_ref().take(QUOTED_CHARS_MAX).collect();
    if plain.next().is_some() {
        quoted.push('…');
    }
    quoted
}

/// Longest reason that is kept, in characters.
const REASON_CHARS_MAX: usize = 500;

/// What is wrong with a reason, if anything is. Reasons are kept, and shown on terminals.
#[must_use]
pub fn unfit_reason(text: &str) -> Option<String> {
    if text.chars().any(char::is_control) {
        return Some("a reason is one line of plain text".to_owned());
    }
    let fits = !text.trim().is_empty() && text.chars().count() <= REASON_CHARS_MAX;
    (!fits).then(|| format!("say why, in 1 to {REASON_CHARS_MAX} characters"))
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
    fn a_reason_is_a_line_of_one_to_five_hundred_characters() {
        assert_eq!(unfit_reason("tested in staging – it works"), None);
        assert_eq!(unfit_reason(&"é".repeat(REASON_CHARS_MAX)), None);
        for unfit in ["", "  ", "two\nlines", "\u{1b}[31mred", &"x".repeat(REASON_CHARS_MAX + 1)] {
            assert!(unfit_reason(unfit).is_some(), "{unfit:?}");
        }
    }

    #[test]
    fn what_is_quoted_is_one_line_and_short() {
        assert_eq!(quoted("unknown field `a`"), "unknown field `a`");
        assert_eq!(quoted("one\ntwo\u{1b}[31m"), "one two [31m");
        assert_eq!(quoted(&"x".repeat(QUOTED_CHARS_MAX)).len(), QUOTED_CHARS_MAX);
        let long = quoted(&"é".repeat(10_000));
        assert_eq!((long.chars().count(), long.ends_with('…')), (QUOTED_CHARS_MAX + 1, true));
    }
}
