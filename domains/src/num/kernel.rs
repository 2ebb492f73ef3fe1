//! Row kernels: one pass over a row of coefficients in round-to-nearest, returning sums together with
//! the magnitudes that bound their rounding error.
//!
//! Each loop is compiled once per instruction set and the processor chooses, so that the sums and their
//! last digits, but not their validity, differ between processors: the a-priori bounds of
//! [`super::error`] cover any order of summation.

use super::error::{gamma, underflow};
use super::round::{add_down, add_up, mul_down, mul_up, sub_down};
use pulp::{Arch, NullaryFnOnce, Simd, WithSimd};
use std::marker::PhantomData;

/// Rows up to this length are summed with directed rounding, which is exact where the result is a
/// float; longer ones with an a-priori error bound, which is faster.
const SHORT: usize = 64;

/// What a kernel adds up: `S` terms made of the entries of `K` rows at one place. Where all entries are zero the terms
/// are.
trait Terms<const K: usize, const S: usize> {
    fn of<V: Simd>(simd: V, entries: [V::f64s; K]) -> [V::f64s; S];
}

/// The sums of the terms `T` of some rows, which are at least as long as the first, in as many partial sums as keep the
/// processor busy.
struct Sums<'a, T, const K: usize, const S: usize>([&'a [f64]; K], PhantomData<T>);

impl<T: Terms<K, S>, const K: usize, const S: usize> WithSimd for Sums<'_, T, K, S> {
    type Output = [f64; S];

    #[inline(always)]
    fn with_simd<V: Simd>(self, simd: V) -> [f64; S] {
        let mut total = [[simd.splat_f64s(0.0); 2]; S];
        let split = self.0.map(|row| V::as_simd_f64s(row));
        let (rows, rest) = (split.map(|(row, _)| row), split.map(|(_, rest)| rest));
        let pairs = rows.map(|row| row.as_chunks::<2>().0);
        let add = |total: &mut [[V::f64s; 2]; S], way: usize, terms: [V::f64s; S]| {
            for (total, term) in total.iter_mut().zip(terms) {
                total[way] = simd.add_f64s(total[way], term);
            }
        };
        for i in 0..pairs[0].len() {
            add(&mut total, 0, T::of(simd, pairs.map(|row| row[i][0])));
            add(&mut total, 1, T::of(simd, pairs.map(|row| row[i][1])));
        }
        if let Some(last) = rows[0].len().checked_sub(1).filter(|last| last.is_multiple_of(2)) {
            add(&mut total, 0, T::of(simd, rows.map(|row| row[last])));
        }
        if !rest[0].is_empty() {
            add(&mut total, 1, T::of(simd, rest.map(|rest| simd.partial_load_f64s(rest))));
        }
        total.map(|[a, b]| simd.reduce_sum_f64s(simd.add_f64s(a, b)))
    }
}

fn sums<T: Terms<K, S>, const K: usize, const S: usize>(rows: [&[f64]; K]) -> [f64; S] {
    let n = rows[0].len();
    Arch::new().dispatch(Sums(rows.map(|row| &row[..n]), PhantomData::<T>))
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

struct Product;

impl Terms<2, 1> for Product {
    #[inline(always)]
    fn of<V: Simd>(simd: V, [a, b]: [V::f64s; 2]) -> [V::f64s; 1] {
        [simd.mul_f64s(a, b)]
    }
}

/// `Σ a_i b_i` in round-to-nearest, in several partial sums.
#[must_use]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let [sum] = sums::<Product, _, _>([a, b]);
    sum
}

/// The least `a x` over `lower ≤ x ≤ upper`, and its magnitude.
struct Least;

impl Terms<3, 2> for Least {
    #[inline(always)]
    fn of<V: Simd>(simd: V, [a, lower, upper]: [V::f64s; 3]) -> [V::f64s; 2] {
        let zero = simd.splat_f64s(0.0);
        let end = simd.select_f64s(simd.greater_than_f64s(a, zero), lower, upper);
        // Zero times an infinite bound is zero.
        let term = simd.select_f64s(simd.equal_f64s(a, zero), zero, simd.mul_f64s(a, end));
        [term, simd.abs_f64s(term)]
    }
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
        let [sum, magnitude] = sums::<Least, _, _>([a, lower, upper]);
        sub_down(sum, mul_up(gamma(n), magnitude) + underflow(n))
    };
    finite_or_nothing(bound)
}

/// A product, and the magnitude of one with an error.
struct Charged;

impl Terms<3, 2> for Charged {
    #[inline(always)]
    fn of<V: Simd>(simd: V, [a, b, error]: [V::f64s; 3]) -> [V::f64s; 2] {
        [simd.mul_f64s(a, b), simd.abs_f64s(simd.mul_f64s(a, error))]
    }
}

