//! Weak duality in floats: any multipliers give a bound that holds for real numbers.
//!
//! For the program min `c·x`, `lo ≤ A x ≤ hi`, `l ≤ x ≤ u` and any `λ`, every feasible `x` satisfies
//!
//! ```text
//! c·x = λ·(A x) + (c − Aᵀλ)·x ≥ Σ_r (λ_r > 0 ? λ_r lo_r : λ_r hi_r) + min_{l ≤ x ≤ u} (c − Aᵀλ)·x .
//! ```
//!
//! The reduced cost `d = c − Aᵀλ` is computed in plain `f64`; its error, at most `γ (|c| + |A|ᵀ|λ|)` per
//! column, is charged to the largest magnitude of the variable (Neumaier & Shcherbina, *Safe bounds in
//! linear and mixed-integer linear programming*, Math. Program. 99, 2004).

use super::LinearProgram;
use crate::num::error::{gamma, underflow};
use crate::num::round::{add_down, add_up, lower_or_nothing, mul_down, mul_up, sub_down};

/// Shorter runs of neighbouring columns are not worth a slice.
const SHORTEST_RUN: usize = 4;

/// A lower bound of the program's optimum that holds in real arithmetic for **any** `multipliers`.
///
/// `multipliers[r] ≥ 0` pairs with the lower side of row `r`, a negative one with its upper side. A
/// multiplier that is not finite, or whose side is infinite, counts as 0, and so do missing ones;
/// superfluous ones are ignored. The result is −∞ when nothing is proved (overflow, an unbounded
/// variable), never NaN. Linear in the number of nonzeros.
#[must_use]
pub fn certified_minimum(program: &LinearProgram, multipliers: &[f64]) -> f64 {
    certified_minimum_of(program, program.objective(), multipliers)
}

/// [`certified_minimum`] of `objective·x` over the same rows and bounds; the program's own objective
/// is ignored. Missing coefficients are 0.
///
/// # Panics
/// If there are more coefficients than variables.
#[must_use]
pub fn certified_minimum_of(program: &LinearProgram, objective: &[f64], multipliers: &[f64]) -> f64 {
    let mut reduced = vec![0.0; program.variables()];
    reduced[..objective.len()].copy_from_slice(objective);
    let mut magnitude: Vec<f64> = reduced.iter().map(|c: &f64| c.abs()).collect();
    let mut sides = 0.0;
    let mut any_row = false;
    for (index, &multiplier) in multipliers.iter().enumerate().take(program.rows()) {
        let row = program.row(index);
        let side = if multiplier > 0.0 { row.lower } else { row.upper };
        if multiplier == 0.0 || !multiplier.is_finite() || !side.is_finite() {
            continue;
        }
        any_row = true;
        sides = add_down(sides, mul_down(multiplier, side));
        subtract_row(multiplier, row.columns, row.values, &mut reduced, &mut magnitude);
    }
    let mut bound = sides;
    let columns = reduced.iter().zip(&magnitude).zip(program.entries_of_column());
    let bounds = program.lower().iter().zip(program.upper());
    for (((&d, &magnitude), &entries), (&l, &u)) in columns.zip(bounds) {
        let largest = l.abs().max(u.abs());
        if largest == 0.0 {
            continue;
        }
        if !d.is_finite() {
            return f64::NEG_INFINITY;
        }
        let least = if d > 0.0 { mul_down(d, l) } else { mul_down(d, u) };
        bound = add_down(bound, least);
        if any_row && entries > 0 {
            let error = add_up(mul_up(gamma(entries + 1), magnitude), underflow(entries + 1));
            bound = sub_down(bound, mul_up(error, largest));
        }
        if bound.is_nan() {
            return f64::NEG_INFINITY;
        }
    }
    lower_or_nothing(if bound == f64::INFINITY { f64::NAN } else { bound })
}

/// True only if `multipliers` (a candidate dual ray, same signs as in [`certified_minimum`]) prove that
/// no point satisfies the rows and bounds: with objective 0 the bound is positive.
///
/// Crossing bounds of a variable or a row need no multipliers.
#[must_use]
pub fn certified_infeasible(program: &LinearProgram, multipliers: &[f64]) -> bool {
    let crossing = program.lower().iter().zip(program.upper()).any(|(l, u)| l > u)
        || (0..program.rows()).any(|r| program.row(r).lower > program.row(r).upper);
    crossing || certified_minimum_of(program, &[], multipliers) > 0.0
}

/// `reduced −= λ a` and `magnitude += |λ a|`, with runs of neighbouring columns as vectors.
fn subtract_row(multiplier: f64, columns: &[usize], values: &[f64], reduced: &mut [f64], magnitude: &mut [f64]) {
    let mut at = 0;
    while at < columns.len() {
        let length = run_length(&columns[at..]);
        let first = columns[at];
        if length < SHORTEST_RUN {
            let product = multiplier * values[at];
            reduced[first] -= product;
            magnitude[first] += product.abs();
            at += 1;
            continue;
        }
        let (reduced, magnitude) = (&mut reduced[first..first + length], &mut magnitude[first..first + length]);
        for ((d, m), a) in reduced.iter_mut().zip(magnitude).zip(&values[at..at + length]) {
            let product = multiplier * a;
            *d -= product;
            *m += product.abs();
        }
        at += length;
    }
}

/// How many of the strictly increasing `columns` follow the first without a gap, itself included.
fn run_length(columns: &[usize]) -> usize {
    // columns[k] − columns[0] = k exactly as long as there is no gap, so gallop.
    let contiguous = |k: usize| columns[k] - columns[0] == k;
    let mut reach = 1;
    while reach < columns.len() && contiguous(reach) {
        reach *= 2;
    }
    let (low, high) = (reach / 2, reach.min(columns.len()));
    let mut known = low;
    let mut beyond = high;
    while known + 1 < beyond {
        let middle = usize::midpoint(known, beyond);
        if contiguous(middle) {
            known = middle;
        } else {
            beyond = middle;
        }
    }
    known + 1
}
