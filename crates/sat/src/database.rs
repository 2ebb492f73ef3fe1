//! The database of clauses: given and learnt ones, who watches them, and which learnt ones are forgotten.

use super::clauses::{ClauseRef, Clauses};
use super::proof::Told;
use super::trail::{Reason, Trail};
use super::{Config, Lit};
use float_ord::FloatOrd;
use std::cmp::Reverse;

/// Clauses that span at most this many decision levels are never forgotten.
const KEPT_DISTANCE: u32 = 2;
const CLAUSE_DECAY: f32 = 0.999;
const RESCALE_AT: f32 = 1e20;
const RESCALE_BY: f32 = 1e-20;

/// A watch on a clause; while `blocker` is true the clause need not be looked at.
#[derive(Clone, Copy, Debug)]
struct Watch {
    clause: ClauseRef,
    blocker: Lit,
}

/// All clauses of two and more literals. The first two of each are watched.
#[derive(Debug)]
pub(super) struct Database {
    clauses: Clauses,
    /// For each literal the clauses that watch its negation.
    watches: Vec<Vec<Watch>>,
    learnts: Vec<ClauseRef>,
    increment: f32,
    limit: f64,
}

impl Database {
    pub fn new(config: &Config) -> Self {
        Self {
            clauses: Clauses::default(),
            watches: Vec::new(),
            learnts: Vec::new(),
            increment: 1.0,
            limit: config.learnt as f64,
        }
    }

    /// A new variable.
    pub fn grow(&mut self) {
        self.watches.extend([Vec::new(), Vec::new()]);
    }

    /// The literals of a clause.
    pub fn literals(&self, clause: ClauseRef) -> impl Iterator<Item = Lit> + '_ {
        self.clauses.literals(clause)
    }

    /// Stores a given clause.
    pub fn add(&mut self, literals: &[Lit]) {
        let clause = self.clauses.push(literals, None, 0);
        self.watch(clause);
    }

    /// Stores a learnt clause that spans `distance` levels and is called `number` in the proof.
    pub fn learn(&mut self, literals: &[Lit], distance: u32, number: u32) -> ClauseRef {
        let clause = self.clauses.push(literals, Some(distance), number);
        self.clauses.set_activity(clause, self.increment);
        self.learnts.push(clause);
        self.watch(clause);
        clause
    }

    fn watch(&mut self, clause: ClauseRef) {
        let (a, b) = (self.clauses.lit(clause, 0), self.clauses.lit(clause, 1));
        self.watches[(!a).index()].push(Watch { clause, blocker: b });
        self.watches[(!b).index()].push(Watch { clause, blocker: a });
    }

    /// Enqueues what follows from a literal that became true; returns the clause that was contradicted.
    pub fn propagate(&mut self, literal: Lit, trail: &mut Trail) -> Option<ClauseRef> {
        let mut watches = std::mem::take(&mut self.watches[literal.index()]);
        let mut conflict = None;
        let (mut kept, mut next) = (0, 0);
        'clauses: while next < watches.len() {
            let Watch { clause, blocker } = watches[next];
            next += 1;
            if trail.is_true(blocker) {
                watches[kept] = Watch { clause, blocker };
                kept += 1;
                continue;
            }
            // The false literal goes to place 1.
            if self.clauses.lit(clause, 0) == !literal {
                self.clauses.swap(clause, 0, 1);
            }
            let first = self.clauses.lit(clause, 0);
            if first != blocker && trail.is_true(first) {
                watches[kept] = Watch { clause, blocker: first };
                kept += 1;
                continue;
            }
            for i in 2..self.clauses.len(clause) {
                let other = self.clauses.lit(clause, i);
                if !trail.is_false(other) {
                    self.clauses.swap(clause, 1, i);
                    self.watches[(!other).index()].push(Watch { clause, blocker: first });
                    continue 'clauses;
                }
            }
            watches[kept] = Watch { clause, blocker: first };
            kept += 1;
            if trail.is_false(first) {
                conflict = Some(clause);
                break;
            }
            trail.enqueue(first, Reason::Clause(clause));
        }
        watches.copy_within(next.., kept);
        watches.truncate(kept + watches.len() - next);
        self.watches[literal.index()] = watches;
        conflict
    }

    /// A conflict depended on the clause.
    pub fn bump(&mut self, clause: ClauseRef, trail: &Trail) {
        if !self.clauses.is_learnt(clause) {
            return;
        }
        let activity = self.clauses.activity(clause) + self.increment;
        self.clauses.set_activity(clause, activity);
        if activity > RESCALE_AT {
            for &learnt in &self.learnts {
                let scaled = self.clauses.activity(learnt) * RESCALE_BY;
                self.clauses.set_activity(learnt, scaled);
            }
            self.increment *= RESCALE_BY;
        }
        // A clause that now spans fewer levels is worth more than when it was learnt.
        if self.clauses.distance(clause) > KEPT_DISTANCE {
            let literals: Vec<Lit> = self.clauses.literals(clause).collect();
            let distance = trail.distance(&literals);
            if distance < self.clauses.distance(clause) {
                self.clauses.set_distance(clause, distance);
            }
        }
    }

    /// Older conflicts count for less from now on.
    pub fn decay(&mut self) {
        self.increment /= CLAUSE_DECAY;
    }

    /// Throws the less useful half of the learnt clauses away, where there are too many; returns how many went.
    pub fn forget(&mut self, trail: &mut Trail, proof: &mut Told<'_>) -> u64 {
        if (self.learnts.len() as f64) < self.limit + trail.literals().len() as f64 {
            return 0;
        }
        self.limit *= 1.1;
        let mut learnts = std::mem::take(&mut self.learnts);
        learnts.sort_by_key(|&c| (self.clauses.distance(c), Reverse(FloatOrd(self.clauses.activity(c)))));
        let (half, before) = (learnts.len() / 2, learnts.len());
        let mut kept = Vec::with_capacity(learnts.len());
        for (rank, clause) in learnts.into_iter().enumerate() {
            let first = self.clauses.lit(clause, 0);
            let is_reason = trail.is_true(first) && trail.reason(first) == Reason::Clause(clause);
            if rank < half || is_reason || self.clauses.distance(clause) <= KEPT_DISTANCE {
                kept.push(clause);
                continue;
            }
            proof.delete(self.clauses.proof_id(clause));
            self.clauses.delete(clause);
        }
        let deleted = before - kept.len();
        self.learnts = kept;
        for watches in &mut self.watches {
            watches.retain(|w| !self.clauses.is_deleted(w.clause));
        }
        if self.clauses.should_compact() {
            let moved = self.clauses.compact();
            self.watches.iter_mut().flatten().for_each(|watch| watch.clause = moved[&watch.clause]);
            self.learnts.iter_mut().for_each(|clause| *clause = moved[clause]);
            trail.relocate(|clause| moved[&clause]);
        }
        deleted as u64
    }
}
