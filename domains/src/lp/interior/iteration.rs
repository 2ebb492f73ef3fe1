//! Mehrotra's predictor–corrector method for variables with bounds.
//!
//! The unknowns are the form's variables `t` and the values `r = G t` of its inequality rows, both
//! between bounds. Their duals are `zₗ` and `zᵤ`, those of the rows `y` and `w`:
//!
//! ```text
//! A t = b,   G t − r = 0,   c − Aᵀy − Gᵀw − zₗ + zᵤ = 0,   w − zₗ + zᵤ = 0 (for r)
//! ```
//!
//! All bounds are moved outward a little, so that there is an interior even where the rows leave a
//! variable no room: without one, multipliers of rows that push against each other grow beyond all
//! bounds. What they prove of the program as it stands is certified elsewhere.
//!
//! A Newton step eliminates everything but `y`: with `θ = zₗ/sₗ + zᵤ/sᵤ`, `H = θ_t + Gᵀ θ_r G` and
//! `N = A H⁻¹ Aᵀ`.

use super::cholesky::{BlockMatrix, dot};
use super::components::Components;
use super::equalities::Equalities;
use super::form::Form;
use super::unknowns::{Iterate, Step, TO_THE_BOUNDARY};
use crate::budget::Budget;
use std::rc::Rc;

/// By how much bounds of variables and rows (of size one) are moved outward.
const RELAXATION: f64 = 1e-9;
/// Gondzio's corrections of a step: fewer iterations, each a little longer.
const CORRECTIONS: usize = 1;
/// What such a correction must add to the lengths of the steps.
const WORTHWHILE_GAIN: f64 = 0.02;
/// Rounds of iterative refinement, at most.
const REFINEMENTS: usize = 3;
/// What a refined step may leave of the Newton system, as a part of the complementarity.
const PRECISION: f64 = 1e-3;
/// The same at the end.
const LEAST_PRECISION: f64 = 1e-13;
/// A step that leaves more, as a part of the root of the complementarity, is not taken.
const LARGEST_ERROR: f64 = 1e-2;
/// What is added to the diagonal of the normal matrix, relatively: more when the step is no solution.
const REGULARISATIONS: [f64; 3] = [1e-14, 1e-12, 1e-9];
/// Iterations without progress after which the method has stalled.
const PATIENCE: usize = 12;

/// How near a bound a start lies, at most: in the middle of the box, and at the centre.
const NEAREST: f64 = 0.1;
const NEAREST_OF_CENTRE: f64 = 1e-3;
/// Complementarity of a start at the centre.
const START_OF_CENTRE: f64 = 0.1;
/// Infeasibility up to which the value of a point says how far the optimum can be.
const NEARLY_FEASIBLE: f64 = 1e-6;

/// When a run ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Relative gap and infeasibility of convergence.
    pub tolerance: f64,
    pub iterations: u32,
    /// Absolute gap that is enough, from the better one of the bound found and `known`.
    pub gap: f64,
    pub known: f64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Converged,
    /// The multipliers alone prove that no point is feasible.
    Infeasible,
    /// The caller's test or gap was satisfied.
    Enough,
    /// No more progress, close to feasible points.
    Stopped,
    /// No more progress, and none of the points was nearly feasible.
    Lost,
}

/// A test of a bound (of the scaled program) and its multipliers `y`, `w`.
pub(super) type Enough<'a> = dyn FnMut(f64, &[f64], &[f64]) -> bool + 'a;

/// The best multipliers found, and the last point.
pub(super) struct Outcome {
    pub y: Vec<f64>,
    pub w: Vec<f64>,
    pub point: Vec<f64>,
    pub end: End,
}

/// The parts of the Newton system that depend on the program alone.
pub(super) struct Newton {
    pub form: Rc<Form>,
    pub components: Components,
    pub equalities: Equalities,
    pub matrix: BlockMatrix,
    /// `b` in the order of `equalities`.
    pub right: Vec<f64>,
    /// Bounds of variables and row values.
    lower: Vec<f64>,
    upper: Vec<f64>,
    /// A point away from all bounds, for the next objective to start from.
    centre: Option<Vec<f64>>,
}

