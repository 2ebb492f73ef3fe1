//! The kernels of an activation node, neuron by neuron over all members of a batch.

use super::relaxed::{Layer, Pass};
use super::steps::{Moments, Step};
use super::sums::Sums;
use crate::num::{Real, vectorised};

// Rows go to functions of their own: parameters are known not to overlap, without which loops do not become vectors.

#[inline(always)]
fn positive<T: Real>(a: T) -> T {
    if a > T::ZERO { a } else { T::ZERO }
}

#[inline(always)]
fn negative<T: Real>(a: T) -> T {
    if a > T::ZERO { T::ZERO } else { a }
}

/// `out = s⁺ a⁺ + s⁻ a⁻`, or `out += …`, where the lines' slopes are `below` (one per member) and `above`; intercepts go
/// to the sums.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
pub(super) fn back_row<T: Real, const PROVES: bool, const ADDS: bool>(
    a: &[T],
    below: impl Fn(usize) -> T,
    [below_intercept, above, above_intercept]: [T; 3],
    error: T,
    out: &mut [T],
    value: &mut [T],
    magnitude: &mut [T],
    charge: &mut [T],
) {
    for r in 0..a.len() {
        let (up, down) = (positive(a[r]), negative(a[r]));
        let passed = below(r) * up + above * down;
        out[r] = if ADDS { out[r] + passed } else { passed };
        let term = below_intercept * up + above_intercept * down;
        value[r] += term;
        if PROVES {
            magnitude[r] += term.magnitude();
            charge[r] += error * a[r].magnitude();
        }
    }
}

/// A neuron's outputs by the lines that the coefficients `a` choose, at the inputs `z`.
#[inline(always)]
fn forth_row(a: &[f32], z: &[f32], lower: impl Fn(usize, f32) -> f32, (slope, intercept): (f32, f32), y: &mut [f32]) {
    let n = a.len();
    let (z, y) = (&z[..n], &mut y[..n]);
    for r in 0..n {
        // Both are computed: a choice of two numbers needs no branch.
        let (low, high) = (lower(r, z[r]), slope * z[r] + intercept);
        y[r] = if a[r] > 0.0 { low } else { high };
    }
}

/// One gradient step of a neuron's slopes, which keep between `left` and `right`.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn improve_row(
    a: &[f32],
    z: &[f32],
    improved: &[f32],
    slopes: &mut [f32],
    best: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
    (left, right): (f32, f32),
    step: Step,
) {
    let n = a.len();
    let (z, improved) = (&z[..n], &improved[..n]);
    let (slopes, best) = (&mut slopes[..n], &mut best[..n]);
    let (first, second) = (&mut first[..n], &mut second[..n]);
    for r in 0..n {
        let (slope, kept) = (slopes[r], best[r]);
        best[r] = if improved[r] > 0.0 { slope } else { kept };
        let (mut mean, mut square) = (first[r], second[r]);
        let moved = slope + step.of(a[r].max(0.0) * z[r], &mut mean, &mut square);
        (first[r], second[r]) = (mean, square);
        slopes[r] = moved.max(left).min(right);
    }
}

/// Where a neuron loses more than `best`, times `weight`, takes its loss and `index` over.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn loss_row(
    a: &[f32],
    z: &[f32],
    y: &[f32],
    (left, right): (f32, f32),
    intercept: f32,
    (index, weight): (u32, f32),
    best: &mut [f32],
    pick: &mut [u32],
) {
    let n = a.len();
    let (z, y, best, pick) = (&z[..n], &y[..n], &mut best[..n], &mut pick[..n]);
    for r in 0..n {
        let missed = (a[r] * (y[r] - (left * z[r]).max(right * z[r]))).abs();
        let score = weight * (missed + SHARE_OF_INTERCEPT * (-a[r]).max(0.0) * intercept);
        let is_more = score > best[r];
        best[r] = if is_more { score } else { best[r] };
        pick[r] = if is_more { index } else { pick[r] };
    }
}

