//! The simplex solver HiGHS (feature `highs`; needs cmake, a C++ compiler and libclang to build).
//!
//! A session keeps the model, so that the basis of one objective starts the next: the case in which
//! simplex beats an interior-point method. HiGHS' row duals have the signs of our multipliers.

use super::backend::{check, contained, finite_or_zero, unit_scale};
use super::elastic::elastic;
use super::{LinearProgram, LpBackend, LpError, LpSession, LpSolution, Status};
use crate::budget::Budget;
use ::highs::{Col, HighsModelStatus, HighsStatus, Model, RowProblem};
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
        None => build(program, objective)?,
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

fn build(program: &LinearProgram, objective: &[f64]) -> Result<(Model, Vec<Col>), LpError> {
    let mut problem = RowProblem::default();
    let bounds = program.lower().iter().zip(program.upper());
    let columns: Vec<Col> = objective.iter().zip(bounds).map(|(&c, (&l, &u))| problem.add_column(c, l..=u)).collect();
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
