//! Random constraints.

use super::super::{Direction, Lit, Solver, Var};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

/// Random numbers from a seed.
pub struct Dice(SplitMix64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(SplitMix64::seed_from_u64(seed))
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0.next_u64() % n
    }

    pub fn literal(&mut self, vars: usize) -> Lit {
        Var::new(self.below(vars as u64) as usize).is(self.below(2) == 0)
    }
}

/// `target ↔ (Σ a l ≥ bound)` or one direction; without a target, the sum alone.
#[derive(Clone, Debug)]
pub struct Constraint {
    pub target: Option<(Lit, Direction)>,
    pub terms: Vec<(i64, Lit)>,
    pub bound: i64,
}

impl Constraint {
    pub fn holds(&self, is_true: impl Fn(Lit) -> bool) -> bool {
        let sum: i64 = self.terms.iter().map(|&(a, l)| if is_true(l) { a } else { 0 }).sum();
        let reached = sum >= self.bound;
        match self.target {
            None => reached,
            Some((y, Direction::Both)) => is_true(y) == reached,
            Some((y, Direction::TargetImplies)) => !is_true(y) || reached,
            Some((y, Direction::ImpliesTarget)) => is_true(y) || !reached,
        }
    }

    pub fn add_to(&self, solver: &mut Solver) {
        match self.target {
            None => solver.add_at_least(&self.terms, self.bound),
            Some((y, direction)) => solver.add_reified(y, direction, &self.terms, self.bound),
        }
        .unwrap();
    }
}

fn clause(dice: &mut Dice, vars: usize) -> Constraint {
    let terms = (0..1 + dice.below(4)).map(|_| (1, dice.literal(vars))).collect();
    Constraint { target: None, terms, bound: 1 }
}

fn linear(dice: &mut Dice, vars: usize, largest: u64) -> Constraint {
    let terms: Vec<(i64, Lit)> = (0..1 + dice.below(vars as u64))
        .map(|_| {
            let sign = if largest > 1 && dice.below(3) == 0 { -1 } else { 1 };
            (sign * (1 + dice.below(largest) as i64), dice.literal(vars))
        })
        .collect();
    let (low, high) = terms.iter().fold((0, 0), |(l, h), &(a, _)| (l + a.min(0), h + a.max(0)));
    let bound = low + dice.below((high - low + 2) as u64) as i64;
    let target = match dice.below(5) {
        0 => None,
        1 => Some(Direction::TargetImplies),
        2 => Some(Direction::ImpliesTarget),
        _ => Some(Direction::Both),
    };
    Constraint { target: target.map(|d| (dice.literal(vars), d)), terms, bound }
}

/// A mixture of clauses, cardinality and weighted constraints over `vars` variables.
pub fn constraints(dice: &mut Dice, vars: usize) -> Vec<Constraint> {
    let count = 1 + dice.below(2 * vars as u64 + 2);
    (0..count)
        .map(|_| match dice.below(4) {
            0 => clause(dice, vars),
            1 | 2 => linear(dice, vars, 1),
            _ => {
                let largest = [2, 5, 1000][dice.below(3) as usize];
                linear(dice, vars, largest)
            }
        })
        .collect()
}
