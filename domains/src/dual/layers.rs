//! The kernels of an activation node, neuron by neuron over all members of a batch.

use super::relaxed::{Layer, Pass};
use crate::num::Real;
use pulp::Arch;

/// Sums per member: the value of its form, and, for proofs, the magnitudes of its terms and what rounding lost.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums<T> {
    pub value: Vec<T>,
    pub magnitude: Vec<T>,
    pub charge: Vec<T>,
}

impl<T: Real> Sums<T> {
    pub fn reset(&mut self, n: usize) {
        for sums in [&mut self.value, &mut self.magnitude, &mut self.charge] {
            sums.clear();
            sums.resize(n, T::ZERO);
        }
    }

    /// Adds `factor · a`, and charges `error · |a|`.
    #[inline(always)]
    pub fn add<const PROVES: bool>(&mut self, a: &[T], factor: T, error: T) {
        let n = a.len();
        let value = &mut self.value[..n];
        if PROVES {
            let (magnitude, charge) = (&mut self.magnitude[..n], &mut self.charge[..n]);
            for r in 0..n {
                let term = factor * a[r];
                value[r] += term;
                magnitude[r] += term.magnitude();
                charge[r] += error * a[r].magnitude();
            }
        } else {
            for r in 0..n {
                value[r] += factor * a[r];
            }
        }
    }

    /// For every row `a_i`: adds `factors_i · a_i`, and charges `errors_i · |a_i|`.
    pub fn add_rows<const PROVES: bool>(&mut self, a: &[T], n: usize, factors: &[f64], errors: &[f64]) {
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for ((a, &factor), &error) in a.chunks_exact(n).zip(factors).zip(errors) {
                    if PROVES || factor != 0.0 {
                        self.add::<PROVES>(a, T::of(factor), T::of(error));
                    }
                }
            },
        );
    }
}

#[inline(always)]
fn positive<T: Real>(a: T) -> T {
    if a > T::ZERO { a } else { T::ZERO }
}

#[inline(always)]
fn negative<T: Real>(a: T) -> T {
    if a > T::ZERO { T::ZERO } else { a }
}

/// `out += s⁺ a⁺ + s⁻ a⁻` where the lines' slopes are `below` (one per member) and `above`; intercepts go to the sums.
#[inline(always)]
fn back_row<T: Real, const PROVES: bool>(
    a: &[T],
    below: impl Fn(usize) -> T,
    [below_intercept, above, above_intercept]: [T; 3],
    error: T,
    out: &mut [T],
    sums: &mut Sums<T>,
) {
    let n = a.len();
    let (out, value) = (&mut out[..n], &mut sums.value[..n]);
    let (magnitude, charge) = if PROVES {
        (&mut sums.magnitude[..n], &mut sums.charge[..n])
    } else {
        (&mut sums.magnitude[..0], &mut sums.charge[..0])
    };
    for r in 0..n {
        let (up, down) = (positive(a[r]), negative(a[r]));
        out[r] += below(r) * up + above * down;
        let term = below_intercept * up + above_intercept * down;
        value[r] += term;
        if PROVES {
            magnitude[r] += term.magnitude();
            charge[r] += error * a[r].magnitude();
        }
    }
}

impl Layer {
    /// Coefficients `a` of the neurons' outputs, added to `out` as coefficients of their inputs. `slopes` has a row per
    /// free neuron.
    pub fn back<T: Real, const PROVES: bool>(
        &self,
        a: &[T],
        n: usize,
        slopes: &[T],
        out: &mut [T],
        sums: &mut Sums<T>,
    ) {
        Arch::new().dispatch(
            #[inline(always)]
            || {
                let rows = a.chunks_exact(n).zip(out.chunks_exact_mut(n));
                for ((a, out), (pass, &error)) in rows.zip(self.passes.iter().zip(&self.error)) {
                    let error = T::of(error);
                    match *pass {
                        Pass::Zero => {}
                        Pass::Same => out.iter_mut().zip(a).for_each(|(out, &a)| *out += a),
                        Pass::Fixed { lower, upper } => {
                            let slope = T::of(lower.0);
                            let lines = [T::of(lower.1), T::of(upper.0), T::of(upper.1)];
                            back_row::<T, PROVES>(a, |_| slope, lines, error, out, sums);
                        }
                        Pass::Free { index, upper } => {
                            let below = &slopes[index * n..(index + 1) * n];
                            let lines = [T::ZERO, T::of(upper.0), T::of(upper.1)];
                            back_row::<T, PROVES>(a, |r| below[r], lines, error, out, sums);
                        }
                    }
                }
            },
        );
    }

