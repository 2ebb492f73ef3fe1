//! The general backend: the interior-point solver Clarabel (pure Rust; Goulart & Chen 2024).
//!
//! Clarabel solves min `q·x`, `G x + s = b`, `s ∈ K`, and its dual variables satisfy
//! `q + Gᵀz = 0`, `z ∈ K*`. An upper side is the row `a·x ≤ hi` (`λ = −z`), a lower side the row
//! `−a·x ≤ −lo` (`λ = z`), an equality the row `a·x = lo` in the zero cone (`λ = −z`).

use super::backend::{check, contained, finite_or_zero, unit_scale};
use super::elastic::elastic;
use super::{LinearProgram, LpBackend, LpError, LpSession, LpSolution, Status, certified_infeasible};
use crate::budget::Budget;
use ::clarabel::algebra::CscMatrix;
use ::clarabel::solver::{DefaultSettings, DefaultSolver, IPSolver, SolverStatus, SupportedConeT};

const NAME: &str = "clarabel";

/// A stopped solve whose relative primal residual is larger may have met an infeasible program.
const LARGEST_RESIDUAL: f64 = 1e-4;

/// Clarabel with its stopping rules.
#[derive(Clone, Copy, Debug)]
pub struct Clarabel {
    /// Relative gap and infeasibility at which a solve counts as converged.
    pub tolerance: f64,
    /// Interior-point iterations after which it stops.
    pub iterations: u32,
}

impl Clarabel {
    /// What [`backend`](super::backend) offers. On triangle relaxations of 9 layers the certified bound is
    /// relatively within 10 × tolerance of the optimum, and 1e-4 saves only a quarter of the time of 1e-8.
    pub const DEFAULT: Self = Self { tolerance: 1e-8, iterations: 100 };

    fn settings(self) -> DefaultSettings<f64> {
        DefaultSettings {
            verbose: false,
            max_iter: self.iterations,
            max_threads: 1,
            // The presolver only removes infinite right sides, and it forbids a new objective.
            presolve_enable: false,
            tol_gap_abs: self.tolerance,
            tol_gap_rel: self.tolerance,
            tol_feas: self.tolerance,
            ..DefaultSettings::default()
        }
    }
}

impl LpBackend for Clarabel {
    fn name(&self) -> &'static str {
        NAME
    }

    fn session<'a>(&'a self, program: &'a LinearProgram) -> Result<Box<dyn LpSession + 'a>, LpError> {
        if !program.is_boxed() {
            return Err(LpError::Malformed);
        }
        Ok(Box::new(Session::new(program, self.settings())))
    }
}

struct Session<'a> {
    settings: DefaultSettings<f64>,
    program: &'a LinearProgram,
    form: ConicForm,
    /// Made at the first solve, dropped after a panic.
    solver: Option<DefaultSolver<f64>>,
    /// Whether a solve that stalled far from feasibility is followed by a search for a ray.
    may_doubt: bool,
}

impl LpSession for Session<'_> {
    fn minimise(&mut self, objective: &[f64], budget: &Budget) -> Result<LpSolution, LpError> {
        check(self.program, objective, budget)?;
        if self.program.lower() == self.program.upper() {
            return Ok(at_the_only_point(self.program));
        }
        let mut scaled: Vec<f64> = objective.iter().zip(&self.form.scales).map(|(c, s)| c * s).collect();
        let scale = unit_scale(&scaled);
        scaled.iter_mut().for_each(|c| *c *= scale);
        let kept = self.solver.take();
        let mut solver = contained(NAME, || self.prepare(kept, scaled))??;
        let polled = budget.clone();
        solver.set_termination_callback(move |_| polled.is_spent());
        contained(NAME, || solver.solve())?;
        let mut solution = self.read(&solver, scale);
        let residual = solver.solution.r_prim;
        self.solver = Some(solver);
        let is_suspect = solution.status == Status::Stopped && (residual > LARGEST_RESIDUAL || residual.is_nan());
        if is_suspect
            && self.may_doubt
            && !budget.is_spent()
            && let Some(multipliers) = self.ray(budget)
        {
            solution = LpSolution { multipliers, primal: Vec::new(), status: Status::Infeasible };
        }
        Ok(solution)
    }
}

