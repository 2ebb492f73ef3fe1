//! The points of a region: which ones it has, exactly, and which of them is near a float point.

use super::{Ball, Region};
use crate::num::{Rational, exact_or_zero, nearest};
use float_ord::FloatOrd;
use std::cmp::Reverse;

fn magnitude(q: &Rational) -> Rational {
    if q < &Rational::ZERO { -q } else { q.clone() }
}

fn is_on_grid(x: &[Rational], origin: &[Rational], step: &Rational) -> bool {
    x.iter().zip(origin).all(|(x, o)| ((x - o) / step).is_int())
}

/// `Σ |x_i − center_i|`.
fn distance(x: &[Rational], center: &[Rational]) -> Rational {
    x.iter().zip(center).fold(Rational::ZERO, |sum, (x, c)| sum + magnitude(&(x - c)))
}

impl Region {
    /// The centre: the ball's, or the middle of the box.
    #[must_use]
    pub fn center(&self) -> Vec<Rational> {
        let (lower, upper) = self.exact_box();
        match &self.ball {
            Ball::L1 { center, .. } | Ball::L2 { center, .. } => center.clone(),
            Ball::Grid { origin, .. } | Ball::GridL1 { origin, .. } => origin.clone(),
            Ball::Hamming { at_upper, .. } => {
                let end = |i: usize| if at_upper[i] { &upper[i] } else { &lower[i] };
                (0..self.len()).map(|i| end(i).clone()).collect()
            }
            Ball::Box => {
                let two = Rational::from(2);
                lower.iter().zip(upper).map(|(l, u)| (l + u) / &two).collect()
            }
        }
    }

    /// True when the exact point `x` lies in the region.
    #[must_use]
    pub fn contains(&self, x: &[Rational]) -> bool {
        let (lower, upper) = self.exact_box();
        x.len() == self.len()
            && x.iter().zip(lower.iter().zip(upper)).all(|(x, (l, u))| l <= x && x <= u)
            && self.ball_contains(x)
            && self
                .half_spaces
                .iter()
                .all(|h| h.terms.iter().fold(Rational::ZERO, |sum, (i, c)| sum + c * &x[*i]) <= h.rhs)
    }

    fn ball_contains(&self, x: &[Rational]) -> bool {
        match &self.ball {
            Ball::Box => true,
            Ball::L1 { center, radius } => &distance(x, center) <= radius,
            Ball::L2 { center, radius } => {
                x.iter().zip(center).fold(Rational::ZERO, |s, (x, c)| s + (x - c) * (x - c)) <= radius * radius
            }
            Ball::Hamming { at_upper, flips } => {
                let (lower, upper) = self.exact_box();
                let flipped = |i: usize| &x[i] != if at_upper[i] { &upper[i] } else { &lower[i] };
                let two_valued = |i: usize| x[i] == lower[i] || x[i] == upper[i];
                (0..x.len()).all(two_valued) && (0..x.len()).filter(|&i| flipped(i)).count() <= *flips
            }
            Ball::Grid { origin, step } => is_on_grid(x, origin, step),
            Ball::GridL1 { origin, step, radius } => is_on_grid(x, origin, step) && &distance(x, origin) <= radius,
        }
    }

    /// An exact point of the region near the float point `x`; `None` when none was found (half-spaces
    /// may cut off the point that the box and the ball suggest).
    #[must_use]
    pub fn nearest_member(&self, x: &[f64]) -> Option<Vec<Rational>> {
        if x.len() != self.len() {
            return None;
        }
        let (lower, upper) = self.exact_box();
        let clamped = |i: usize| exact_or_zero(x[i]).clamp(lower[i].clone(), upper[i].clone());
        let point: Vec<Rational> = match &self.ball {
            Ball::Box => (0..x.len()).map(clamped).collect(),
            Ball::L1 { center, .. } | Ball::L2 { center, .. } => {
                let inside: Vec<Rational> = (0..x.len()).map(clamped).collect();
                self.shrink_towards(center, inside)
            }
            Ball::Hamming { at_upper, flips } => self.flip_towards(x, at_upper, *flips),
            Ball::Grid { origin, step } => self.on_grid(x, origin, step),
            Ball::GridL1 { origin, step, radius } => {
                let mut point = self.on_grid(x, origin, step);
                let mut excess = distance(&point, origin) - radius;
                // The shortest ways from the centre are taken back first.
                let mut order: Vec<usize> = (0..x.len()).filter(|&i| point[i] != origin[i]).collect();
                order.sort_by_cached_key(|&i| magnitude(&(&point[i] - &origin[i])));
                for i in order {
                    if excess <= Rational::ZERO {
                        break;
                    }
                    let way = &point[i] - &origin[i];
                    let back = magnitude(&way).min(excess.clone());
                    point[i] -= if way > Rational::ZERO { back.clone() } else { -back.clone() };
                    excess -= back;
                }
                point
            }
        };
        self.contains(&point).then_some(point)
    }

    /// The grid points of the box nearest to `x`.
    fn on_grid(&self, x: &[f64], origin: &[Rational], step: &Rational) -> Vec<Rational> {
        let (lower, upper) = self.exact_box();
        let nearest = |(i, origin): (usize, &Rational)| {
            let inside = exact_or_zero(x[i]).clamp(lower[i].clone(), upper[i].clone());
            let j = ((inside - origin) / step).round();
            (origin + Rational::from(j) * step).clamp(lower[i].clone(), upper[i].clone())
        };
        origin.iter().enumerate().map(nearest).collect()
    }

    /// Moves `x` towards the centre, as little as floats allow, until the ball holds it.
    fn shrink_towards(&self, center: &[Rational], x: Vec<Rational>) -> Vec<Rational> {
        if self.ball_contains(&x) {
            return x;
        }
        let offset: Vec<f64> = x.iter().zip(center).map(|(x, c)| nearest(&(x - c))).collect();
        let ratio = match &self.ball {
            Ball::L1 { radius, .. } => nearest(radius) / offset.iter().map(|d| d.abs()).sum::<f64>(),
            Ball::L2 { radius, .. } => nearest(radius) / offset.iter().map(|d| d * d).sum::<f64>().sqrt(),
            _ => 1.0,
        };
        let mut factor = ratio.min(1.0);
        for _ in 0..4 {
            let f = exact_or_zero(factor);
            let shrunk: Vec<Rational> = center.iter().zip(&x).map(|(c, x)| c + (x - c) * &f).collect();
            if self.ball_contains(&shrunk) {
                return shrunk;
            }
            factor *= 1.0 - 1e-12;
        }
        center.to_vec()
    }

    /// The `flips` coordinates of `x` that lie farthest on the other side of the middle flip.
    fn flip_towards(&self, x: &[f64], at_upper: &[bool], flips: usize) -> Vec<Rational> {
        let leaning = |i: usize| {
            let middle = self.bounds()[i].middle();
            if at_upper[i] { middle - x[i] } else { x[i] - middle }
        };
        let mut order: Vec<usize> = (0..x.len()).filter(|&i| leaning(i) > 0.0).collect();
        order.sort_by_key(|&i| Reverse(FloatOrd(leaning(i))));
        let mut flipped = vec![false; x.len()];
        for &i in order.iter().take(flips) {
            flipped[i] = true;
        }
        let (lower, upper) = self.exact_box();
        let end = |i: usize| if at_upper[i] != flipped[i] { &upper[i] } else { &lower[i] };
        (0..x.len()).map(|i| end(i).clone()).collect()
    }
}
