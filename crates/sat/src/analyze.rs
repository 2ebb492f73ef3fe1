//! Learning from conflicts.

use super::Lit;
use super::solver::{Reason, Solver};

/// What a conflict teaches.
pub(super) struct Lesson {
    /// The clause; its first literal becomes true after backtracking, its second has the highest level
    /// of the others.
    pub clause: Vec<Lit>,
    /// The level to go back to.
    pub level: usize,
    /// Number of decision levels in the clause.
    pub distance: u32,
}

impl Solver<'_> {
    /// Resolves the conflict backwards to the first unique implication point of its level.
    pub(super) fn analyze(&mut self, conflict: Reason) -> Lesson {
        let current = self.levels.len() as u32;
        let mut clause = vec![Lit::from_code(0)];
        let mut open = 0;
        let mut at = self.trail.len();
        let mut buffer = std::mem::take(&mut self.reason_buffer);
        let mut marked: Vec<Lit> = Vec::new();
        self.conflict_clause(conflict, &mut buffer);
        let mut reason = conflict;
        loop {
            self.bump_clause(reason);
            for &literal in &buffer {
                let level = self.level(literal);
                if level == 0 || self.seen[literal.var().index()] {
                    continue;
                }
                self.seen[literal.var().index()] = true;
                marked.push(literal);
                self.order.bump(literal.var());
                if level == current {
                    open += 1;
                } else {
                    clause.push(literal);
                }
            }
            let literal = loop {
                at -= 1;
                if self.seen[self.trail[at].var().index()] {
                    break self.trail[at];
                }
            };
            open -= 1;
            if open == 0 {
                clause[0] = !literal;
                break;
            }
            reason = self.assigned[literal.var().index()].reason;
            self.reason_clause(literal, reason, &mut buffer);
        }
        self.reason_buffer = buffer;
        self.minimise(&mut clause, &mut marked);
        for literal in marked {
            self.seen[literal.var().index()] = false;
        }
        let level = self.place_second(&mut clause);
        let distance = self.distance(&clause);
        Lesson { clause, level, distance }
    }

    /// Puts a literal of the highest level below the current one into place 1; returns that level.
    fn place_second(&self, clause: &mut [Lit]) -> usize {
        let Some(second) = (1..clause.len()).max_by_key(|&i| self.level(clause[i])) else { return 0 };
        clause.swap(1, second);
        self.level(clause[1]) as usize
    }

    /// Number of decision levels of false literals.
    pub(super) fn distance(&self, clause: &[Lit]) -> u32 {
        let mut levels: Vec<u32> = clause.iter().map(|&l| self.level(l)).collect();
        levels.sort_unstable();
        levels.dedup();
        levels.len() as u32
    }

    /// Drops literals that the others imply. `marked` are those seen; proven redundant ones join them.
    fn minimise(&mut self, clause: &mut Vec<Lit>, marked: &mut Vec<Lit>) {
        let before = clause.len();
        let levels = clause[1..].iter().fold(0, |set, &l| set | Self::level_bit(self.level(l)));
        let mut kept = 1;
        for i in 1..before {
            let literal = clause[i];
            if self.assigned[literal.var().index()].reason == Reason::None
                || !self.is_redundant(literal, levels, marked)
            {
                clause[kept] = literal;
                kept += 1;
            }
        }
        clause.truncate(kept);
        self.statistics.literals += kept as u64;
        self.statistics.minimised += (before - kept) as u64;
    }

    fn level_bit(level: u32) -> u64 {
        1 << (level & 63)
    }

    /// Whether a false literal follows from other marked ones.
    fn is_redundant(&mut self, literal: Lit, levels: u64, marked: &mut Vec<Lit>) -> bool {
        let start = marked.len();
        let mut buffer = Vec::new();
        let mut stack = vec![literal];
        while let Some(next) = stack.pop() {
            let reason = self.assigned[next.var().index()].reason;
            self.reason_clause(!next, reason, &mut buffer);
            for &other in &buffer {
                let assigned = self.assigned[other.var().index()];
                if assigned.level == 0 || self.seen[other.var().index()] {
                    continue;
                }
                if assigned.reason == Reason::None || Self::level_bit(assigned.level) & levels == 0 {
                    // Not redundant: what was marked on the way proves nothing.
                    for l in marked.drain(start..) {
                        self.seen[l.var().index()] = false;
                    }
                    return false;
                }
                self.seen[other.var().index()] = true;
                marked.push(other);
                stack.push(other);
            }
        }
        true
    }

    /// The assumptions that together make `literal`, an assumption, false; itself included.
    pub(super) fn analyze_final(&mut self, literal: Lit) {
        self.core.clear();
        self.core.push(literal);
        if self.levels.is_empty() || self.level(literal) == 0 {
            return;
        }
        let mut buffer = Vec::new();
        self.seen[literal.var().index()] = true;
        for at in (self.levels[0]..self.trail.len()).rev() {
            let next = self.trail[at];
            if !std::mem::take(&mut self.seen[next.var().index()]) {
                continue;
            }
            let reason = self.assigned[next.var().index()].reason;
            if reason == Reason::None {
                self.core.push(next);
                continue;
            }
            self.reason_clause(next, reason, &mut buffer);
            for &other in &buffer {
                if self.level(other) > 0 {
                    self.seen[other.var().index()] = true;
                }
            }
        }
    }

    fn bump_clause(&mut self, reason: Reason) {
        let Reason::Clause(clause) = reason else { return };
        if !self.clauses.is_learnt(clause) {
            return;
        }
        let activity = self.clauses.activity(clause) + self.clause_increment;
        self.clauses.set_activity(clause, activity);
        if activity > 1e20 {
            for &learnt in &self.learnts {
                let scaled = self.clauses.activity(learnt) * 1e-20;
                self.clauses.set_activity(learnt, scaled);
            }
            self.clause_increment *= 1e-20;
        }
        // A clause that now spans fewer levels is worth more than when it was learnt.
        if self.clauses.distance(clause) > 2 {
            let literals: Vec<Lit> = self.clauses.literals(clause).collect();
            let distance = self.distance(&literals);
            if distance < self.clauses.distance(clause) {
                self.clauses.set_distance(clause, distance);
            }
        }
    }
}