/// What a Newton step is to remove.
struct Residuals {
    /// `b − A t`
    rows: Vec<f64>,
    /// `r − G t`
    values: Vec<f64>,
    /// Of the dual equations.
    dual: Vec<f64>,
}

impl Newton {
    /// `None` when the normal matrix would be too large.
    pub fn new(form: Rc<Form>) -> Option<Self> {
        let components = Components::new(&form);
        let (equalities, matrix) = Equalities::new(&form, &components)?;
        let right = equalities.order().iter().map(|&i| form.right[i]).collect();
        let lower = std::iter::repeat_n(0.0, form.variables()).chain(form.low.iter().copied());
        let lower = lower.map(|l| l - RELAXATION).collect();
        let upper = form.upper.iter().chain(&form.high).map(|u| u + RELAXATION).collect();
        Some(Self { form, components, equalities, matrix, right, lower, upper, centre: None })
    }

    /// Minimises `objective`; `enough` is asked about multipliers whose bound is the best so far.
    pub fn minimise(&mut self, objective: &[f64], rules: Rules, budget: &Budget, enough: &mut Enough<'_>) -> Outcome {
        let Rules { tolerance, iterations, .. } = rules;
        let n = self.form.variables();
        let mut at = self.start(objective);
        let largest: f64 =
            objective.iter().zip(&self.form.upper).map(|(c, u)| if u.is_finite() { c.max(0.0) } else { 0.0 }).sum();
        let right_size = self.right.iter().fold(1.0f64, |a, b| a.max(b.abs()));
        let pairs = self.lower.iter().chain(&self.upper).filter(|b| b.is_finite()).count().max(1) as f64;
        let mut best = (f64::NEG_INFINITY, at.y.clone(), at.w.clone());
        let mut progress = (f64::INFINITY, 0usize);
        let mut point = at.point(&self.lower, &self.upper);
        let mut least_residual = f64::INFINITY;
        let mut end = None;
        for iteration in 0..=iterations {
            // Residuals and quality.
            let mut residuals =
                Residuals { rows: self.right.clone(), values: point[n..].to_vec(), dual: objective.to_vec() };
            subtract(&mut residuals.rows, |out| self.equalities.add_product(&point[..n], out));
            subtract(&mut residuals.values, |out| self.form.inequalities.add_product(&point[..n], out));
            self.equalities.add_transposed(-1.0, &at.y, &mut residuals.dual);
            self.form.inequalities.add_transposed(-1.0, &at.w, &mut residuals.dual);
            let bound = self.bound(&residuals.dual, &at);
            residuals.dual.extend_from_slice(&at.w);
            for ((r, l), u) in residuals.dual.iter_mut().zip(&at.z_lower).zip(&at.z_upper) {
                *r += u - l;
            }
            let primal = dot(objective, &point[..n]);
            let residual = largest_of(&residuals.rows).max(largest_of(&residuals.values)) / right_size;
            let mu = at.complementarity() / pairs;
            let gap = (primal - bound).abs() / (1.0 + primal.abs());
            if !(mu.is_finite() && gap.is_finite() && residual.is_finite()) {
                break;
            }
            least_residual = least_residual.min(residual);
            if self.centre.is_none() && residual <= NEARLY_FEASIBLE {
                self.centre = Some(point.clone());
            }
            if bound > best.0 {
                best = (bound, at.y.clone(), at.w.clone());
                if bound > largest + tolerance * (1.0 + largest) {
                    end = Some(End::Infeasible);
                    break;
                }
                if enough(bound, &best.1, &best.2) {
                    end = Some(End::Enough);
                    break;
                }
            }
            if gap <= tolerance && residual <= tolerance {
                end = Some(End::Converged);
                break;
            }
            if rules.gap > 0.0 && residual <= NEARLY_FEASIBLE && primal - best.0.max(rules.known) <= rules.gap {
                end = Some(End::Enough);
                break;
            }
            let merit = gap.max(residual).max(mu);
            if merit < 0.9 * progress.0 {
                progress = (merit, iteration as usize);
            } else if iteration as usize >= progress.1 + PATIENCE {
                break;
            }
            if iteration == iterations || budget.is_spent() {
                break;
            }
            let moved = self.advance(&mut at, &residuals, mu, pairs);
            point = at.point(&self.lower, &self.upper);
            if !moved {
                break;
            }
        }
        let end = end.unwrap_or(if least_residual < 1e-6 || budget.is_spent() { End::Stopped } else { End::Lost });
        point.truncate(n);
        Outcome { y: best.1, w: best.2, point, end }
    }

