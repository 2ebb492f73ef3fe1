//! A conflict-driven clause-learning solver for clauses and reified linear constraints over Booleans.
//!
//! Clauses are propagated by two watched literals each, `y ↔ (Σ a_i l_i ≥ b)` by counters
//! (Jia & Rinard 2020 §4.2), with reasons that are put into words only when a conflict asks for them.
//! Everything else is MiniSat's: 1UIP learning with minimisation, activity-ordered decisions, Luby
//! restarts, assumptions, and a database of learnt clauses that is halved when it grows.
//! The crate knows nothing of networks, and nothing of who checks its proofs.

#![forbid(unsafe_code)]

mod analyze;
mod clauses;
mod config;
mod formula;
mod heap;
mod linear;
mod literal;
mod normal;
mod proof;
mod propagate;
mod search;
mod solver;
#[cfg(test)]
mod tests;
mod veripb;

pub use config::{Config, Limits, Outcome, Polarity, Statistics};
pub use formula::{Constraint, Formula};
pub use linear::Direction;
pub use literal::{Lit, Var};
pub use normal::{Linear, LinearError};
pub use proof::ProofSink;
pub use solver::Solver;
pub use veripb::VeripbLog;
