//! The support function of a region: certified lower bounds of linear forms.

use super::{Ball, Region};
use crate::num::kernel::{box_minimum, finite_or_nothing, multiplier_on_sphere};
use crate::num::round::{add_down, div_up, mul_down, mul_up, sub_down};
use crate::num::{Interval, Rational, enclose};
use float_ord::FloatOrd;
use ndarray::ArrayView2;
use std::cmp::Reverse;

impl Region {
    /// For each row `c` of `coefficients`, a certified lower bound of `min c·x` over the region (of
    /// the half-spaces only [differences](Self::with_differences) are used). NaN becomes −∞.
    #[must_use]
    pub fn minima(&self, coefficients: ArrayView2<f64>) -> Vec<f64> {
        let ball = EnclosedBall::of(self);
        coefficients
            .rows()
            .into_iter()
            .map(|row| {
                let contiguous = row.as_standard_layout();
                let bound = self.minimum(contiguous.as_slice().unwrap_or(&[]), &ball);
                finite_or_nothing(bound)
            })
            .collect()
    }

    /// A certified lower bound of `min c·x` over box and ball.
    fn minimum(&self, c: &[f64], ball: &EnclosedBall) -> f64 {
        if c.iter().any(|c| !c.is_finite()) {
            // An overflowed coefficient says nothing.
            return f64::NEG_INFINITY;
        }
        let over_box = self.box_minimum(c);
        match &self.ball {
            Ball::Box | Ball::Grid { .. } => over_box.max(self.difference_minimum(c)),
            Ball::L1 { radius, .. } | Ball::GridL1 { radius, .. } => over_box.max(self.l1_minimum(c, ball, radius)),
            Ball::L2 { radius, .. } => over_box.max(self.l2_minimum(c, ball, radius)),
            Ball::Hamming { flips, .. } => over_box.max(ball.hamming_minimum(c, *flips)),
        }
    }

    pub(super) fn box_minimum(&self, c: &[f64]) -> f64 {
        let (lower, upper) = &self.ends.open().outer_ends;
        box_minimum(c, lower, upper)
    }

    /// How far coordinate `i` can move from the centre in the direction that lowers `c_i x_i`.
    fn room(&self, c: f64, center: Interval, i: usize) -> f64 {
        let outer = self.bounds()[i];
        if c > 0.0 { (center - outer).hi } else { (outer - center).hi }.max(0.0)
    }

    /// Weak duality: for every `μ ≥ 0`, `min c·δ ≥ −μ r − Σ max(0, |c_i| − μ) room_i`. The best `μ` is
    /// the `|c_i|` at which a greedy filling (largest first) has used up the radius.
    fn l1_minimum(&self, c: &[f64], ball: &EnclosedBall, radius: &Rational) -> f64 {
        let radius = enclose(radius).hi;
        let mut order: Vec<usize> = (0..c.len()).collect();
        order.sort_by_key(|&i| Reverse(FloatOrd(c[i].abs())));
        let mut left = radius;
        let mut multiplier = 0.0;
        for i in order {
            left -= self.room(c[i], ball.center[i], i);
            if left <= 0.0 {
                multiplier = c[i].abs();
                break;
            }
        }
        let gain = |sum, i: usize| {
            let excess = crate::num::round::sub_up(c[i].abs(), multiplier);
            if excess > 0.0 { sub_down(sum, mul_up(excess, self.room(c[i], ball.center[i], i))) } else { sum }
        };
        (0..c.len()).fold(sub_down(ball.at_center(c), mul_up(multiplier, radius)), gain)
    }

    /// Weak duality: for every `μ > 0`, `min c·δ ≥ −μ r² + Σ min_{|δ| ≤ room} (−|c_i| δ + μ δ²)`.
    fn l2_minimum(&self, c: &[f64], ball: &EnclosedBall, radius: &Rational) -> f64 {
        let radius = enclose(radius).hi;
        let rooms: Vec<f64> = (0..c.len()).map(|i| self.room(c[i], ball.center[i], i)).collect();
        if radius == 0.0 || c.iter().all(|&c| c == 0.0) {
            return ball.at_center(c);
        }
        let Some(multiplier) = multiplier_on_sphere(c.iter().copied().zip(rooms.iter().copied()), radius) else {
            // The squares underflow: leave it to the box.
            return f64::NEG_INFINITY;
        };
        let multiplier = 0.5 * multiplier;
        let start = sub_down(ball.at_center(c), mul_up(multiplier, mul_up(radius, radius)));
        c.iter().zip(&rooms).fold(start, |sum, (&c, &room)| {
            let c = c.abs();
            // Clearly beyond the room the end is the minimiser; elsewhere the vertex −c²/4μ is a bound.
            let least = if c > 2.0 * multiplier * room * (1.0 + 1e-12) {
                let quadratic = mul_down(multiplier, mul_down(room, room));
                sub_down(quadratic, mul_up(c, room))
            } else {
                -div_up(mul_up(c, c), mul_down(4.0, multiplier))
            };
            add_down(sum, least)
        })
    }
}

/// What the lower bounds over a ball need of it, rounded once for all forms.
struct EnclosedBall {
    center: Vec<Interval>,
    /// The change of a flip, in a Hamming ball.
    flips: Vec<Interval>,
}

