//! A short attack: the centre, the corner that the gradient points to, and a few projected steps. Every
//! hit is replayed exactly before it counts.

mod flips;
mod gradient;
mod minimise;
mod neighbours;

pub use flips::Flips;
pub use gradient::gradient;
pub use minimise::Attained;

use crate::domains::budget::Budget;
use crate::domains::network::Network;
use crate::domains::num::{Rational, nearest};
use crate::domains::query::{Ball, Case, Disjunct, Variable};
use crate::domains::verdict::Witness;
use std::collections::VecDeque;

/// How long to try.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// Projected gradient steps per start.
    pub steps: usize,
    /// Starts per disjunct: the centre, then random points.
    pub restarts: usize,
    /// Disjuncts that are followed beyond the first step: those that it brought closest.
    pub disjuncts: usize,
    /// Seed of the random starts.
    pub seed: u64,
}

impl Attack {
    /// A few steps per disjunct, for answering easily falsified queries quickly.
    #[must_use]
    pub fn short(seed: u64) -> Self {
        Self { steps: 15, restarts: 2, disjuncts: 3, seed }
    }

    /// More steps and starts, for a small margin rather than the first violation.
    #[must_use]
    pub fn thorough(seed: u64) -> Self {
        Self { steps: 50, restarts: 4, disjuncts: 4, seed }
    }

    /// Looks for an input of `case` that satisfies one of its disjuncts `open` (indices in the case);
    /// `first` is the number of the case's first disjunct in the query.
    #[must_use]
    pub fn run(
        &self,
        network: &Network,
        case: &Case,
        open: &[usize],
        first: usize,
        budget: &Budget,
    ) -> Option<Witness> {
        let search = Search { network, case, first };
        let center: Vec<f64> = case.region.center().iter().map(nearest).collect();
        if let Some(witness) = search.try_point(open, &center) {
            return Some(witness);
        }
        if let Some(witness) = search.try_corners(open, budget) {
            return Some(witness);
        }
        // One step to the corner that the gradient points to, for every disjunct; then the steps go
        // where that came closest.
        let mut reached: Vec<(f64, usize)> = Vec::new();
        for &d in open {
            if budget.is_spent() {
                return None;
            }
            let mut x = center.clone();
            search.step(d, &mut x, 2.0)?;
            let margin = search.worst_margin(d, &x)?;
            if let Some(witness) = search.hit(d, &x, margin) {
                return Some(witness);
            }
            reached.push((margin, d));
        }
        reached.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut random = Random(self.seed ^ 0x5851_F42D_4C95_7F2D);
        for &(_, d) in reached.iter().take(self.disjuncts) {
            for restart in 0..self.restarts {
                let start = if restart == 0 { center.clone() } else { search.random_start(&mut random) };
                if let Some(witness) = self.descend(&search, d, start, budget) {
                    return Some(witness);
                }
            }
        }
        None
    }

    /// Projected signed-gradient steps of falling length from `x`.
    fn descend(&self, search: &Search, d: usize, mut x: Vec<f64>, budget: &Budget) -> Option<Witness> {
        for step in 0..self.steps {
            if budget.is_spent() {
                return None;
            }
            search.step(d, &mut x, 0.5 * (1.0 - step as f64 / self.steps as f64))?;
            let margin = search.worst_margin(d, &x)?;
            if let Some(witness) = search.hit(d, &x, margin) {
                return Some(witness);
            }
        }
        None
    }
}

/// Whether a margin, in floats, comes close enough to a violation for exact arithmetic to decide.
fn is_worth_a_replay(margin: f64) -> bool {
    margin <= 1e-6 || margin.is_nan()
}

/// What all attempts share.
struct Search<'a> {
    network: &'a Network,
    case: &'a Case,
    first: usize,
}

