//! What all attempts on one case share: its margins in floats, their slopes, and the exact replay.

use super::geometry::Geometry;
use super::gradient::{Reach, gradient_within};
use super::target::Target;
use crate::domains::budget::Budget;
use crate::domains::num::nearest;
use crate::domains::query::{Atom, Variable};
use crate::domains::verdict::Witness;
use float_ord::FloatOrd;
use ndarray::{Array2, ArrayView1};

/// An atom with float coefficients: good enough to search, never to claim.
struct FloatAtom {
    terms: Vec<(Variable, f64)>,
    constant: f64,
}

impl FloatAtom {
    fn of(atom: &Atom) -> Self {
        let terms = atom.terms.iter().map(|(variable, c)| (*variable, nearest(c))).collect();
        Self { terms, constant: nearest(&atom.constant) }
    }

    fn margin(&self, x: ArrayView1<f64>, y: ArrayView1<f64>) -> f64 {
        let value = |variable: &Variable| match variable {
            Variable::Input(i) => x[*i],
            Variable::Output(i) => y[*i],
        };
        self.terms.iter().fold(self.constant, |sum, (variable, c)| sum + c * value(variable))
    }
}

/// Which atom a point goes down on: the worst one of the disjunct that it follows.
#[derive(Clone, Copy)]
pub(super) struct Followed {
    /// Position among the open disjuncts.
    pub(super) disjunct: usize,
    atom: usize,
}

/// What a batch of points shows.
pub(super) struct Look {
    /// The values of all nodes, one row per point.
    values: Vec<Array2<f64>>,
    /// What each point follows.
    pub(super) followed: Vec<Followed>,
}

/// Margins, in floats, that come close enough to a violation for exact arithmetic to decide.
pub(super) const WORTH_A_REPLAY: f64 = 1e-6;

/// What a search is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// The first point that violates the property.
    Witness,
    /// A point with a small margin, beyond any violation.
    LeastMargin,
}

/// An open case under attack.
pub(super) struct Search<'a> {
    target: Target<'a>,
    goal: Goal,
    pub(super) geometry: Geometry<'a>,
    reach: Reach,
    atoms: Vec<Vec<FloatAtom>>,
    /// For each open disjunct the smallest of its margins (the largest of its atoms') seen so far.
    pub(super) closest: Vec<f64>,
    /// The points with these margins, where there is one that is finite.
    closest_points: Vec<Vec<f64>>,
    /// Points evaluated so far.
    pub(super) points: usize,
}

impl<'a> Search<'a> {
    pub(super) fn new(target: Target<'a>, goal: Goal) -> Self {
        let Target { network, case, open } = target;
        let atoms = |&d: &usize| case.property.disjuncts[d].atoms.iter().map(FloatAtom::of).collect();
        Self {
            target,
            goal,
            geometry: Geometry::new(&case.region),
            reach: Reach::of(network, &case.region),
            atoms: open.iter().map(atoms).collect(),
            closest: vec![f64::INFINITY; open.len()],
            closest_points: vec![Vec::new(); open.len()],
            points: 0,
        }
    }

    /// Evaluates a batch; replays where some disjunct is violated, or nearly so, in floats, when a witness
    /// is what is looked for. `aims` says for each point which open disjunct it follows; `None` for the
    /// nearest one.
    pub(super) fn look(&mut self, x: &Array2<f64>, aims: &[Option<usize>]) -> Result<Look, Option<Witness>> {
        // A batch of another length than the network's input shows nothing.
        let values = self.target.network.evaluate_rows(x.clone()).map_err(|_| None)?;
        self.points += x.nrows();
        let y = &values[self.target.network.output()];
        let mut followed = Vec::with_capacity(x.nrows());
        let mut hits: Vec<(f64, usize, usize)> = Vec::new();
        for (row, aim) in aims.iter().enumerate() {
            let mut nearest = (f64::INFINITY, Followed { disjunct: 0, atom: 0 });
            let mut aimed = nearest.1;
            for (disjunct, atoms) in self.atoms.iter().enumerate() {
                let mut worst = (f64::NEG_INFINITY, 0);
                for (i, atom) in atoms.iter().enumerate() {
                    let margin = atom.margin(x.row(row), y.row(row));
                    // Where a float overflowed, the exact replay decides.
                    let margin = if margin.is_nan() { f64::NEG_INFINITY } else { margin };
                    if margin > worst.0 {
                        worst = (margin, i);
                    }
                }
                if worst.0 < self.closest[disjunct] {
                    self.closest[disjunct] = worst.0;
                    if worst.0.is_finite() && self.goal == Goal::LeastMargin {
                        self.closest_points[disjunct] = x.row(row).to_vec();
                    }
                }
                let here = Followed { disjunct, atom: worst.1 };
                if *aim == Some(disjunct) {
                    aimed = here;
                }
                if worst.0 < nearest.0 {
                    nearest = (worst.0, here);
                }
                if worst.0 <= WORTH_A_REPLAY {
                    hits.push((worst.0, row, disjunct));
                }
            }
            followed.push(if aim.is_some() { aimed } else { nearest.1 });
        }
        if self.goal == Goal::LeastMargin {
            return Ok(Look { values, followed });
        }
        hits.sort_by_key(|hit| FloatOrd(hit.0));
        // Where the first few do not hold exactly, the floats are wrong and the others are no better.
        const MOST_REPLAYS: usize = 4;
        for &(_, row, disjunct) in hits.iter().take(MOST_REPLAYS) {
            if let Some(witness) = self.replay(disjunct, &x.row(row).to_vec()) {
                return Err(Some(witness));
            }
        }
        Ok(Look { values, followed })
    }