impl EnclosedBall {
    fn of(region: &Region) -> Self {
        let (mut center, mut flips) = (Vec::new(), Vec::new());
        match &region.ball {
            Ball::Box | Ball::Grid { .. } => {}
            Ball::L1 { center: c, .. } | Ball::L2 { center: c, .. } | Ball::GridL1 { origin: c, .. } => {
                center.extend(c.iter().map(enclose));
            }
            Ball::Hamming { at_upper, .. } => {
                let (lower, upper) = region.exact_box();
                for (&is_upper, (lower, upper)) in at_upper.iter().zip(lower.iter().zip(upper)) {
                    let (from, to) = if is_upper { (upper, lower) } else { (lower, upper) };
                    center.push(enclose(from));
                    flips.push(enclose(&(to - from)));
                }
            }
        }
        Self { center, flips }
    }

    /// `c · center`, a lower bound.
    fn at_center(&self, c: &[f64]) -> f64 {
        c.iter().zip(&self.center).fold(0.0, |sum, (&c, x)| add_down(sum, x.scale(c).lo))
    }

    /// At the centre, less the `flips` largest gains of a single flip.
    fn hamming_minimum(&self, c: &[f64], flips: usize) -> f64 {
        let changes = c.iter().zip(&self.flips).map(|(&c, change)| change.scale(c).lo);
        let mut changes: Vec<f64> = changes.filter(|&d| d < 0.0).collect();
        if flips < changes.len() {
            changes.select_nth_unstable_by(flips, f64::total_cmp);
            changes.truncate(flips);
        }
        changes.into_iter().fold(self.at_center(c), add_down)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::{exact, parse_decimal};
    use crate::query::RegionError;
    use ndarray::Array2;
    use proptest::prelude::*;

    fn rationals(values: &[f64]) -> Vec<Rational> {
        values.iter().map(|&v| exact(v).unwrap()).collect()
    }

    fn regions(center: &[f64], radius: f64) -> Vec<Region> {
        let c = rationals(center);
        let r = exact(radius).unwrap();
        let (zero, one) = (Rational::ZERO, Rational::ONE);
        let signs = center.iter().map(|&x| x > 0.5).collect::<Vec<_>>();
        vec![
            Region::linf(&c, &r, Some((&zero, &one))).unwrap(),
            Region::l1(&c, &r, Some((&zero, &one))).unwrap(),
            Region::l2(&c, &r, Some((&zero, &one))).unwrap(),
            Region::l1(&c, &r, None).unwrap(),
            Region::l2(&c, &r, None).unwrap(),
            Region::hamming(&-one.clone(), &one, signs, 2).unwrap(),
            Region::grid(&c, &parse_decimal("0.1").unwrap(), &vec![zero; c.len()], &vec![one; c.len()]).unwrap(),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn no_member_lies_below_the_support_function(
            center in prop::collection::vec(0.0..=1.0f64, 1..7),
            radius in 0.0..2.0f64,
            coefficients in prop::collection::vec(-2.0..2.0f64, 7),
            guess in prop::collection::vec(-1.5..2.0f64, 7),
        ) {
            let n = center.len();
            let c = &coefficients[..n];
            let row = Array2::from_shape_vec((1, n), c.to_vec()).unwrap();
            for region in regions(&center, radius) {
                let bound = exact(region.minima(row.view())[0]).unwrap();
                // The guess, and the direction that the form itself suggests.
                let steep: Vec<f64> = (0..n).map(|i| center[i] - 100.0 * c[i]).collect();
                for x in [&guess[..n], &steep] {
                    let Some(member) = region.nearest_member(x) else {
                        prop_assert!(false, "no member of {region:?}");
                        continue;
                    };
                    prop_assert!(region.contains(&member));
                    let value = member.iter().zip(c).fold(Rational::ZERO, |s, (x, &c)| s + x * exact(c).unwrap());
                    prop_assert!(bound <= value);
                }
            }
        }
    }

    #[test]
    fn the_support_functions_are_tight() {
        let c = Array2::from_shape_vec((1, 3), vec![3.0, -4.0, 1.0]).unwrap();
        let origin = rationals(&[0.0; 3]);
        let one = Rational::ONE;
        assert_eq!(Region::linf(&origin, &one, None).unwrap().minima(c.view()), [-8.0]);
        assert_eq!(Region::l1(&origin, &one, None).unwrap().minima(c.view()), [-4.0]);
        let l2 = Region::l2(&origin, &one, None).unwrap().minima(c.view())[0];
        assert!((l2 + 26f64.sqrt()).abs() < 1e-12 && l2 <= -26f64.sqrt());
        // The ball of radius 2 clipped to [0, 1]: x₂ = 1 gives −4.
        let clipped = Region::l2(&origin, &Rational::from(2), Some((&Rational::ZERO, &one))).unwrap();
        assert!((clipped.minima(c.view())[0] + 4.0).abs() < 1e-9);
        let hamming = Region::hamming(&-one.clone(), &one, vec![true, false, true], 1).unwrap();
        assert_eq!(hamming.minima(c.view()), [8.0 - 8.0]);
    }

    #[test]
    fn an_empty_box_is_refused() {
        let e = Region::new_box(rationals(&[0.0, 1.0]), rationals(&[1.0, 0.0])).unwrap_err();
        assert_eq!(e, RegionError::Empty(1));
    }
}
