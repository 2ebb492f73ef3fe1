//! Regions of inputs, each with an exact description and a certified support function.

use crate::num::kernel::{box_minimum, finite_or_nothing};
use crate::num::round::{add_down, mul_down, mul_up, sub_down};
use crate::num::{Interval, Lattice, Rational, bounds_of, enclose, exact_or_zero, nearest};
use ndarray::ArrayView2;
use thiserror::Error;

/// `Σ c_i x_i ≤ rhs` over the inputs, exactly.
#[derive(Clone, Debug, PartialEq)]
pub struct HalfSpace {
    /// The coefficients that are not zero, by input index.
    pub terms: Vec<(usize, Rational)>,
    /// The right side.
    pub rhs: Rational,
}

/// What, besides the box, limits a region.
#[derive(Clone, Debug, PartialEq)]
pub enum Ball {
    /// Nothing: boxes and L∞ balls.
    Box,
    /// `Σ |x_i − center_i| ≤ radius`.
    L1 {
        /// Centre.
        center: Vec<Rational>,
        /// Radius.
        radius: Rational,
    },
    /// `Σ (x_i − center_i)² ≤ radius²`.
    L2 {
        /// Centre.
        center: Vec<Rational>,
        /// Radius.
        radius: Rational,
    },
    /// Two-valued inputs, each at an end of its box; at most `flips` of them differ from the centre.
    Hamming {
        /// For each input, true when its centre is the upper end.
        at_upper: Vec<bool>,
        /// How many inputs may flip.
        flips: usize,
    },
    /// Quantised inputs as in [`Ball::Grid`], with `Σ |x_i − origin_i| ≤ radius` besides.
    GridL1 {
        /// The centre, a grid point.
        origin: Vec<Rational>,
        /// The grid's step, positive.
        step: Rational,
        /// The radius, a multiple of the step.
        radius: Rational,
    },
    /// Quantised inputs `origin_i + j · step`, `j` an integer, inside the box.
    Grid {
        /// A grid point.
        origin: Vec<Rational>,
        /// The grid's step, positive.
        step: Rational,
    },
}

/// A bounded set of inputs: a box with exact ends, cut by a ball and by half-spaces.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    lower: Vec<Rational>,
    upper: Vec<Rational>,
    outer: Vec<Interval>,
    outer_ends: (Vec<f64>, Vec<f64>),
    ball: Ball,
    half_spaces: Vec<HalfSpace>,
}

