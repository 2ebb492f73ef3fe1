//! Integer programs.

use super::{LinearProgram, Status};

/// A linear program some of whose variables take integer values only.
#[derive(Clone, Debug)]
pub struct IntegerProgram {
    /// The program without integrality; its objective is what is minimised, less `constant`.
    pub relaxation: LinearProgram,
    /// The variables that are integers.
    pub integral: Vec<usize>,
    /// Added to the objective.
    pub constant: f64,
}

/// What a solver says of an [`IntegerProgram`]: claims in floats, none of them a proof.
#[derive(Clone, Debug, PartialEq)]
pub struct IntegerSolution {
    /// The best point found, one value per variable; empty when there is none.
    pub point: Vec<f64>,
    /// The solver's lower bound of the minimum, **not certified**; −∞ when it has none, +∞ when it sees no
    /// feasible point.
    pub bound: f64,
    /// Whether it came to its end.
    pub status: Status,
}
