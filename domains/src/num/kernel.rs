//! Row kernels: one pass over a row of coefficients in round-to-nearest, returning sums together with
//! the magnitudes that bound their rounding error.
//!
//! Each loop is compiled once per instruction set and the processor chooses, so that the sums and their
//! last digits, but not their validity, differ between processors: the a-priori bounds of
//! [`super::error`] cover any order of summation.

use super::error::{gamma, underflow};
use super::round::{add_down, add_up, mul_down, mul_up, sub_down};
use pulp::{Arch, NullaryFnOnce};

/// Partial sums: what one vector register of the widest instruction set holds.
const LANES: usize = 8;

/// Rows up to this length are summed with directed rounding, which is exact where the result is a
/// float; longer ones with an a-priori error bound, which is faster.
const SHORT: usize = 64;

/// The sums over all rows of `columns` of what `f` makes of a row.
struct Sums<'a, F, const K: usize> {
    columns: [&'a [f64]; K],
    f: F,
}

impl<const K: usize, const S: usize, F: Fn([f64; K]) -> [f64; S]> NullaryFnOnce for Sums<'_, F, K> {
    type Output = [f64; S];

    #[inline(always)]
    fn call(self) -> [f64; S] {
        let Self { columns, f } = self;
        let mut total = [[0.0; LANES]; S];
        let (blocks, rest) = (columns.map(|c| c.as_chunks::<LANES>().0), columns.map(|c| c.as_chunks::<LANES>().1));
        for i in 0..blocks[0].len() {
            let block = blocks.map(|b| b[i]);
            for lane in 0..LANES {
                let terms = f(block.map(|b| b[lane]));
                for (total, term) in total.iter_mut().zip(terms) {
                    total[lane] += term;
                }
            }
        }
        for i in 0..rest[0].len() {
            let terms = f(rest.map(|r| r[i]));
            for (total, term) in total.iter_mut().zip(terms) {
                total[i] += term;
            }
        }
        total.map(|lanes| lanes.iter().sum())
    }
}

/// The sums over `i` of what `f` makes of the entries `i` of all `columns` (which are at least as long
/// as the first), each in eight partial sums.
fn sums<const K: usize, const S: usize>(columns: [&[f64]; K], f: impl Fn([f64; K]) -> [f64; S]) -> [f64; S] {
    let n = columns[0].len();
    Arch::new().dispatch(Sums { columns: columns.map(|c| &c[..n]), f })
}

/// [`box_minimum`] with each operation rounded down.
struct ExactBoxMinimum<'a> {
    columns: [&'a [f64]; 3],
}

impl NullaryFnOnce for ExactBoxMinimum<'_> {
    type Output = f64;

    #[inline(always)]
    fn call(self) -> f64 {
        let [a, lower, upper] = self.columns;
        let entries = a.iter().zip(lower).zip(upper);
        entries.fold(0.0, |sum, ((&a, &lower), &upper)| add_down(sum, mul_down(a, if a > 0.0 { lower } else { upper })))
    }
}

/// `Σ a_i b_i` in round-to-nearest, in eight partial sums.
#[must_use]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let [sum] = sums([a, b], |[a, b]| [a * b]);
    sum
}

/// A certified lower bound of `min Σ a_i x_i` over `lower ≤ x ≤ upper`; −∞ when there is none.
#[must_use]
pub fn box_minimum(a: &[f64], lower: &[f64], upper: &[f64]) -> f64 {
    let n = a.len();
    let (lower, upper) = (&lower[..n], &upper[..n]);
    let bound = if n <= SHORT {
        // An overflowed coefficient says nothing, not even times a bound of zero.
        if a.iter().any(|a| !a.is_finite()) {
            return f64::NEG_INFINITY;
        }
        Arch::new().dispatch(ExactBoxMinimum { columns: [a, lower, upper] })
    } else {
        let [sum, magnitude] = sums([a, lower, upper], |[a, lower, upper]| {
            let end = if a > 0.0 { lower } else { upper };
            let term = if a == 0.0 { 0.0 } else { a * end };
            [term, term.abs()]
        });
        sub_down(sum, mul_up(gamma(n), magnitude) + underflow(n))
    };
    finite_or_nothing(bound)
}

/// A certified lower bound of `Σ a_i b_i − Σ |a_i| error_i`; NaN when something overflowed.
#[must_use]
pub fn dot_less_error(a: &[f64], b: &[f64], error: &[f64]) -> f64 {
    // The rounding of the dot product itself is part of `error`.
    let [sum, charge] = sums([a, b, error], |[a, b, error]| [a * b, (a * error).abs()]);
    sub_down(sum, rounded_up(charge, a.len()))
}

/// An upper bound of a sum of `n` magnitudes that was computed to nearest, and of what the products of
/// two such sums lose to underflow.
fn rounded_up(sum: f64, n: usize) -> f64 {
    add_up(mul_up(sum, 1.0 + gamma(n)), underflow(2 * n))
}

/// A certified lower bound of `−Σ |a_i| error_i`.
#[must_use]
pub fn less_error(a: &[f64], error: &[f64]) -> f64 {
    -rounded_up(dot_magnitude(a, error), a.len())
}

/// `Σ |a_i b_i|` in round-to-nearest.
#[must_use]
pub fn dot_magnitude(a: &[f64], b: &[f64]) -> f64 {
    let [sum] = sums([a, b], |[a, b]| [(a * b).abs()]);
    sum
}

/// A certified lower bound of a chosen intercept per entry: `Σ a_i⁺ below_i + a_i⁻ above_i − |a_i| error_i`,
/// where `error` covers the rounding of the sum.
#[must_use]
pub fn chosen_dot_less_error(a: &[f64], below: &[f64], above: &[f64], error: &[f64]) -> f64 {
    let [sum, charge] = sums([a, below, above, error], |[a, below, above, error]| {
        [a * if a > 0.0 { below } else { above }, (a * error).abs()]
    });
    sub_down(sum, rounded_up(charge, a.len()))
}

/// Multiplies each coefficient by the slope on its side: `below` where positive, else `above`.
pub fn choose_slopes(a: &mut [f64], below: &[f64], above: &[f64]) {
    struct ChosenSlopes<'a>(&'a mut [f64], &'a [f64], &'a [f64]);
    impl NullaryFnOnce for ChosenSlopes<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            for ((a, &below), &above) in self.0.iter_mut().zip(self.1).zip(self.2) {
                *a *= if *a > 0.0 { below } else { above };
            }
        }
    }
    Arch::new().dispatch(ChosenSlopes(a, below, above));
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
