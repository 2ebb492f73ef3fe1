//! Where a form is least over a region, in single precision: for guesses.

use crate::num::kernel::multiplier_on_sphere;
use crate::num::{Interval, nearest, vectorised};
use crate::query::{Ball, Region};

/// Whether the region's bounding box is the region, up to its lattice and half-spaces; of these those that bound differences
/// of inputs are heeded besides.
pub(super) fn is_box(ball: &Ball) -> bool {
    matches!(ball, Ball::Box | Ball::Grid { .. })
}

/// For `n` forms with coefficients `a` (a row per input) the points `x` where they are least, the least values being
/// added to `values`.
pub(super) fn minimise(region: &Region, a: &[f32], n: usize, x: &mut Vec<f32>, values: &mut [f32]) {
    x.resize(a.len(), 0.0);
    if is_box(region.ball()) {
        vectorised(
            #[inline(always)]
            || {
                let values = &mut values[..n];
                for ((x, a), range) in x.chunks_exact_mut(n).zip(a.chunks_exact(n)).zip(region.bounds()) {
                    let (lo, hi) = (range.lo as f32, range.hi as f32);
                    for r in 0..n {
                        x[r] = if a[r] > 0.0 { lo } else { hi };
                        values[r] += a[r] * x[r];
                    }
                }
            },
        );
        for (i, j, between) in region.differences() {
            let ranges = [i, j].map(|i| region.bounds()[i]);
            for (r, value) in values.iter_mut().enumerate() {
                let (p, q) = (i * n + r, j * n + r);
                let Some(least) = between_two([a[p], a[q]], ranges, between) else { continue };
                *value += a[p] * (least[0] - x[p]) + a[q] * (least[1] - x[q]);
                (x[p], x[q]) = (least[0], least[1]);
            }
        }
        return;
    }
    let room = Room::new(region);
    for (r, value) in values.iter_mut().enumerate() {
        let own: Vec<f32> = a.iter().skip(r).step_by(n).copied().collect();
        for ((i, &a), moved) in own.iter().enumerate().zip(room.moves(&own)) {
            x[i * n + r] = room.center[i] + moved;
            *value += a * x[i * n + r];
        }
    }
}

/// How far outside of its range a number may seem to be that is on its end.
const NEARLY: f64 = 1e-9;

/// Where `a · x` is least for two inputs in these ranges, the second of them less the first one `between` two numbers: at a
/// corner, where two of the three ranges end.
fn between_two(a: [f32; 2], [x, y]: [Interval; 2], between: Interval) -> Option<[f32; 2]> {
    let [of_x, of_y, of_both] = [x, y, between].map(|range| [range.lo, range.hi]);
    let from = |ends: [f64; 2], others: [f64; 2]| ends.into_iter().flat_map(move |e| others.map(|other| (e, other)));
    let of_box = from(of_x, of_y).map(|(x, y)| [x, y]);
    let all = of_box.chain(from(of_x, of_both).map(|(x, d)| [x, x + d]));
    let all = all.chain(from(of_y, of_both).map(|(y, d)| [y - d, y]));
    // A guess: next to a corner is good enough.
    let is_near = |range: Interval, x: f64| Interval { lo: range.lo - NEARLY, hi: range.hi + NEARLY }.contains(x);
    let is_in = |[p, q]: &[f64; 2]| is_near(x, *p) && is_near(y, *q) && is_near(between, q - p);
    let corners = all.filter(is_in).map(|corner| corner.map(|x| x as f32));
    corners.min_by(|p, q| (a[0] * p[0] + a[1] * p[1]).total_cmp(&(a[0] * q[0] + a[1] * q[1])))
}

/// A ball around a centre, with how far each input may move down and up from there.
struct Room {
    center: Vec<f32>,
    reach: Vec<(f32, f32)>,
    ball: Kind,
}

enum Kind {
    L1(f32),
    L2(f32),
    Flips(usize),
}