    /// At the centre, if there is one; otherwise in the middle of the box. `y = 0` leaves no dual
    /// residual.
    fn start(&self, objective: &[f64]) -> Iterate {
        let (n, p) = (self.form.variables(), self.form.low.len());
        let (wanted, nearest, mu) = match &self.centre {
            Some(centre) => (centre.clone(), NEAREST_OF_CENTRE, START_OF_CENTRE),
            None => (self.middle(), NEAREST, 0.5),
        };
        let mut at = Iterate {
            s_lower: vec![f64::INFINITY; n + p],
            s_upper: vec![f64::INFINITY; n + p],
            z_lower: vec![0.0; n + p],
            z_upper: vec![0.0; n + p],
            y: vec![0.0; self.equalities.rows()],
            w: vec![0.0; p],
        };
        for (i, &wanted) in wanted.iter().enumerate() {
            let (l, u) = (self.lower[i], self.upper[i]);
            let margin = if u - l < f64::INFINITY { (0.4 * (u - l)).min(nearest) } else { nearest };
            let value = wanted.max(l + margin).min(u - margin);
            if l.is_finite() {
                at.s_lower[i] = value - l;
                at.z_lower[i] = mu / at.s_lower[i];
            }
            if u.is_finite() {
                at.s_upper[i] = u - value;
                at.z_upper[i] = mu / at.s_upper[i];
            }
            if i >= n {
                at.w[i - n] = at.z_lower[i] - at.z_upper[i];
            }
        }
        let mut reduced = objective.to_vec();
        self.form.inequalities.add_transposed(-1.0, &at.w, &mut reduced);
        for (i, d) in reduced.into_iter().enumerate() {
            // zₗ − zᵤ = d
            let missing = d - (at.z_lower[i] - at.z_upper[i]);
            at.z_lower[i] += missing.max(0.0);
            if at.s_upper[i].is_finite() {
                at.z_upper[i] += (-missing).max(0.0);
            }
        }
        at
    }

    /// The middle of the box, and the rows' values there.
    fn middle(&self) -> Vec<f64> {
        let n = self.form.variables();
        let middle = |u: &f64| if u.is_finite() { 0.5 * u } else { 0.5 };
        let mut values: Vec<f64> = self.form.upper.iter().map(middle).collect();
        values.resize(self.lower.len(), 0.0);
        let (x, rows) = values.split_at_mut(n);
        self.form.inequalities.add_product(x, rows);
        values
    }

    /// What the multipliers prove of the scaled program: every reduced cost at its better bound.
    fn bound(&self, reduced: &[f64], at: &Iterate) -> f64 {
        let n = self.form.variables();
        let mut bound = dot(&self.right, &at.y);
        for ((d, l), u) in reduced.iter().zip(&self.lower).zip(&self.upper) {
            let side = if *d > 0.0 { l } else { u };
            if side.is_finite() {
                bound += d * side;
            }
        }
        for (i, &w) in at.w.iter().enumerate() {
            let side = if w > 0.0 { self.lower[n + i] } else { self.upper[n + i] };
            if side.is_finite() {
                bound += w * side;
            }
        }
        bound
    }

    /// One iteration; false when it did not move.
    fn advance(&mut self, at: &mut Iterate, residuals: &Residuals, mu: f64, pairs: f64) -> bool {
        let n = self.form.variables();
        let theta: Vec<f64> =
            (0..self.lower.len()).map(|i| at.z_lower[i] / at.s_lower[i] + at.z_upper[i] / at.s_upper[i]).collect();
        let precision = (PRECISION * mu).max(LEAST_PRECISION);
        for regularisation in REGULARISATIONS {
            self.components.factor(&theta[..n], &self.form.inequalities, &theta[n..]);
            self.equalities.form(&self.components, &mut self.matrix);
            self.matrix.factor(regularisation);
            let (step, error) = self.corrected_step(at, &theta, residuals, mu, pairs, precision);
            let (primal, dual) = at.longest(&step);
            if error <= LARGEST_ERROR * mu.sqrt().min(1.0) && primal.is_finite() && dual.is_finite() {
                at.advance(&step, (TO_THE_BOUNDARY * primal).min(1.0), (TO_THE_BOUNDARY * dual).min(1.0));
                return primal.max(dual) > 1e-10;
            }
        }
        false
    }

