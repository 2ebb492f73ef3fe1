//! The constraints that a proof may refer to, and unit propagation over them.

use super::inequality::Inequality;
use std::collections::HashMap;

/// An inequality as propagation sees it.
#[derive(Debug)]
struct Active {
    terms: Vec<(i128, u32)>,
    /// Coefficients of literals that are not false, less the degree.
    slack: i128,
}

/// The inequalities that are alive, and what follows from them by unit propagation.
#[derive(Debug, Default)]
pub(super) struct Database {
    active: HashMap<u32, Active>,
    pub stored: HashMap<u32, Inequality>,
    /// The variables of the files by their order here, so that a large number costs no more than a small.
    numbers: HashMap<u32, u32>,
    /// For each literal the inequalities that have it.
    occurrences: Vec<Vec<(u32, i128)>>,
    /// Per literal: true, false or open.
    values: Vec<Option<bool>>,
    trail: Vec<u32>,
    head: usize,
    contradicted: bool,
}

impl Database {
    /// The literal of a variable of the files.
    fn literal(&mut self, var: u32, is_negated: bool) -> u32 {
        let next = self.numbers.len() as u32;
        let number = *self.numbers.entry(var).or_insert(next);
        if number == next {
            self.values.extend([None, None]);
            self.occurrences.extend([Vec::new(), Vec::new()]);
        }
        2 * number + u32::from(is_negated)
    }

    fn assign(&mut self, literal: u32) {
        self.values[literal as usize] = Some(true);
        self.values[(literal ^ 1) as usize] = Some(false);
        self.trail.push(literal);
    }

    /// Assigns what inequality `id` forces; true on contradiction.
    fn examine(&mut self, id: u32) -> bool {
        let Some(active) = self.active.get(&id) else { return false };
        if active.slack < 0 {
            return true;
        }
        let mut forced = Vec::new();
        for &(a, l) in &active.terms {
            if a <= active.slack {
                break;
            }
            if self.values[l as usize].is_none() {
                forced.push(l);
            }
        }
        for l in forced {
            self.assign(l);
        }
        false
    }

    /// True on contradiction. All inequalities are kept up to date even then.
    fn propagate(&mut self) -> bool {
        let mut contradiction = false;
        while self.head < self.trail.len() && !contradiction {
            let falsified = self.trail[self.head] ^ 1;
            self.head += 1;
            let touched = std::mem::take(&mut self.occurrences[falsified as usize]);
            for &(id, a) in &touched {
                if let Some(active) = self.active.get_mut(&id) {
                    active.slack -= a;
                }
            }
            for &(id, _) in &touched {
                if !contradiction && self.active.get(&id).is_some_and(|c| c.terms[0].0 > c.slack) {
                    contradiction = self.examine(id);
                }
            }
            self.occurrences[falsified as usize] = touched;
        }
        contradiction
    }

    fn undo_to(&mut self, keep: usize) {
        while self.trail.len() > keep {
            let Some(literal) = self.trail.pop() else { break };
            self.values[literal as usize] = None;
            self.values[(literal ^ 1) as usize] = None;
            if self.trail.len() < self.head {
                for &(id, a) in &self.occurrences[(literal ^ 1) as usize] {
                    if let Some(active) = self.active.get_mut(&id) {
                        active.slack += a;
                    }
                }
            }
        }
        self.head = self.head.min(keep);
    }

    /// Makes an inequality take part in propagation; true on contradiction.
    fn activate(&mut self, id: u32, inequality: &Inequality) -> bool {
        if inequality.degree <= 0 {
            // It always holds, and forces nothing.
            return false;
        }
        let mut terms: Vec<(i128, u32)> =
            inequality.terms.iter().map(|(&v, &(a, n))| (a, self.literal(v, n))).collect();
        terms.sort_unstable_by_key(|t| std::cmp::Reverse(t.0));
        let mut slack = -inequality.degree;
        for &(a, l) in &terms {
            self.occurrences[l as usize].push((id, a));
            // Literals that wait in the trail are subtracted when their turn comes.
            let is_counted = self.values[l as usize] == Some(false) && {
                let waiting = &self.trail[self.head..];
                !waiting.contains(&(l ^ 1))
            };
            slack += if is_counted { 0 } else { a };
        }
        if terms.is_empty() {
            return true;
        }
        self.active.insert(id, Active { terms, slack });
        self.examine(id) || self.propagate()
    }

    pub fn add(&mut self, id: u32, inequality: Inequality) {
        self.contradicted = self.contradicted || self.activate(id, &inequality);
        self.stored.insert(id, inequality);
    }

    pub fn deactivate(&mut self, id: u32) {
        if let Some(active) = self.active.remove(&id) {
            for (_, l) in active.terms {
                if let Some(list) = self.occurrences.get_mut(l as usize) {
                    list.retain(|o| o.0 != id);
                }
            }
        }
    }

    /// Whether the negation leads to a contradiction by unit propagation.
    pub fn implies(&mut self, inequality: &Inequality) -> bool {
        const TEMPORARY: u32 = u32::MAX;
        if self.contradicted || inequality.degree <= 0 {
            return true;
        }
        let Some(negated) = inequality.negated().and_then(Inequality::if_small) else { return false };
        let keep = self.trail.len();
        let contradiction = self.activate(TEMPORARY, &negated);
        self.undo_to(keep);
        // Its own occurrences go last in every list.
        self.active.remove(&TEMPORARY);
        for (&v, &(_, n)) in &negated.terms {
            let literal = self.literal(v, n);
            self.occurrences[literal as usize].retain(|o| o.0 != TEMPORARY);
        }
        contradiction
    }
}
