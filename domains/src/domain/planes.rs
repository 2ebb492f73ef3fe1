//! Planes around products: `y = a b` lies above `q a + p b + min (a − p)(b − q) − p q`, whatever `p` and `q` are, and below
//! the same with the maximum. With a corner of the box for `(p, q)` these are the planes of McCormick (1976), which are
//! the convex hull of the product over the box.

use super::NodeBounds;
use crate::activation::{ActivationFn, Line, Power, Slopes};
use crate::network::{NodeId, Product};
use crate::num::Interval;
use crate::num::error::{ETA, UNIT, gamma};
use crate::num::round::{add_up, mul_up};
use float_ord::FloatOrd;

/// `slopes[0] · a + slopes[1] · b + intercept`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plane {
    /// Slopes, exact floats.
    pub slopes: [f64; 2],
    /// Intercept, rounded to the safe side of the product.
    pub intercept: f64,
}

/// A plane below and a plane above a product.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Planes {
    /// `y ≥ lower`.
    pub lower: Plane,
    /// `y ≤ upper`.
    pub upper: Plane,
}

/// Bounds of `a b` over the two ranges; of a square where both are the same number.
pub(super) fn product(a: Interval, b: Interval, is_square: bool) -> Interval {
    let image = a * b;
    if !is_square {
        return image;
    }
    Interval { lo: if a.contains(0.0) { 0.0 } else { image.lo.max(0.0) }, hi: image.hi }
}

/// Bounds of products whose factors lie in these ranges.
pub fn products<'p>(
    product: &'p Product,
    range: impl Fn(NodeId, usize) -> Interval + 'p,
) -> impl Iterator<Item = Interval> + 'p {
    product.pairs(range).enumerate().map(|(k, [a, b])| self::product(a, b, product.is_square(k)))
}

/// Bounds of `a b − slopes[0] · a − slopes[1] · b` over the two ranges.
pub(super) fn band([a, b]: [Interval; 2], [of_a, of_b]: [f64; 2]) -> Interval {
    let excess = (a - Interval::point(of_b)) * (b - Interval::point(of_a));
    excess - Interval::point(of_a).scale(of_b)
}

/// The two corners whose planes bound the product from below (`sign` 1) or from above (−1), as their slopes.
pub(super) fn corners([a, b]: [Interval; 2], sign: f64) -> [[f64; 2]; 2] {
    if sign > 0.0 { [[b.lo, a.lo], [b.hi, a.hi]] } else { [[b.hi, a.lo], [b.lo, a.hi]] }
}

/// The plane of these slopes on one side of the product.
fn touching(ranges: [Interval; 2], slopes: [f64; 2], sign: f64) -> Plane {
    let slopes = if slopes.iter().all(|slope| slope.is_finite()) { slopes } else { [0.0; 2] };
    let band = band(ranges, slopes);
    Plane { slopes, intercept: if sign > 0.0 { band.lo } else { band.hi } }
}

/// The plane on one side of the product. All planes between the two corners enclose the same volume with it (their values
/// in the middle are the same), so the one whose own bound over the box is best is taken: that of a corner, or one
/// that does not depend on one of the factors at all.
fn plane(ranges: [Interval; 2], slopes: Slopes, sign: f64) -> Plane {
    let [a, b] = ranges;
    let [first, second] = corners(ranges, sign);
    let between = |share: f64| [0, 1].map(|i| first[i] + share * (second[i] - first[i]));
    let zero = |i: usize| -first[i] / (second[i] - first[i]);
    let shares = match slopes {
        Slopes::Zero => vec![0.0],
        Slopes::One => vec![1.0],
        Slopes::Parallel => vec![0.5],
        Slopes::Area => [0.5, 0.0, 1.0, zero(0), zero(1)].into_iter().filter(|s| (0.0..=1.0).contains(s)).collect(),
    };
    let value = |plane: &Plane| {
        let over_box = a.scale(plane.slopes[0]) + b.scale(plane.slopes[1]) + Interval::point(plane.intercept);
        FloatOrd(if sign > 0.0 { over_box.lo } else { -over_box.hi })
    };
    let candidates = shares.into_iter().map(|share| touching(ranges, between(share), sign));
    // The first of several: a tie goes to the middle.
    let best = candidates.reduce(|best, other| if value(&other) > value(&best) { other } else { best });
    best.unwrap_or(Plane { slopes: [0.0; 2], intercept: -sign * f64::INFINITY })
}