/// Why a region makes no sense.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RegionError {
    /// A lower end exceeds its upper end.
    #[error("the region is empty: the lower bound of X_{0} exceeds its upper bound")]
    Empty(usize),
    /// Vectors of different lengths.
    #[error("the region has {found} coordinates where {expected} are needed")]
    Length {
        /// Length found.
        found: usize,
        /// Length needed.
        expected: usize,
    },
    /// A radius or step that is negative (or zero, for a step).
    #[error("the radius or step of the region must be positive")]
    Radius,
}

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
    /// The box `[lower, upper]`.
    pub fn new_box(lower: Vec<Rational>, upper: Vec<Rational>) -> Result<Self, RegionError> {
        if lower.len() != upper.len() {
            return Err(RegionError::Length { found: upper.len(), expected: lower.len() });
        }
        if let Some(i) = (0..lower.len()).find(|&i| lower[i] > upper[i]) {
            return Err(RegionError::Empty(i));
        }
        let outer: Vec<Interval> = lower.iter().zip(&upper).map(|(l, u)| bounds_of(l, u)).collect();
        let outer_ends = outer.iter().map(|x| (x.lo, x.hi)).unzip();
        Ok(Self { lower, upper, outer, outer_ends, ball: Ball::Box, half_spaces: Vec::new() })
    }

    /// The box around `center` with this radius, clipped to `domain` (lower and upper end of every
    /// input) where given.
    pub fn linf(
        center: &[Rational],
        radius: &Rational,
        domain: Option<(&Rational, &Rational)>,
    ) -> Result<Self, RegionError> {
        if radius < &Rational::ZERO {
            return Err(RegionError::Radius);
        }
        let lower = |c: &Rational| domain.map_or(c - radius, |(l, _)| (c - radius).max(l.clone()));
        let upper = |c: &Rational| domain.map_or(c + radius, |(_, u)| (c + radius).min(u.clone()));
        Self::new_box(center.iter().map(lower).collect(), center.iter().map(upper).collect())
    }

    /// The L1 ball, clipped to `domain` where given.
    pub fn l1(
        center: &[Rational],
        radius: &Rational,
        domain: Option<(&Rational, &Rational)>,
    ) -> Result<Self, RegionError> {
        let ball = Ball::L1 { center: center.to_vec(), radius: radius.clone() };
        Ok(Self { ball, ..Self::linf(center, radius, domain)? })
    }

    /// The L2 ball, clipped to `domain` where given.
    pub fn l2(
        center: &[Rational],
        radius: &Rational,
        domain: Option<(&Rational, &Rational)>,
    ) -> Result<Self, RegionError> {
        let ball = Ball::L2 { center: center.to_vec(), radius: radius.clone() };
        Ok(Self { ball, ..Self::linf(center, radius, domain)? })
    }

    /// Inputs of two values `low < high`: at most `flips` differ from the centre, which is `high`
    /// where `at_upper`.
    pub fn hamming(low: &Rational, high: &Rational, at_upper: Vec<bool>, flips: usize) -> Result<Self, RegionError> {
        let n = at_upper.len();
        let (lower, upper) = if flips == 0 {
            let center: Vec<Rational> = at_upper.iter().map(|&h| if h { high.clone() } else { low.clone() }).collect();
            (center.clone(), center)
        } else {
            (vec![low.clone(); n], vec![high.clone(); n])
        };
        Ok(Self { ball: Ball::Hamming { at_upper, flips }, ..Self::new_box(lower, upper)? })
    }

    /// The grid points `center + j · step` in the box `[lower, upper]`; the box shrinks to its
    /// outermost grid points.
    pub fn grid(
        center: &[Rational],
        step: &Rational,
        lower: &[Rational],
        upper: &[Rational],
    ) -> Result<Self, RegionError> {
        if step <= &Rational::ZERO {
            return Err(RegionError::Radius);
        }
        for other in [lower.len(), upper.len()] {
            if other != center.len() {
                return Err(RegionError::Length { found: other, expected: center.len() });
            }
        }
        let at = |c: &Rational, j: Rational| c + j * step;
        let low = |(c, l): (&Rational, &Rational)| at(c, Rational::from(((l - c) / step).ceil()));
        let high = |(c, u): (&Rational, &Rational)| at(c, Rational::from(((u - c) / step).floor()));
        let lower = center.iter().zip(lower).map(low).collect();
        let upper = center.iter().zip(upper).map(high).collect();
        let ball = Ball::Grid { origin: center.to_vec(), step: step.clone() };
        Ok(Self { ball, ..Self::new_box(lower, upper)? })
    }

    /// The grid points `center + j · step` of the L1 ball, in the box `[lower, upper]`. The radius is rounded
    /// down to a multiple of the step.
    pub fn grid_l1(
        center: &[Rational],
        step: &Rational,
        radius: &Rational,
        lower: &[Rational],
        upper: &[Rational],
    ) -> Result<Self, RegionError> {
        if radius < &Rational::ZERO {
            return Err(RegionError::Radius);
        }
        let end = |i: usize, sign: Rational| center.get(i).map_or(Rational::ZERO, |c| c + sign * radius);
        let low: Vec<Rational> = lower.iter().enumerate().map(|(i, l)| end(i, -Rational::ONE).max(l.clone())).collect();
        let high: Vec<Rational> = upper.iter().enumerate().map(|(i, u)| end(i, Rational::ONE).min(u.clone())).collect();
        let grid = Self::grid(center, step, &low, &high)?;
        let radius = Rational::from((radius / step).floor()) * step;
        Ok(Self { ball: Ball::GridL1 { origin: center.to_vec(), step: step.clone(), radius }, ..grid })
    }

    /// The same region cut by further half-spaces.
    #[must_use]
    pub fn with_half_spaces(mut self, half_spaces: Vec<HalfSpace>) -> Self {
        self.half_spaces.extend(half_spaces);
        self
    }

    /// Number of inputs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lower.len()
    }

    /// True for a region without coordinates.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lower.is_empty()
    }

    /// The bounding box, rounded outward.
    #[must_use]
    pub fn bounds(&self) -> &[Interval] {
        &self.outer
    }

    /// Exact lower and upper ends of the bounding box.
    #[must_use]
    pub fn exact_box(&self) -> (&[Rational], &[Rational]) {
        (&self.lower, &self.upper)
    }

    /// The lattice on which each input's values lie: two-valued and quantised inputs, and inputs with one
    /// value only.
    #[must_use]
    pub fn lattices(&self) -> Vec<Lattice> {
        let ends = self.lower.iter().zip(&self.upper);
        let of_input = |(i, (l, u)): (usize, (&Rational, &Rational))| match &self.ball {
            _ if l == u => Lattice::new(l, &Rational::ZERO),
            Ball::Hamming { .. } => Lattice::new(l, &(u - l)),
            Ball::Grid { origin, step } | Ball::GridL1 { origin, step, .. } => Lattice::new(&origin[i], step),
            Ball::Box | Ball::L1 { .. } | Ball::L2 { .. } => Lattice::Any,
        };
        ends.enumerate().map(of_input).collect()
    }

    /// What limits the region besides the box.
    #[must_use]
    pub fn ball(&self) -> &Ball {
        &self.ball
    }

    /// The half-spaces that cut the region.
    #[must_use]
    pub fn half_spaces(&self) -> &[HalfSpace] {
        &self.half_spaces
    }

    /// The part of the region in the box `[lower, upper]`; `None` when that box is empty, and for Hamming
    /// balls, whose two values are the ends of their box.
    #[must_use]
    pub fn restricted(&self, lower: Vec<Rational>, upper: Vec<Rational>) -> Option<Self> {
        if matches!(self.ball, Ball::Hamming { .. }) || lower.len() != self.len() {
            return None;
        }
        let inside = Self::new_box(
            lower.into_iter().zip(&self.lower).map(|(a, b)| a.max(b.clone())).collect(),
            upper.into_iter().zip(&self.upper).map(|(a, b)| a.min(b.clone())).collect(),
        );
        Some(Self { ball: self.ball.clone(), half_spaces: self.half_spaces.clone(), ..inside.ok()? })
    }

    /// The centre: the ball's, or the middle of the box.
    #[must_use]
    pub fn center(&self) -> Vec<Rational> {
        match &self.ball {
            Ball::L1 { center, .. } | Ball::L2 { center, .. } => center.clone(),
            Ball::Grid { origin, .. } | Ball::GridL1 { origin, .. } => origin.clone(),
            Ball::Hamming { at_upper, .. } => {
                let end = |i: usize| if at_upper[i] { &self.upper[i] } else { &self.lower[i] };
                (0..self.len()).map(|i| end(i).clone()).collect()
            }
            Ball::Box => {
                let two = Rational::from(2);
                self.lower.iter().zip(&self.upper).map(|(l, u)| (l + u) / &two).collect()
            }
        }
    }

    /// True when the exact point `x` lies in the region.
    #[must_use]
    pub fn contains(&self, x: &[Rational]) -> bool {
        x.len() == self.len()
            && x.iter().zip(self.lower.iter().zip(&self.upper)).all(|(x, (l, u))| l <= x && x <= u)
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
                let flipped = |i: usize| &x[i] != if at_upper[i] { &self.upper[i] } else { &self.lower[i] };
                let two_valued = |i: usize| x[i] == self.lower[i] || x[i] == self.upper[i];
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
        let clamped = |i: usize| exact_or_zero(x[i]).clamp(self.lower[i].clone(), self.upper[i].clone());
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
        let nearest = |(i, origin): (usize, &Rational)| {
            let inside = exact_or_zero(x[i]).clamp(self.lower[i].clone(), self.upper[i].clone());
            let j = ((inside - origin) / step).round();
            (origin + Rational::from(j) * step).clamp(self.lower[i].clone(), self.upper[i].clone())
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
            let middle = self.outer[i].middle();
            if at_upper[i] { middle - x[i] } else { x[i] - middle }
        };
        let mut order: Vec<usize> = (0..x.len()).filter(|&i| leaning(i) > 0.0).collect();
        order.sort_by(|&a, &b| leaning(b).total_cmp(&leaning(a)));
        let mut flipped = vec![false; x.len()];
        for &i in order.iter().take(flips) {
            flipped[i] = true;
        }
        let end = |i: usize| if at_upper[i] != flipped[i] { &self.upper[i] } else { &self.lower[i] };
        (0..x.len()).map(|i| end(i).clone()).collect()
    }

    /// For each row `c` of `coefficients`, a certified lower bound of `min c·x` over the region (the
    /// half-spaces are not used). NaN becomes −∞.
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
            Ball::Box | Ball::Grid { .. } => over_box,
            Ball::L1 { radius, .. } | Ball::GridL1 { radius, .. } => over_box.max(self.l1_minimum(c, ball, radius)),
            Ball::L2 { radius, .. } => over_box.max(self.l2_minimum(c, ball, radius)),
            Ball::Hamming { flips, .. } => over_box.max(ball.hamming_minimum(c, *flips)),
        }
    }

    fn box_minimum(&self, c: &[f64]) -> f64 {
        let (lower, upper) = &self.outer_ends;
        box_minimum(c, lower, upper)
    }

    /// How far coordinate `i` can move from the centre in the direction that lowers `c_i x_i`.
    fn room(&self, c: f64, center: Interval, i: usize) -> f64 {
        if c > 0.0 { (center - self.outer[i]).hi } else { (self.outer[i] - center).hi }.max(0.0)
    }

    /// Weak duality: for every `μ ≥ 0`, `min c·δ ≥ −μ r − Σ max(0, |c_i| − μ) room_i`. The best `μ` is
    /// the `|c_i|` at which a greedy filling (largest first) has used up the radius.
    fn l1_minimum(&self, c: &[f64], ball: &EnclosedBall, radius: &Rational) -> f64 {
        let radius = enclose(radius).hi;
        let mut order: Vec<usize> = (0..c.len()).collect();
        order.sort_by(|&a, &b| c[b].abs().total_cmp(&c[a].abs()));
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
        // The norm of the minimiser falls as μ grows; bisect on a logarithmic scale for norm = radius.
        let norm = c.iter().map(|c| c * c).sum::<f64>().sqrt();
        if radius == 0.0 || c.iter().all(|&c| c == 0.0) {
            return ball.at_center(c);
        }
        if norm == 0.0 {
            // The squares underflow: leave it to the box.
            return f64::NEG_INFINITY;
        }
        let norm_at = |mu: f64| {
            c.iter().zip(&rooms).map(|(c, room)| (c.abs() / (2.0 * mu)).min(*room).powi(2)).sum::<f64>().sqrt()
        };
        let (mut low, mut high) = (norm / (2.0 * radius) * 1e-9, norm / (2.0 * radius));
        let mut multiplier = high;
        if norm_at(low) > radius && norm_at(high) < radius {
            for _ in 0..100 {
                multiplier = (low * high).sqrt();
                if norm_at(multiplier) > radius { low = multiplier } else { high = multiplier }
            }
        }
        let start = sub_down(ball.at_center(c), mul_up(multiplier, mul_up(radius, radius)));
        c.iter().zip(&rooms).fold(start, |sum, (&c, &room)| {
            let c = c.abs();
            // Clearly beyond the room the end is the minimiser; elsewhere the vertex −c²/4μ is a bound.
            let least = if c > 2.0 * multiplier * room * (1.0 + 1e-12) {
                let quadratic = mul_down(multiplier, mul_down(room, room));
                sub_down(quadratic, mul_up(c, room))
            } else {
                -crate::num::round::div_up(mul_up(c, c), mul_down(4.0, multiplier))
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
                for (&is_upper, (lower, upper)) in at_upper.iter().zip(region.lower.iter().zip(&region.upper)) {
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