impl<'a> Session<'a> {
    fn new(program: &'a LinearProgram, settings: DefaultSettings<f64>) -> Self {
        Self { settings, program, form: ConicForm::new(program), solver: None, may_doubt: true }
    }

    /// The kept solver with a new objective, or a new solver.
    fn prepare(&self, kept: Option<DefaultSolver<f64>>, objective: Vec<f64>) -> Result<DefaultSolver<f64>, LpError> {
        let failed = |message: String| LpError::Failed { backend: NAME, message };
        if let Some(mut solver) = kept {
            solver.update_q(&objective).map_err(|error| failed(error.to_string()))?;
            return Ok(solver);
        }
        let none = CscMatrix::zeros((objective.len(), objective.len()));
        let form = &self.form;
        DefaultSolver::new(&none, &objective, &form.matrix, &form.right, &form.cones, self.settings.clone())
            .map_err(|error| failed(error.to_string()))
    }

    fn read(&self, solver: &DefaultSolver<f64>, scale: f64) -> LpSolution {
        let solution = &solver.solution;
        let status = match solution.status {
            SolverStatus::Solved => Status::Optimal,
            SolverStatus::PrimalInfeasible | SolverStatus::AlmostPrimalInfeasible => Status::Infeasible,
            _ => Status::Stopped,
        };
        let multipliers = self.form.multipliers(&solution.z, self.program.rows(), scale.recip());
        let bounds = self.program.lower().iter().zip(self.program.upper());
        let scaled = solution.x.iter().zip(&self.form.scales).map(|(&t, s)| finite_or_zero(t) * s);
        let primal = scaled.zip(bounds).map(|(x, (&l, &u))| (l + x).clamp(l, u)).collect();
        LpSolution { multipliers, primal, status }
    }

    /// A certified ray, if there is one: Clarabel often stalls on equalities that contradict each other.
    fn ray(&self, budget: &Budget) -> Option<Vec<f64>> {
        let elastic = elastic(self.program);
        let mut session = Session::new(&elastic, self.settings.clone());
        session.may_doubt = false;
        let multipliers = session.minimise(elastic.objective(), budget).ok()?.multipliers;
        certified_infeasible(self.program, &multipliers).then_some(multipliers)
    }
}

/// The answer where every variable is fixed: Clarabel needs an inequality to recognise infeasibility.
/// The most violated row is the ray.
fn at_the_only_point(program: &LinearProgram) -> LpSolution {
    let point = program.lower();
    let mut multipliers = vec![0.0; program.rows()];
    let mut worst = (0.0, 0, 0.0);
    for r in 0..program.rows() {
        let row = program.row(r);
        let value: f64 = row.columns.iter().zip(row.values).map(|(&j, a)| a * point[j]).sum();
        for (violation, sign) in [(row.lower - value, 1.0), (value - row.upper, -1.0)] {
            if violation > worst.0 {
                worst = (violation, r, sign);
            }
        }
    }
    let (violation, row, sign) = worst;
    if violation > 0.0 {
        multipliers[row] = sign;
        return LpSolution { multipliers, primal: Vec::new(), status: Status::Infeasible };
    }
    LpSolution { multipliers, primal: point.to_vec(), status: Status::Optimal }
}

/// One row of `G`: `factor · a_r` for a row of the program, `factor · e_j` for a variable's bound, in
/// the scaled variables.
struct ConicRow {
    origin: Origin,
    factor: f64,
    right: f64,
}

#[derive(Clone, Copy)]
enum Origin {
    Row(usize),
    Bound(usize),
}

