//! What a refusal must be: one sentence that a person can read.

/// Longest refusal, in characters: a screen's worth. Whoever sent nonsense must not get all of it back, nor must it
/// fill a log, a ledger or an execution's cause.
const CHARS_MAX: usize = 1_200;

/// Panics unless `text` can stand in one line of a terminal, a ledger or a message to people.
pub fn check(text: &str) {
    assert!(!text.trim().is_empty(), "a refusal without words");
    let chars = text.chars().count();
    assert!(
        chars <= CHARS_MAX,
        "a refusal of {chars} characters: {}",
        text.chars().take(300).collect::<String>()
    );
    assert!(!text.contains(char::is_control), "a refusal with control characters: {text:?}");
}
