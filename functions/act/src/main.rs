//! The `act` function.

fn main() {}
