//! What may follow on what.
