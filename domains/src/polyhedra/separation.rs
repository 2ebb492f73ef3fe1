//! One facet that cuts off a point, without the others.
//!
//! With the interior point c as origin the deepest cut solves `max h · q` subject to `h · w_j ≤ 1` for
//! every vertex w_j. Its dual is `min Σ λ_j` subject to `Σ λ_j w_j = q`, `λ ≥ 0` — how far the ray from c
//! through q leaves the hull — solved here by the primal simplex method: d rows, one column per
//! vertex. c is the centroid of an inscribed simplex, whose corners give the first basis.

use super::frame::Frame;
use super::linear::{dot, invert};
use float_ord::FloatOrd;

/// A column must improve by this much to enter the basis.
const IMPROVES: f64 = 1e-10;
/// A pivot must be larger than this.
const PIVOT: f64 = 1e-11;
/// Pivots by largest improvement, then by smallest index (Bland's rule cannot cycle), then no more.
const GREEDY: usize = 200;
const AT_MOST: usize = 600;

/// The deepest cut of a point: `normal · (x − centre) ≤ 1` on the hull, in the frame's axes.
pub(super) struct Cut {
    pub(super) normal: Vec<f64>,
    /// `normal · (q − centre)`: above 1 outside the hull.
    pub(super) depth: f64,
}

/// A basis of the dual program: d vertices, and the inverse of the matrix with those as columns.
struct Basis {
    d: usize,
    members: Vec<usize>,
    inverse: Vec<f64>,
    weights: Vec<f64>,
}

/// The centre that depths are measured from, on the frame's axes.
pub(super) fn centre(frame: &Frame) -> Vec<f64> {
    let d = frame.dimension();
    let share = 1.0 / frame.simplex.len() as f64;
    (0..d).map(|c| frame.simplex.iter().map(|&p| frame.projected[p * d + c] * share).sum()).collect()
}

/// The facet in whose cone from the centre `q` (on the frame's axes) lies; `None` for q at the centre.
pub(super) fn deepest_cut(frame: &Frame, q: &[f64]) -> Option<Cut> {
    let d = frame.dimension();
    let centre = centre(frame);
    let columns: Vec<f64> =
        frame.projected.chunks_exact(d).flat_map(|w| w.iter().zip(&centre).map(|(w, c)| w - c)).collect();
    let target: Vec<f64> = q.iter().zip(&centre).map(|(q, c)| q - c).collect();
    let mut basis = Basis::first(frame, &columns, &target)?;
    for step in 0..AT_MOST {
        let prices = basis.prices();
        let Some(entering) = entering(d, &columns, &prices, step >= GREEDY) else { break };
        if !basis.exchange(entering, &columns) {
            break;
        }
    }
    // Solved afresh: the updates have gathered rounding errors.
    let matrix: Vec<f64> = basis.members.iter().flat_map(|&j| columns[j * d..(j + 1) * d].iter().copied()).collect();
    let inverse = invert(d, &matrix)?;
    let normal: Vec<f64> = inverse.chunks_exact(d).map(|row| row.iter().sum()).collect();
    let depth = dot(&normal, &target);
    depth.is_finite().then_some(Cut { normal, depth })
}

/// The vertex that violates `h · w ≤ 1` most, or the first one.
fn entering(d: usize, columns: &[f64], prices: &[f64], first: bool) -> Option<usize> {
    let mut best = (None, 1.0 + IMPROVES);
    for (j, column) in columns.chunks_exact(d).enumerate() {
        let value = dot(prices, column);
        if value > best.1 {
            best = (Some(j), value);
            if first {
                break;
            }
        }
    }
    best.0
}

impl Basis {
    /// The corners of the simplex without the one that the target needs least: the corners sum to
    /// zero around the centre, so subtracting the smallest weight from all leaves them non-negative.
    fn first(frame: &Frame, columns: &[f64], target: &[f64]) -> Option<Self> {
        let d = frame.dimension();
        let corner = |i: usize| &columns[frame.simplex[i] * d..(frame.simplex[i] + 1) * d];
        let inverse_of = |corners: &[usize]| {
            let matrix: Vec<f64> = (0..d).flat_map(|r| corners.iter().map(move |&i| corner(i)[r])).collect();
            invert(d, &matrix)
        };
        let mut corners: Vec<usize> = (1..=d).collect();
        let inverse = inverse_of(&corners)?;
        let weights: Vec<f64> = inverse.chunks_exact(d).map(|row| dot(row, target)).collect();
        let least = (0..d).min_by_key(|&i| FloatOrd(weights[i]))?;
        if weights[least] < 0.0 {
            corners[least] = 0;
        }
        let inverse = inverse_of(&corners)?;
        let weights = inverse.chunks_exact(d).map(|row| dot(row, target).max(0.0)).collect();
        Some(Self { d, members: corners.iter().map(|&i| frame.simplex[i]).collect(), inverse, weights })
    }

    /// `1ᵀ B⁻¹`: the h with `h · w = 1` on the basis.
    fn prices(&self) -> Vec<f64> {
        let mut prices = vec![0.0; self.d];
        for row in self.inverse.chunks_exact(self.d) {
            prices.iter_mut().zip(row).for_each(|(p, r)| *p += r);
        }
        prices
    }

    /// Lets vertex `entering` into the basis; false when no member can leave.
    fn exchange(&mut self, entering: usize, columns: &[f64]) -> bool {
        let d = self.d;
        let column = &columns[entering * d..(entering + 1) * d];
        let change: Vec<f64> = self.inverse.chunks_exact(d).map(|row| dot(row, column)).collect();
        let mut leaving: Option<(usize, f64)> = None;
        for (i, &rate) in change.iter().enumerate() {
            if rate > PIVOT {
                let ratio = self.weights[i] / rate;
                let better = leaving.is_none_or(|(other, least)| {
                    ratio < least || (ratio == least && self.members[i] < self.members[other])
                });
                if better {
                    leaving = Some((i, ratio));
                }
            }
        }
        let Some((leaving, ratio)) = leaving else { return false };
        let pivot = change[leaving];
        let row: Vec<f64> = self.inverse[leaving * d..(leaving + 1) * d].iter().map(|x| x / pivot).collect();
        for (i, (&rate, weight)) in change.iter().zip(&mut self.weights).enumerate() {
            let target = &mut self.inverse[i * d..(i + 1) * d];
            if i == leaving {
                target.copy_from_slice(&row);
                *weight = ratio;
            } else {
                target.iter_mut().zip(&row).for_each(|(t, r)| *t -= rate * r);
                *weight = (*weight - ratio * rate).max(0.0);
            }
        }
        self.members[leaving] = entering;
        true
    }
}
