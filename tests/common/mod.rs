//! What the tests share: random cases, which the crate of the mathematics tests with as well, data, oracles.
#![allow(dead_code, unused_imports, clippy::unwrap_used, clippy::print_stdout)]

pub mod bisection;
pub mod certificates;
pub mod data;
pub mod double_double;
pub mod enumeration;
pub mod families;
pub mod journal;
#[path = "../../domains/tests/common/mod.rs"]
mod random;
pub mod refutations;
pub mod sums;

pub use random::*;