/// The lines around free neurons.
pub(super) trait FreeLines<T: Real> {
    /// The parameters of free neurons, a row for each, where columns have their own.
    fn parameters(&self) -> &[T];

    /// Passes the coefficients `a` of a free neuron, whose line above is `upper` on all of the region, as
    /// [`Layer::back`] says.
    #[allow(clippy::too_many_arguments)]
    fn back<const PROVES: bool, const ADDS: bool>(
        &self,
        index: usize,
        upper: (f64, f64),
        a: &[T],
        error: T,
        out: &mut [T],
        value: &mut [T],
        magnitude: &mut [T],
        charge: &mut [T],
    );
}

/// A slope below for each column, rows of free neurons.
impl<T: Real> FreeLines<T> for [T] {
    fn parameters(&self) -> &[T] {
        self
    }

    #[inline(always)]
    fn back<const PROVES: bool, const ADDS: bool>(
        &self,
        index: usize,
        upper: (f64, f64),
        a: &[T],
        error: T,
        out: &mut [T],
        value: &mut [T],
        magnitude: &mut [T],
        charge: &mut [T],
    ) {
        let below = &self[index * a.len()..(index + 1) * a.len()];
        let lines = [T::ZERO, T::of(upper.0), T::of(upper.1)];
        back_row::<T, PROVES, ADDS>(a, |r| below[r], lines, error, out, value, magnitude, charge);
    }
}

impl Layer {
    /// Coefficients `a` of the neurons' outputs, written or added to `out` as coefficients of their inputs.
    pub fn back<T: Real, const PROVES: bool, const ADDS: bool>(
        &self,
        a: &[T],
        n: usize,
        lines: &(impl FreeLines<T> + ?Sized),
        out: &mut [T],
        sums: &mut Sums<T>,
    ) {
        vectorised(
            #[inline(always)]
            || {
                let (value, magnitude, charge) = sums.split::<PROVES>(n);
                let rows = a.chunks_exact(n).zip(out.chunks_exact_mut(n));
                for ((a, out), (pass, &error)) in rows.zip(self.passes.iter().zip(&self.error)) {
                    let error = T::of(error);
                    match *pass {
                        Pass::Zero if ADDS => {}
                        Pass::Zero => out.fill(T::ZERO),
                        Pass::Same if ADDS => out.iter_mut().zip(a).for_each(|(out, &a)| *out += a),
                        Pass::Same => out.copy_from_slice(a),
                        Pass::Fixed { lower, upper } => {
                            let slope = T::of(lower.0);
                            let fixed = [T::of(lower.1), T::of(upper.0), T::of(upper.1)];
                            back_row::<T, PROVES, ADDS>(a, |_| slope, fixed, error, out, value, magnitude, charge);
                        }
                        Pass::Free { index, upper } => {
                            lines.back::<PROVES, ADDS>(index, upper, a, error, out, value, magnitude, charge);
                        }
                    }
                }
            },
        );
    }

    /// The neurons' outputs by the lines that the coefficients `a` choose, at the inputs `z`.
    pub fn forth(&self, a: &[f32], z: &[f32], n: usize, slopes: &[f32], y: &mut [f32]) {
        vectorised(
            #[inline(always)]
            || {
                let rows = a.chunks_exact(n).zip(z.chunks_exact(n)).zip(y.chunks_exact_mut(n));
                for (((a, z), y), pass) in rows.zip(&self.passes) {
                    match *pass {
                        Pass::Zero => y.fill(0.0),
                        Pass::Same => y.copy_from_slice(z),
                        Pass::Fixed { lower, upper } => {
                            let (slope, intercept) = (lower.0 as f32, lower.1 as f32);
                            let above = (upper.0 as f32, upper.1 as f32);
                            forth_row(a, z, |_, z| slope * z + intercept, above, y);
                        }
                        Pass::Free { index, upper } => {
                            let low = &slopes[index * n..(index + 1) * n];
                            let above = (upper.0 as f32, upper.1 as f32);
                            forth_row(a, z, |r, z| low[r] * z, above, y);
                        }
                    }
                }
            },
        );
    }

