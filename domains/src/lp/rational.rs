//! The simplex method in exact rationals, for programs of a few dozen rows: ties are decided, not
//! guessed (Chvátal, *Linear Programming*, 1983, chapters 2 and 3).

use crate::budget::Budget;
use crate::num::Rational;

/// Minimise `objective · x` subject to `a · x ≤ b` for every row `(a, b)`, and `x ≥ 0`.
#[derive(Clone, Debug, Default)]
pub struct RationalProgram {
    /// One coefficient per variable.
    pub objective: Vec<Rational>,
    /// Coefficients, one per variable, and right side.
    pub rows: Vec<(Vec<Rational>, Rational)>,
}

/// What became of a [`RationalProgram`].
#[derive(Clone, Debug, PartialEq)]
pub enum RationalOptimum {
    /// No point satisfies the rows.
    Infeasible,
    /// The objective falls without end.
    Unbounded,
    /// The exact minimum.
    Optimal {
        /// Its value.
        value: Rational,
        /// Where it is attained.
        point: Vec<Rational>,
    },
    /// The time was up.
    OutOfTime,
}

/// After so many pivots the rule that cannot cycle takes over from the one that is quick.
const QUICK_PIVOTS: usize = 200;

/// `basic_i = b_i − Σ_j a_ij nonbasic_j` and `z = value + Σ_j c_j nonbasic_j`.
struct Dictionary {
    basic: Vec<usize>,
    nonbasic: Vec<usize>,
    a: Vec<Vec<Rational>>,
    b: Vec<Rational>,
    c: Vec<Rational>,
    value: Rational,
    pivots: usize,
}

enum Step {
    Optimal,
    Unbounded,
    Pivoted,
}

impl Dictionary {
    fn pivot(&mut self, row: usize, column: usize) {
        self.pivots += 1;
        let inverse = Rational::ONE / &self.a[row][column];
        for (j, a) in self.a[row].iter_mut().enumerate() {
            *a = if j == column { inverse.clone() } else { &*a * &inverse };
        }
        self.b[row] = &self.b[row] * &inverse;
        let (pivot_row, pivot_b) = (self.a[row].clone(), self.b[row].clone());
        let reduce = |coefficients: &mut [Rational]| {
            let factor = coefficients[column].clone();
            if factor == Rational::ZERO {
                return factor;
            }
            for (j, (a, p)) in coefficients.iter_mut().zip(&pivot_row).enumerate() {
                if j == column {
                    *a = -(&factor * p);
                } else if p != &Rational::ZERO {
                    *a -= &factor * p;
                }
            }
            factor
        };
        for i in (0..self.a.len()).filter(|&i| i != row) {
            let factor = reduce(&mut self.a[i]);
            self.b[i] -= factor * &pivot_b;
        }
        let factor = reduce(&mut self.c);
        self.value += factor * &pivot_b;
        std::mem::swap(&mut self.basic[row], &mut self.nonbasic[column]);
    }

    fn step(&mut self) -> Step {
        let falls = (0..self.c.len()).filter(|&j| self.c[j] < Rational::ZERO);
        let entering = if self.pivots < QUICK_PIVOTS {
            falls.min_by(|&i, &j| self.c[i].cmp(&self.c[j]))
        } else {
            falls.min_by_key(|&j| self.nonbasic[j])
        };
        let Some(column) = entering else { return Step::Optimal };
        let mut best: Option<(Rational, usize)> = None;
        for i in (0..self.a.len()).filter(|&i| self.a[i][column] > Rational::ZERO) {
            let ratio = &self.b[i] / &self.a[i][column];
            let is_better = best
                .as_ref()
                .is_none_or(|(least, at)| &ratio < least || (&ratio == least && self.basic[i] < self.basic[*at]));
            if is_better {
                best = Some((ratio, i));
            }
        }
        let Some((_, row)) = best else { return Step::Unbounded };
        self.pivot(row, column);
        Step::Pivoted
    }

