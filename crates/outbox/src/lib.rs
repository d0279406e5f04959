//! The ledger's stream, EventBridge and SNS, for the notify function alone: no other links them.
//!
//! Translation only, as in `crates/aws`.

pub mod events;
pub mod stream;
pub mod topic;

/// An error and its causes in one line: the SDK's own display stops at "service error".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
