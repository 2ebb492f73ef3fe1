//! The constraints that a proof may refer to, by number, and what follows from them by unit propagation.
//!
//! What follows from the constraints alone stays assigned, also when they are deleted; a step is tried on top of it and
//! taken back. A clause watches two of its literals, any other inequality counts. Most of these never force anything: they
//! are *cold*, and count only when nothing else is left to do, which is seldom before a contradiction.

use super::inequality::{Inequality, Literal};

/// Sums that have forced something, and those that have not.
const HOT: usize = 0;
const COLD: usize = 1;

/// The inequalities that are alive, and the assignment that they force.
#[derive(Debug, Default)]
pub(super) struct Database {
    /// Constraint `i + 1` at place `i`.
    constraints: Vec<Option<(Inequality, Rule)>>,
    /// For each literal the clauses that watch it, each with a literal that makes it true, perhaps.
    watches: Vec<Vec<(u32, Literal)>>,
    /// For each literal the sums that have it, and its coefficient: the hot ones, and the cold ones.
    sums: [Vec<Vec<(u32, i64)>>; 2],
    /// Cold sums that have forced something.
    warmed: Vec<u32>,
    assigned: Assignment,
    /// How much of the trail the clauses know of, and the hot and the cold sums.
    clause_head: usize,
    sum_heads: [usize; 2],
    pub is_contradictory: bool,
}

/// How a constraint is propagated: as what is left of it once literals are assigned for good.
#[derive(Debug)]
enum Rule {
    /// It holds for good.
    Idle,
    /// The first two literals are watched.
    Clause(Vec<Literal>),
    /// Coefficients by decreasing size; those of literals that are not false, less the degree, are the slack.
    Sum { terms: Vec<(i64, Literal)>, largest: i64, slack: i64 },
}

#[derive(Debug, Default)]
struct Assignment {
    /// Per literal: 1 true, −1 false, 0 open.
    values: Vec<i8>,
    trail: Vec<Literal>,
}

impl Assignment {
    fn value(&self, literal: Literal) -> i8 {
        self.values[literal as usize]
    }

    /// Makes a literal true; false where it is false already.
    fn assign(&mut self, literal: Literal) -> bool {
        if self.value(literal) == 0 {
            self.values[literal as usize] = 1;
            self.values[(literal ^ 1) as usize] = -1;
            self.trail.push(literal);
        }
        self.value(literal) > 0
    }
}

impl Database {
    /// The constraint with this number.
    pub fn get(&self, id: u32) -> Option<&Inequality> {
        let at = (id as usize).checked_sub(1)?;
        self.constraints.get(at)?.as_ref().map(|(inequality, _)| inequality)
    }

    /// Adds a constraint; it gets the next number.
    pub fn add(&mut self, inequality: Inequality) {
        let id = self.constraints.len() as u32;
        let (terms, degree) = self.open_part(&inequality);
        if self.is_contradictory || degree <= 0 {
            self.constraints.push(Some((inequality, Rule::Idle)));
        } else if terms.len() > 1 && terms.iter().all(|t| t.0 == degree) {
            let literals: Vec<Literal> = terms.iter().map(|t| t.1).collect();
            self.watches[literals[0] as usize].push((id, literals[1]));
            self.watches[literals[1] as usize].push((id, literals[0]));
            self.constraints.push(Some((inequality, Rule::Clause(literals))));
        } else {
            self.push_sum(inequality, terms, degree);
            self.is_contradictory = !self.examine(id) || !self.propagate();
        }
    }

    /// Forgets a constraint; false where there is none with this number.
    pub fn delete(&mut self, id: u32) -> bool {
        let at = (id as usize).checked_sub(1);
        let found = at.and_then(|at| Some((at, self.constraints.get_mut(at)?.take()?)));
        if let Some((at, (_, Rule::Sum { terms, .. }))) = &found {
            self.forget_sum(*at as u32, terms);
        }
        found.is_some()
    }

    /// Whether the negation leads to a contradiction by unit propagation.
    pub fn implies(&mut self, inequality: &Inequality) -> bool {
        if self.is_contradictory || inequality.degree <= 0 {
            return true;
        }
        let Some(negated) = inequality.negated() else { return false };
        let (terms, degree) = self.open_part(&negated);
        if degree <= 0 {
            return false;
        }
        for id in std::mem::take(&mut self.warmed) {
            if let Some(Some((_, Rule::Sum { terms, .. }))) = self.constraints.get(id as usize) {
                let terms = terms.clone();
                self.forget_sum(id, &terms);
                terms.iter().for_each(|&(a, l)| self.sums[HOT][l as usize].push((id, a)));
            }
        }
        let (id, keep) = (self.constraints.len() as u32, self.assigned.trail.len());
        self.push_sum(negated, terms, degree);
        let is_implied = !self.examine(id) || !self.propagate();
        self.undo_to(keep);
        if let Some(Some((_, Rule::Sum { terms, .. }))) = self.constraints.pop() {
            self.forget_sum(id, &terms);
        }
        is_implied
    }

    /// What an inequality asks for of open literals, coefficients up to the degree: of a very large one a part, that sums fit.
    fn open_part(&mut self, inequality: &Inequality) -> (Vec<(i64, Literal)>, i64) {
        let literals = inequality.terms.last().map_or(0, |t| (t.1 as usize | 1) + 1);
        if self.watches.len() < literals {
            self.watches.resize_with(literals, Vec::new);
            self.sums.iter_mut().for_each(|lists| lists.resize_with(literals, Vec::new));
            self.assigned.values.resize(literals, 0);
        }
        let assigned = &self.assigned;
        let terms = |value: i8| inequality.terms.iter().filter(move |t| assigned.value(t.1) == value);
        let most = i128::from(i64::MAX) / (inequality.terms.len() as i128 + 1);
        let degree = (inequality.degree - terms(1).map(|t| t.0).sum::<i128>()).clamp(0, most);
        (terms(0).map(|&(a, l)| (a.min(degree) as i64, l)).collect(), degree as i64)
    }

