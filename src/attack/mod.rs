//! Attacks: projected gradient descent on the margins (Madry et al. 2018), over batches of starting
//! points. Every hit is replayed exactly before it counts.

mod candidates;
mod flips;
mod geometry;
mod gradient;
mod minimise;
mod neighbours;
mod query;
mod random;
mod search;
mod target;

pub(crate) use candidates::Candidates;
pub use flips::Flips;
pub use gradient::gradient;
pub use minimise::Attained;
pub(crate) use minimise::{attained, attained_at};
pub use query::QueryOutcome;
pub use target::Target;

use crate::domains::budget::Budget;
use crate::domains::verdict::Witness;
use float_ord::FloatOrd;
use ndarray::Array2;
use random::Random;
use search::{Goal, Search};
use std::collections::VecDeque;

/// How the length of a step changes from the first step to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// It stays.
    Constant,
    /// It falls linearly towards zero.
    Linear,
}

/// Which margin a point goes down on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// Each point has one disjunct of the unsafe set, say one other class, as its target.
    Targeted,
    /// Each point follows the disjunct that is nearest at the moment.
    Untargeted,
}

/// How an attack goes about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attack {
    /// Projected gradient steps per start.
    pub steps: usize,
    /// Starts, for each target: the centre, then random points.
    pub restarts: usize,
    /// Length of the first step as a multiple of the region's radius, in the region's own norm.
    pub step_size: f64,
    /// How the length goes on.
    pub schedule: Schedule,
    /// What the steps follow.
    pub aim: Aim,
    /// Targets that are followed beyond the first step: those that it brought closest.
    pub targets: usize,
    /// Seed of the random starts.
    pub seed: u64,
}

/// What an attack found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The counterexample, replayed exactly.
    pub witness: Option<Witness>,
    /// For each open disjunct the smallest margin (the largest of its atoms') of all points tried, in
    /// floats: an estimate, not a bound.
    pub closest: Vec<f64>,
    /// Points evaluated.
    pub points: usize,
}

impl Attack {
    /// A few steps per disjunct, for answering easily falsified queries quickly.
    #[must_use]
    pub fn short(seed: u64) -> Self {
        Self {
            steps: 15,
            restarts: 2,
            step_size: 1.0,
            schedule: Schedule::Linear,
            aim: Aim::Targeted,
            targets: 3,
            seed,
        }
    }

    /// Many steps from many points.
    #[must_use]
    pub fn pgd(seed: u64) -> Self {
        Self { steps: 50, restarts: 10, targets: usize::MAX, ..Self::short(seed) }
    }

    /// One step across the region, from the centre (the fast gradient sign method in L∞; Goodfellow et
    /// al. 2015).
    #[must_use]
    pub fn single_step(seed: u64) -> Self {
        Self { restarts: 0, ..Self::short(seed) }
    }

    /// More steps and starts, for a small margin rather than the first violation.
    #[must_use]
    pub fn thorough(seed: u64) -> Self {
        Self { steps: 50, restarts: 4, targets: 4, ..Self::short(seed) }
    }

    /// Looks for an input of the target's region that satisfies one of its open disjuncts.
    #[must_use]
    pub fn run(&self, target: Target<'_>, budget: &Budget) -> Outcome {
        self.run_from(target, &[], budget)
    }

    /// [`Attack::run`] with further starting points, which are pulled into the region. Points that are not
    /// finite, or of another length than the network's input, are left out.
    #[must_use]
    pub fn run_from(&self, target: Target<'_>, starts: &[Vec<f64>], budget: &Budget) -> Outcome {
        let mut search = Search::new(target, Goal::Witness);
        let witness = self.search(&mut search, starts, budget).err().flatten();
        Outcome { witness, closest: search.closest, points: search.points }
    }