    /// The neurons' outputs themselves.
    pub fn apply(&self, z: &[f32], n: usize, y: &mut [f32]) {
        let exact = |z: f32| self.function.eval(f64::from(z)) as f32;
        let (left, right) = (self.corner.0 as f32, self.corner.1 as f32);
        vectorised(
            #[inline(always)]
            || {
                for ((z, y), pass) in z.chunks_exact(n).zip(y.chunks_exact_mut(n)).zip(&self.passes) {
                    match *pass {
                        Pass::Zero => y.fill(0.0),
                        Pass::Same => y.copy_from_slice(z),
                        Pass::Free { .. } => {
                            for r in 0..n {
                                y[r] = (left * z[r]).max(right * z[r]);
                            }
                        }
                        Pass::Fixed { .. } => y.iter_mut().zip(z).for_each(|(y, &z)| *y = exact(z)),
                    }
                }
            },
        );
    }
}

impl Layer {
    /// One gradient step of the free neurons' slopes at `z`; `best` takes over the slopes before it for the members
    /// that are marked in `improved` by 1.
    #[allow(clippy::too_many_arguments)]
    pub fn improve(
        &self,
        a: &[f32],
        z: &[f32],
        n: usize,
        slopes: &mut [f32],
        best: &mut [f32],
        moments: &mut Moments,
        improved: &[f32],
        step: Step,
    ) {
        let (left, right) = (self.corner.0 as f32, self.corner.1 as f32);
        let step = Step { rate: step.rate * (right - left), ..step };
        vectorised(
            #[inline(always)]
            || {
                let improved = &improved[..n];
                for ((a, z), pass) in a.chunks_exact(n).zip(z.chunks_exact(n)).zip(&self.passes) {
                    let Pass::Free { index, .. } = *pass else { continue };
                    let row = index * n..(index + 1) * n;
                    improve_row(
                        a,
                        z,
                        improved,
                        &mut slopes[row.clone()],
                        &mut best[row.clone()],
                        &mut moments.first[row.clone()],
                        &mut moments.second[row],
                        (left, right),
                        step,
                    );
                }
            },
        );
    }

    /// The index of a neuron, where it is free and not left out, and what its relaxation loses.
    pub fn loss(&self, neuron: usize, a: f32, z: f32, y: f32) -> Option<(u32, f32)> {
        let Pass::Free { index, upper } = self.passes[neuron] else { return None };
        let corner = (self.corner.0 as f32, self.corner.1 as f32);
        let (mut loss, mut pick) = ([-1.0], [u32::MAX]);
        loss_row(&[a], &[z], &[y], corner, upper.1 as f32, (index as u32, 1.0), &mut loss, &mut pick);
        (pick[0] != u32::MAX).then_some((pick[0], loss[0]))
    }

    /// For each member the free neuron whose relaxation loses most: `best` and `pick` (an index as a float) take over
    /// where this layer has more, by the neurons' `weights`.
    #[allow(clippy::too_many_arguments)]
    pub fn losses(
        &self,
        a: &[f32],
        z: &[f32],
        y: &[f32],
        n: usize,
        weights: &[f32],
        best: &mut [f32],
        pick: &mut [u32],
    ) {
        let (left, right) = (self.corner.0 as f32, self.corner.1 as f32);
        vectorised(
            #[inline(always)]
            || {
                let (best, pick) = (&mut best[..n], &mut pick[..n]);
                for (((a, z), y), pass) in
                    a.chunks_exact(n).zip(z.chunks_exact(n)).zip(y.chunks_exact(n)).zip(&self.passes)
                {
                    let Pass::Free { index, upper } = *pass else { continue };
                    loss_row(a, z, y, (left, right), upper.1 as f32, (index as u32, weights[index]), best, pick);
                }
            },
        );
    }
}

/// What the intercept of the line above counts for, next to what the relaxation misses at the minimiser: it is what the
/// bound loses at most, wherever the minimiser moves when the neuron is split.
pub(super) const SHARE_OF_INTERCEPT: f32 = 5.0;