/// The program as Clarabel wants it: equalities, then inequalities, then bounds, over variables
/// `t = (x − lower) / scale` in the unit box and rows with coefficients of size one. Neurons of a deep
/// layer range over thousands where inputs range over hundredths, and an interior-point method stalls
/// on the difference.
struct ConicForm {
    matrix: CscMatrix<f64>,
    right: Vec<f64>,
    cones: Vec<SupportedConeT<f64>>,
    rows: Vec<ConicRow>,
    /// Powers of two, one per variable.
    scales: Vec<f64>,
}

impl ConicForm {
    fn new(program: &LinearProgram) -> Self {
        let bounds = || program.lower().iter().zip(program.upper());
        let scales: Vec<f64> = bounds().map(|(l, u)| unit_scale(&[u - l]).recip()).collect();
        let (mut equal, mut less) = (Vec::new(), Vec::new());
        let mut split = |origin, size: f64, lower: f64, upper: f64| {
            // A box without interior would stall an interior-point method, so a fixed variable is an equality.
            if lower == upper {
                equal.push(ConicRow { origin, factor: size, right: size * upper });
                return;
            }
            if upper.is_finite() {
                less.push(ConicRow { origin, factor: size, right: size * upper });
            }
            if lower.is_finite() {
                less.push(ConicRow { origin, factor: -size, right: -size * lower });
            }
        };
        let mut scaled = Vec::new();
        for r in 0..program.rows() {
            let row = program.row(r);
            scaled.clear();
            scaled.extend(row.columns.iter().zip(row.values).map(|(&j, a)| a * scales[j]));
            let offset: f64 = row.columns.iter().zip(row.values).map(|(&j, a)| a * program.lower()[j]).sum();
            split(Origin::Row(r), unit_scale(&scaled), row.lower - offset, row.upper - offset);
        }
        for (j, (&l, &u)) in bounds().enumerate() {
            split(Origin::Bound(j), 1.0, 0.0, (u - l) / scales[j]);
        }
        let cones = vec![SupportedConeT::ZeroConeT(equal.len()), SupportedConeT::NonnegativeConeT(less.len())];
        let mut rows = equal;
        rows.append(&mut less);
        let right = rows.iter().map(|row| row.right).collect();
        Self { matrix: matrix(program, &rows, &scales), right, cones, rows, scales }
    }

    /// The duals `z` of the conic rows as multipliers of the program's rows.
    fn multipliers(&self, z: &[f64], rows: usize, scale: f64) -> Vec<f64> {
        let mut multipliers = vec![0.0; rows];
        for (row, &z) in self.rows.iter().zip(z) {
            if let Origin::Row(r) = row.origin {
                multipliers[r] -= row.factor * finite_or_zero(z * scale);
            }
        }
        multipliers
    }
}

/// The conic rows by columns.
fn matrix(program: &LinearProgram, rows: &[ConicRow], scales: &[f64]) -> CscMatrix<f64> {
    let entries = |row: &ConicRow, each: &mut dyn FnMut(usize, f64)| match row.origin {
        Origin::Bound(j) => each(j, row.factor),
        Origin::Row(r) => {
            let stored = program.row(r);
            stored.columns.iter().zip(stored.values).for_each(|(&j, &a)| each(j, row.factor * a * scales[j]));
        }
    };
    let mut starts = vec![0; program.variables() + 1];
    for row in rows {
        entries(row, &mut |j, _| starts[j + 1] += 1);
    }
    for j in 0..program.variables() {
        starts[j + 1] += starts[j];
    }
    let nonzeros = starts[program.variables()];
    let (mut indices, mut values) = (vec![0; nonzeros], vec![0.0; nonzeros]);
    let mut next = starts.clone();
    for (i, row) in rows.iter().enumerate() {
        entries(row, &mut |j, a| {
            (indices[next[j]], values[next[j]]) = (i, a);
            next[j] += 1;
        });
    }
    CscMatrix::new(rows.len(), program.variables(), starts, indices, values)
}