impl Search<'_> {
    fn disjunct(&self, d: usize) -> &Disjunct {
        &self.case.property.disjuncts[d]
    }

    /// The margins of a disjunct's atoms at `x`, in floats.
    fn margins(&self, d: usize, x: &[f64], y: &[f64]) -> Vec<f64> {
        let margin = |atom: &crate::domains::query::Atom| {
            atom.terms.iter().fold(nearest(&atom.constant), |sum, (variable, c)| {
                sum + nearest(c)
                    * match variable {
                        Variable::Input(i) => x[*i],
                        Variable::Output(i) => y[*i],
                    }
            })
        };
        self.disjunct(d).atoms.iter().map(margin).collect()
    }

    fn worst_margin(&self, d: usize, x: &[f64]) -> Option<f64> {
        let y = self.network.evaluate(x).ok()?;
        Some(self.margins(d, x, &y).into_iter().fold(f64::NEG_INFINITY, f64::max))
    }

    /// Replays `x` where its margin, in floats, comes close enough to a violation.
    fn hit(&self, d: usize, x: &[f64], margin: f64) -> Option<Witness> {
        if is_worth_a_replay(margin) { self.replay(d, x) } else { None }
    }

    /// The same for a point that is known to lie in the region.
    fn hit_at(&self, d: usize, margin: f64, member: Vec<Rational>) -> Option<Witness> {
        let replay = || Witness::replay(self.network, self.case, d, self.first + d, member);
        is_worth_a_replay(margin).then(replay).flatten()
    }

    /// A signed gradient step of `length` times the width of each input's range.
    fn step(&self, d: usize, x: &mut [f64], length: f64) -> Option<()> {
        let slope = self.slope(d, x)?;
        for ((x, g), range) in x.iter_mut().zip(&slope).zip(self.case.region.bounds()) {
            if *g != 0.0 {
                *x = (*x - length * g.signum() * (range.hi - range.lo)).clamp(range.lo, range.hi);
            }
        }
        self.project(x);
        Some(())
    }

    /// The gradient of the largest margin of the disjunct with respect to the input.
    fn slope(&self, d: usize, x: &[f64]) -> Option<Vec<f64>> {
        let values = self.network.evaluate_all(x).ok()?;
        let margins = self.margins(d, x, &values[self.network.output()]);
        let worst = (0..margins.len()).max_by(|&a, &b| margins[a].total_cmp(&margins[b]))?;
        let atom = &self.disjunct(d).atoms[worst];
        let mut seed = vec![0.0; self.network.output_len()];
        let mut direct = vec![0.0; x.len()];
        for (variable, c) in &atom.terms {
            match variable {
                Variable::Input(i) => direct[*i] += nearest(c),
                Variable::Output(i) => seed[*i] += nearest(c),
            }
        }
        let through = gradient(self.network, &values, &seed);
        Some(through.iter().zip(&direct).map(|(a, b)| a + b).collect())
    }

    /// Pulls `x` into the ball; a box needs nothing more than the clamping already done.
    fn project(&self, x: &mut [f64]) {
        if matches!(self.case.region.ball(), Ball::Box) {
            return;
        }
        if let Some(member) = self.case.region.nearest_member(x) {
            for (x, m) in x.iter_mut().zip(&member) {
                *x = nearest(m);
            }
        }
    }

    fn replay(&self, d: usize, x: &[f64]) -> Option<Witness> {
        let member = self.case.region.nearest_member(x)?;
        Witness::replay(self.network, self.case, d, self.first + d, member)
    }

    /// Replays `x` for each of the disjuncts that it nearly satisfies.
    fn try_point(&self, open: &[usize], x: &[f64]) -> Option<Witness> {
        let y = self.network.evaluate(x).ok()?;
        open.iter().find_map(|&d| {
            let margin = self.margins(d, x, &y).into_iter().fold(f64::NEG_INFINITY, f64::max);
            self.hit(d, x, margin)
        })
    }

    /// Replays every corner of a small box: where floats cancel or underflow, gradients lead nowhere.
    fn try_corners(&self, open: &[usize], budget: &Budget) -> Option<Witness> {
        const MOST_INPUTS: usize = 11;
        const MOST_PARAMETERS: usize = 2000;
        let ranges = self.case.region.bounds();
        let free: Vec<usize> = (0..ranges.len()).filter(|&i| ranges[i].lo < ranges[i].hi).collect();
        if free.len() > MOST_INPUTS || self.network.parameters() > MOST_PARAMETERS {
            return None;
        }
        let (lower, upper) = self.case.region.exact_box();
        for corner in 0..1usize << free.len() {
            if budget.is_spent() {
                return None;
            }
            let mut x = lower.to_vec();
            for (_, &i) in free.iter().enumerate().filter(|(bit, _)| corner >> bit & 1 == 1) {
                x[i] = upper[i].clone();
            }
            let replay = |&d: &usize| Witness::replay(self.network, self.case, d, self.first + d, x.clone());
            if let Some(witness) = open.iter().find_map(replay) {
                return Some(witness);
            }
        }
        None
    }

    fn random_start(&self, random: &mut Random) -> Vec<f64> {
        let mut x: Vec<f64> = self.case.region.bounds().iter().map(|r| r.lo + random.unit() * (r.hi - r.lo)).collect();
        self.project(&mut x);
        x
    }
}

/// Tries inputs that a relaxation suggested.
#[must_use]
pub(super) fn try_candidates(
    network: &Network,
    case: &Case,
    open: &[usize],
    first: usize,
    candidates: &VecDeque<Vec<f64>>,
) -> Option<Witness> {
    let search = Search { network, case, first };
    candidates.iter().find_map(|x| search.try_point(open, x))
}

/// SplitMix64: enough for starting points.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}
