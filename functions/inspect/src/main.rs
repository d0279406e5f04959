//! The `inspect` function: looks into clusters through the Kubernetes API, and changes nothing.

fn main() {}
