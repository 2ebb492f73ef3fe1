//! Hulls on a grid of integers, where double description is exact and fast.

use super::octahedron::{Octahedron, direction_count, entry};
use super::{MAX_NEURONS, PolyhedraError};

/// A row `a · z ≤ bound` in integer grid units, `a ∈ {−1, 0, 1}^k` (unused coordinates are 0).
#[derive(Clone, Copy, Debug)]
pub(super) struct GridRow {
    pub(super) a: [i64; MAX_NEURONS],
    pub(super) bound: i64,
}

/// The integer grid of a group: multiples of `2^exponent`, about 2⁻²⁰ of its largest single bound.
///
/// Constants are rounded outward to it, so polytopes only grow. Coarse on purpose: distances between
/// vertices that are not equal stay far above the noise of the later float computation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    exponent: i32,
}

/// Single bounds are below `2^BITS` grid units.
const BITS: i32 = 21;
/// Magnitudes from which no grid is made.
const LARGEST_EXPONENT: i32 = 1000;
/// Keeps grid units, and vertices with denominators up to 16, normal floats.
const SMALLEST_UNIT: i32 = -1000;

impl Grid {
    /// The grid for constants of magnitude up to `largest`.
    pub(super) fn new(largest: f64) -> Result<Self, PolyhedraError> {
        let exponent = if largest == 0.0 { 0 } else { binary_exponent(largest) };
        if exponent >= LARGEST_EXPONENT {
            return Err(PolyhedraError::OutOfRange);
        }
        Ok(Self { exponent: (exponent + 1 - BITS).max(SMALLEST_UNIT) })
    }

    /// The grid of an octahedron's single bounds.
    pub(super) fn of(octahedron: &Octahedron) -> Result<Self, PolyhedraError> {
        let k = octahedron.k();
        let single = |j: &usize| (0..k).filter(|&i| entry(k, *j, i) != 0).count() == 1;
        let largest = (0..direction_count(k)).filter(single).map(|j| octahedron.upper()[j].abs()).fold(0.0, f64::max);
        Self::new(largest)
    }

    /// One grid unit, a power of two.
    pub(super) fn unit(self) -> f64 {
        power_of_two(self.exponent)
    }

    /// The smallest `n` with `x ≤ n · unit`, cut to `[−limit, limit]`.
    ///
    /// Cutting from below is outward too; a caller that cuts from above must know that the row is
    /// redundant there.
    pub(super) fn ceil(self, x: f64, limit: i64) -> i64 {
        // Scaling by a power of two is exact, except that tiny values may round, even to zero: then
        // x is in (0, 1) units and the answer is 1.
        let scaled = x * power_of_two(-self.exponent);
        if scaled == 0.0 && x > 0.0 {
            return limit.min(1);
        }
        // Casts of floats to integers saturate.
        (scaled.ceil() as i64).clamp(-limit, limit)
    }

    /// The largest `n` with `n · unit ≤ x`, cut to `[−limit, limit]`.
    pub(super) fn floor(self, x: f64, limit: i64) -> i64 {
        -self.ceil(-x, limit)
    }

    /// The rows of an octahedron, its single bounds first and then by growing support, rounded outward.
    ///
    /// Rows that the single bounds imply with room to spare are cut to what those imply: all bounds
    /// are at most `k · 2^21 + 1` in magnitude.
    pub(super) fn rows(self, octahedron: &Octahedron) -> Vec<GridRow> {
        let k = octahedron.k();
        let mut rows = Vec::with_capacity(direction_count(k));
        let mut largest = 0;
        for support in 1..=k {
            for (j, &upper) in octahedron.upper().iter().enumerate() {
                let mut a = [0; MAX_NEURONS];
                let mut count = 0;
                for (i, a) in a.iter_mut().enumerate().take(k) {
                    *a = i64::from(entry(k, j, i));
                    count += usize::from(*a != 0);
                }
                if count == support {
                    // Beyond the sum of the largest single bounds a row is redundant (+) or empty (−).
                    let limit = if support == 1 { 1 << BITS } else { largest * support as i64 + 1 };
                    let bound = self.ceil(upper, limit);
                    if support == 1 {
                        largest = largest.max(bound.abs());
                    }
                    rows.push(GridRow { a, bound });
                }
            }
        }
        rows
    }
}

/// `⌊log₂ x⌋` for positive finite x.
fn binary_exponent(x: f64) -> i32 {
    let biased = (x.to_bits() >> 52 & 0x7ff) as i32;
    // Subnormals all lie below the smallest grid unit.
    if biased == 0 { -1074 } else { biased - 1023 }
}

/// `2^exponent` for exponents of normal floats.
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::{Rational, exact};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rounding_is_outward_and_within_one_unit(
            largest in prop_oneof![0.0..1e3f64, Just(1e300), Just(1e-300), Just(5e-324)], share in -1.0..=1.0f64
        ) {
            let grid = Grid::new(largest).unwrap();
            let x = share * largest;
            let unit = exact(grid.unit()).unwrap();
            let (lo, hi) = (grid.floor(x, 1 << BITS), grid.ceil(x, 1 << BITS));
            let x = exact(x).unwrap();
            prop_assert!(Rational::from(lo) * &unit <= x && x <= Rational::from(hi) * &unit);
            prop_assert!(hi - lo <= 1 && hi.abs() <= 1 << BITS);
        }
    }

    #[test]
    fn extreme_magnitudes_have_a_grid_or_an_error() {
        assert_eq!(Grid::new(f64::MAX).unwrap_err(), PolyhedraError::OutOfRange);
        assert_eq!(Grid::new(0.0).unwrap().ceil(0.0, 10), 0);
        let tiny = Grid::new(5e-324).unwrap();
        assert_eq!((tiny.ceil(5e-324, 10), tiny.floor(5e-324, 10)), (1, 0));
        let huge = Grid::new(1e300).unwrap();
        assert_eq!((huge.ceil(1e-300, 10), huge.floor(1e-300, 10)), (1, 0));
    }
}