    /// `None` when the time is up; otherwise whether there is an optimum.
    fn optimise(&mut self, budget: &Budget) -> Option<bool> {
        loop {
            if budget.is_spent() {
                return None;
            }
            match self.step() {
                Step::Pivoted => {}
                Step::Optimal => return Some(true),
                Step::Unbounded => return Some(false),
            }
        }
    }

    /// After an optimum and new rows: pivots that keep the objective's coefficients nonnegative until the
    /// right sides are (the dual simplex method). `Some(false)` when no point satisfies the rows.
    fn restore(&mut self, budget: &Budget) -> Option<bool> {
        let start = self.pivots;
        loop {
            if budget.is_spent() {
                return None;
            }
            let short = (0..self.b.len()).filter(|&i| self.b[i] < Rational::ZERO);
            let leaving = if self.pivots < start + QUICK_PIVOTS {
                short.min_by(|&i, &j| self.b[i].cmp(&self.b[j]))
            } else {
                short.min_by_key(|&i| self.basic[i])
            };
            let Some(row) = leaving else { return Some(true) };
            let mut best: Option<(Rational, usize)> = None;
            for j in (0..self.c.len()).filter(|&j| self.a[row][j] < Rational::ZERO) {
                let ratio = -(&self.c[j] / &self.a[row][j]);
                let is_better = best.as_ref().is_none_or(|(least, at)| {
                    &ratio < least || (&ratio == least && self.nonbasic[j] < self.nonbasic[*at])
                });
                if is_better {
                    best = Some((ratio, j));
                }
            }
            let Some((_, column)) = best else { return Some(false) };
            self.pivot(row, column);
        }
    }

    /// Makes all right sides nonnegative by minimising how far one additional variable must relax them
    /// all. `Some(false)` when that stays positive: no point satisfies the rows.
    fn make_feasible(&mut self, budget: &Budget) -> Option<bool> {
        let Some(worst) = (0..self.b.len()).min_by(|&i, &j| self.b[i].cmp(&self.b[j])) else { return Some(true) };
        if self.b[worst] >= Rational::ZERO {
            return Some(true);
        }
        let extra = usize::MAX;
        self.nonbasic.push(extra);
        self.a.iter_mut().for_each(|row| row.push(-Rational::ONE));
        let columns = self.nonbasic.len();
        let objective = std::mem::replace(&mut self.c, vec![Rational::ZERO; columns]);
        self.c[columns - 1] = Rational::ONE;
        self.value = Rational::ZERO;
        self.pivot(worst, columns - 1);
        self.optimise(budget)?;
        if self.value > Rational::ZERO {
            return Some(false);
        }
        if let Some(row) = self.basic.iter().position(|&v| v == extra) {
            match (0..columns).find(|&j| self.a[row][j] != Rational::ZERO) {
                Some(column) => self.pivot(row, column),
                None => {
                    // The row reads 0 = 0.
                    self.basic.remove(row);
                    self.a.remove(row);
                    self.b.remove(row);
                }
            }
        }
        if let Some(column) = self.nonbasic.iter().position(|&v| v == extra) {
            self.nonbasic.remove(column);
            self.a.iter_mut().for_each(|row| drop(row.remove(column)));
        }
        // The objective in the variables that are nonbasic now.
        self.c = self.nonbasic.iter().map(|&v| objective.get(v).cloned().unwrap_or_default()).collect();
        self.value = Rational::ZERO;
        for (row, &v) in self.basic.iter().enumerate() {
            let Some(c) = objective.get(v).filter(|c| **c != Rational::ZERO) else { continue };
            self.value += c * &self.b[row];
            for (sum, a) in self.c.iter_mut().zip(&self.a[row]) {
                *sum -= c * a;
            }
        }
        Some(true)
    }
}

impl RationalProgram {
    /// Solves the program exactly.
    ///
    /// # Panics
    /// If a row does not have one coefficient per variable.
    #[must_use]
    pub fn minimise(&self, budget: &Budget) -> RationalOptimum {
        self.session().minimise(budget)
    }

