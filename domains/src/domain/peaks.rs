//! Planes above a maximum of numbers in ranges: for any `v` that no range lies above,
//! ```text
//! max z ≤ v + Σ_{u_i > v} (u_i − v) (z_i − l_i) / (u_i − l_i),
//! ```
//! each `z_i` being below its own line from `(l_i, v)` to `(u_i, u_i)`. With `v` the upper ends of the ranges and the largest of
//! their lower ends these are the smallest concave function above the maximum, which is convex itself: the optimal relaxation
//! of Salman et al. 2019 (eq. 6). For at the corners of the box the maximum exceeds `v` where some `z_i` with `u_i > v` is at
//! its upper end, and of all means of corners that give `z` those have the most of that which raise one `z_i` at a time:
//! there it is `min {1, Σ_{u_i > v} (z_i − l_i) / (u_i − l_i)}`, for every `v` at once.

use crate::activation::Line;
use crate::num::Interval;
use crate::num::round::add_up;
use float_ord::FloatOrd;

/// The values of `v` between whose planes all others of use lie, from the largest upper end down to the largest lower end.
pub(super) fn peak_levels(ranges: &[Interval]) -> Vec<f64> {
    let least = ranges.iter().fold(f64::NEG_INFINITY, |most, range| most.max(range.lo));
    let mut levels: Vec<f64> = ranges.iter().map(|range| range.hi).filter(|&hi| hi > least).collect();
    levels.push(least);
    levels.sort_by_key(|&level| FloatOrd(-level));
    levels.dedup();
    levels
}

/// The slope of the line of one of the numbers, from 0 to 1.
fn peak_slope(range: Interval, level: f64) -> f64 {
    let slope = (range.hi - level) / (range.hi - range.lo);
    if range.hi > level && slope > 0.0 { slope.min(1.0) } else { 0.0 }
}

/// The plane above the maximum at a level: its slopes, which are exact floats, and its intercept.
pub(super) fn peak_plane(ranges: &[Interval], level: f64) -> (Vec<f64>, f64) {
    let slopes: Vec<f64> = ranges.iter().map(|&range| peak_slope(range, level)).collect();
    let intercept = peak_intercept(ranges, &slopes);
    (slopes, intercept)
}

/// The least intercept of a plane with these slopes, each from 0 to 1, rounded up:
/// `max_k max (z_k − Σ s_i z_i) = max_k (u_k − s_k (u_k − l_k)) − Σ s_i l_i`.
fn peak_intercept(ranges: &[Interval], slopes: &[f64]) -> f64 {
    let (mut highest, mut sum) = (f64::NEG_INFINITY, 0.0);
    for (range, &slope) in ranges.iter().zip(slopes) {
        let [lo, hi] = [range.lo, range.hi].map(Interval::point);
        let (own, others) = match slope {
            0.0 => (hi, Interval::ZERO),
            _ => (hi - (hi - lo).scale(slope), lo.scale(slope)),
        };
        highest = highest.max(own.hi);
        sum = add_up(sum, -others.lo);
    }
    add_up(highest, sum)
}

