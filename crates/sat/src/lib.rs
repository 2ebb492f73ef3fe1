//! A conflict-driven clause-learning solver for clauses and reified linear constraints over Booleans.
//!
//! Clauses are propagated by two watched literals each, `y ↔ (Σ a_i l_i ≥ b)` by counters
//! (Jia & Rinard 2020 §4.2), with reasons that are put into words only when a conflict asks for them.
//! Everything else is MiniSat's: 1UIP learning with minimisation, activity-ordered decisions, Luby
//! restarts, assumptions, and a database of learnt clauses that is halved when it grows.
//! The crate knows nothing of networks, and nothing of who checks its proofs.
//!
//! [`Solver`] is made of parts that keep their fields to themselves: the trail (what is true, since when and
//! why), the database of clauses, the linear constraints with their counters, the order of decisions, the
//! analysis of conflicts, and the proof. A function takes the parts that it touches.
//!
//! ```
//! use absint_sat::{Config, Limits, Outcome, Solver};
//!
//! let mut solver = Solver::new(Config::default());
//! let [x, y, z] = [(); 3].map(|()| solver.new_var().positive());
//! solver.add_clause(&[!x, !y]);
//! solver.add_at_least(&[(1, x), (1, y), (1, z)], 2)?;
//! let mut limits = Limits { conflicts: u64::MAX, interrupt: &mut || false };
//! assert_eq!(solver.solve(&[], &mut limits), Outcome::Satisfiable);
//! assert!(solver.value(z.var()));
//! assert_eq!(solver.solve(&[!z], &mut limits), Outcome::Unsatisfiable);
//! assert_eq!(solver.core(), [!z]);
//! # Ok::<(), absint_sat::LinearError>(())
//! ```

#![forbid(unsafe_code)]

mod analyze;
mod clauses;
mod config;
mod database;
mod formula;
mod heap;
mod linear;
mod literal;
mod normal;
mod order;
mod proof;
mod propagate;
mod solver;
#[cfg(test)]
mod tests;
mod trail;
mod veripb;

pub use config::{Config, Limits, Outcome, Polarity, Statistics};
pub use formula::{Constraint, Formula};
pub use linear::Direction;
pub use literal::{Lit, Var};
pub use normal::{Linear, LinearError};
pub use proof::ProofSink;
pub use solver::Solver;
pub use veripb::VeripbLog;