/// The planes of a product of two numbers in these ranges.
pub(super) fn planes(ranges: [Interval; 2], is_square: bool, slopes: Slopes) -> Planes {
    let [a, b] = ranges;
    let of = |slopes_of: [f64; 2]| Planes {
        lower: touching(ranges, slopes_of, 1.0),
        upper: touching(ranges, slopes_of, -1.0),
    };
    if let Some(square) = Power::new(2).filter(|_| is_square) {
        let lines = square.lines_with(a.into(), slopes);
        let plane = |line: Line| Plane { slopes: [line.slope, 0.0], intercept: line.intercept };
        return Planes { lower: plane(lines.lower), upper: plane(lines.upper) };
    }
    if !(a.magnitude().is_finite() && b.magnitude().is_finite()) || a.is_empty() || b.is_empty() {
        let image = if a.is_empty() || b.is_empty() { Interval::ALL } else { a * b };
        let flat = |intercept| Plane { slopes: [0.0; 2], intercept };
        return Planes { lower: flat(image.lo), upper: flat(image.hi) };
    }
    // A factor that is constant is a weight.
    if a.lo == a.hi {
        return of([0.0, a.lo]);
    }
    if b.lo == b.hi {
        return of([b.lo, 0.0]);
    }
    Planes { lower: plane(ranges, slopes, 1.0), upper: plane(ranges, slopes, -1.0) }
}

/// The planes on either side of a product of two numbers in these ranges of which it has the tightest as means, and the
/// pair that [`planes`] would choose.
#[must_use]
pub fn planes_of_product(ranges: [Interval; 2]) -> ([Vec<Plane>; 2], Planes) {
    let chosen = planes(ranges, false, Slopes::Area);
    if !ranges.iter().all(|range| range.magnitude().is_finite() && range.lo < range.hi) {
        return ([vec![chosen.lower], vec![chosen.upper]], chosen);
    }
    let sides = [1.0, -1.0].map(|sign| corners(ranges, sign).map(|slopes| touching(ranges, slopes, sign)).to_vec());
    (sides, chosen)
}

/// The planes of every neuron of a product node, and what using them in floats can lose.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodePlanes {
    /// Slopes below, by factor.
    pub lower_slopes: [Vec<f64>; 2],
    /// Intercepts below.
    pub lower_intercept: Vec<f64>,
    /// Slopes above, by factor.
    pub upper_slopes: [Vec<f64>; 2],
    /// Intercepts above.
    pub upper_intercept: Vec<f64>,
    /// For a coefficient `c` of the neuron, `|c| · error` bounds the rounding of its products with the slopes, of the sums
    /// of these over all neurons that read an entry (times what the entries can be), and of summing intercepts.
    pub error: Vec<f64>,
    /// What underflow may lose whatever the coefficients are.
    pub absolute: f64,
}