    /// The neurons' outputs by the lines that the coefficients `a` choose, at the inputs `z`. For each free neuron `f`
    /// gets its index with the rows `a`, `z` and `y`.
    pub fn forth(&self, a: &[f32], z: &[f32], n: usize, slopes: &[f32], y: &mut [f32]) {
        Arch::new().dispatch(
            #[inline(always)]
            || {
                let rows = a.chunks_exact(n).zip(z.chunks_exact(n)).zip(y.chunks_exact_mut(n));
                for (((a, z), y), pass) in rows.zip(&self.passes) {
                    match *pass {
                        Pass::Zero => y.fill(0.0),
                        Pass::Same => y.copy_from_slice(z),
                        Pass::Fixed { lower, upper } => {
                            let (ls, li) = (lower.0 as f32, lower.1 as f32);
                            let (us, ui) = (upper.0 as f32, upper.1 as f32);
                            for r in 0..n {
                                y[r] = if a[r] > 0.0 { ls * z[r] + li } else { us * z[r] + ui };
                            }
                        }
                        Pass::Free { index, upper } => {
                            let low = &slopes[index * n..(index + 1) * n];
                            let (us, ui) = (upper.0 as f32, upper.1 as f32);
                            for r in 0..n {
                                y[r] = if a[r] > 0.0 { low[r] * z[r] } else { us * z[r] + ui };
                            }
                        }
                    }
                }
            },
        );
    }

    /// The neurons' outputs themselves.
    pub fn apply(&self, z: &[f32], n: usize, exact: impl Fn(f32) -> f32, y: &mut [f32]) {
        let (left, right) = (self.corner.0 as f32, self.corner.1 as f32);
        Arch::new().dispatch(
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

/// Running means of the gradients of one matrix of multipliers (Adam; Kingma & Ba 2015).
#[derive(Clone, Debug, Default)]
pub(super) struct Moments {
    pub first: Vec<f32>,
    pub second: Vec<f32>,
}

/// The size of one gradient step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub rate: f32,
    /// What the running means lack yet.
    pub corrections: (f32, f32),
}

impl Step {
    /// The step of round `round` (from 0).
    pub fn new(rate: f32, round: usize) -> Self {
        let t = round as i32 + 1;
        Self { rate, corrections: (1.0 / (1.0 - KEPT.0.powi(t)), 1.0 / (1.0 - KEPT.1.powi(t))) }
    }

    /// Takes in a gradient, and returns the move.
    #[inline(always)]
    pub fn of(self, gradient: f32, first: &mut f32, second: &mut f32) -> f32 {
        *first = KEPT.0 * *first + (1.0 - KEPT.0) * gradient;
        *second = KEPT.1 * *second + (1.0 - KEPT.1) * gradient * gradient;
        self.rate * *first * self.corrections.0 / ((*second * self.corrections.1).sqrt() + 1e-12)
    }
}

/// What the running means keep of themselves per step.
const KEPT: (f32, f32) = (0.9, 0.99);

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
        Arch::new().dispatch(
            #[inline(always)]
            || {
                let improved = &improved[..n];
                for ((a, z), pass) in a.chunks_exact(n).zip(z.chunks_exact(n)).zip(&self.passes) {
                    let Pass::Free { index, .. } = *pass else { continue };
                    let row = index * n..(index + 1) * n;
                    let (low, best) = (&mut slopes[row.clone()][..n], &mut best[row.clone()][..n]);
                    let first = &mut moments.first[row.clone()][..n];
                    let second = &mut moments.second[row][..n];
                    for r in 0..n {
                        let gradient = if a[r] > 0.0 { a[r] * z[r] } else { 0.0 };
                        best[r] = if improved[r] > 0.0 { low[r] } else { best[r] };
                        low[r] = (low[r] + step.of(gradient, &mut first[r], &mut second[r])).max(left).min(right);
                    }
                }
            },
        );
    }

    /// For each member the free neuron whose relaxation loses most: `best` and `pick` (an index as a float) take over
    /// where this layer has more.
    pub fn losses(&self, a: &[f32], z: &[f32], y: &[f32], n: usize, best: &mut [f32], pick: &mut [u32]) {
        let (left, right) = (self.corner.0 as f32, self.corner.1 as f32);
        Arch::new().dispatch(
            #[inline(always)]
            || {
                let (best, pick) = (&mut best[..n], &mut pick[..n]);
                for (((a, z), y), pass) in
                    a.chunks_exact(n).zip(z.chunks_exact(n)).zip(y.chunks_exact(n)).zip(&self.passes)
                {
                    let Pass::Free { index, upper } = *pass else { continue };
                    let above = upper.1 as f32;
                    for r in 0..n {
                        let missed = (a[r] * (y[r] - (left * z[r]).max(right * z[r]))).abs();
                        let score = missed + SHARE_OF_INTERCEPT * (-a[r]).max(0.0) * above;
                        let is_more = score > best[r];
                        best[r] = if is_more { score } else { best[r] };
                        pick[r] = if is_more { index as u32 } else { pick[r] };
                    }
                }
            },
        );
    }
}

/// What the intercept of the line above counts for, next to what the relaxation misses at the minimiser: it is what the
/// bound loses at most, wherever the minimiser moves when the neuron is split.
const SHARE_OF_INTERCEPT: f32 = 5.0;
