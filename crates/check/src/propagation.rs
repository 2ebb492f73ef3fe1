//! Unit propagation: two watched literals per clause, a counter per other inequality.
//!
//! What follows from the constraints alone stays assigned; a step is tried on top of it and taken back. Most
//! inequalities of a formula never force anything: their counters are *cold*, and move only when nothing else is
//! left to do, which is seldom before a contradiction. One that forces something becomes *hot*.

use super::inequality::Literal;

/// `Σ a l ≥ degree` with a counter.
#[derive(Debug)]
struct Counter {
    /// Coefficients of literals that are not false, less the degree.
    slack: i64,
    degree: i64,
    is_hot: bool,
    /// The two largest coefficients, and the literal of the first.
    largest: i64,
    second: i64,
    first: Literal,
    /// By decreasing coefficient; empty once the inequality is removed.
    terms: Vec<(i64, Literal)>,
}

/// What a counter does to the assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Nothing,
    Forced,
    Contradiction,
}

/// A watch on a clause; while `other` is true the clause need not be looked at.
#[derive(Clone, Copy, Debug)]
struct Watch {
    clause: u32,
    other: Literal,
}

/// How a constraint is propagated.
#[derive(Clone, Copy, Debug)]
pub(super) enum Handle {
    Clause(u32),
    Counter(u32),
}

/// An assignment, and the constraints that extend it.
#[derive(Debug, Default)]
pub(super) struct Propagation {
    /// A removed clause has no literals. The first two are watched.
    clauses: Vec<Box<[Literal]>>,
    /// For each literal the clauses that watch its negation.
    watches: Vec<Vec<Watch>>,
    counters: Vec<Counter>,
    /// For each literal the hot counters that have it, and its coefficient.
    hot: Vec<Vec<(u32, i64)>>,
    /// The same for all counters.
    all: Vec<Vec<(u32, i64)>>,
    /// Per literal: 1 true, −1 false, 0 open.
    values: Vec<i8>,
    trail: Vec<Literal>,
    /// Per variable its place in the trail, when it was assigned last.
    places: Vec<u32>,
    /// How much of the trail the clauses, the hot and the cold counters know of.
    clause_head: usize,
    hot_head: usize,
    cold_head: usize,
    touched: Vec<u32>,
    is_contradictory: bool,
}

impl Propagation {
    /// Makes room for so many literals.
    pub fn grow(&mut self, literals: usize) {
        if self.values.len() < literals {
            self.values.resize(literals, 0);
            self.watches.resize_with(literals, Vec::new);
            self.hot.resize_with(literals, Vec::new);
            self.all.resize_with(literals, Vec::new);
            self.places.resize(literals / 2, 0);
        }
    }

    pub fn is_contradictory(&self) -> bool {
        self.is_contradictory
    }

    fn value(&self, literal: Literal) -> i8 {
        self.values[literal as usize]
    }

    fn assign(&mut self, literal: Literal) {
        self.values[literal as usize] = 1;
        self.values[(literal ^ 1) as usize] = -1;
        self.places[(literal >> 1) as usize] = self.trail.len() as u32;
        self.trail.push(literal);
    }

    /// Adds `Σ a l ≥ degree` with `0 < a ≤ degree`, each variable once, for good; `None` where what follows from it
    /// is assigned already.
    pub fn add(&mut self, terms: Vec<(i64, Literal)>, degree: i64) -> Option<Handle> {
        let sure: i64 = terms.iter().filter(|t| self.value(t.1) > 0).map(|t| t.0).sum();
        if self.is_contradictory || sure >= degree {
            return None;
        }
        let handle = if terms.iter().all(|t| t.0 == degree) {
            let mut literals: Vec<Literal> = terms.iter().map(|t| t.1).collect();
            // Open ones first.
            literals.sort_by_key(|&l| self.value(l) < 0);
            let open = literals.iter().filter(|&&l| self.value(l) == 0).count();
            match open {
                0 => self.is_contradictory = true,
                1 => self.assign(literals[0]),
                _ => {
                    let clause = self.clauses.len() as u32;
                    self.watches[(literals[0] ^ 1) as usize].push(Watch { clause, other: literals[1] });
                    self.watches[(literals[1] ^ 1) as usize].push(Watch { clause, other: literals[0] });
                    self.clauses.push(literals.into());
                    return Some(Handle::Clause(clause));
                }
            }
            None
        } else {
            let id = self.count(terms, degree);
            self.is_contradictory = self.examine(id) == Effect::Contradiction;
            Some(Handle::Counter(id))
        };
        self.is_contradictory = self.is_contradictory || self.propagate();
        handle
    }