    /// Mehrotra's step, then Gondzio's corrections while they lengthen it; with what it leaves of the
    /// Newton system.
    fn corrected_step(
        &self,
        at: &Iterate,
        theta: &[f64],
        residuals: &Residuals,
        mu: f64,
        pairs: f64,
        precision: f64,
    ) -> (Step, f64) {
        let product = |s: &[f64], z: &[f64]| -> Vec<f64> {
            s.iter().zip(z).map(|(s, z)| if s.is_finite() { -s * z } else { 0.0 }).collect()
        };
        let mut lower = product(&at.s_lower, &at.z_lower);
        let mut upper = product(&at.s_upper, &at.z_upper);
        let (predicted, _) = self.step(at, theta, residuals, &lower, &upper, f64::INFINITY);
        let (primal, dual) = at.longest(&predicted);
        let reached = at.complementarity_after(&predicted, primal.min(1.0), dual.min(1.0)) / pairs;
        let target = mu * (reached / mu).powi(3);
        for i in 0..lower.len() {
            if at.s_lower[i].is_finite() {
                lower[i] += target - predicted.point[i] * predicted.z_lower[i];
            }
            if at.s_upper[i].is_finite() {
                upper[i] += target + predicted.point[i] * predicted.z_upper[i];
            }
        }
        let (mut step, mut error) = self.step(at, theta, residuals, &lower, &upper, precision);
        let mut lengths = at.longest(&step);
        for _ in 0..CORRECTIONS {
            let wanted = |length: f64| (1.08 * length + 0.08).min(1.0);
            let (primal, dual) = (wanted(lengths.0), wanted(lengths.1));
            if lengths.0.min(lengths.1) > 0.95 || !(primal.is_finite() && dual.is_finite()) {
                break;
            }
            let pull = |value: f64| (value.clamp(0.1 * target, 10.0 * target) - value).max(-10.0 * target);
            for i in 0..lower.len() {
                if at.s_lower[i].is_finite() {
                    let (s, z) = (at.s_lower[i] + primal * step.point[i], at.z_lower[i] + dual * step.z_lower[i]);
                    lower[i] += pull(s * z);
                }
                if at.s_upper[i].is_finite() {
                    let (s, z) = (at.s_upper[i] - primal * step.point[i], at.z_upper[i] + dual * step.z_upper[i]);
                    upper[i] += pull(s * z);
                }
            }
            let (centred, left) = self.step(at, theta, residuals, &lower, &upper, precision);
            let longer = at.longest(&centred);
            let gain = longer.0 + longer.1 - lengths.0 - lengths.1;
            if gain.is_nan() || gain <= WORTHWHILE_GAIN {
                break;
            }
            (step, error, lengths) = (centred, left, longer);
        }
        (step, error)
    }

    /// The Newton step for the given right sides of `sₗ dzₗ + zₗ dsₗ` and `sᵤ dzᵤ + zᵤ dsᵤ`, refined
    /// until what is left of the system is below `precision`, and what is left.
    fn step(
        &self,
        at: &Iterate,
        theta: &[f64],
        residuals: &Residuals,
        lower: &[f64],
        upper: &[f64],
        precision: f64,
    ) -> (Step, f64) {
        let all = self.lower.len();
        let force: Vec<f64> =
            (0..all).map(|i| residuals.dual[i] - (lower[i] / at.s_lower[i] - upper[i] / at.s_upper[i])).collect();
        let mut step = self.eliminate(theta, &residuals.rows, &residuals.values, &force);
        let mut error = f64::INFINITY;
        if precision < f64::INFINITY {
            let mut before = step.clone();
            for round in 0..=REFINEMENTS {
                let (rows, values, missing) = self.left(theta, &step, residuals, &force);
                let now = largest_of(&rows).max(largest_of(&values)).max(largest_of(&missing));
                if now.is_nan() || now >= error {
                    step = before;
                    break;
                }
                error = now;
                if now <= precision || round == REFINEMENTS {
                    break;
                }
                before = step.clone();
                let correction = self.eliminate(theta, &rows, &values, &missing);
                add(&mut step.point, &correction.point);
                add(&mut step.y, &correction.y);
                add(&mut step.w, &correction.w);
            }
        }
        let dual = |s: &[f64], z: &[f64], right: &[f64], sign: f64| -> Vec<f64> {
            let each = s.iter().zip(z).zip(right).zip(&step.point);
            each.map(|(((s, z), c), d)| if s.is_finite() { (c - sign * z * d) / s } else { 0.0 }).collect()
        };
        step.z_lower = dual(&at.s_lower, &at.z_lower, lower, 1.0);
        step.z_upper = dual(&at.s_upper, &at.z_upper, upper, -1.0);
        (step, error)
    }