/// A certified lower bound of `Σ a_i b_i − Σ |a_i| error_i`; NaN when something overflowed.
#[must_use]
pub fn dot_less_error(a: &[f64], b: &[f64], error: &[f64]) -> f64 {
    // The rounding of the dot product itself is part of `error`.
    let [sum, charge] = sums::<Charged, _, _>([a, b, error]);
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

struct Magnitude;

impl Terms<2, 1> for Magnitude {
    #[inline(always)]
    fn of<V: Simd>(simd: V, [a, b]: [V::f64s; 2]) -> [V::f64s; 1] {
        [simd.abs_f64s(simd.mul_f64s(a, b))]
    }
}

/// `Σ |a_i b_i|` in round-to-nearest.
#[must_use]
pub fn dot_magnitude(a: &[f64], b: &[f64]) -> f64 {
    let [sum] = sums::<Magnitude, _, _>([a, b]);
    sum
}

/// A product with the intercept on the coefficient's side, and the magnitude of one with an error.
struct Chosen;

impl Terms<4, 2> for Chosen {
    #[inline(always)]
    fn of<V: Simd>(simd: V, [a, below, above, error]: [V::f64s; 4]) -> [V::f64s; 2] {
        let intercept = simd.select_f64s(simd.greater_than_f64s(a, simd.splat_f64s(0.0)), below, above);
        [simd.mul_f64s(a, intercept), simd.abs_f64s(simd.mul_f64s(a, error))]
    }
}

/// A certified lower bound of a chosen intercept per entry: `Σ a_i⁺ below_i + a_i⁻ above_i − |a_i| error_i`,
/// where `error` covers the rounding of the sum.
#[must_use]
pub fn chosen_dot_less_error(a: &[f64], below: &[f64], above: &[f64], error: &[f64]) -> f64 {
    let [sum, charge] = sums::<Chosen, _, _>([a, below, above, error]);
    sub_down(sum, rounded_up(charge, a.len()))
}

/// A certified lower bound of a sum of at most `n` products, computed to nearest, less a sum of as many charges.
#[must_use]
pub fn sum_less_charge(sum: f64, charge: f64, n: usize) -> f64 {
    sub_down(sum, rounded_up(charge, n))
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

/// [`box_minimum`], and then each coefficient times the slope of its entry.
pub fn box_minimum_then_scale(a: &mut [f64], lower: &[f64], upper: &[f64], slope: &[f64]) -> f64 {
    struct LeastThenScaled<'a>(&'a mut [f64], [&'a [f64]; 3]);
    impl WithSimd for LeastThenScaled<'_> {
        type Output = [f64; 2];

        #[inline(always)]
        fn with_simd<V: Simd>(self, simd: V) -> [f64; 2] {
            let (a, rest) = V::as_mut_simd_f64s(self.0);
            let split = self.1.map(|row| V::as_simd_f64s(row));
            let mut total = [[simd.splat_f64s(0.0); 2]; 2];
            let mut add = |way: usize, terms: [V::f64s; 2]| {
                for (total, term) in total.iter_mut().zip(terms) {
                    total[way] = simd.add_f64s(total[way], term);
                }
            };
            let [lower, upper, slope] = split.map(|(row, _)| &row[..a.len()]);
            for (i, a) in a.iter_mut().enumerate() {
                add(i % 2, Least::of(simd, [*a, lower[i], upper[i]]));
                *a = simd.mul_f64s(*a, slope[i]);
            }
            if !rest.is_empty() {
                let [lower, upper, slope] = split.map(|(_, rest)| simd.partial_load_f64s(rest));
                let a = simd.partial_load_f64s(rest);
                add(0, Least::of(simd, [a, lower, upper]));
                simd.partial_store_f64s(rest, simd.mul_f64s(a, slope));
            }
            total.map(|[a, b]| simd.reduce_sum_f64s(simd.add_f64s(a, b)))
        }
    }
    let n = a.len();
    if n <= SHORT {
        let bound = box_minimum(a, lower, upper);
        a.iter_mut().zip(slope).for_each(|(a, slope)| *a *= slope);
        return bound;
    }
    let [sum, magnitude] = Arch::new().dispatch(LeastThenScaled(a, [&lower[..n], &upper[..n], &slope[..n]]));
    finite_or_nothing(sub_down(sum, mul_up(gamma(n), magnitude) + underflow(n)))
}

/// A bound that overflowed, or is NaN, says nothing: −∞.
#[must_use]
pub fn finite_or_nothing(bound: f64) -> f64 {
    if bound.is_finite() { bound } else { f64::NEG_INFINITY }
}

/// The `μ > 0` at which the vector of `min(|c_i| / μ, room_i)` is as long as `radius`; where the rooms end before that, one
/// at which it is shorter. Nearly: a guess. Nothing where the `c_i` are zero or not finite.
///
/// From above: who has reached the room stays there as `μ` falls, so that solving for the others never passes the radius.
pub fn multiplier_on_sphere(pairs: impl Iterator<Item = (f64, f64)> + Clone, radius: f64) -> Option<f64> {
    let is_usable = |mu: f64| mu > 0.0 && mu.is_finite();
    let mut mu = pairs.clone().map(|(c, _)| c * c).sum::<f64>().sqrt() / radius;
    if !is_usable(mu) {
        return None;
    }
    for _ in 0..MOST_SOLVED {
        let of = |(free, left): (f64, f64), (c, room): (f64, f64)| {
            if c.abs() > mu * room { (free, left - room * room) } else { (free + c * c, left) }
        };
        let (free, left) = pairs.clone().fold((0.0, radius * radius), of);
        let next = (free / left).sqrt();
        if !(is_usable(next) && next < mu) {
            break;
        }
        mu = next;
    }
    Some(mu)
}

/// Equations that are solved for one multiplier, at most.
const MOST_SOLVED: usize = 50;

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