    /// A counter for an inequality. All that is assigned must have been propagated.
    fn count(&mut self, mut terms: Vec<(i64, Literal)>, degree: i64) -> u32 {
        let id = self.counters.len() as u32;
        terms.sort_by_key(|t| std::cmp::Reverse(t.0));
        let mut slack = -degree;
        for &(a, l) in &terms {
            self.all[l as usize].push((id, a));
            slack += if self.value(l) < 0 { 0 } else { a };
        }
        let (largest, first) = terms.first().copied().unwrap_or((0, 0));
        let second = terms.get(1).map_or(0, |t| t.0);
        self.counters.push(Counter { slack, degree, is_hot: false, largest, second, first, terms });
        id
    }

    /// Removes a constraint that was added.
    pub fn remove(&mut self, handle: Handle) {
        match handle {
            Handle::Clause(id) => self.clauses[id as usize] = Box::default(),
            Handle::Counter(id) => {
                for (_, l) in std::mem::take(&mut self.counters[id as usize].terms) {
                    self.all[l as usize].retain(|o| o.0 != id);
                    self.hot[l as usize].retain(|o| o.0 != id);
                }
            }
        }
    }

    /// Whether `Σ a l ≥ degree` leads to a contradiction.
    pub fn refutes(&mut self, terms: Vec<(i64, Literal)>, degree: i64) -> bool {
        if self.is_contradictory {
            return true;
        }
        let possible: i64 = terms.iter().filter(|t| self.value(t.1) >= 0).map(|t| t.0).sum();
        if possible < degree {
            return true;
        }
        let (keep, slack) = (self.trail.len(), possible - degree);
        let contradiction = if terms.iter().all(|t| t.0 > slack) {
            // A clause's negation: nothing remains to be counted.
            for (_, l) in terms {
                if self.value(l) == 0 {
                    self.assign(l);
                }
            }
            self.propagate()
        } else {
            let id = self.count(terms, degree);
            let contradiction = self.examine(id) == Effect::Contradiction || self.propagate();
            self.undo_to(keep);
            self.remove(Handle::Counter(id));
            self.counters.pop();
            contradiction
        };
        self.undo_to(keep);
        contradiction
    }

    /// Assigns what a counter forces.
    fn examine(&mut self, id: u32) -> Effect {
        let counter = &self.counters[id as usize];
        if counter.slack < 0 {
            return Effect::Contradiction;
        }
        let before = self.trail.len();
        for &(a, l) in &counter.terms {
            if a <= counter.slack {
                break;
            }
            if self.values[l as usize] == 0 {
                // As in `assign`, which cannot be called while the terms are read.
                self.values[l as usize] = 1;
                self.values[(l ^ 1) as usize] = -1;
                self.places[(l >> 1) as usize] = self.trail.len() as u32;
                self.trail.push(l);
            }
        }
        if self.trail.len() > before { Effect::Forced } else { Effect::Nothing }
    }

    /// Makes a counter hot.
    fn warm(&mut self, id: u32) {
        let counter = &mut self.counters[id as usize];
        counter.is_hot = true;
        counter.slack = -counter.degree;
        for &(a, l) in &counter.terms {
            self.hot[l as usize].push((id, a));
            let is_counted = self.values[l as usize] < 0 && (self.places[(l >> 1) as usize] as usize) < self.hot_head;
            counter.slack += if is_counted { 0 } else { a };
        }
    }