    /// A session in which rows can be added between solves.
    ///
    /// # Panics
    /// If a row does not have one coefficient per variable.
    #[must_use]
    pub fn session(&self) -> RationalSession {
        let n = self.objective.len();
        assert!(self.rows.iter().all(|(a, _)| a.len() == n), "one coefficient per variable");
        let dictionary = Dictionary {
            basic: (n..n + self.rows.len()).collect(),
            nonbasic: (0..n).collect(),
            a: self.rows.iter().map(|(a, _)| a.clone()).collect(),
            b: self.rows.iter().map(|(_, b)| b.clone()).collect(),
            c: self.objective.clone(),
            value: Rational::ZERO,
            pivots: 0,
        };
        RationalSession { variables: n, next: n + self.rows.len(), dictionary, is_optimal: false, ended: None }
    }
}

/// A program that keeps its last optimum, from which it goes on when a row is added.
pub struct RationalSession {
    variables: usize,
    /// Number of the next slack variable.
    next: usize,
    dictionary: Dictionary,
    is_optimal: bool,
    /// What it ended with, when it cannot go on.
    ended: Option<RationalOptimum>,
}

impl RationalSession {
    /// Solves the program with all rows so far. A session that found no optimum stays that way.
    #[must_use]
    pub fn minimise(&mut self, budget: &Budget) -> RationalOptimum {
        if let Some(ended) = &self.ended {
            return ended.clone();
        }
        let optimum = self.go_on(budget);
        if !matches!(optimum, RationalOptimum::Optimal { .. }) {
            self.ended = Some(optimum.clone());
        }
        optimum
    }

    /// Rows with their multipliers, none of them negative: the dual solution after an optimum, and where the first rows
    /// have no point together, factors by which their sum shows it (Farkas' lemma).
    pub fn multipliers(&self) -> impl Iterator<Item = (usize, Rational)> {
        let Dictionary { nonbasic, c, .. } = &self.dictionary;
        let costs = nonbasic.iter().zip(c).filter(|(_, c)| **c != Rational::ZERO);
        costs.filter_map(|(&v, c)| Some((v.checked_sub(self.variables)?, c.clone())))
    }

    fn go_on(&mut self, budget: &Budget) -> RationalOptimum {
        let feasible =
            if self.is_optimal { self.dictionary.restore(budget) } else { self.dictionary.make_feasible(budget) };
        match feasible {
            None => return RationalOptimum::OutOfTime,
            Some(false) => return RationalOptimum::Infeasible,
            Some(true) => {}
        }
        match self.dictionary.optimise(budget) {
            None => return RationalOptimum::OutOfTime,
            Some(false) => return RationalOptimum::Unbounded,
            Some(true) => self.is_optimal = true,
        }
        let mut point = vec![Rational::ZERO; self.variables];
        for (&v, b) in self.dictionary.basic.iter().zip(&self.dictionary.b) {
            if v < self.variables {
                point[v] = b.clone();
            }
        }
        RationalOptimum::Optimal { value: self.dictionary.value.clone(), point }
    }

