//! Steps of steepest descent in a region's own norm, and projections onto it, in floats.

use crate::domains::num::nearest;
use crate::domains::query::{Ball, Region};
use float_ord::FloatOrd;
use std::cmp::Reverse;

/// A region for moving in: every point that comes out of here is nearly a member; the exact member next
/// to it is [`Region::nearest_member`].
pub(super) struct Geometry<'a> {
    region: &'a Region,
    center: Vec<f64>,
    lower: Vec<f64>,
    upper: Vec<f64>,
    shape: Shape,
}

/// What limits the region besides its box.
enum Shape {
    Box,
    L1(f64),
    L2(f64),
    /// Two values per input, of which the centre has the upper one where true; so many may differ.
    Hamming(Vec<bool>, usize),
    /// Known only by its exact members.
    Other,
}

impl<'a> Geometry<'a> {
    pub(super) fn new(region: &'a Region) -> Self {
        let shape = match region.ball() {
            _ if !region.half_spaces().is_empty() => Shape::Other,
            Ball::Box => Shape::Box,
            Ball::L1 { radius, .. } => Shape::L1(nearest(radius)),
            Ball::L2 { radius, .. } => Shape::L2(nearest(radius)),
            Ball::Hamming { at_upper, flips } => Shape::Hamming(at_upper.clone(), *flips),
            Ball::Grid { .. } | Ball::GridL1 { .. } => Shape::Other,
        };
        let ends = region.bounds();
        Self {
            region,
            center: region.center().iter().map(nearest).collect(),
            lower: ends.iter().map(|x| x.lo).collect(),
            upper: ends.iter().map(|x| x.hi).collect(),
            shape,
        }
    }

    pub(super) fn center(&self) -> &[f64] {
        &self.center
    }

    /// One step down the `gradient` from `x`, of `length` times the region's radius in its own norm
    /// (2 leads across), then back into the region.
    ///
    /// Steepest descent in L∞ moves every coordinate, in L2 along the gradient, in L1 towards the point
    /// that uses the radius up on the largest slopes, as far as the box allows. In a Hamming ball it flips
    /// what gains most.
    pub(super) fn step(&self, x: &mut [f64], gradient: &[f64], length: f64) {
        match &self.shape {
            Shape::Box | Shape::Other => {
                for (i, (x, g)) in x.iter_mut().zip(gradient).enumerate() {
                    if g.abs() > 0.0 {
                        *x -= 0.5 * length * (self.upper[i] - self.lower[i]) * g.signum();
                    }
                }
            }
            Shape::Hamming(at_upper, flips) => {
                self.flip(x, gradient, at_upper, *flips, length);
                return;
            }
            &Shape::L2(radius) => {
                // Without the slopes that point out of the box.
                let is_free = |i: usize, g: f64| (g > 0.0 && x[i] > self.lower[i]) || (g < 0.0 && x[i] < self.upper[i]);
                let free = |(i, &g): (usize, &f64)| if is_free(i, g) { g } else { 0.0 };
                let free: Vec<f64> = gradient.iter().enumerate().map(free).collect();
                // Scaled first: squares of tiny slopes would underflow.
                let largest = free.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
                if largest > 0.0 && largest.is_finite() {
                    let norm = free.iter().map(|g| (g / largest).powi(2)).sum::<f64>().sqrt() * largest;
                    x.iter_mut().zip(&free).for_each(|(x, g)| *x -= length * radius * (g / norm));
                }
            }
            &Shape::L1(radius) => {
                let mut order: Vec<usize> = (0..x.len()).filter(|&i| gradient[i].abs() > 0.0).collect();
                order.sort_by_key(|&i| Reverse(FloatOrd(gradient[i].abs())));
                // Towards the member that minimises the slope's form: the centre moved along the largest
                // slopes until the radius is used up.
                let mut vertex = self.center.clone();
                let mut left = radius;
                for i in order {
                    let end = if gradient[i] > 0.0 { self.lower[i] } else { self.upper[i] };
                    let way = (end - vertex[i]).clamp(-left, left);
                    vertex[i] += way;
                    left = (left - way.abs()).max(0.0);
                }
                x.iter_mut().zip(&vertex).for_each(|(x, v)| *x += length.min(1.0) * (v - *x));
            }
        }
        self.project(x);
    }

