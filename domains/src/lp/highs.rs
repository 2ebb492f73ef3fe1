//! The solver HiGHS (feature `highs`; needs cmake, a C++ compiler and libclang to build): simplex for linear
//! programs, branch and cut for integer ones.
//!
//! A session keeps the model, so that the basis of one objective starts the next: the case in which
//! simplex beats an interior-point method. HiGHS' row duals have the signs of our multipliers.

use super::backend::{check, contained, finite_or_zero, unit_scale};
use super::elastic::elastic;
use super::{IntegerProgram, IntegerSolution, LinearProgram, LpBackend, LpError, LpSession, LpSolution, Status};
use crate::budget::Budget;
use ::highs::{Col, HighsModelStatus, HighsSolutionStatus, HighsStatus, Model, RowProblem};
use std::time::Duration;

const NAME: &str = "highs";

/// HiGHS on one thread. The time limit is taken from the budget when a solve starts; a later
/// cancellation is not noticed before it ends.
#[derive(Clone, Copy, Debug)]
pub struct Highs;

impl LpBackend for Highs {
    fn name(&self) -> &'static str {
        NAME
    }

    fn session<'a>(&'a self, program: &'a LinearProgram) -> Result<Box<dyn LpSession + 'a>, LpError> {
        if !program.is_boxed() {
            return Err(LpError::Malformed);
        }
        Ok(Box::new(Session { program, kept: None, elapsed: Duration::ZERO }))
    }
}

impl Highs {
    /// Minimises an integer program on one thread, or ends at a point whose objective is at most `target`
    /// (−∞ for the minimum). The time limit is that of the budget when it starts.
    ///
    /// # Errors
    /// [`LpError`] when the program is malformed or HiGHS gives up; no time left is one of them.
    pub fn minimise_integral(
        self,
        program: &IntegerProgram,
        target: f64,
        budget: &Budget,
    ) -> Result<IntegerSolution, LpError> {
        check(&program.relaxation, program.relaxation.objective(), budget)?;
        if !program.relaxation.is_boxed() {
            return Err(LpError::Malformed);
        }
        contained(NAME, || search(program, target, budget.remaining()))?
    }
}

struct Session<'a> {
    program: &'a LinearProgram,
    /// The model after its latest solve, and its columns; dropped after a panic.
    kept: Option<(Model, Vec<Col>)>,
    /// What the solves of the kept model took: HiGHS compares its limit with the sum over all runs.
    elapsed: Duration,
}

impl LpSession for Session<'_> {
    fn minimise(&mut self, objective: &[f64], budget: &Budget) -> Result<LpSolution, LpError> {
        check(self.program, objective, budget)?;
        let scale = unit_scale(objective);
        let scaled: Vec<f64> = objective.iter().map(|c| c * scale).collect();
        let kept = self.kept.take();
        if kept.is_none() {
            self.elapsed = Duration::ZERO;
        }
        let before = budget.remaining();
        let (program, elapsed) = (self.program, self.elapsed);
        let found = contained(NAME, || run(program, kept, &scaled, before.map(|left| left + elapsed)))??;
        if let (Some(before), Some(after)) = (before, budget.remaining()) {
            self.elapsed += before.saturating_sub(after);
        }
        let Found { model, columns, point, duals, status } = found;
        self.kept = Some((model, columns));
        if status == Status::Infeasible {
            let multipliers = contained(NAME, || ray(program, budget.remaining()))??;
            return Ok(LpSolution { multipliers, primal: Vec::new(), status });
        }
        let bounds = program.lower().iter().zip(program.upper());
        let primal = point.iter().zip(bounds).map(|(&x, (&l, &u))| finite_or_zero(x).clamp(l, u)).collect();
        let multipliers = duals.iter().map(|&λ| finite_or_zero(λ / scale)).collect();
        Ok(LpSolution { multipliers, primal, status })
    }
}

struct Found {
    model: Model,
    columns: Vec<Col>,
    point: Vec<f64>,
    duals: Vec<f64>,
    status: Status,
}

fn failed(status: HighsStatus) -> LpError {
    LpError::Failed { backend: NAME, message: format!("{status:?}") }
}

