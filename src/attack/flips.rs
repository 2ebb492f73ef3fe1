//! Greedy search over single coordinates, for networks and regions that gradients say little about:
//! signs are flat, and two-valued or quantised inputs only jump.
//!
//! All points that differ from the present one in a single coordinate are evaluated together: in the
//! layers that read the input by adding multiples of columns of the weights, in later layers by matrix
//! products. Sums of small integers are exact in floats, so for binarized networks the gains are, too.
//! The best move is taken even where it loses, and is not undone for some rounds (tabu search; Glover
//! 1989), so that a ball that is used up leads to exchanges. Ties between flat margins are broken by a
//! smooth copy of the network, whose signs are `z / (s + |z|)` for the layer's typical `s`.

use super::neighbours::{Move, Neighbourhood};
use super::random::Random;
use super::target::Target;
use crate::domains::budget::Budget;
use crate::domains::network::Network;
use crate::domains::num::nearest;
use crate::domains::query::{Ball, Case, Region, Variable};
use crate::domains::verdict::Witness;
use float_ord::FloatOrd;
use std::cmp::Reverse;

/// How long to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flips {
    /// Moves from one start without finding a better point, before it is given up.
    pub patience: usize,
    /// Random starts per target, after the centre and the point that all single moves together suggest.
    pub restarts: usize,
    /// Disjuncts that are targeted: those that came closest.
    pub targets: usize,
    /// Multiplications that all evaluations together may take: the same on every machine, unlike time.
    pub work: usize,
    /// Seed of the random starts.
    pub seed: u64,
}

impl Flips {
    /// As long as a stage of the cascade should take: well below a second.
    #[must_use]
    pub fn short(seed: u64) -> Self {
        Self { patience: 8, restarts: 2, targets: 3, work: 1 << 29, seed }
    }

    /// Whether the search suits the problem: some activation only jumps, or inputs do.
    #[must_use]
    pub fn suits(network: &Network, region: &Region) -> bool {
        let is_discrete = matches!(region.ball(), Ball::Hamming { .. } | Ball::Grid { .. } | Ball::GridL1 { .. });
        is_discrete || network.has_steps()
    }

    /// Looks for an input of the target's region that satisfies one of its open disjuncts. `suggested` are
    /// points near which to look first, as linear programs suggest them; they need not be members of the region.
    #[must_use]
    pub fn run(&self, target: Target<'_>, suggested: &[Vec<f64>], budget: &Budget) -> Option<Witness> {
        let Target { network, case, open } = target;
        let mut search = Search {
            network,
            case,
            open,
            neighbourhood: Neighbourhood::new(network),
            center: case.region.center().iter().map(nearest).collect(),
            lower: case.region.bounds().iter().map(|r| r.lo).collect(),
            upper: case.region.bounds().iter().map(|r| r.hi).collect(),
            work: self.work,
            budget,
        };
        search.run(self, suggested).err().flatten()
    }
}

/// `Err` ends the search: with a witness, or without one when no more may be tried.
type Step<T> = Result<T, Option<Witness>>;

struct Search<'a> {
    network: &'a Network,
    case: &'a Case,
    open: &'a [usize],
    neighbourhood: Neighbourhood<'a>,
    center: Vec<f64>,
    lower: Vec<f64>,
    upper: Vec<f64>,
    /// What is left of [`Flips::work`].
    work: usize,
    budget: &'a Budget,
}

/// What is known of one neighbour.
#[derive(Clone)]
struct Scored {
    change: Move,
    /// For each open disjunct the largest margin of its atoms, and that of the smooth network.
    margins: Vec<(f64, f64)>,
}

/// What a descent follows.
#[derive(Clone, Copy)]
struct Aim {
    /// Position among the open disjuncts; `None` for whichever is nearest.
    target: Option<usize>,
    /// How much the smooth margin counts.
    smooth: f64,
}

impl Aim {
    fn score(&self, margins: &[(f64, f64)]) -> f64 {
        let score = |&(margin, smooth): &(f64, f64)| margin + self.smooth * smooth;
        match self.target {
            Some(d) => score(&margins[d]),
            None => margins.iter().map(score).fold(f64::INFINITY, f64::min),
        }
    }
}

