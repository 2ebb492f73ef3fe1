//! A small, independent backend: the simplex crate `minilp`.
//!
//! It reports no duals, so the *dual* program is solved explicitly,
//!
//! ```text
//! max Σ_r (lo_r p_r − hi_r q_r) + Σ_j (l_j v_j − u_j w_j)   subject to
//! Aᵀ(p − q) + v − w = c ,  p, q, v, w ≥ 0 ,
//! ```
//!
//! and `λ = p − q`. It has always a feasible point (`p = q = 0`), and is unbounded exactly when the
//! program is infeasible; then the same program with `c = 0` and `p, q ≤ 1` yields a ray.

use super::backend::{check, contained, finite_or_zero, unit_scale};
use super::{LinearProgram, LpBackend, LpError, LpSession, LpSolution, Status};
use crate::budget::Budget;
use ::minilp::{ComparisonOp, Error, OptimizationDirection, Problem, Variable};

const NAME: &str = "minilp";

/// Above this size minilp does not finish in reasonable time.
const LARGEST: usize = 2000;

/// The simplex solver `minilp`, for programs of at most 2000 variables.
///
/// It cannot be interrupted: the budget is only read before each of its two solves.
#[derive(Clone, Copy, Debug)]
pub struct MiniLp;

impl LpBackend for MiniLp {
    fn name(&self) -> &'static str {
        NAME
    }

    fn session<'a>(&'a self, program: &'a LinearProgram) -> Result<Box<dyn LpSession + 'a>, LpError> {
        if !program.is_boxed() {
            return Err(LpError::Malformed);
        }
        let variables = program.variables();
        if variables > LARGEST {
            return Err(LpError::TooLarge { backend: NAME, variables, limit: LARGEST });
        }
        Ok(Box::new(Session(program)))
    }
}

struct Session<'a>(&'a LinearProgram);

impl LpSession for Session<'_> {
    fn minimise(&mut self, objective: &[f64], budget: &Budget) -> Result<LpSolution, LpError> {
        let program = self.0;
        check(program, objective, budget)?;
        let scale = unit_scale(objective);
        let scaled: Vec<f64> = objective.iter().map(|c| c * scale).collect();
        let found = dual(program, &scaled, f64::INFINITY)?;
        if let Err(error @ Error::Infeasible) = found {
            return Err(failed(&error));
        }
        let point = if budget.is_spent() { None } else { Some(primal(program, &scaled)) };
        // minilp stops at a finite value of some unbounded duals, so the primal solve has a say too.
        if found.is_err() || matches!(point, Some(Ok(Err(Error::Infeasible)))) {
            let multipliers = dual(program, &vec![0.0; scaled.len()], 1.0)?.map_err(|error| failed(&error))?;
            return Ok(LpSolution { multipliers, primal: Vec::new(), status: Status::Infeasible });
        }
        let multipliers = found.unwrap_or_default().iter().map(|λ| finite_or_zero(λ / scale)).collect();
        Ok(match point {
            Some(Ok(Ok(primal))) => LpSolution { multipliers, primal, status: Status::Optimal },
            _ => LpSolution { multipliers, primal: Vec::new(), status: Status::Stopped },
        })
    }
}

fn failed(error: &Error) -> LpError {
    LpError::Failed { backend: NAME, message: error.to_string() }
}

/// The best multipliers for `objective`, each part at most `cap`.
fn dual(program: &LinearProgram, objective: &[f64], cap: f64) -> Result<Result<Vec<f64>, Error>, LpError> {
    let mut problem = Problem::new(OptimizationDirection::Maximize);
    let mut columns: Vec<Vec<(Variable, f64)>> = vec![Vec::new(); program.variables()];
    let mut parts = Vec::new();
    for r in 0..program.rows() {
        let row = program.row(r);
        for (sign, side) in [(1.0, row.lower), (-1.0, row.upper)] {
            if side.is_finite() {
                let part = problem.add_var(sign * side, (0.0, cap));
                parts.push((r, sign, part));
                row.columns.iter().zip(row.values).for_each(|(&j, &a)| columns[j].push((part, sign * a)));
            }
        }
    }
    for (j, mut column) in columns.into_iter().enumerate() {
        for (sign, bound) in [(1.0, program.lower()[j]), (-1.0, program.upper()[j])] {
            column.push((problem.add_var(sign * bound, (0.0, f64::INFINITY)), sign));
        }
        problem.add_constraint(column, ComparisonOp::Eq, objective[j]);
    }
    let solution = contained(NAME, || problem.solve())?;
    Ok(solution.map(|solution| {
        let mut multipliers = vec![0.0; program.rows()];
        for (r, sign, part) in parts {
            multipliers[r] += sign * finite_or_zero(solution[part]);
        }
        multipliers
    }))
}

/// An optimal point.
fn primal(program: &LinearProgram, objective: &[f64]) -> Result<Result<Vec<f64>, Error>, LpError> {
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let bounds = program.lower().iter().zip(program.upper());
    let variables: Vec<Variable> =
        objective.iter().zip(bounds.clone()).map(|(&c, (&l, &u))| problem.add_var(c, (l, u))).collect();
    for r in 0..program.rows() {
        let row = program.row(r);
        let left = || row.columns.iter().zip(row.values).map(|(&j, &a)| (variables[j], a)).collect::<Vec<_>>();
        if row.lower == row.upper {
            problem.add_constraint(left(), ComparisonOp::Eq, row.lower);
            continue;
        }
        if row.lower.is_finite() {
            problem.add_constraint(left(), ComparisonOp::Ge, row.lower);
        }
        if row.upper.is_finite() {
            problem.add_constraint(left(), ComparisonOp::Le, row.upper);
        }
    }
    let solution = contained(NAME, || problem.solve())?;
    let at = |solution: ::minilp::Solution| {
        variables.iter().zip(bounds).map(|(&x, (&l, &u))| finite_or_zero(solution[x]).clamp(l, u)).collect()
    };
    Ok(solution.map(at))
}