    /// One step for every point, each down the margin that it follows, with slopes at jumps of this sharpness.
    pub(super) fn step(&self, x: &mut Array2<f64>, look: &Look, length: f64, sharpness: f64) {
        let mut seeds = Array2::zeros((x.nrows(), self.target.network.output_len()));
        let mut direct: Vec<(usize, usize, f64)> = Vec::new();
        let y = &look.values[self.target.network.output()];
        for (row, followed) in look.followed.iter().enumerate() {
            let Some(atoms) = self.atoms.get(followed.disjunct).filter(|atoms| !atoms.is_empty()) else { continue };
            let mut add = |atom: &FloatAtom| {
                for &(variable, c) in &atom.terms {
                    match variable {
                        Variable::Input(i) => direct.push((row, i, c)),
                        Variable::Output(i) => seeds[[row, i]] += c,
                    }
                }
            };
            if row % 2 == 0 || atoms.len() == 1 {
                add(&atoms[followed.atom]);
                continue;
            }
            // Every other point goes down on all margins that are positive: the worst one alone swings
            // from atom to atom where several must be met at once.
            let positive = |atom: &&FloatAtom| atom.margin(x.row(row), y.row(row)) > 0.0;
            atoms.iter().filter(positive).for_each(add);
        }
        let mut slopes = gradient_within(self.target.network, &look.values, seeds, &self.reach, sharpness);
        for (row, i, c) in direct {
            slopes[[row, i]] += c;
        }
        for (mut x, slope) in x.rows_mut().into_iter().zip(slopes.rows()) {
            if let (Some(x), Some(slope)) = (x.as_slice_mut(), slope.as_slice()) {
                self.geometry.step(x, slope, length);
            }
        }
    }

    /// The points seen that came closest to the open disjuncts, smallest margin first.
    pub(super) fn closest_points(&self) -> impl Iterator<Item = &Vec<f64>> {
        let mut order: Vec<usize> =
            (0..self.target.open.len()).filter(|&i| !self.closest_points[i].is_empty()).collect();
        order.sort_by_key(|&i| FloatOrd(self.closest[i]));
        order.into_iter().map(|i| &self.closest_points[i])
    }

    /// Replays the exact member of the region next to `x` for an open disjunct.
    fn replay(&self, disjunct: usize, x: &[f64]) -> Option<Witness> {
        let member = self.target.case.region.nearest_member(x)?;
        self.target.replay(self.target.open[disjunct], member)
    }

    /// Replays every corner of a small box for a witness: where floats cancel or underflow, gradients lead
    /// nowhere.
    pub(super) fn try_corners(&self, budget: &Budget) -> Option<Witness> {
        const MOST_INPUTS: usize = 11;
        const MOST_PARAMETERS: usize = 2000;
        const MOST_REPLAYS: usize = 1 << 15;
        let ranges = self.target.case.region.bounds();
        let free: Vec<usize> = (0..ranges.len()).filter(|&i| ranges[i].lo < ranges[i].hi).collect();
        let is_small = free.len() <= MOST_INPUTS
            && self.target.network.parameters() <= MOST_PARAMETERS
            && self.target.open.len() << free.len() <= MOST_REPLAYS;
        if self.goal != Goal::Witness || !is_small {
            return None;
        }
        let (lower, upper) = self.target.case.region.exact_box();
        for corner in 0..1usize << free.len() {
            if budget.is_spent() {
                return None;
            }
            let mut x = lower.to_vec();
            for (_, &i) in free.iter().enumerate().filter(|(bit, _)| corner >> bit & 1 == 1) {
                x[i] = upper[i].clone();
            }
            let replay = |&d: &usize| self.target.replay(d, x.clone());
            if let Some(witness) = self.target.open.iter().find_map(replay) {
                return Some(witness);
            }
        }
        None
    }
}