impl NodePlanes {
    /// The planes over the bounds of the factors.
    #[must_use]
    pub fn new<'a>(product: &Product, bounds: impl Fn(NodeId) -> &'a NodeBounds, slopes: Slopes) -> Self {
        let n = product.factors[0].index.len();
        let mut node = Self::default();
        let readers = product.factors.each_ref().map(|factor| {
            let mut readers = vec![0; bounds(factor.source).len()];
            factor.index.iter().for_each(|&i| readers[i] += 1);
            readers
        });
        for (k, ranges) in product.pairs(|source, i| bounds(source).get(i)).enumerate() {
            let Planes { lower, upper } = planes(ranges, product.is_square(k), slopes);
            let mut error = mul_up(gamma(n), lower.intercept.abs().max(upper.intercept.abs()));
            for side in 0..2 {
                node.lower_slopes[side].push(lower.slopes[side]);
                node.upper_slopes[side].push(upper.slopes[side]);
                let slope = lower.slopes[side].abs().max(upper.slopes[side].abs());
                let magnitude = ranges[side].magnitude();
                if slope == 0.0 {
                    continue;
                }
                let terms = readers[side][product.factors[side].index[k]];
                let rounding = mul_up(add_up(gamma(terms), 2.0 * UNIT), slope);
                error = add_up(error, mul_up(add_up(rounding, ETA), magnitude));
                node.absolute = add_up(node.absolute, mul_up(2.0 * ETA, magnitude));
            }
            node.lower_intercept.push(lower.intercept);
            node.upper_intercept.push(upper.intercept);
            node.error.push(error);
        }
        node
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::{Rational, exact};
    use proptest::prelude::*;

    const SLOPES: [Slopes; 4] = [Slopes::Area, Slopes::Parallel, Slopes::Zero, Slopes::One];

    fn range() -> impl Strategy<Value = Interval> {
        let end = || {
            prop_oneof![
                4 => -4.0..4.0f64,
                2 => (-3..=3i32).prop_map(f64::from),
                1 => (-1.0..1.0f64, -300..300i32).prop_map(|(m, e)| m * 2f64.powi(e)),
            ]
        };
        (end(), end()).prop_map(|(a, b)| Interval { lo: a.min(b), hi: a.max(b) })
    }

    fn of(x: f64) -> Rational {
        exact(x).unwrap()
    }

    fn value(plane: &Plane, a: f64, b: f64) -> Option<Rational> {
        Some(of(plane.slopes[0]) * of(a) + of(plane.slopes[1]) * of(b) + exact(plane.intercept)?)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn products_lie_between_their_planes_and_in_their_bounds(
            a in range(), b in range(), s in 0.0..=1.0f64, t in 0.0..=1.0f64, is_square in any::<bool>(),
        ) {
            let b = if is_square { a } else { b };
            let at = |x: Interval, t: f64| (x.lo + t * (x.hi - x.lo)).clamp(x.lo, x.hi);
            let inner = at(a, s);
            for x in [a.lo, a.hi, inner] {
                for y in if is_square { vec![x] } else { vec![b.lo, b.hi, at(b, t)] } {
                    let product_of = of(x) * of(y);
                    let bounds = product(a, b, is_square);
                    prop_assert!(exact(bounds.lo).is_none_or(|lo| lo <= product_of));
                    prop_assert!(exact(bounds.hi).is_none_or(|hi| product_of <= hi));
                    for slopes in SLOPES {
                        let Planes { lower, upper } = planes([a, b], is_square, slopes);
                        prop_assert!(value(&lower, x, y).is_none_or(|below| below <= product_of), "{lower:?}");
                        prop_assert!(value(&upper, x, y).is_none_or(|above| product_of <= above), "{upper:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_corners_are_the_convex_hull() {
        let [a, b] = [Interval::new(-1.0, 3.0), Interval::new(0.5, 2.0)];
        for (x, y) in [(-1.0, 0.5), (-1.0, 2.0), (3.0, 0.5), (3.0, 2.0)] {
            for sign in [1.0, -1.0] {
                let of_corner = |slopes| touching([a, b], slopes, sign);
                let value = |p: Plane| sign * (p.slopes[0] * x + p.slopes[1] * y + p.intercept);
                let best = corners([a, b], sign).map(of_corner).map(value);
                assert_eq!(best[0].max(best[1]), sign * x * y);
            }
        }
    }

    #[test]
    fn planes_that_are_chosen_attain_the_bounds_of_the_product_where_they_can() {
        let over = |plane: Plane, [a, b]: [Interval; 2]| a.scale(plane.slopes[0]) + b.scale(plane.slopes[1]);
        for ranges in [
            [(1.0, 2.0), (3.0, 5.0)],
            [(-1.0, 1.0), (-1.0, 1.0)],
            [(-2.0, -1.0), (1.0, 4.0)],
            [(-1.0, 2.0), (3.0, 4.0)],
        ] {
            let ranges = ranges.map(|(lo, hi)| Interval { lo, hi });
            let Planes { lower, upper } = planes(ranges, false, Slopes::Area);
            let image = ranges[0] * ranges[1];
            assert_eq!(over(lower, ranges).lo + lower.intercept, image.lo, "{ranges:?}");
            assert_eq!(over(upper, ranges).hi + upper.intercept, image.hi, "{ranges:?}");
        }
    }

    #[test]
    fn what_is_constant_is_a_weight_and_what_has_no_end_is_flat() {
        let [two, range] = [Interval::point(2.0), Interval::new(-1.0, 3.0)];
        let plane = Plane { slopes: [0.0, 2.0], intercept: 0.0 };
        assert_eq!(planes([two, range], false, Slopes::Area), Planes { lower: plane, upper: plane });
        let half_line = Interval { lo: 1.0, hi: f64::INFINITY };
        let Planes { lower, .. } = planes([two, half_line], false, Slopes::Area);
        assert_eq!(lower, Plane { slopes: [0.0; 2], intercept: 2.0 });
    }
}
