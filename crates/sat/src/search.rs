//! The search itself: decide, propagate, learn, restart, forget.

use super::solver::{Reason, Solver, UNASSIGNED};
use super::{Limits, Lit, Outcome, Polarity};

/// Clauses that span at most this many decision levels are never forgotten.
const KEPT_DISTANCE: u32 = 2;
/// How many steps pass between two looks at the clock.
const POLL_EVERY: u64 = 64;
const CLAUSE_DECAY: f32 = 0.999;

/// The Luby sequence 1, 1, 2, 1, 1, 2, 4, …
fn luby(mut index: u64) -> u64 {
    loop {
        let ones = (index + 2).next_power_of_two().trailing_zeros();
        let size = (1 << ones) - 1;
        if index + 1 == size {
            return 1 << (ones - 1);
        }
        index -= (size - 1) / 2;
    }
}

impl Solver<'_> {
    /// Looks for an assignment that satisfies all constraints and makes the assumptions true.
    pub fn solve(&mut self, assumptions: &[Lit], limits: &mut Limits<'_>) -> Outcome {
        self.backtrack_to(0);
        self.core.clear();
        if self.consistent {
            self.propagate_root();
        }
        let end = self.statistics.conflicts.saturating_add(limits.conflicts);
        let mut round = 0;
        let outcome = loop {
            if !self.consistent {
                break Outcome::Unsatisfiable;
            }
            let pause = self.statistics.conflicts.saturating_add(self.config.restart * luby(round)).min(end);
            if let Some(outcome) = self.search(assumptions, pause, limits) {
                break outcome;
            }
            self.backtrack_to(0);
            if self.statistics.conflicts >= end {
                break Outcome::Interrupted;
            }
            round += 1;
            self.statistics.restarts += 1;
        };
        if outcome == Outcome::Satisfiable {
            self.model = (0..self.vars()).map(|v| self.values[2 * v] > 0).collect();
        }
        self.backtrack_to(0);
        outcome
    }

    /// Searches until `pause` conflicts; `None` when they are reached.
    fn search(&mut self, assumptions: &[Lit], pause: u64, limits: &mut Limits<'_>) -> Option<Outcome> {
        let mut steps = 0;
        loop {
            steps += 1;
            if steps % POLL_EVERY == 1 && (limits.interrupt)() {
                return Some(Outcome::Interrupted);
            }
            if let Some(conflict) = self.propagate() {
                self.statistics.conflicts += 1;
                if self.levels.is_empty() {
                    self.contradiction();
                    return Some(Outcome::Unsatisfiable);
                }
                self.learn(conflict);
                continue;
            }
            if self.statistics.conflicts >= pause {
                return None;
            }
            if self.levels.is_empty() {
                self.tell_units();
            }
            if self.learnts.len() as f64 >= self.learnt_limit + self.trail.len() as f64 {
                self.forget();
                self.learnt_limit *= 1.1;
            }
            match self.next_decision(assumptions) {
                Decision::Literal(literal) => {
                    self.statistics.decisions += 1;
                    self.levels.push(self.trail.len());
                    self.enqueue(literal, Reason::None);
                }
                Decision::Nothing => self.levels.push(self.trail.len()),
                Decision::Refuted => {
                    self.tell_core();
                    return Some(Outcome::Unsatisfiable);
                }
                Decision::Complete => return Some(Outcome::Satisfiable),
            }
        }
    }

    fn next_decision(&mut self, assumptions: &[Lit]) -> Decision {
        if let Some(&assumption) = assumptions.get(self.levels.len()) {
            if self.is_false(assumption) {
                self.analyze_final(assumption);
                return Decision::Refuted;
            }
            return if self.is_true(assumption) { Decision::Nothing } else { Decision::Literal(assumption) };
        }
        while let Some(var) = self.order.pop() {
            if self.values[var.positive().index()] == UNASSIGNED {
                let value = match self.config.polarity {
                    Polarity::Random => self.next_random() >> 63 == 1,
                    Polarity::Saved => self.phase[var.index()],
                };
                return Decision::Literal(var.is(value));
            }
        }
        Decision::Complete
    }

    /// That the failed assumptions cannot hold together is a conclusion, too.
    fn tell_core(&mut self) {
        let clause: Vec<Lit> = self.core.iter().map(|&l| !l).collect();
        if let Some(proof) = &mut self.proof {
            proof.conclude(&clause);
        }
    }

    fn learn(&mut self, conflict: Reason) {
        let lesson = self.analyze(conflict);
        self.backtrack_to(lesson.level);
        let number = self.proof.as_mut().map_or(0, |proof| proof.conclude(&lesson.clause));
        let reason = if lesson.clause.len() > 1 {
            let clause = self.clauses.push(&lesson.clause, Some(lesson.distance), number);
            self.clauses.set_activity(clause, self.clause_increment);
            self.learnts.push(clause);
            self.watch(clause);
            Reason::Clause(clause)
        } else {
            Reason::None
        };
        self.enqueue(lesson.clause[0], reason);
        self.order.decay(self.config.decay);
        self.clause_increment /= CLAUSE_DECAY;
    }

    /// Throws the less useful half of the learnt clauses away.
    fn forget(&mut self) {
        let mut learnts = std::mem::take(&mut self.learnts);
        learnts.sort_by(|&a, &b| {
            let (near, far) = (self.clauses.distance(a), self.clauses.distance(b));
            near.cmp(&far).then(self.clauses.activity(b).total_cmp(&self.clauses.activity(a)))
        });
        let half = learnts.len() / 2;
        let mut kept = Vec::with_capacity(learnts.len());
        for (rank, clause) in learnts.into_iter().enumerate() {
            let first = self.clauses.lit(clause, 0);
            let is_reason = self.is_true(first) && self.assigned[first.var().index()].reason == Reason::Clause(clause);
            if rank < half || is_reason || self.clauses.distance(clause) <= KEPT_DISTANCE {
                kept.push(clause);
                continue;
            }
            if let Some(proof) = &mut self.proof {
                proof.delete(self.clauses.proof_id(clause));
            }
            self.clauses.delete(clause);
            self.statistics.deleted += 1;
        }
        self.learnts = kept;
        for watches in &mut self.watches {
            watches.retain(|w| !self.clauses.is_deleted(w.clause));
        }
        if self.clauses.should_compact() {
            self.compact();
        }
    }

    fn compact(&mut self) {
        let moved = self.clauses.compact();
        for watch in self.watches.iter_mut().flatten() {
            watch.clause = moved[&watch.clause];
        }
        for clause in &mut self.learnts {
            *clause = moved[clause];
        }
        for &literal in &self.trail {
            if let Reason::Clause(clause) = &mut self.assigned[literal.var().index()].reason {
                *clause = moved[clause];
            }
        }
    }
}

enum Decision {
    /// Make this literal true.
    Literal(Lit),
    /// The assumption of this level holds already.
    Nothing,
    /// An assumption is false.
    Refuted,
    /// Everything is assigned.
    Complete,
}

#[cfg(test)]
mod tests {
    #[test]
    fn restarts_follow_the_luby_sequence() {
        let first: Vec<u64> = (0..15).map(super::luby).collect();
        assert_eq!(first, [1, 1, 2, 1, 1, 2, 4, 1, 1, 2, 1, 1, 2, 4, 8]);
    }
}
