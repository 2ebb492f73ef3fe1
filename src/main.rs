//! The command line of absint.
fn main() {}
