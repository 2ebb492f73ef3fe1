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

use super::backend::check;
use super::{Clarabel, LinearProgram, LpBackend, LpError, LpSession, LpSolution, Status};
use super::{certified_infeasible, certified_minimum_of};
use crate::budget::Budget;
use form::Form;
use iteration::{End, Newton};

const NAME: &str = "interior";

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
        Ok(Box::new(Session { settings: *self, program, form: Form::new(program), general: None }))
    }
}

struct Session<'a> {
    settings: Interior,
    program: &'a LinearProgram,
    /// `None` when the program is left to the general solver.
    form: Option<Form>,
    /// Made when it is needed.
    general: Option<Box<dyn LpSession + 'a>>,
}

impl LpSession for Session<'_> {
    fn minimise(&mut self, objective: &[f64], budget: &Budget) -> Result<LpSolution, LpError> {
        self.minimise_above(objective, f64::INFINITY, budget)
    }

    fn minimise_above(&mut self, objective: &[f64], goal: f64, budget: &Budget) -> Result<LpSolution, LpError> {
        check(self.program, objective, budget)?;
        if let Some(solution) = self.structured(objective, goal, budget) {
            return Ok(solution);
        }
        let general = match &mut self.general {
            Some(general) => general,
            none => none.insert(Clarabel::DEFAULT.session(self.program)?),
        };
        general.minimise(objective, budget)
    }
}

impl Session<'_> {
    /// `None` when the general solver is needed.
    fn structured(&mut self, objective: &[f64], goal: f64, budget: &Budget) -> Option<LpSolution> {
        let form = self.form.as_ref()?;
        let program = self.program;
        let mut newton = Newton::new(form)?;
        let (costs, factor, constant) = form.objective(program, objective);
        let order = newton.equalities.order().to_vec();
        let multipliers = |y: &[f64], w: &[f64]| {
            let mut in_order = vec![0.0; y.len()];
            order.iter().zip(y).for_each(|(&i, &y)| in_order[i] = y);
            form.multipliers(program, &in_order, w, factor)
        };
        let scaled_goal = (goal - constant) * factor;
        let mut enough = |bound: f64, y: &[f64], w: &[f64]| {
            bound > scaled_goal && certified_minimum_of(program, objective, &multipliers(y, w)) > goal
        };
        let Interior { tolerance, iterations } = self.settings;
        let outcome = newton.minimise(&costs, tolerance, iterations, budget, &mut enough);
        let multipliers = multipliers(&outcome.y, &outcome.w);
        let status = match outcome.end {
            End::Converged => Status::Optimal,
            End::Stopped | End::Enough => Status::Stopped,
            End::Lost => return None,
            End::Infeasible => {
                let is_proof = certified_infeasible(program, &multipliers);
                return is_proof.then_some(LpSolution { multipliers, primal: Vec::new(), status: Status::Infeasible });
            }
        };
        Some(form.solution(program, &outcome.point, multipliers, status))
    }
}