    /// Adds the row `a · x ≤ b`; superfluous coefficients are ignored, missing ones are 0.
    pub fn add_row(&mut self, a: &[Rational], b: &Rational) {
        let Dictionary { basic, nonbasic, a: rows, b: sides, .. } = &mut self.dictionary;
        let coefficient = |v: usize| if v < self.variables { a.get(v) } else { None };
        let mut row: Vec<Rational> = nonbasic.iter().map(|&v| coefficient(v).cloned().unwrap_or_default()).collect();
        let mut side = b.clone();
        for ((&v, of_basic), value) in basic.iter().zip(rows.iter()).zip(sides.iter()) {
            let Some(c) = coefficient(v).filter(|c| **c != Rational::ZERO) else { continue };
            side -= c * value;
            for (sum, a) in row.iter_mut().zip(of_basic) {
                *sum -= c * a;
            }
        }
        rows.push(row);
        sides.push(side);
        basic.push(self.next);
        self.next += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn program(objective: &[i32], rows: &[(Vec<i32>, i32)]) -> RationalProgram {
        let all = |v: &[i32]| v.iter().map(|&x| Rational::from(x)).collect::<Vec<_>>();
        RationalProgram {
            objective: all(objective),
            rows: rows.iter().map(|(a, b)| (all(a), Rational::from(*b))).collect(),
        }
    }

    /// The least value over all vertices: every choice of as many tight constraints as variables (two).
    fn by_vertices(p: &RationalProgram) -> Option<Rational> {
        let mut rows = p.rows.clone();
        rows.extend([(vec![-Rational::ONE, Rational::ZERO], Rational::ZERO)]);
        rows.extend([(vec![Rational::ZERO, -Rational::ONE], Rational::ZERO)]);
        let mut least: Option<Rational> = None;
        for i in 0..rows.len() {
            for j in 0..i {
                let ((a, e), (b, f)) = (&rows[i], &rows[j]);
                let det = &a[0] * &b[1] - &a[1] * &b[0];
                if det == Rational::ZERO {
                    continue;
                }
                let x = [(e * &b[1] - f * &a[1]) / &det, (f * &a[0] - e * &b[0]) / &det];
                if rows.iter().all(|(r, rhs)| &(&r[0] * &x[0] + &r[1] * &x[1]) <= rhs) {
                    let value = &p.objective[0] * &x[0] + &p.objective[1] * &x[1];
                    least = Some(least.map_or(value.clone(), |l| l.min(value)));
                }
            }
        }
        least
    }

    proptest! {
        #[test]
        fn it_finds_the_best_vertex(
            objective in prop::collection::vec(-5..5i32, 2),
            rows in prop::collection::vec((prop::collection::vec(-4..5i32, 2), -6..9i32), 0..7),
        ) {
            // A box keeps it bounded.
            let mut rows = rows;
            rows.extend([(vec![1, 0], 7), (vec![0, 1], 7)]);
            let p = program(&objective, &rows);
            match p.minimise(&Budget::unlimited()) {
                RationalOptimum::Infeasible => prop_assert_eq!(by_vertices(&p), None),
                RationalOptimum::Optimal { value, point } => {
                    prop_assert_eq!(by_vertices(&p), Some(value.clone()));
                    prop_assert_eq!(&p.objective[0] * &point[0] + &p.objective[1] * &point[1], value);
                    prop_assert!(point.iter().all(|x| x >= &Rational::ZERO));
                    prop_assert!(p.rows.iter().all(|(a, b)| &(&a[0] * &point[0] + &a[1] * &point[1]) <= b));
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }

    proptest! {
        #[test]
        fn a_row_added_later_counts_as_much(
            objective in prop::collection::vec(-5..5i32, 3),
            rows in prop::collection::vec((prop::collection::vec(-4..5i32, 3), -6..9i32), 1..7),
        ) {
            let mut first = vec![(vec![1, 0, 0], 7), (vec![0, 1, 0], 7), (vec![0, 0, 1], 7)];
            let mut session = program(&objective, &first).session();
            for (a, b) in rows {
                let before = session.minimise(&Budget::unlimited());
                let small: Vec<Rational> = a.iter().map(|&x| Rational::from(x)).collect();
                session.add_row(&small, &Rational::from(b));
                first.push((a, b));
                let after = session.minimise(&Budget::unlimited());
                match (&after, program(&objective, &first).minimise(&Budget::unlimited())) {
                    (RationalOptimum::Infeasible, RationalOptimum::Infeasible) => break,
                    (RationalOptimum::Optimal { value, .. }, RationalOptimum::Optimal { value: anew, .. }) => {
                        prop_assert_eq!(value, &anew);
                    }
                    other => prop_assert!(false, "{:?} after {:?}", other, before),
                }
            }
        }
    }

    #[test]
    fn it_tells_unbounded_programs_and_a_spent_budget() {
        let p = program(&[-1, 0], &[(vec![0, 1], 3)]);
        assert_eq!(p.minimise(&Budget::unlimited()), RationalOptimum::Unbounded);
        let spent = Budget::unlimited();
        spent.cancel();
        assert_eq!(p.minimise(&spent), RationalOptimum::OutOfTime);
    }
}