    /// Moves `x` to the nearest point of the region in Euclidean distance, up to rounding; without
    /// half-spaces and for boxes and balls. For other regions to some member nearby.
    pub(super) fn project(&self, x: &mut [f64]) {
        match self.shape {
            Shape::Box => self.clamp(x),
            Shape::Other | Shape::Hamming(..) => {
                self.clamp(x);
                if let Some(member) = self.region.nearest_member(x) {
                    x.iter_mut().zip(&member).for_each(|(x, m)| *x = nearest(m));
                }
            }
            // By the optimality conditions the projection is the centre plus the scaled offset (L2) or the
            // offset less a threshold (L1), clamped to the box, which holds the centre.
            Shape::L2(radius) => {
                let at = |scale: f64, offset: f64| scale * offset;
                let norm = |offsets: &mut dyn Iterator<Item = f64>| offsets.map(|d| d * d).sum::<f64>().sqrt();
                self.shrink(x, radius, 1.0, 0.0, &at, &norm);
            }
            Shape::L1(radius) => {
                let at = |threshold: f64, offset: f64| (offset.abs() - threshold).max(0.0).copysign(offset);
                let norm = |offsets: &mut dyn Iterator<Item = f64>| offsets.map(f64::abs).sum::<f64>();
                let largest = x.iter().zip(&self.center).fold(0.0_f64, |m, (x, c)| m.max((x - c).abs()));
                self.shrink(x, radius, 0.0, largest, &at, &norm);
            }
        }
    }

    /// Exchanges flips of `x` for those that the gradient promises most of: at most `length` times as many
    /// as the ball allows, at least one.
    fn flip(&self, x: &mut [f64], gradient: &[f64], at_upper: &[bool], flips: usize, length: f64) {
        let (mut best, mut flipped) = (Vec::new(), Vec::new());
        let gain = |i: usize| gradient[i] * (self.upper[i] - self.lower[i]) * if at_upper[i] { 1.0 } else { -1.0 };
        for i in 0..x.len() {
            if gain(i) > 0.0 {
                best.push(i);
            }
            if (x[i] > 0.5 * (self.lower[i] + self.upper[i])) != at_upper[i] {
                flipped.push(i);
            }
        }
        best.sort_by_key(|&i| Reverse(FloatOrd(gain(i))));
        best.truncate(flips);
        let wanted: std::collections::BTreeSet<usize> = best.iter().copied().collect();
        // What gains least goes first; what is wanted stays.
        flipped.sort_by_key(|&i| FloatOrd(gain(i)));
        let mut leaving = flipped.iter().copied().filter(|i| !wanted.contains(i)).collect::<Vec<_>>().into_iter();
        let is_flipped: std::collections::BTreeSet<usize> = flipped.iter().copied().collect();
        let mut room = flips.saturating_sub(flipped.len());
        let changes = ((length * flips as f64).ceil() as usize).max(1);
        for i in best.into_iter().filter(|i| !is_flipped.contains(i)).take(changes) {
            if room > 0 {
                room -= 1;
            } else if let Some(old) = leaving.next() {
                x[old] = if at_upper[old] { self.upper[old] } else { self.lower[old] };
            } else {
                break;
            }
            x[i] = if at_upper[i] { self.lower[i] } else { self.upper[i] };
        }
    }

    fn clamp(&self, x: &mut [f64]) {
        for (i, x) in x.iter_mut().enumerate() {
            *x = x.clamp(self.lower[i], self.upper[i]);
        }
    }

    /// Replaces `x` by `clamp(centre + at(t, x − centre))` for the `t` between `loose`, where nothing is
    /// shrunk, and `tight`, where nothing is left, at which the offset has the norm `radius`.
    fn shrink(
        &self,
        x: &mut [f64],
        radius: f64,
        loose: f64,
        tight: f64,
        at: &dyn Fn(f64, f64) -> f64,
        norm: &dyn Fn(&mut dyn Iterator<Item = f64>) -> f64,
    ) {
        const HALVINGS: usize = 52;
        let offset = |i: usize, t: f64| {
            let moved = self.center[i] + at(t, x[i] - self.center[i]);
            moved.clamp(self.lower[i], self.upper[i]) - self.center[i]
        };
        let norm_at = |t: f64| norm(&mut (0..self.center.len()).map(|i| offset(i, t)));
        let (mut outside, mut inside) = (loose, tight);
        if norm_at(loose) <= radius {
            inside = loose;
        } else {
            for _ in 0..HALVINGS {
                let middle = 0.5 * (outside + inside);
                if norm_at(middle) > radius { outside = middle } else { inside = middle }
            }
        }
        let moved: Vec<f64> = (0..x.len()).map(|i| self.center[i] + offset(i, inside)).collect();
        x.copy_from_slice(&moved);
    }