/// One thread, and presolve only where no basis is kept (HiGHS skips it by itself when there is one).
fn model_of(problem: RowProblem) -> Result<Model, LpError> {
    let mut model = Model::try_new(problem).map_err(failed)?;
    model.make_quiet();
    model.set_option("threads", 1);
    model.set_option("parallel", "off");
    Ok(model)
}

fn run(
    program: &LinearProgram,
    kept: Option<(Model, Vec<Col>)>,
    objective: &[f64],
    limit: Option<Duration>,
) -> Result<Found, LpError> {
    let (mut model, columns) = match kept {
        Some((mut model, columns)) => {
            columns.iter().zip(objective).for_each(|(&column, &c)| model.change_column_cost(column, c));
            (model, columns)
        }
        None => build(program, objective, &[])?,
    };
    model.set_option("time_limit", limit.map_or(f64::INFINITY, |limit| limit.as_secs_f64()));
    let solved = model.try_solve().map_err(failed)?;
    let status = match solved.status() {
        HighsModelStatus::Optimal | HighsModelStatus::ModelEmpty => Status::Optimal,
        HighsModelStatus::Infeasible | HighsModelStatus::UnboundedOrInfeasible => Status::Infeasible,
        _ => Status::Stopped,
    };
    let solution = solved.get_solution();
    let (point, duals) = (solution.columns().to_vec(), solution.dual_rows().to_vec());
    Ok(Found { model: Model::from(solved), columns, point, duals, status })
}

/// Branch and cut. Its tolerances are far below its defaults, since a margin near zero decides a verdict.
fn search(program: &IntegerProgram, target: f64, limit: Option<Duration>) -> Result<IntegerSolution, LpError> {
    let IntegerProgram { relaxation, integral, constant } = program;
    let (mut model, _) = build(relaxation, relaxation.objective(), integral)?;
    model.set_option("mip_rel_gap", 1e-9);
    model.set_option("mip_abs_gap", 1e-9);
    model.set_option("mip_feasibility_tolerance", 1e-9);
    model.set_option("primal_feasibility_tolerance", 1e-9);
    model.set_option("objective_target", target - constant);
    model.set_option("time_limit", limit.map_or(f64::INFINITY, |limit| limit.as_secs_f64()));
    let solved = model.try_solve().map_err(failed)?;
    let status = match solved.status() {
        HighsModelStatus::Optimal => Status::Optimal,
        HighsModelStatus::Infeasible => Status::Infeasible,
        _ => Status::Stopped,
    };
    let value = |name| solved.double_info_value(name).ok().filter(|x: &f64| x.is_finite());
    let bound = match status {
        Status::Infeasible => f64::INFINITY,
        // Without integers there is no tree and no bound of it.
        Status::Optimal if integral.is_empty() => solved.objective_value() + constant,
        _ => value(c"mip_dual_bound").map_or(f64::NEG_INFINITY, |bound| bound + constant),
    };
    let has_point = solved.primal_solution_status() == HighsSolutionStatus::Feasible;
    let point = if has_point { solved.get_solution().columns().to_vec() } else { Vec::new() };
    Ok(IntegerSolution { point, bound, status })
}

fn build(program: &LinearProgram, objective: &[f64], integral: &[usize]) -> Result<(Model, Vec<Col>), LpError> {
    let mut problem = RowProblem::default();
    let mut is_integral = vec![false; objective.len()];
    integral.iter().for_each(|&v| is_integral[v] = true);
    let bounds = program.lower().iter().zip(program.upper());
    let columns: Vec<Col> = objective
        .iter()
        .zip(bounds)
        .zip(is_integral)
        .map(|((&c, (&l, &u)), is_integral)| problem.add_column_with_integrality(c, l..=u, is_integral))
        .collect();
    for r in 0..program.rows() {
        let row = program.row(r);
        problem.add_row(row.lower..=row.upper, row.columns.iter().zip(row.values).map(|(&j, &a)| (columns[j], a)));
    }
    Ok((model_of(problem)?, columns))
}

/// A ray of an infeasible program.
fn ray(program: &LinearProgram, limit: Option<Duration>) -> Result<Vec<f64>, LpError> {
    let elastic = elastic(program);
    let found = run(&elastic, None, elastic.objective(), limit)?;
    Ok(found.duals.iter().map(|&λ| finite_or_zero(λ)).collect())
}