impl Room {
    fn new(region: &Region) -> Self {
        let center: Vec<f32> = region.center().iter().map(|c| nearest(c) as f32).collect();
        let reach = |(range, &c): (&Interval, &f32)| (range.lo as f32 - c, range.hi as f32 - c);
        let ball = match region.ball() {
            Ball::L1 { radius, .. } | Ball::GridL1 { radius, .. } => Kind::L1(nearest(radius) as f32),
            Ball::L2 { radius, .. } => Kind::L2(nearest(radius) as f32),
            Ball::Hamming { flips, .. } => Kind::Flips(*flips),
            Ball::Box | Ball::Grid { .. } => Kind::Flips(usize::MAX),
        };
        Self { reach: region.bounds().iter().zip(&center).map(reach).collect(), center, ball }
    }

    /// How far input `i` may move against the coefficient `a`.
    fn against(&self, i: usize, a: f32) -> f32 {
        if a > 0.0 { self.reach[i].0 } else { self.reach[i].1 }
    }

    /// The moves from the centre that lower the form most.
    fn moves(&self, a: &[f32]) -> Vec<f32> {
        match self.ball {
            // Fractional knapsack: the largest coefficients first.
            Kind::L1(radius) => self.greedy(a, |i| a[i].abs(), radius, f32::abs),
            Kind::Flips(flips) => self.greedy(a, |i| (a[i] * self.against(i, a[i])).abs(), flips as f32, |_| 1.0),
            Kind::L2(radius) => self.on_sphere(a, radius),
        }
    }

    /// Moves inputs in decreasing order of `worth` until `budget` is used up.
    fn greedy(&self, a: &[f32], worth: impl Fn(usize) -> f32, budget: f32, cost: impl Fn(f32) -> f32) -> Vec<f32> {
        let mut order: Vec<usize> = (0..a.len()).collect();
        order.sort_by(|&i, &j| worth(j).total_cmp(&worth(i)));
        let (mut moves, mut left) = (vec![0.0; a.len()], budget);
        for i in order {
            let most = self.against(i, a[i]);
            let price = cost(most);
            let share = if price > left { left / price } else { 1.0 };
            moves[i] = most * share;
            left -= price * share;
            if left <= 0.0 {
                break;
            }
        }
        moves
    }

    /// `−a / μ`, cut to the box, with the `μ` at which its length is the radius.
    fn on_sphere(&self, a: &[f32], radius: f32) -> Vec<f32> {
        let room = |(i, &a): (usize, &f32)| (f64::from(a), f64::from(self.against(i, a).abs()));
        // A form of zeros has no minimiser of its own.
        let mu = multiplier_on_sphere(a.iter().enumerate().map(room), f64::from(radius))
            .map_or(f32::INFINITY, |mu| mu as f32);
        a.iter().zip(&self.reach).map(|(&a, &(down, up))| (-a / mu).clamp(down.min(0.0), up.max(0.0))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::{Rational, exact};
    use crate::query::HalfSpace;
    use ndarray::arr2;

    #[test]
    fn the_guess_comes_near_the_certified_minimum() {
        let q = |x: f64| exact(x).unwrap();
        let center: Vec<Rational> = [0.25, 0.5, 0.0, 1.0].map(q).into();
        let domain = (q(0.0), q(1.0));
        let domain = Some((&domain.0, &domain.1));
        let regions = [
            Region::linf(&center, &q(0.5), domain).unwrap(),
            Region::l1(&center, &q(0.75), domain).unwrap(),
            Region::l2(&center, &q(0.75), domain).unwrap(),
            Region::hamming(&q(-1.0), &q(1.0), vec![true, false, true, true], 2).unwrap(),
        ];
        let rows = [[1.0, -2.0, 0.5, 0.25], [-1.0, 0.0, -3.0, 1.0], [0.0, 0.0, 0.0, 0.0]];
        let ordered = HalfSpace { terms: vec![(1, q(1.0)), (2, q(-1.0))], rhs: q(0.25) };
        let plain = regions[0].clone().with_half_spaces(vec![ordered]).with_differences();
        assert!(plain.has_differences());
        for region in regions.into_iter().chain([plain]) {
            let a: Vec<f32> = (0..4).flat_map(|i| rows.map(|row| row[i] as f32)).collect();
            let (mut x, mut values) = (Vec::new(), vec![0.0; 3]);
            minimise(&region, &a, 3, &mut x, &mut values);
            for (value, least) in values.iter().zip(region.minima(arr2(&rows).view())) {
                assert!((f64::from(*value) - least).abs() < 1e-5, "{:?}: {value} {least}", region.ball());
            }
        }
    }
}
