//! Half-spaces that bound the difference of two inputs, as `x₁ ≥ x₀` of a query about monotonicity does, and the least
//! value of a form between them.

use super::{HalfSpace, Region};
use crate::num::kernel::finite_or_nothing;
use crate::num::round::add_down;
use crate::num::{Interval, Rational, enclose, exact};
use std::collections::BTreeMap;

/// `x_j − x_i` lies in the range.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Difference {
    i: usize,
    j: usize,
    range: Interval,
}

/// The two inputs of which a half-space bounds the difference, `x_a − x_b ≤ c`, and an upper bound of `c`.
fn difference(half_space: &HalfSpace) -> Option<(usize, usize, f64)> {
    let [(a, of_a), (b, of_b)] = &half_space.terms[..] else { return None };
    if a == b || (of_a + of_b) != Rational::ZERO || *of_a == Rational::ZERO {
        return None;
    }
    let most = enclose(&(&half_space.rhs / of_a)).hi;
    if *of_a > Rational::ZERO { Some((*a, *b, most)) } else { Some((*b, *a, enclose(&(&half_space.rhs / of_b)).hi)) }
}

impl Region {
    /// The same region, a box, of which bounds heed those half-spaces that are about the difference of two inputs, each
    /// input in one of them at most. What checks certificates does not.
    #[must_use]
    pub fn with_differences(mut self) -> Self {
        let ranges = self.difference_ranges();
        if ranges.is_empty() {
            return self;
        }
        let mut taken = vec![false; self.len()];
        let bounds = self.bounds().to_vec();
        for ((i, j), range) in ranges {
            let is_met = !range.intersect(bounds[j] - bounds[i]).is_empty();
            if is_met && !(taken[i] || taken[j]) {
                (taken[i], taken[j]) = (true, true);
                self.differences.push(Difference { i, j, range });
            }
        }
        self
    }

    /// For two inputs each, where half-spaces are about their difference, a range that holds it.
    fn difference_ranges(&self) -> BTreeMap<(usize, usize), Interval> {
        let mut ranges: BTreeMap<(usize, usize), Interval> = BTreeMap::new();
        for (a, b, most) in self.half_spaces.iter().filter_map(difference) {
            let (pair, side) = if a > b {
                ((b, a), Interval { lo: f64::NEG_INFINITY, hi: most })
            } else {
                ((a, b), Interval { lo: -most, hi: f64::INFINITY })
            };
            let range = ranges.entry(pair).or_insert(Interval::ALL);
            *range = range.intersect(side);
        }
        ranges
    }

    /// By how much half-spaces that are about differences of two inputs exclude each other or the box, where they do: no
    /// input is in the region then.
    #[must_use]
    pub fn gap(&self) -> Option<Rational> {
        let bounds = self.bounds();
        let left = |((i, j), range): ((usize, usize), Interval)| range.intersect(bounds[j] - bounds[i]);
        let empty = self.difference_ranges().into_iter().map(left).find(|range| range.is_empty())?;
        Some(exact(empty.lo)? - exact(empty.hi)?)
    }

    /// Whether bounds heed differences of inputs.
    #[must_use]
    pub fn has_differences(&self) -> bool {
        !self.differences.is_empty()
    }

    /// Two inputs, and the range of the second one less the first one.
    pub(crate) fn differences(&self) -> impl Iterator<Item = (usize, usize, Interval)> + '_ {
        let bounds = self.bounds();
        self.differences.iter().map(|&Difference { i, j, range }| (i, j, range.intersect(bounds[j] - bounds[i])))
    }

    /// A lower bound of `min c·x` over the box and the differences; −∞ where there are none. Of two inputs
    /// `a x_i + b x_j` is least where two of the three ranges of `x_i`, `x_j` and `x_j − x_i` end.
    pub(super) fn difference_minimum(&self, c: &[f64]) -> f64 {
        if self.differences.is_empty() {
            return f64::NEG_INFINITY;
        }
        let (bounds, mut sum, mut rest) = (self.bounds(), 0.0, c.to_vec());
        for (i, j, between) in self.differences() {
            let (a, b, x, y) = (c[i], c[j], bounds[i], bounds[j]);
            (rest[i], rest[j]) = (0.0, 0.0);
            if between.is_empty() {
                // No input is here: every bound holds.
                return f64::MAX;
            }
            let both = Interval::point(a) + Interval::point(b);
            let least = |one: Interval, other: Interval| finite_or_nothing(add_down(one.lo, other.lo));
            let alone = least(x.scale(a), y.scale(b));
            let from_x = least(both * x, between.scale(b));
            let from_y = least(both * y, between.scale(-a));
            sum = add_down(sum, alone.max(from_x).max(from_y));
        }
        add_down(sum, self.box_minimum(&rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use proptest::prelude::*;

    /// `x_a − x_b ≤ c`.
    fn at_most(a: usize, b: usize, c: f64) -> HalfSpace {
        HalfSpace { terms: vec![(a, Rational::ONE), (b, -Rational::ONE)], rhs: exact(c).unwrap() }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        /// The least value of a form over a polygon is that at one of its corners.
        #[test]
        fn the_minimum_between_two_inputs_is_that_of_a_corner(
            ends in prop::array::uniform4(-4..=4i32), limits in prop::array::uniform2(-5..=5i32),
            c in prop::array::uniform3(-3..=3i32),
        ) {
            let number = |x: i32| exact(f64::from(x) / 2.0).unwrap();
            let x = [ends[0].min(ends[1]), ends[0].max(ends[1])];
            let y = [ends[2].min(ends[3]), ends[2].max(ends[3])];
            let d = [limits[0].min(limits[1]), limits[0].max(limits[1])];
            let lower = [x[0], -2, y[0]].map(number).to_vec();
            let upper = [x[1], 3, y[1]].map(number).to_vec();
            let half = |d: i32| f64::from(d) / 2.0;
            let region = Region::new_box(lower, upper).unwrap();
            let region = region.with_half_spaces(vec![at_most(2, 0, half(d[1])), at_most(0, 2, -half(d[0]))]);
            let cut = region.with_differences();
            // All ends are multiples of one half, and so are the corners.
            let inside = |p: i32, q: i32| d[0] <= q - p && q - p <= d[1];
            let points = (x[0]..=x[1]).flat_map(|p| (y[0]..=y[1]).map(move |q| (p, q))).filter(|&(p, q)| inside(p, q));
            let least = points.map(|(p, q)| f64::from(c[0] * p + c[2] * q) / 2.0).reduce(f64::min);
            let rest = f64::from(c[1]) * if c[1] > 0 { -1.0 } else { 1.5 };
            let row = Array2::from_shape_fn((1, 3), |(_, i)| f64::from(c[i]));
            let found = cut.minima(row.view())[0];
            prop_assert_eq!(cut.gap().is_none(), least.is_some());
            if let Some(least) = least {
                prop_assert_eq!(found, least + rest);
            }
        }
    }

    #[test]
    fn each_input_is_compared_once() {
        let zero = vec![Rational::ZERO; 3];
        let region = Region::new_box(zero, vec![Rational::ONE; 3]).unwrap();
        let cut = region.with_half_spaces(vec![at_most(0, 1, 0.0), at_most(1, 2, 0.0)]).with_differences();
        assert_eq!(cut.differences.len(), 1);
        let row = Array2::from_shape_vec((1, 3), vec![-1.0, 1.0, 0.0]).unwrap();
        assert_eq!(cut.minima(row.view()), [0.0]);
    }
}