/// The one plane to take where nothing else is known, of those that enclose least with the box the one with the best bound
/// over it. It reads one number, which has the largest upper end, since its level is the second largest.
pub(super) fn peak_line(ranges: &[Interval]) -> (usize, Line) {
    let highest = (0..ranges.len()).max_by_key(|&i| FloatOrd(ranges[i].hi)).unwrap_or(0);
    let others = |range: (usize, &Interval)| if range.0 == highest { range.1.lo } else { range.1.lo.max(range.1.hi) };
    let level = ranges.iter().enumerate().map(others).fold(f64::NEG_INFINITY, f64::max);
    let mut slopes = vec![0.0; ranges.len()];
    slopes[highest] = peak_slope(ranges[highest], level);
    (highest, Line { slope: slopes[highest], intercept: peak_intercept(ranges, &slopes) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::lp::{RationalOptimum, RationalProgram};
    use crate::num::{Rational, exact};
    use proptest::prelude::*;

    fn of(x: f64) -> Rational {
        exact(x).unwrap()
    }

    fn value((slopes, intercept): &(Vec<f64>, f64), z: &[f64]) -> Option<Rational> {
        let sum = exact(*intercept)?;
        Some(slopes.iter().zip(z).fold(sum, |sum, (&s, &z)| sum + of(s) * of(z)))
    }

    /// Ranges with ties, single points, and ends of very different sizes.
    fn range() -> impl Strategy<Value = Interval> {
        let end = || {
            prop_oneof![
                4 => -4.0..4.0f64,
                3 => (-2..=2i32).prop_map(f64::from),
                1 => (-1.0..1.0f64, -300..300i32).prop_map(|(m, e)| m * 2f64.powi(e)),
                1 => (-9..9i32).prop_map(|k| f64::from(k) * f64::from_bits(1)),
            ]
        };
        (end(), end()).prop_map(|(a, b)| Interval { lo: a.min(b), hi: a.max(b) })
    }

    /// The greatest mean of the maxima at the corners of a box of which `z` is the mean, by a program in exact rationals.
    fn envelope(ranges: &[Interval], z: &[Rational]) -> Rational {
        let corners: Vec<Vec<Rational>> = (0..1usize << ranges.len())
            .map(|c| ranges.iter().enumerate().map(|(i, r)| of(if c >> i & 1 == 1 { r.hi } else { r.lo })).collect())
            .collect();
        let objective = corners.iter().map(|corner| -corner.iter().max().unwrap().clone()).collect();
        let mut rows = Vec::new();
        let mut equal = |a: Vec<Rational>, b: &Rational| {
            rows.push((a.iter().map(|a| -a.clone()).collect(), -b.clone()));
            rows.push((a, b.clone()));
        };
        equal(vec![Rational::ONE; corners.len()], &Rational::ONE);
        for (i, z) in z.iter().enumerate() {
            equal(corners.iter().map(|corner| corner[i].clone()).collect(), z);
        }
        match (RationalProgram { objective, rows }).minimise(&Budget::unlimited()) {
            RationalOptimum::Optimal { value, .. } => -value,
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn maxima_lie_below_their_planes(
            ranges in prop::collection::vec(range(), 1..9), seed in any::<u64>(), share in 0.0..=1.0f64,
        ) {
            let levels = peak_levels(&ranges);
            let (first, last) = (levels[0], *levels.last().unwrap());
            let more = [last + share * (first - last), last - 1.0, first + 1.0];
            let mut planes: Vec<_> = levels.iter().chain(&more).map(|&level| peak_plane(&ranges, level)).collect();
            let (place, line) = peak_line(&ranges);
            let slopes = (0..ranges.len()).map(|i| if i == place { line.slope } else { 0.0 }).collect();
            planes.push((slopes, line.intercept));
            let mut state = seed;
            let mut dice = || {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 33) as f64 / f64::from(1u32 << 31)
            };
            for _ in 0..30 {
                let z: Vec<f64> = ranges.iter().map(|r| match dice() {
                    d if d < 0.3 => r.lo,
                    d if d < 0.6 => r.hi,
                    _ => (r.lo + dice() * (r.hi - r.lo)).clamp(r.lo, r.hi),
                }).collect();
                let highest = of(z.iter().copied().fold(f64::NEG_INFINITY, f64::max));
                for plane in &planes {
                    prop_assert!(value(plane, &z).is_none_or(|above| highest <= above), "{plane:?} at {z:?}");
                }
            }
        }

        /// Numbers of few digits, so that the planes are exact.
        #[test]
        fn the_least_of_the_planes_is_the_smallest_concave_function_above(
            ends in prop::collection::vec((-4..=4i32, prop::sample::select(vec![0, 1, 2, 4, 8])), 1..5),
            eighths in prop::collection::vec(0..=8i32, 4),
        ) {
            let ranges: Vec<Interval> =
                ends.iter().map(|&(lo, width)| Interval::new(f64::from(lo), f64::from(lo + width))).collect();
            let z: Vec<f64> =
                ranges.iter().zip(&eighths).map(|(r, &e)| r.lo + f64::from(e) / 8.0 * (r.hi - r.lo)).collect();
            let at = |&level: &f64| value(&peak_plane(&ranges, level), &z).unwrap();
            let least = peak_levels(&ranges).iter().map(at).min().unwrap();
            let exact_z: Vec<Rational> = z.iter().map(|&z| of(z)).collect();
            prop_assert_eq!(least, envelope(&ranges, &exact_z), "{:?} at {:?}", ranges, z);
        }
    }

    #[test]
    fn the_plane_that_is_chosen_attains_the_largest_end() {
        let of = |ends: &[(f64, f64)]| ends.iter().map(|&(lo, hi)| Interval { lo, hi }).collect::<Vec<_>>();
        for (ends, place, slope, intercept) in [
            (of(&[(0.0, 1.0), (0.0, 1.0)]), 1, 0.0, 1.0),
            (of(&[(0.0, 2.0), (0.0, 1.0), (-1.0, 0.5)]), 0, 0.5, 1.0),
            (of(&[(1.0, 3.0), (0.0, 1.0)]), 0, 1.0, 0.0),
            (of(&[(2.0, 2.0), (0.0, 1.0)]), 0, 0.0, 2.0),
        ] {
            assert_eq!(peak_line(&ends), (place, Line { slope, intercept }));
        }
    }
}