    /// A point of the region, drawn by numbers in [0, 1).
    pub(super) fn random(&self, unit: &mut dyn FnMut() -> f64) -> Vec<f64> {
        let draw = |i: usize| self.lower[i] + unit() * (self.upper[i] - self.lower[i]);
        let mut x: Vec<f64> = (0..self.center.len()).map(draw).collect();
        self.project(&mut x);
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::num::{Rational, exact};
    use proptest::prelude::*;

    fn regions(center: &[f64], radius: f64) -> [Region; 3] {
        let c: Vec<Rational> = center.iter().map(|&v| exact(v).unwrap()).collect();
        let r = exact(radius).unwrap();
        let pixels = Some((&Rational::ZERO, &Rational::ONE));
        [Region::linf(&c, &r, pixels), Region::l1(&c, &r, pixels), Region::l2(&c, &r, pixels)].map(Result::unwrap)
    }

    fn distance(x: &[f64], y: &[f64]) -> f64 {
        x.iter().zip(y).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    }

    /// How far `x` is from the ball, in the ball's norm, and from the box.
    fn excess(region: &Region, x: &[f64]) -> f64 {
        let geometry = Geometry::new(region);
        let offset = || x.iter().zip(&geometry.center).map(|(x, c)| x - c);
        let ball = match geometry.shape {
            Shape::L1(radius) => offset().map(f64::abs).sum::<f64>() - radius,
            Shape::L2(radius) => offset().map(|d| d * d).sum::<f64>().sqrt() - radius,
            Shape::Box | Shape::Hamming(..) | Shape::Other => 0.0,
        };
        let outside = |(i, &x): (usize, &f64)| (geometry.lower[i] - x).max(x - geometry.upper[i]);
        x.iter().enumerate().map(outside).fold(ball, f64::max)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn no_member_is_nearer_than_the_projection(
            center in prop::collection::vec(0.0..=1.0f64, 3),
            radius in 0.01..1.0f64,
            x in prop::collection::vec(-1.5..2.5f64, 3),
        ) {
            const STEPS: usize = 24;
            for region in regions(&center, radius) {
                let geometry = Geometry::new(&region);
                let mut projected = x.clone();
                geometry.project(&mut projected);
                prop_assert!(excess(&region, &projected) < 1e-12);
                // A fine grid over the box, with the points of it that the region holds.
                let place = |i: usize, k: usize| {
                    geometry.lower[i] + (geometry.upper[i] - geometry.lower[i]) * k as f64 / STEPS as f64
                };
                for k in 0..(STEPS + 1).pow(3) {
                    let (a, b, c) = (k % (STEPS + 1), k / (STEPS + 1) % (STEPS + 1), k / (STEPS + 1).pow(2));
                    let y = [place(0, a), place(1, b), place(2, c)];
                    if excess(&region, &y) <= 0.0 {
                        prop_assert!(distance(&x, &projected) <= distance(&x, &y) + 1e-9);
                    }
                }
                // A member stays where it is.
                let mut again = projected.clone();
                geometry.project(&mut again);
                prop_assert!(distance(&projected, &again) < 1e-9);
            }
        }

        #[test]
        fn a_full_step_from_the_centre_of_an_unclipped_ball_minimises_a_linear_form(
            slopes in prop::collection::vec(-1.0..1.0f64, 4),
            radius in 0.01..0.4f64,
        ) {
            let center = [0.5; 4];
            let largest = slopes.iter().fold(0.0_f64, |m, s| m.max(s.abs()));
            let norms = [
                slopes.iter().map(|s| s.abs()).sum::<f64>(),
                largest,
                slopes.iter().map(|s| s * s).sum::<f64>().sqrt(),
            ];
            for (region, dual_norm) in regions(&center, radius).iter().zip(norms) {
                let mut x = center.to_vec();
                Geometry::new(region).step(&mut x, &slopes, 1.0);
                let gained: f64 = x.iter().zip(&slopes).map(|(x, s)| (0.5 - x) * s).sum();
                prop_assert!((gained - radius * dual_norm).abs() < 1e-9, "{gained} {}", radius * dual_norm);
            }
        }

        #[test]
        fn random_points_are_members(center in prop::collection::vec(0.0..=1.0f64, 5), radius in 0.0..2.0f64, seed in 0..100u32) {
            let mut state = f64::from(seed) / 100.0;
            let mut unit = || { state = (state * 7.31 + 0.137).fract(); state };
            for region in regions(&center, radius) {
                prop_assert!(excess(&region, &Geometry::new(&region).random(&mut unit)) < 1e-12);
            }
        }
    }

    #[test]
    fn tiny_slopes_still_give_a_direction() {
        let [_, _, l2] = regions(&[0.5, 0.5], 0.25);
        let mut x = vec![0.5, 0.5];
        Geometry::new(&l2).step(&mut x, &[3e-300, -4e-300], 1.0);
        assert!((x[0] - 0.35).abs() < 1e-12 && (x[1] - 0.7).abs() < 1e-12, "{x:?}");
    }
}
