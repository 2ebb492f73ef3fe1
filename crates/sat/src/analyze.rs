//! Learning from conflicts.

use super::database::Database;
use super::linear::LinearConstraints;
use super::order::Order;
use super::propagate::Reasons;
use super::trail::{Reason, Trail};
use super::{Lit, Statistics, Var};

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

/// What conflict analysis writes on.
#[derive(Debug, Default)]
pub(super) struct Analysis {
    /// Per variable whether it was met; all false between conflicts.
    seen: Vec<bool>,
    /// The literals that were met.
    marked: Vec<Lit>,
    /// Literals of one reason.
    buffer: Vec<Lit>,
}

fn level_bit(level: u32) -> u64 {
    1 << (level & 63)
}

impl Analysis {
    /// A new variable.
    pub fn grow(&mut self) {
        self.seen.push(false);
    }

    fn is_seen(&self, var: Var) -> bool {
        self.seen[var.index()]
    }

    fn mark(&mut self, literal: Lit) {
        self.seen[literal.var().index()] = true;
        self.marked.push(literal);
    }

    /// Forgets the literals that were marked after the first `kept`.
    fn unmark(&mut self, kept: usize) {
        for literal in self.marked.drain(kept..) {
            self.seen[literal.var().index()] = false;
        }
    }

    /// Resolves the conflict backwards to the first unique implication point of its level.
    pub fn analyze(
        &mut self,
        conflict: Reason,
        trail: &Trail,
        database: &mut Database,
        linear: &LinearConstraints,
        order: &mut Order,
        statistics: &mut Statistics,
    ) -> Lesson {
        let current = trail.depth() as u32;
        let mut clause = vec![Lit::from_code(0)];
        let (mut open, mut at) = (0, trail.literals().len());
        let mut buffer = std::mem::take(&mut self.buffer);
        Reasons { trail, database, linear }.of_conflict(conflict, &mut buffer);
        let mut reason = conflict;
        loop {
            if let Reason::Clause(used) = reason {
                database.bump(used, trail);
            }
            for &literal in &buffer {
                let level = trail.level(literal);
                if level == 0 || self.is_seen(literal.var()) {
                    continue;
                }
                self.mark(literal);
                order.bump(literal.var());
                if level == current {
                    open += 1;
                } else {
                    clause.push(literal);
                }
            }
            let literal = loop {
                at -= 1;
                if self.is_seen(trail.literals()[at].var()) {
                    break trail.literals()[at];
                }
            };
            open -= 1;
            if open == 0 {
                clause[0] = !literal;
                break;
            }
            reason = trail.reason(literal);
            Reasons { trail, database, linear }.of(literal, &mut buffer);
        }
        self.buffer = buffer;
        let before = clause.len();
        self.minimise(&mut clause, Reasons { trail, database, linear });
        statistics.literals += clause.len() as u64;
        statistics.minimised += (before - clause.len()) as u64;
        self.unmark(0);
        let level = place_second(&mut clause, trail);
        let distance = trail.distance(&clause);
        Lesson { clause, level, distance }
    }

    /// Drops literals that the others imply.
    fn minimise(&mut self, clause: &mut Vec<Lit>, reasons: Reasons<'_>) {
        let levels = clause[1..].iter().fold(0, |set, &l| set | level_bit(reasons.trail.level(l)));
        let mut place = 0;
        clause.retain(|&literal| {
            place += 1;
            place == 1 || reasons.trail.reason(literal) == Reason::None || !self.is_redundant(literal, levels, reasons)
        });
    }

    /// Whether a false literal follows from other marked ones; if so, those on the way are marked, too.
    fn is_redundant(&mut self, literal: Lit, levels: u64, reasons: Reasons<'_>) -> bool {
        let before = self.marked.len();
        let mut buffer = Vec::new();
        let mut stack = vec![literal];
        while let Some(next) = stack.pop() {
            reasons.of(!next, &mut buffer);
            for &other in &buffer {
                let level = reasons.trail.level(other);
                if level == 0 || self.is_seen(other.var()) {
                    continue;
                }
                if reasons.trail.reason(other) == Reason::None || level_bit(level) & levels == 0 {
                    // Not redundant: what was marked on the way proves nothing.
                    self.unmark(before);
                    return false;
                }
                self.mark(other);
                stack.push(other);
            }
        }
        true
    }

    /// The assumptions that together make `literal`, an assumption, false; itself included.
    pub fn analyze_final(&mut self, literal: Lit, reasons: Reasons<'_>) -> Vec<Lit> {
        let mut core = vec![literal];
        let trail = reasons.trail;
        if trail.level(literal) == 0 {
            return core;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        self.mark(literal);
        for &next in trail.above_root().iter().rev() {
            if !self.is_seen(next.var()) {
                continue;
            }
            if trail.reason(next) == Reason::None {
                core.push(next);
                continue;
            }
            reasons.of(next, &mut buffer);
            for &other in &buffer {
                if trail.level(other) > 0 {
                    self.mark(other);
                }
            }
        }
        self.buffer = buffer;
        self.unmark(0);
        core
    }
}

/// Puts a literal of the highest level below the current one into place 1; returns that level.
fn place_second(clause: &mut [Lit], trail: &Trail) -> usize {
    let Some(second) = (1..clause.len()).max_by_key(|&i| trail.level(clause[i])) else { return 0 };
    clause.swap(1, second);
    trail.level(clause[1]) as usize
}
