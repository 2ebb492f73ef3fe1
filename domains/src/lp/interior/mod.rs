//! An interior-point method for the programs of layered networks.
//!
//! Their rows are few dense blocks, and inequalities join only the two variables of one neuron, or those
//! of a small group. So a Newton step reduces to one small dense block per group and a normal matrix of
//! dense blocks, one per pair of neighbouring layers: matrix products do almost all of the work. What
//! does not fit, and programs without a feasible point, are left to [`Clarabel`].

mod cholesky;
mod components;
mod equalities;
mod form;
mod iteration;
#[cfg(test)]
mod tests;
mod unknowns;

use super::backend::check;
use super::{Clarabel, LinearProgram, LpBackend, LpError, LpSession, LpSolution, Status, Stop};
use super::{certified_infeasible, certified_minimum_of};
use crate::budget::Budget;
use form::Form;
use iteration::{End, Newton, Rules};
use std::rc::Rc;

const NAME: &str = "interior";

/// A program with more coefficients is not given to the general solver because its bound is poor.
const LARGEST_REPEATED: usize = 20_000;
/// A certified bound further below the point's value than this part of it is poor.
const POOR: f64 = 1e-6;

/// The structured interior-point method with its stopping rules.
#[derive(Clone, Copy, Debug)]
pub struct Interior {
    /// Relative gap and infeasibility at which a solve counts as converged.
    pub tolerance: f64,
    /// Iterations after which it stops.
    pub iterations: u32,
}

impl Interior {
    /// What [`backend`](super::backend) offers.
    pub const DEFAULT: Self = Self { tolerance: 1e-8, iterations: 100 };
}

impl LpBackend for Interior {
    fn name(&self) -> &'static str {
        NAME
    }

    fn session<'a>(&'a self, program: &'a LinearProgram) -> Result<Box<dyn LpSession + 'a>, LpError> {
        if !program.is_boxed() {
            return Err(LpError::Malformed);
        }
        Ok(Box::new(Session::new(*self, program)))
    }
}

struct Session<'a> {
    settings: Interior,
    program: &'a LinearProgram,
    /// `None` when the program is left to the general solver.
    newton: Option<Newton>,
    /// Made when it is needed.
    general: Option<Box<dyn LpSession + 'a>>,
}

impl LpSession for Session<'_> {
    fn minimise(&mut self, objective: &[f64], budget: &Budget) -> Result<LpSolution, LpError> {
        self.minimise_until(objective, Stop::AT_OPTIMUM, budget)
    }

    fn minimise_until(&mut self, objective: &[f64], stop: Stop, budget: &Budget) -> Result<LpSolution, LpError> {
        check(self.program, objective, budget)?;
        let Some((solution, end)) = self.structured(objective, stop, budget) else {
            return self.general(objective, budget);
        };
        let may_repeat = end != End::Enough && self.program.nonzeros() <= LARGEST_REPEATED && !budget.is_spent();
        if solution.status == Status::Infeasible || !may_repeat {
            return Ok(solution);
        }
        let bound = |solution: &LpSolution| certified_minimum_of(self.program, objective, &solution.multipliers);
        let value: f64 = objective.iter().zip(&solution.primal).map(|(c, x)| c * x).sum();
        let found = bound(&solution);
        if value - found <= POOR * (1.0 + value.abs()) {
            return Ok(solution);
        }
        let program = self.program;
        match self.general(objective, budget) {
            Ok(other) if certified_minimum_of(program, objective, &other.multipliers) > found => Ok(other),
            _ => Ok(solution),
        }
    }
}

impl<'a> Session<'a> {
    fn new(settings: Interior, program: &'a LinearProgram) -> Self {
        let newton = Form::new(program).and_then(|form| Newton::new(Rc::new(form)));
        Self { settings, program, newton, general: None }
    }

    fn general(&mut self, objective: &[f64], budget: &Budget) -> Result<LpSolution, LpError> {
        let general = match &mut self.general {
            Some(general) => general,
            none => none.insert(Clarabel::DEFAULT.session(self.program)?),
        };
        general.minimise(objective, budget)
    }

    /// `None` when the general solver is needed.
    fn structured(&mut self, objective: &[f64], stop: Stop, budget: &Budget) -> Option<(LpSolution, End)> {
        let newton = self.newton.as_mut()?;
        let (program, form) = (self.program, Rc::clone(&newton.form));
        let (costs, factor, constant) = form.objective(program, objective);
        let order = newton.equalities.order().to_vec();
        let multipliers = |y: &[f64], w: &[f64]| {
            let mut in_order = vec![0.0; y.len()];
            order.iter().zip(y).for_each(|(&i, &y)| in_order[i] = y);
            form.multipliers(program, &in_order, w, factor)
        };
        let scaled = |value: f64| (value - constant) * factor;
        let goal = scaled(stop.above);
        let mut enough = |bound: f64, y: &[f64], w: &[f64]| {
            bound > goal && certified_minimum_of(program, objective, &multipliers(y, w)) > stop.above
        };
        let Interior { tolerance, iterations } = self.settings;
        let rules = Rules { tolerance, iterations, gap: stop.gap * factor, known: scaled(stop.known) };
        let outcome = newton.minimise(&costs, rules, budget, &mut enough);
        let multipliers = multipliers(&outcome.y, &outcome.w);
        let status = match outcome.end {
            End::Converged => Status::Optimal,
            End::Stopped | End::Enough => Status::Stopped,
            End::Lost => return None,
            End::Infeasible => {
                let is_proof = certified_infeasible(program, &multipliers);
                let solution = LpSolution { multipliers, primal: Vec::new(), status: Status::Infeasible };
                return is_proof.then_some((solution, outcome.end));
            }
        };
        Some((form.solution(program, &outcome.point, multipliers, status), outcome.end))
    }
}
