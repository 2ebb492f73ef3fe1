//! What a batch of forms adds up on its way back, by member.

use crate::num::{Real, vectorised};

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

    /// The first `n` of values, magnitudes and charges; only proofs have the latter two.
    #[inline(always)]
    pub fn split<const PROVES: bool>(&mut self, n: usize) -> (&mut [T], &mut [T], &mut [T]) {
        let of_proof = if PROVES { n } else { 0 };
        (&mut self.value[..n], &mut self.magnitude[..of_proof], &mut self.charge[..of_proof])
    }

    /// For every row `a_i`: adds `factors_i · a_i`, and charges `errors_i · |a_i|`.
    pub fn add_rows<const PROVES: bool>(&mut self, a: &[T], n: usize, factors: &[f64], errors: &[f64]) {
        vectorised(
            #[inline(always)]
            || {
                for ((a, &factor), &error) in a.chunks_exact(n).zip(factors).zip(errors) {
                    if PROVES || factor != 0.0 {
                        let (value, magnitude, charge) = self.split::<PROVES>(n);
                        add_row::<T, PROVES>(a, T::of(factor), T::of(error), value, magnitude, charge);
                    }
                }
            },
        );
    }
}

/// Adds `factor · a`, and charges `error · |a|`.
#[inline(always)]
fn add_row<T: Real, const PROVES: bool>(
    a: &[T],
    factor: T,
    error: T,
    value: &mut [T],
    magnitude: &mut [T],
    charge: &mut [T],
) {
    for r in 0..a.len() {
        let term = factor * a[r];
        value[r] += term;
        if PROVES {
            magnitude[r] += term.magnitude();
            charge[r] += error * a[r].magnitude();
        }
    }
}