    /// What `step` leaves of the right sides of [`eliminate`](Self::eliminate). Each equation takes the
    /// unknowns as they are: `w` read off `θ r` would be noise where an active row has a huge θ.
    fn left(&self, theta: &[f64], step: &Step, residuals: &Residuals, force: &[f64]) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let n = self.form.variables();
        let (x, r) = step.point.split_at(n);
        let mut rows = residuals.rows.clone();
        let mut values = residuals.values.clone();
        let mut missing = force.to_vec();
        subtract(&mut rows, |out| self.equalities.add_product(x, out));
        subtract(&mut values, |out| self.form.inequalities.add_product(x, out));
        add(&mut values, r);
        self.equalities.add_transposed(-1.0, &step.y, &mut missing[..n]);
        self.form.inequalities.add_transposed(-1.0, &step.w, &mut missing[..n]);
        missing.iter_mut().zip(theta).zip(&step.point).for_each(|((m, t), d)| *m += t * d);
        add(&mut missing[n..], &step.w);
        (rows, values, missing)
    }

    /// Solves `A dt = rows`, `G dt − dr = values`, `Aᵀdy + Gᵀdw − θ dt = force`, `−dw − θ dr = force`.
    fn eliminate(&self, theta: &[f64], rows: &[f64], values: &[f64], force: &[f64]) -> Step {
        let n = self.form.variables();
        let omega = &theta[n..];
        // h = f_t + Gᵀ(f_r − θ_r ρ)
        let shifted: Vec<f64> = force[n..].iter().zip(omega).zip(values).map(|((f, o), r)| f - o * r).collect();
        let mut x = force[..n].to_vec();
        self.form.inequalities.add_transposed(1.0, &shifted, &mut x);
        self.components.solve(&mut x);
        // N dy = ρ + A H⁻¹ h, dt = H⁻¹(Aᵀdy − h)
        let mut y = rows.to_vec();
        self.equalities.add_product(&x, &mut y);
        self.matrix.solve(&mut y);
        let mut response = vec![0.0; n];
        self.equalities.add_transposed(1.0, &y, &mut response);
        self.components.solve(&mut response);
        x.iter_mut().zip(&response).for_each(|(x, r)| *x = r - *x);
        // dr = G dt − ρ_r, dw = −f_r − θ_r dr
        let mut point = x;
        point.resize(theta.len(), 0.0);
        let (x, r) = point.split_at_mut(n);
        self.form.inequalities.add_product(x, r);
        r.iter_mut().zip(values).for_each(|(r, rho)| *r -= rho);
        let w = r.iter().zip(omega).zip(&force[n..]).map(|((r, o), f)| -f - o * r).collect();
        Step { point, y, w, ..Step::default() }
    }
}

fn add(x: &mut [f64], y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

/// `x -= product`, for a product that can only be added.
fn subtract(x: &mut [f64], product: impl FnOnce(&mut [f64])) {
    let mut sum = vec![0.0; x.len()];
    product(&mut sum);
    x.iter_mut().zip(&sum).for_each(|(x, s)| *x -= s);
}

fn largest_of(values: &[f64]) -> f64 {
    // NaN must not be lost.
    values.iter().fold(0.0, |m: f64, x| if x.abs() <= m { m } else { x.abs() })
}
