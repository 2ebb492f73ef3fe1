//! What a solver of linear programs is asked, and how far it is trusted: not at all.

use super::LinearProgram;
use crate::budget::Budget;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use thiserror::Error;

/// An LP solver, used as an oracle for multipliers.
pub trait LpBackend: Sync {
    /// The name under which [`backend`] finds it.
    fn name(&self) -> &'static str;

    /// Prepares to minimise several objectives, one after the other, over the rows and bounds of
    /// `program`.
    ///
    /// # Errors
    /// [`LpError`] when the program is not one for this backend.
    fn session<'a>(&'a self, program: &'a LinearProgram) -> Result<Box<dyn LpSession + 'a>, LpError>;

    /// Solves `program` once, for its own objective.
    ///
    /// # Errors
    /// [`LpError`] when there are no multipliers at all; a solve that was stopped early, or ended in
    /// numerical trouble, returns those that it has.
    fn solve(&self, program: &LinearProgram, budget: &Budget) -> Result<LpSolution, LpError> {
        self.session(program)?.minimise(program.objective(), budget)
    }
}

/// A prepared program; see [`LpBackend::session`].
pub trait LpSession {
    /// Minimises `objective·x` (one coefficient per variable). Certify the result with
    /// [`certified_minimum_of`](super::certified_minimum_of) and the same objective.
    ///
    /// # Errors
    /// As [`LpBackend::solve`].
    fn minimise(&mut self, objective: &[f64], budget: &Budget) -> Result<LpSolution, LpError>;

    /// As [`minimise`](Self::minimise), but a solver may stop as soon as `stop` allows it; its point is
    /// then no optimum.
    ///
    /// # Errors
    /// As [`LpBackend::solve`].
    fn minimise_until(&mut self, objective: &[f64], stop: Stop, budget: &Budget) -> Result<LpSolution, LpError> {
        let _ = stop;
        self.minimise(objective, budget)
    }
}

/// When a solve may end before it reaches the optimum: as soon as any of these holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stop {
    /// The certified bound of the multipliers exceeds this.
    pub above: f64,
    /// The optimum exceeds the better one of the multipliers' bound and `known` by at most this much.
    pub gap: f64,
    /// A bound of the optimum that is known already; −∞ when there is none.
    pub known: f64,
}

impl Stop {
    /// At the optimum.
    pub const AT_OPTIMUM: Self = Self::above(f64::INFINITY);

    /// Once the certified bound exceeds `goal`, or at the optimum.
    #[must_use]
    pub const fn above(goal: f64) -> Self {
        Self { above: goal, gap: 0.0, known: f64::NEG_INFINITY }
    }
}

/// What a backend found: a guess, to be certified.
#[derive(Clone, Debug, PartialEq)]
pub struct LpSolution {
    /// One multiplier per row, with the signs of [`certified_minimum`](super::certified_minimum).
    pub multipliers: Vec<f64>,
    /// An approximate optimum, one value per variable; empty when the backend has none.
    pub primal: Vec<f64>,
    /// What the solver says of it.
    pub status: Status,
}

/// A solver's claim: a hint, never a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Converged.
    Optimal,
    /// Stopped before convergence (budget, iterations, numerical trouble).
    Stopped,
    /// No feasible point; the multipliers are a candidate ray for
    /// [`certified_infeasible`](super::certified_infeasible).
    Infeasible,
}

/// Why a backend has no multipliers to offer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LpError {
    /// The backend only takes smaller programs.
    #[error("{backend} takes at most {limit} variables, the program has {variables}")]
    TooLarge {
        /// Name of the backend.
        backend: &'static str,
        /// Variables of the program.
        variables: usize,
        /// Variables that the backend accepts.
        limit: usize,
    },
    /// A variable has an infinite bound, or two that cross, or the objective is not one finite number
    /// per variable.
    #[error("every variable needs finite bounds that do not cross, and a finite objective coefficient")]
    Malformed,
    /// The budget was spent before the solver started.
    #[error("no time is left for the linear program")]
    OutOfTime,
    /// The solver rejected the program or gave up.
    #[error("{backend} failed: {message}")]
    Failed {
        /// Name of the backend.
        backend: &'static str,
        /// The solver's own words.
        message: String,
    },
    /// The solver panicked; the panic was contained.
    #[error("{backend} panicked: {message}")]
    Panicked {
        /// Name of the backend.
        backend: &'static str,
        /// The panic's message.
        message: String,
    },
}

/// The checks that every backend makes before a solve.
pub(super) fn check(program: &LinearProgram, objective: &[f64], budget: &Budget) -> Result<(), LpError> {
    if objective.len() != program.variables() || !objective.iter().all(|c| c.is_finite()) {
        return Err(LpError::Malformed);
    }
    if budget.is_spent() { Err(LpError::OutOfTime) } else { Ok(()) }
}

/// Runs a solver that may panic. What it was working on must not be used again after a panic.
pub(super) fn contained<T>(backend: &'static str, run: impl FnOnce() -> T) -> Result<T, LpError> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| LpError::Panicked { backend, message: message_of(&*panic) })
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// Replaces what is no number by 0, so that a stopped solve still yields usable vectors.
pub(super) fn finite_or_zero(x: f64) -> f64 {
    if x.is_finite() { x } else { 0.0 }
}

/// The power of two that brings the largest of `values` into `[1, 2)`; 1 for all zeros.
///
/// Solvers test absolute tolerances. An objective scaled by a power of two has the same optimum and
/// exactly scaled multipliers.
pub(super) fn unit_scale(values: &[f64]) -> f64 {
    let largest = values.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    if largest.is_normal() { 2f64.powi(-(largest.log2().floor() as i32).clamp(-1000, 1000)) } else { 1.0 }
}