    /// True on contradiction. What costs least goes first.
    fn propagate(&mut self) -> bool {
        loop {
            while let Some(&literal) = self.trail.get(self.clause_head) {
                self.clause_head += 1;
                if self.visit_clauses(literal) {
                    return true;
                }
            }
            let is_hot = self.hot_head < self.trail.len();
            let head = if is_hot { &mut self.hot_head } else { &mut self.cold_head };
            let Some(&literal) = self.trail.get(*head) else { return false };
            *head += 1;
            if self.visit_counters(literal ^ 1, is_hot) {
                return true;
            }
        }
    }

    /// Visits the clauses that watch the negation of a literal that became true.
    fn visit_clauses(&mut self, literal: Literal) -> bool {
        let falsified = literal ^ 1;
        let mut watches = std::mem::take(&mut self.watches[literal as usize]);
        let mut contradiction = false;
        let (mut kept, mut next) = (0, 0);
        while next < watches.len() && !contradiction {
            let watch = watches[next];
            next += 1;
            if self.value(watch.other) > 0 {
                watches[kept] = watch;
                kept += 1;
                continue;
            }
            let clause = &mut self.clauses[watch.clause as usize];
            if clause.is_empty() {
                continue;
            }
            if clause[0] == falsified {
                clause.swap(0, 1);
            }
            let other = clause[0];
            let values = &self.values;
            if values[other as usize] <= 0
                && let Some(i) = (2..clause.len()).find(|&i| values[clause[i] as usize] >= 0)
            {
                clause.swap(1, i);
                let watched = clause[1] ^ 1;
                self.watches[watched as usize].push(Watch { clause: watch.clause, other });
                continue;
            }
            watches[kept] = Watch { clause: watch.clause, other };
            kept += 1;
            match self.value(other) {
                0 => self.assign(other),
                value => contradiction = value < 0,
            }
        }
        watches.copy_within(next.., kept);
        watches.truncate(kept + watches.len() - next);
        self.watches[literal as usize] = watches;
        contradiction
    }

    /// Updates the hot or the cold counters of a literal that became false; all of them, even on contradiction.
    fn visit_counters(&mut self, falsified: Literal, is_hot: bool) -> bool {
        let mut touched = std::mem::take(&mut self.touched);
        touched.clear();
        let lists = if is_hot { &self.hot } else { &self.all };
        for &(id, a) in &lists[falsified as usize] {
            let counter = &mut self.counters[id as usize];
            if counter.is_hot != is_hot {
                continue;
            }
            counter.slack -= a;
            let slack = counter.slack;
            if slack < counter.second || (slack < counter.largest && self.values[counter.first as usize] == 0) {
                touched.push(id);
            }
        }
        let mut contradiction = false;
        for &id in &touched {
            let mut effect = self.examine(id);
            if effect != Effect::Nothing && !is_hot {
                self.warm(id);
                // Now it counts what the hot ones have seen already.
                effect = self.examine(id);
            }
            contradiction = effect == Effect::Contradiction;
            if contradiction {
                break;
            }
        }
        self.touched = touched;
        contradiction
    }

    fn undo_to(&mut self, keep: usize) {
        while self.trail.len() > keep {
            let Some(literal) = self.trail.pop() else { break };
            self.values[literal as usize] = 0;
            self.values[(literal ^ 1) as usize] = 0;
            let falsified = (literal ^ 1) as usize;
            if self.trail.len() < self.hot_head {
                for &(id, a) in &self.hot[falsified] {
                    self.counters[id as usize].slack += a;
                }
            }
            if self.trail.len() < self.cold_head {
                for &(id, a) in &self.all[falsified] {
                    let counter = &mut self.counters[id as usize];
                    counter.slack += if counter.is_hot { 0 } else { a };
                }
            }
        }
        self.clause_head = self.clause_head.min(keep);
        self.hot_head = self.hot_head.min(keep);
        self.cold_head = self.cold_head.min(keep);
    }
}

#[cfg(test)]
mod tests;
