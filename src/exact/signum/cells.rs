//! Sign cells of the neurons that read real inputs: which of their patterns some input attains, decided
//! by a simplex method in exact rationals.
//!
//! The solver proposes a pattern; if no input has it, the inequalities of an infeasible part become a clause
//! (lazy theory combination). Meant for few inputs.

use crate::domains::budget::Budget;
use crate::domains::lp::{RationalOptimum, RationalProgram};
use crate::domains::num::Rational;
use absint_sat::Lit;

/// `Σ a_i x_i ≤ bound`, or `<` where strict.
#[derive(Clone, Debug)]
pub(super) struct Inequality {
    pub terms: Vec<(usize, Rational)>,
    pub bound: Rational,
    pub is_strict: bool,
}

impl Inequality {
    /// The inequality that holds where this one does not.
    fn negated(&self) -> Self {
        Self {
            terms: self.terms.iter().map(|(i, a)| (*i, -a)).collect(),
            bound: -&self.bound,
            is_strict: !self.is_strict,
        }
    }
}

/// A literal that is true exactly where an inequality holds.
#[derive(Clone, Debug)]
pub(super) struct Indicator {
    pub literal: Lit,
    pub inequality: Inequality,
}

/// Rows that no input satisfies together, each with the multiplier by which their sum shows it (Farkas'
/// lemma), for rows whose first coefficient is ±1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Infeasible {
    /// Literals of sides.
    pub sides: Vec<(Lit, Rational)>,
    /// Rows that always hold.
    pub always: Vec<(usize, Rational)>,
}

impl Infeasible {
    /// The clause that holds everywhere.
    pub fn clause(&self) -> Vec<Lit> {
        self.sides.iter().map(|s| !s.0).collect()
    }
}

/// What a pattern of sides means for the inputs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// An input with the pattern.
    Point(Vec<Rational>),
    /// No input has it: literals that no input makes true together.
    Empty(Infeasible),
    /// The time was too short to tell.
    OutOfTime,
}

/// Real inputs, and the literals that say on which side of a hyperplane they lie.
#[derive(Clone, Debug)]
pub(super) struct Cells {
    pub lower: Vec<Rational>,
    pub upper: Vec<Rational>,
    /// Rows that always hold.
    pub rows: Vec<Inequality>,
    pub sides: Vec<Indicator>,
}

impl Cells {
    /// What the pattern that `is_true` describes means.
    pub fn point(&self, is_true: impl Fn(Lit) -> bool, budget: &Budget) -> Cell {
        let mut rows = self.rows.clone();
        let mut held = Vec::with_capacity(self.sides.len());
        for side in &self.sides {
            let holds = is_true(side.literal);
            rows.push(if holds { side.inequality.clone() } else { side.inequality.negated() });
            held.push(if holds { side.literal } else { !side.literal });
        }
        let always = self.rows.len();
        match feasible_point(&self.lower, &self.upper, &rows, budget) {
            None => Cell::OutOfTime,
            Some(Ok(point)) => Cell::Point(point),
            Some(Err(multipliers)) => {
                let mut infeasible = Infeasible { sides: Vec::new(), always: Vec::new() };
                for (r, by) in multipliers {
                    let first = rows[r].terms.iter().min_by_key(|t| t.0).map_or(Rational::ONE, |t| t.1.clone());
                    let by = by * if first < Rational::ZERO { -first } else { first };
                    match r.checked_sub(always) {
                        Some(side) => infeasible.sides.push((held[side], by)),
                        None => infeasible.always.push((r, by)),
                    }
                }
                Cell::Empty(infeasible)
            }
        }
    }
}

/// Rows with their factors.
type Multipliers = Vec<(usize, Rational)>;