impl Search<'_> {
    fn run(&mut self, flips: &Flips, suggested: &[Vec<f64>]) -> Step<()> {
        let nearest = Aim { target: None, smooth: 1.0 };
        if self.center.is_empty() || self.open.is_empty() {
            return Ok(());
        }
        let mut random = Random::new(flips.seed ^ 0x2545_F491_4F6C_DD1D);
        if !suggested.is_empty() {
            let rounded: Vec<Vec<f64>> = suggested.iter().map(|x| self.rounded(x)).collect();
            for x in &rounded {
                self.look(x, &[(0, x[0])])?;
            }
            // The last ones come from the tightest programs.
            for x in rounded.into_iter().rev().take(flips.targets) {
                self.descend(x, nearest, flips.patience, &mut random)?;
            }
            return Ok(());
        }
        let center = self.member(&self.center);
        let moves = self.moves(&center);
        let around = self.look(&center, &moves)?;
        if around.is_empty() {
            return Ok(());
        }
        // The disjuncts that single moves bring closest are the targets.
        let closest = |d: usize| around.iter().map(|s| nearest.score(&s.margins[d..=d])).fold(f64::INFINITY, f64::min);
        let mut targets: Vec<(f64, usize)> = (0..self.open.len()).map(|d| (closest(d), d)).collect();
        targets.sort_by_key(|t| FloatOrd(t.0));
        for smooth in [1.0, 4.0, 0.25] {
            for &(_, d) in targets.iter().take(flips.targets) {
                let aim = Aim { target: Some(d), smooth };
                let all_together = self.together(&center, &around, aim);
                self.descend(center.clone(), aim, flips.patience, &mut random)?;
                self.descend(all_together, aim, flips.patience, &mut random)?;
            }
        }
        for _ in 0..flips.restarts {
            for &(_, d) in targets.iter().take(flips.targets) {
                let start = self.random_start(&mut random);
                self.descend(start, Aim { target: Some(d), smooth: 1.0 }, flips.patience, &mut random)?;
            }
        }
        Ok(())
    }

    /// Tabu search from a member of the region.
    fn descend(&mut self, mut x: Vec<f64>, aim: Aim, patience: usize, random: &mut Random) -> Step<()> {
        let mut best = f64::INFINITY;
        let mut tabu: Vec<usize> = vec![0; x.len()];
        let mut since = 0;
        for round in 1.. {
            let moves: Vec<Move> = self.moves(&x).into_iter().filter(|&(i, _)| tabu[i] < round).collect();
            let scored = self.look(&x, &moves)?;
            let score = |s: &Scored| aim.score(&s.margins);
            let Some(chosen) = scored.iter().min_by_key(|s| FloatOrd(score(s))) else { break };
            if score(chosen) < best {
                (best, since) = (score(chosen), 0);
            } else {
                since += 1;
                if since > patience {
                    break;
                }
            }
            let (i, value) = chosen.change;
            x[i] = value;
            tabu[i] = round + 2 + random.below(3);
        }
        Ok(())
    }

    /// The margins of the neighbours of `x`; `Err` with a witness where one of them is one.
    fn look(&mut self, x: &[f64], moves: &[Move]) -> Step<Vec<Scored>> {
        const WORTH_A_REPLAY: f64 = 1e-6;
        const MOST_REPLAYS: usize = 4;
        let cost = 2 * moves.len().saturating_mul(self.neighbourhood.cost());
        if self.budget.is_spent() || cost > self.work {
            return Err(None);
        }
        self.work -= cost;
        let outputs = self.neighbourhood.evaluate(x, moves).ok_or(None)?;
        let mut scored = Vec::with_capacity(moves.len());
        let mut hits: Vec<(f64, usize, usize)> = Vec::new();
        for (row, &change) in moves.iter().enumerate() {
            let [exact, smooth] = [&outputs.exact, &outputs.smooth].map(|y| y.row(row).to_vec());
            let margins: Vec<(f64, f64)> = self
                .open
                .iter()
                .map(|&d| (self.margin(d, x, change, &exact), self.margin(d, x, change, &smooth)))
                .collect();
            let near = margins.iter().enumerate().filter(|(_, m)| m.0 <= WORTH_A_REPLAY);
            hits.extend(near.map(|(d, m)| (m.0, row, d)));
            scored.push(Scored { change, margins });
        }
        hits.sort_by_key(|hit| FloatOrd(hit.0));
        for &(_, row, d) in hits.iter().take(MOST_REPLAYS) {
            let mut x = x.to_vec();
            x[moves[row].0] = moves[row].1;
            let witness = self.case.region.nearest_member(&x).and_then(|member| {
                let d = self.open[d];
                Witness::replay(self.network, self.case, d, member)
            });
            if witness.is_some() {
                return Err(witness);
            }
        }
        Ok(scored)
    }

    /// The largest margin of the atoms of a disjunct at `x` after a move, in floats.
    fn margin(&self, d: usize, x: &[f64], (moved, value): Move, y: &[f64]) -> f64 {
        let of = |variable: &Variable| match variable {
            Variable::Input(i) if *i == moved => value,
            Variable::Input(i) => x[*i],
            Variable::Output(i) => y[*i],
        };
        let atoms = &self.case.property.disjuncts[d].atoms;
        let margins = atoms.iter().map(|atom| {
            atom.terms.iter().fold(nearest(&atom.constant), |sum, (variable, c)| sum + nearest(c) * of(variable))
        });
        margins.fold(f64::NEG_INFINITY, f64::max)
    }

    /// The changes of one coordinate that stay in the region, up to rounding.
    fn moves(&self, x: &[f64]) -> Vec<Move> {
        let distances =
            |power: i32| x.iter().zip(&self.center).map(move |(x, c)| (x - c).abs().powi(power)).sum::<f64>();
        let mut moves: Vec<Move> = Vec::new();
        let mut add = |i: usize, value: f64| {
            let value = value.clamp(self.lower[i], self.upper[i]);
            let is_known = moves.iter().rev().take_while(|m| m.0 == i).any(|m| m.1 == value);
            if value != x[i] && !is_known {
                moves.push((i, value));
            }
        };
        match self.case.region.ball() {
            Ball::Hamming { flips, .. } => {
                let is_used_up = (0..x.len()).filter(|&i| x[i] != self.center[i]).count() >= *flips;
                for (i, &value) in x.iter().enumerate() {
                    if value != self.center[i] {
                        add(i, self.center[i]);
                    } else if !is_used_up {
                        add(i, if value == self.lower[i] { self.upper[i] } else { self.lower[i] });
                    }
                }
            }
            Ball::Box => (0..x.len()).for_each(|i| [self.lower[i], self.upper[i]].into_iter().for_each(|v| add(i, v))),
            Ball::Grid { step, .. } => {
                let step = nearest(step);
                for (i, &value) in x.iter().enumerate() {
                    [self.lower[i], self.upper[i], value - step, value + step].into_iter().for_each(|v| add(i, v));
                }
            }
            Ball::GridL1 { step, radius, .. } => {
                let (step, left) = (nearest(step), nearest(radius) - distances(1));
                for (i, &value) in x.iter().enumerate() {
                    let room = left + (value - self.center[i]).abs();
                    let far = (room / step + 1e-6).floor().max(0.0) * step;
                    let c = self.center[i];
                    [c - far, c + far, c, value - step, value + step]
                        .into_iter()
                        .filter(|v| (v - c).abs() <= far + step / 2.0)
                        .for_each(|v| add(i, v));
                }
            }
            Ball::L1 { radius, .. } => {
                let left = nearest(radius) - distances(1);
                for (i, &c) in self.center.iter().enumerate() {
                    let room = (left + (x[i] - c).abs()).max(0.0);
                    [c - room, c + room, c].into_iter().for_each(|v| add(i, v));
                }
            }
            Ball::L2 { radius, .. } => {
                let left = nearest(radius).powi(2) - distances(2);
                for (i, &c) in self.center.iter().enumerate() {
                    let room = (left + (x[i] - c).powi(2)).max(0.0).sqrt();
                    [c - room, c + room, c].into_iter().for_each(|v| add(i, v));
                }
            }
        }
        moves
    }

    /// The point that all those moves from the centre lead to which improve the score alone, the best
    /// first as far as the ball holds them.
    fn together(&self, center: &[f64], around: &[Scored], aim: Aim) -> Vec<f64> {
        let mut order: Vec<&Scored> = around.iter().collect();
        order.sort_by_key(|s| FloatOrd(aim.score(&s.margins)));
        // Of the two directions of a coordinate, one improves a linear function.
        order.truncate(around.len().div_ceil(2));
        let mut x = center.to_vec();
        let most = match self.case.region.ball() {
            Ball::Hamming { flips, .. } => *flips,
            Ball::L1 { .. } | Ball::L2 { .. } | Ball::GridL1 { .. } => 1,
            Ball::Box | Ball::Grid { .. } => usize::MAX,
        };
        let mut taken = 0;
        for scored in order {
            let (i, value) = scored.change;
            if taken < most && x[i] == center[i] {
                x[i] = value;
                taken += 1;
            }
        }
        self.member(&x)
    }

    /// The member of the region next to `x`, in floats.
    fn member(&self, x: &[f64]) -> Vec<f64> {
        self.case.region.nearest_member(x).map_or_else(|| x.to_vec(), |member| member.iter().map(nearest).collect())
    }

    /// A member near a point that may flip inputs by fractions: those that are flipped furthest.
    fn rounded(&self, x: &[f64]) -> Vec<f64> {
        let Ball::Hamming { flips, .. } = self.case.region.ball() else { return self.member(x) };
        let way = |i: usize| (x[i] - self.center[i]).abs() / (self.upper[i] - self.lower[i]).max(f64::MIN_POSITIVE);
        let mut order: Vec<usize> = (0..x.len()).filter(|&i| way(i) > 1e-6).collect();
        order.sort_by_key(|&i| Reverse(FloatOrd(way(i))));
        let mut rounded = self.center.clone();
        for i in order.into_iter().take(*flips) {
            rounded[i] = if self.center[i] == self.lower[i] { self.upper[i] } else { self.lower[i] };
        }
        rounded
    }

    fn random_start(&self, random: &mut Random) -> Vec<f64> {
        let mut x = self.center.clone();
        let most = match self.case.region.ball() {
            Ball::Hamming { flips, .. } => *flips,
            _ => x.len(),
        };
        for _ in 0..most.min(x.len()) {
            let i = random.below(x.len());
            x[i] = if random.below(2) == 0 { self.lower[i] } else { self.upper[i] };
        }
        self.member(&x)
    }
}