    /// `Err` ends the search: with a witness, or without one where no more can be tried.
    fn search(&self, search: &mut Search, starts: &[Vec<f64>], budget: &Budget) -> Result<(), Option<Witness>> {
        /// Points in one batch: enough for the matrix product, few enough for the cache.
        const BATCH: usize = 64;
        let center = search.geometry.center().to_vec();
        search.look(&rows(&[&center]), &[None])?;
        if let Some(witness) = search.try_corners(budget) {
            return Err(Some(witness));
        }
        let starts: Vec<Vec<f64>> = starts
            .iter()
            .filter(|start| start.len() == center.len() && start.iter().all(|x| x.is_finite()))
            .map(|start| {
                let mut x = start.clone();
                search.geometry.project(&mut x);
                x
            })
            .collect();
        for batch in starts.chunks(BATCH) {
            self.descend(search, batch.iter().collect(), &vec![None; batch.len()], budget)?;
        }
        // One step to the point that the gradient points to, for every disjunct (of very many those that are closest);
        // then the steps go where that came closest.
        const MOST_LOOKS: usize = 1 << 24;
        let mut all: Vec<usize> = (0..search.closest.len()).collect();
        let most = (MOST_LOOKS / all.len().max(1)).max(BATCH);
        if all.len() > most {
            all.sort_by_key(|&i| FloatOrd(search.closest[i]));
            all.truncate(most);
        }
        for batch in all.chunks(BATCH) {
            if budget.is_spent() {
                return Err(None);
            }
            let aims: Vec<Option<usize>> = batch.iter().map(|&d| Some(d)).collect();
            let mut x = rows(&vec![&center; batch.len()]);
            let look = search.look(&x, &aims)?;
            search.step(&mut x, &look, 2.0, 1.0);
            search.look(&x, &aims)?;
        }
        let mut order = all;
        order.sort_by_key(|&i| FloatOrd(search.closest[i]));
        order.truncate(self.targets);
        let mut random = Random::new(self.seed ^ 0x5851_F42D_4C95_7F2D);
        let mut pending: Vec<(Vec<f64>, Option<usize>)> = Vec::new();
        for restart in 0..self.restarts {
            let aims: Vec<Option<usize>> = match self.aim {
                Aim::Targeted => order.iter().map(|&d| Some(d)).collect(),
                Aim::Untargeted => vec![None],
            };
            for aim in aims {
                let start = if restart == 0 { center.clone() } else { search.geometry.random(&mut || random.unit()) };
                pending.push((start, aim));
            }
            // The centre goes first and alone: mostly it is enough.
            let is_last = restart + 1 == self.restarts;
            while restart == 0 && !pending.is_empty() || pending.len() >= BATCH || (is_last && !pending.is_empty()) {
                let batch: Vec<_> = pending.drain(..pending.len().min(BATCH)).collect();
                let aims: Vec<Option<usize>> = batch.iter().map(|(_, aim)| *aim).collect();
                self.descend(search, batch.iter().map(|(x, _)| x).collect(), &aims, budget)?;
            }
        }
        Ok(())
    }

    /// All steps of a batch of points.
    fn descend(
        &self,
        search: &mut Search,
        starts: Vec<&Vec<f64>>,
        aims: &[Option<usize>],
        budget: &Budget,
    ) -> Result<(), Option<Witness>> {
        // Of step functions all neurons count at first, in the end those near their jump: what others do says nothing
        // about a small move.
        const SHARPEST: f64 = 8.0;
        let mut x = rows(&starts);
        for step in 0..self.steps {
            if budget.is_spent() {
                return Err(None);
            }
            let look = search.look(&x, aims)?;
            let done = step as f64 / self.steps as f64;
            let length = match self.schedule {
                Schedule::Constant => self.step_size,
                Schedule::Linear => self.step_size * (1.0 - done),
            };
            search.step(&mut x, &look, length, SHARPEST.powf(done));
        }
        search.look(&x, aims).map(|_| ())
    }
}

fn rows(points: &[&Vec<f64>]) -> Array2<f64> {
    let width = points.first().map_or(0, |x| x.len());
    Array2::from_shape_fn((points.len(), width), |(row, i)| points[row][i])
}

/// Tries inputs that a relaxation suggested.
#[must_use]
pub(crate) fn try_candidates(target: Target<'_>, candidates: &VecDeque<Vec<f64>>) -> Option<Witness> {
    let mut search = Search::new(target, Goal::Witness);
    candidates.iter().find_map(|x| search.look(&rows(&[x]), &[None]).err().flatten())
}