/// A point of the box that satisfies all rows, or multipliers of rows that no point of the box satisfies
/// together; `None` when the time is up.
fn feasible_point(
    lower: &[Rational],
    upper: &[Rational],
    rows: &[Inequality],
    budget: &Budget,
) -> Option<Result<Vec<Rational>, Multipliers>> {
    let n = lower.len();
    // The inputs above their lower ends, and the gap of strict rows, which is to be as large as it can.
    let unit = |i: usize, bound: Rational| {
        let mut a = vec![Rational::ZERO; n + 1];
        a[i] = Rational::ONE;
        (a, bound)
    };
    let line = |row: &Inequality| {
        let (mut a, mut bound) = (vec![Rational::ZERO; n + 1], row.bound.clone());
        for (i, c) in &row.terms {
            a[*i] = &a[*i] + c;
            bound -= c * &lower[*i];
        }
        if row.is_strict {
            a[n] = Rational::ONE;
        }
        (a, bound)
    };
    let ends = (0..n).map(|i| unit(i, &upper[i] - &lower[i])).chain([unit(n, Rational::ONE)]);
    let objective = unit(n, Rational::ZERO).0.into_iter().map(|c| -c).collect();
    let mut session = RationalProgram { objective, rows: rows.iter().map(line).chain(ends).collect() }.session();
    match session.minimise(budget) {
        RationalOptimum::OutOfTime => None,
        RationalOptimum::Optimal { value, point } if value < Rational::ZERO || rows.iter().all(|r| !r.is_strict) => {
            Some(Ok(point.iter().zip(lower).map(|(x, lower)| x + lower).collect()))
        }
        _ => Some(Err(session.multipliers().filter(|(r, _)| *r < rows.len()).collect())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use rand_xoshiro::SplitMix64;
    use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

    fn holds(row: &Inequality, x: &[Rational]) -> bool {
        let sum = row.terms.iter().fold(Rational::ZERO, |s, (i, a)| s + a * &x[*i]);
        sum < row.bound || (sum == row.bound && !row.is_strict)
    }

    /// Points are checked; infeasible subsets against a fine grid, and must remain infeasible alone.
    #[test]
    fn points_satisfy_their_rows_and_infeasible_rows_have_none() {
        let mut random = SplitMix64::seed_from_u64(5);
        let mut below = |n: u64| (random.next_u64() % n) as i32;
        let (mut feasible, mut infeasible) = (0, 0);
        for _ in 0..600 {
            let n = 1 + below(2) as usize;
            let lower: Vec<Rational> = (0..n).map(|_| Rational::from(below(3) - 2)).collect();
            let upper: Vec<Rational> = lower.iter().map(|l| l + Rational::from(below(3))).collect();
            let rows: Vec<Inequality> = (0..1 + below(5))
                .map(|_| Inequality {
                    terms: (0..n).map(|i| (i, Rational::from(below(5) - 2))).collect(),
                    bound: Rational::from(below(7) - 3),
                    is_strict: below(2) == 0,
                })
                .collect();
            match feasible_point(&lower, &upper, &rows, &Budget::unlimited()).unwrap() {
                Ok(x) => {
                    assert!(rows.iter().all(|r| holds(r, &x)), "{rows:?} {x:?}");
                    assert!((0..n).all(|i| lower[i] <= x[i] && x[i] <= upper[i]));
                    feasible += 1;
                }
                Err(multipliers) => {
                    let few: Vec<Inequality> = multipliers.iter().map(|(r, _)| rows[*r].clone()).collect();
                    assert!(multipliers.iter().all(|(_, by)| *by > Rational::ZERO));
                    // The sum of the rows is missed by every corner of the box.
                    let mut sum = vec![Rational::ZERO; n];
                    let (mut bound, mut is_strict) = (Rational::ZERO, false);
                    for (r, by) in &multipliers {
                        rows[*r].terms.iter().for_each(|(i, a)| sum[*i] += a * by);
                        bound += &rows[*r].bound * by;
                        is_strict |= rows[*r].is_strict;
                    }
                    let least = (0..n).fold(Rational::ZERO, |s, i| s + (&sum[i] * &lower[i]).min(&sum[i] * &upper[i]));
                    assert!(least > bound || (least == bound && is_strict), "{rows:?}");
                    assert!(feasible_point(&lower, &upper, &few, &Budget::unlimited()).unwrap().is_err());
                    // Vertices of such small systems have denominators up to 8; a finer grid meets open cells.
                    let steps = 48i32;
                    let at = |i: usize, k: i32| {
                        &lower[i] + (&upper[i] - &lower[i]) * Rational::from(k) / Rational::from(steps)
                    };
                    for k in 0..(steps + 1).pow(n as u32) {
                        let x: Vec<Rational> =
                            (0..n).map(|i| at(i, k / (steps + 1).pow(i as u32) % (steps + 1))).collect();
                        assert!(!few.iter().all(|r| holds(r, &x)), "{few:?} {x:?}");
                    }
                    infeasible += 1;
                }
            }
        }
        assert!(feasible > 100 && infeasible > 100, "{feasible} {infeasible}");
    }
}
