//! The `decide` function.

fn main() {}
