//! Linear programs and bounds on them that hold whatever the solver did.
//!
//! A backend is an oracle: it guesses multipliers in floats, and [`certified_minimum`] turns any
//! multipliers into a bound. So nothing here depends on a solver's objective value or status.

mod backend;
mod backends;
mod certify;
mod clarabel;
mod elastic;
#[cfg(feature = "highs")]
mod highs;
mod integer;
mod interior;
mod minilp;
mod program;
mod rational;
#[cfg(test)]
mod tests;

pub use backend::{LpBackend, LpError, LpSession, LpSolution, Status, Stop};
pub use backends::{backend, backends};
pub use certify::{certified_infeasible, certified_minimum, certified_minimum_of};
pub use clarabel::Clarabel;
#[cfg(feature = "highs")]
pub use highs::Highs;
pub use integer::{IntegerProgram, IntegerSolution};
pub use interior::Interior;
pub use minilp::MiniLp;
pub use program::{LinearProgram, ProgramRow};
pub use rational::{RationalOptimum, RationalProgram, RationalSession};