    /// Stores a constraint that counts. All that is assigned must have been propagated.
    fn push_sum(&mut self, inequality: Inequality, mut terms: Vec<(i64, Literal)>, degree: i64) {
        terms.sort_by_key(|t| std::cmp::Reverse(t.0));
        let id = self.constraints.len() as u32;
        terms.iter().for_each(|&(a, l)| self.sums[COLD][l as usize].push((id, a)));
        let (largest, slack) = (terms.first().map_or(0, |t| t.0), terms.iter().map(|t| t.0).sum::<i64>() - degree);
        self.constraints.push(Some((inequality, Rule::Sum { terms, largest, slack })));
    }

    /// Takes a sum out of the lists.
    fn forget_sum(&mut self, id: u32, terms: &[(i64, Literal)]) {
        for (_, l) in terms {
            for list in self.sums.iter_mut().rev().map(|lists| &mut lists[*l as usize]) {
                // That of a step that was tried is the last.
                if let Some(at) = list.iter().rposition(|entry| entry.0 == id) {
                    list.swap_remove(at);
                    break;
                }
            }
        }
    }

    /// Assigns what a sum forces; false on contradiction.
    fn examine(&mut self, id: u32) -> bool {
        let Some(Some((_, Rule::Sum { terms, slack, .. }))) = self.constraints.get(id as usize) else { return true };
        for &(_, l) in terms.iter().take_while(|t| t.0 > *slack) {
            if self.assigned.value(l) == 0 {
                self.assigned.assign(l);
            }
        }
        *slack >= 0
    }

    /// Assigns what follows; false on contradiction. What costs least goes first.
    fn propagate(&mut self) -> bool {
        loop {
            while let Some(&literal) = self.assigned.trail.get(self.clause_head) {
                self.clause_head += 1;
                if !self.visit_clauses(literal ^ 1) {
                    return false;
                }
            }
            let Some(kind) = [HOT, COLD].into_iter().find(|&kind| self.sum_heads[kind] < self.assigned.trail.len())
            else {
                return true;
            };
            let literal = self.assigned.trail[self.sum_heads[kind]];
            self.sum_heads[kind] += 1;
            if !self.visit_sums(literal ^ 1, kind) {
                return false;
            }
        }
    }

    /// Visits the clauses that watch a literal that became false.
    fn visit_clauses(&mut self, falsified: Literal) -> bool {
        let mut list = std::mem::take(&mut self.watches[falsified as usize]);
        let (mut at, mut is_consistent) = (0, true);
        while at < list.len() && is_consistent {
            let (id, other) = list[at];
            if self.assigned.value(other) > 0 {
                at += 1;
                continue;
            }
            let Some(Some((_, Rule::Clause(clause)))) = self.constraints.get_mut(id as usize) else {
                list.swap_remove(at);
                continue;
            };
            if clause[0] == falsified {
                clause.swap(0, 1);
            }
            let other = clause[0];
            let next = (2..clause.len()).find(|&i| self.assigned.value(clause[i]) >= 0);
            if let Some(i) = next.filter(|_| self.assigned.value(other) <= 0) {
                clause.swap(1, i);
                self.watches[clause[1] as usize].push((id, other));
                list.swap_remove(at);
            } else {
                list[at].1 = other;
                at += 1;
                is_consistent = self.assigned.assign(other);
            }
        }
        self.watches[falsified as usize] = list;
        is_consistent
    }

    /// Counts in the sums that have a literal that became false: in all of them, also on contradiction.
    fn visit_sums(&mut self, falsified: Literal, kind: usize) -> bool {
        let list = std::mem::take(&mut self.sums[kind][falsified as usize]);
        let mut is_consistent = true;
        for &(id, a) in &list {
            if let Some(Some((_, Rule::Sum { largest, slack, .. }))) = self.constraints.get_mut(id as usize) {
                *slack -= a;
                if *largest > *slack && is_consistent {
                    let before = self.assigned.trail.len();
                    is_consistent = self.examine(id);
                    if kind == COLD && (!is_consistent || self.assigned.trail.len() > before) {
                        self.warmed.push(id);
                    }
                }
            }
        }
        self.sums[kind][falsified as usize] = list;
        is_consistent
    }

    fn undo_to(&mut self, keep: usize) {
        while self.assigned.trail.len() > keep
            && let Some(literal) = self.assigned.trail.pop()
        {
            self.assigned.values[literal as usize] = 0;
            self.assigned.values[(literal ^ 1) as usize] = 0;
            for (lists, &head) in self.sums.iter().zip(&self.sum_heads) {
                let of_literal = &lists[(literal ^ 1) as usize];
                for &(id, a) in of_literal.iter().filter(|_| self.assigned.trail.len() < head) {
                    if let Some(Some((_, Rule::Sum { slack, .. }))) = self.constraints.get_mut(id as usize) {
                        *slack += a;
                    }
                }
            }
        }
        self.clause_head = self.clause_head.min(keep);
        self.sum_heads = self.sum_heads.map(|head| head.min(keep));
    }
}

#[cfg(test)]
mod tests;
