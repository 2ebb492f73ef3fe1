//! Unit propagation through clauses and linear constraints, and taking it back.

use super::Lit;
use super::linear::LinearRef;
use super::solver::{Assigned, Reason, Solver, UNASSIGNED, Watch};

impl Solver<'_> {
    /// Makes a literal true at the current level.
    pub(super) fn enqueue(&mut self, literal: Lit, reason: Reason) {
        debug_assert_eq!(self.values[literal.index()], UNASSIGNED);
        self.values[literal.index()] = 1;
        self.values[(!literal).index()] = -1;
        self.assigned[literal.var().index()] =
            Assigned { level: self.levels.len() as u32, position: self.trail.len() as u32, reason };
        self.trail.push(literal);
        #[cfg(debug_assertions)]
        self.check_inference(literal, reason);
    }

    /// Recomputes from the definition that a reason forces its literal.
    #[cfg(debug_assertions)]
    fn check_inference(&self, literal: Lit, reason: Reason) {
        let mut clause = Vec::new();
        self.reason_clause(literal, reason, &mut clause);
        if let Reason::Clause(stored) = reason {
            assert!(self.clauses.literals(stored).any(|l| l == literal), "{literal} is not in its reason");
        }
        assert!(clause.iter().all(|&l| self.is_false(l)), "{literal} has an open reason {clause:?}");
        if let Reason::Linear(id) = reason {
            clause.push(literal);
            assert!(self.linear.implies(id, &clause), "{clause:?} does not follow from its constraint");
        }
    }

    /// Propagates until nothing follows any more; returns the constraint that was contradicted.
    ///
    /// Clauses go first, they give the shorter reasons.
    pub(super) fn propagate(&mut self) -> Option<Reason> {
        loop {
            while self.clause_head < self.trail.len() {
                let literal = self.trail[self.clause_head];
                self.clause_head += 1;
                self.statistics.propagations += 1;
                if let Some(conflict) = self.propagate_clauses(literal) {
                    return Some(conflict);
                }
            }
            if self.linear_head == self.trail.len() {
                #[cfg(debug_assertions)]
                self.check_fixpoint();
                return None;
            }
            let literal = self.trail[self.linear_head];
            self.linear_head += 1;
            if let Some(conflict) = self.propagate_linear(literal) {
                return Some(conflict);
            }
        }
    }

    /// Recomputes, now and then, that nothing was miscounted or overlooked.
    #[cfg(debug_assertions)]
    fn check_fixpoint(&self) {
        const EVERY: u64 = 32;
        if self.statistics.propagations.is_multiple_of(EVERY) {
            let is_settled = |id| self.linear.is_settled(id, |l| self.values[l.index()]);
            assert!((0..self.linear.len() as LinearRef).all(is_settled), "a linear constraint is not settled");
        }
    }

    fn propagate_clauses(&mut self, literal: Lit) -> Option<Reason> {
        let mut watches = std::mem::take(&mut self.watches[literal.index()]);
        let mut conflict = None;
        let (mut kept, mut next) = (0, 0);
        'clauses: while next < watches.len() {
            let Watch { clause, blocker } = watches[next];
            next += 1;
            if self.is_true(blocker) {
                watches[kept] = Watch { clause, blocker };
                kept += 1;
                continue;
            }
            // The false literal goes to place 1.
            if self.clauses.lit(clause, 0) == !literal {
                self.clauses.swap(clause, 0, 1);
            }
            let first = self.clauses.lit(clause, 0);
            if first != blocker && self.is_true(first) {
                watches[kept] = Watch { clause, blocker: first };
                kept += 1;
                continue;
            }
            for i in 2..self.clauses.len(clause) {
                let other = self.clauses.lit(clause, i);
                if !self.is_false(other) {
                    self.clauses.swap(clause, 1, i);
                    self.watches[(!other).index()].push(Watch { clause, blocker: first });
                    continue 'clauses;
                }
            }
            watches[kept] = Watch { clause, blocker: first };
            kept += 1;
            if self.is_false(first) {
                conflict = Some(Reason::Clause(clause));
                break;
            }
            self.enqueue(first, Reason::Clause(clause));
        }
        watches.copy_within(next.., kept);
        watches.truncate(kept + watches.len() - next);
        self.watches[literal.index()] = watches;
        conflict
    }

    fn propagate_linear(&mut self, literal: Lit) -> Option<Reason> {
        let mut triggered = std::mem::take(&mut self.triggered);
        triggered.clear();
        self.linear.count(literal, &mut triggered);
        triggered.extend_from_slice(self.linear.with_target(literal.var()));
        let conflict = triggered.iter().copied().find(|&id| self.infer(id)).map(Reason::Linear);
        self.triggered = triggered;
        conflict
    }

    /// Applies the rules to one constraint; true when it is contradicted.
    pub(super) fn infer(&mut self, id: LinearRef) -> bool {
        let counters = *self.linear.counters(id);
        let target = self.values[counters.target.index()];
        if counters.possible < 0 {
            if target == UNASSIGNED {
                self.enqueue(!counters.target, Reason::Linear(id));
            }
            return target > 0;
        }
        if counters.sure >= 0 {
            if target == UNASSIGNED {
                self.enqueue(counters.target, Reason::Linear(id));
            }
            return target < 0;
        }
        let is_missed = target > 0 && counters.possible < counters.largest;
        let is_reached = target < 0 && counters.sure + counters.largest >= 0;
        if is_missed || is_reached {
            for i in 0..self.linear.operands(id) {
                let (a, operand) = self.linear.operand(id, i);
                if if is_missed { a <= counters.possible } else { counters.sure + a < 0 } {
                    break;
                }
                if self.values[operand.index()] == UNASSIGNED {
                    self.enqueue(if is_missed { operand } else { !operand }, Reason::Linear(id));
                }
            }
        }
        false
    }

    /// The other literals of the clause by which `reason` makes `literal` true.
    pub(super) fn reason_clause(&self, literal: Lit, reason: Reason, clause: &mut Vec<Lit>) {
        clause.clear();
        match reason {
            Reason::None => {}
            Reason::Clause(stored) => clause.extend(self.clauses.literals(stored).filter(|&l| l != literal)),
            Reason::Linear(id) => {
                let position = self.assigned[literal.var().index()].position;
                let was_false = |l: Lit| self.is_false(l) && self.assigned[l.var().index()].position < position;
                self.linear.explain(id, Some(literal), was_false, clause);
            }
        }
    }

    /// The literals, all false, of a clause that `conflict` contradicts.
    pub(super) fn conflict_clause(&self, conflict: Reason, clause: &mut Vec<Lit>) {
        clause.clear();
        match conflict {
            Reason::None => {}
            Reason::Clause(stored) => clause.extend(self.clauses.literals(stored)),
            Reason::Linear(id) => {
                self.linear.explain(id, None, |l| self.is_false(l), clause);
                #[cfg(debug_assertions)]
                assert!(self.linear.implies(id, clause));
            }
        }
    }

    /// Takes back all levels above `level`.
    pub(super) fn backtrack_to(&mut self, level: usize) {
        let Some(&keep) = self.levels.get(level) else { return };
        while self.trail.len() > keep {
            let at = self.trail.len() - 1;
            let Some(literal) = self.trail.pop() else { break };
            if at < self.linear_head {
                self.linear.uncount(literal);
            }
            self.values[literal.index()] = UNASSIGNED;
            self.values[(!literal).index()] = UNASSIGNED;
            self.phase[literal.var().index()] = !literal.is_negative();
            self.order.insert(literal.var());
        }
        self.levels.truncate(level);
        self.clause_head = self.clause_head.min(keep);
        self.linear_head = self.linear_head.min(keep);
    }
}
