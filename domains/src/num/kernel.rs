//! Row kernels: one pass over a row of coefficients in round-to-nearest, returning sums together with
//! the magnitudes that bound their rounding error.
//!
//! Eight independent partial sums keep the loops vectorisable; any order of summation is covered by
//! the a-priori bounds of [`super::error`].

use super::error::{gamma, underflow};
use super::round::{add_down, mul_down, mul_up, sub_down};

const LANES: usize = 8;

/// Rows up to this length are summed with directed rounding, which is exact where the result is a
/// float; longer ones with an a-priori error bound, which is faster.
const SHORT: usize = 64;

/// `Σ f(i)` and `Σ |f(i)|` over `0..n`, in eight partial sums.
#[inline(always)]
fn sums(n: usize, f: impl Fn(usize) -> f64) -> (f64, f64) {
    let mut total = [0.0; LANES];
    let mut magnitude = [0.0; LANES];
    let whole = n / LANES * LANES;
    let mut i = 0;
    while i < whole {
        for lane in 0..LANES {
            let p = f(i + lane);
            total[lane] += p;
            magnitude[lane] += p.abs();
        }
        i += LANES;
    }
    for (lane, i) in (whole..n).enumerate() {
        let p = f(i);
        total[lane] += p;
        magnitude[lane] += p.abs();
    }
    (total.iter().sum(), magnitude.iter().sum())
}

/// `Σ a_i b_i` in round-to-nearest, in eight partial sums.
#[must_use]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len();
    let b = &b[..n];
    sums(n, |i| a[i] * b[i]).0
}

/// A certified lower bound of `min Σ a_i x_i` over `lower ≤ x ≤ upper`; −∞ when there is none.
#[must_use]
pub fn box_minimum(a: &[f64], lower: &[f64], upper: &[f64]) -> f64 {
    let n = a.len();
    let (lower, upper) = (&lower[..n], &upper[..n]);
    let bound = if n <= SHORT {
        (0..n).fold(0.0, |sum, i| add_down(sum, mul_down(a[i], if a[i] > 0.0 { lower[i] } else { upper[i] })))
    } else {
        let (sum, magnitude) = sums(n, |i| {
            let end = if a[i] > 0.0 { lower[i] } else { upper[i] };
            if a[i] == 0.0 { 0.0 } else { a[i] * end }
        });
        sub_down(sum, mul_up(gamma(n), magnitude) + underflow(n))
    };
    finite_or_nothing(bound)
}

/// A certified lower bound of `Σ a_i b_i − Σ |a_i| error_i`; NaN when something overflowed.
#[must_use]
pub fn dot_less_error(a: &[f64], b: &[f64], error: &[f64]) -> f64 {
    let n = a.len();
    let (b, error) = (&b[..n], &error[..n]);
    // The rounding of the dot product itself is part of `error`.
    let (sum, _) = sums(n, |i| a[i] * b[i]);
    let (_, charge) = sums(n, |i| a[i] * error[i]);
    sub_down(sum, mul_up(charge, 1.0 + gamma(n)))
}

/// A certified lower bound of `−Σ |a_i| error_i`.
#[must_use]
pub fn less_error(a: &[f64], error: &[f64]) -> f64 {
    let n = a.len();
    let error = &error[..n];
    let (_, charge) = sums(n, |i| a[i] * error[i]);
    -mul_up(charge, 1.0 + gamma(n))
}

/// A certified lower bound of a chosen intercept per entry: `Σ a_i⁺ below_i + a_i⁻ above_i − |a_i| error_i`,
/// where `error` covers the rounding of the sum.
#[must_use]
pub fn chosen_dot_less_error(a: &[f64], below: &[f64], above: &[f64], error: &[f64]) -> f64 {
    let n = a.len();
    let (below, above, error) = (&below[..n], &above[..n], &error[..n]);
    let (sum, _) = sums(n, |i| a[i] * if a[i] > 0.0 { below[i] } else { above[i] });
    let (_, charge) = sums(n, |i| a[i] * error[i]);
    sub_down(sum, mul_up(charge, 1.0 + gamma(n)))
}

/// Multiplies each coefficient by the slope on its side: `below` where positive, else `above`.
pub fn choose_slopes(a: &mut [f64], below: &[f64], above: &[f64]) {
    for ((a, &below), &above) in a.iter_mut().zip(below).zip(above) {
        *a *= if *a > 0.0 { below } else { above };
    }
}

/// A bound that overflowed, or is NaN, says nothing: −∞.
#[must_use]
pub fn finite_or_nothing(bound: f64) -> f64 {
    if bound.is_finite() { bound } else { f64::NEG_INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::{Rational, exact};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_box_minimum_is_below_every_corner(
            entries in prop::collection::vec((-9.0..9.0f64, -9.0..9.0f64, 0.0..9.0f64, any::<bool>()), 1..150)
        ) {
            let a: Vec<f64> = entries.iter().map(|e| e.0).collect();
            let lower: Vec<f64> = entries.iter().map(|e| e.1).collect();
            let upper: Vec<f64> = entries.iter().map(|e| e.1 + e.2).collect();
            let bound = exact(box_minimum(&a, &lower, &upper)).unwrap();
            let least = (0..a.len()).fold(Rational::ZERO, |sum, i| {
                sum + exact(a[i]).unwrap() * exact(if a[i] > 0.0 { lower[i] } else { upper[i] }).unwrap()
            });
            prop_assert!(bound <= least);
            prop_assert!((&least - &bound) <= exact(1e-9).unwrap());
        }
    }

    #[test]
    fn an_overflowing_sum_is_no_bound() {
        let (a, x) = (vec![1e200; 100], vec![1e200; 100]);
        assert_eq!(box_minimum(&a, &x, &x), f64::NEG_INFINITY);
        assert_eq!(box_minimum(&[0.0], &[f64::NEG_INFINITY], &[f64::INFINITY]), 0.0);
        assert_eq!(box_minimum(&[1.0], &[f64::NEG_INFINITY], &[0.0]), f64::NEG_INFINITY);
    }
}
