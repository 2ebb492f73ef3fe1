//! Unit propagation through clauses and linear constraints.

use super::Lit;
use super::database::Database;
use super::linear::{LinearConstraints, LinearRef};
use super::trail::{Reason, Trail};

/// How far propagation has come.
#[derive(Debug, Default)]
pub(super) struct Propagation {
    /// How much of the trail the clauses and the linear constraints know of.
    clause_head: usize,
    linear_head: usize,
    /// Literals that went through the clauses so far.
    steps: u64,
    triggered: Vec<LinearRef>,
}

impl Propagation {
    /// Literals that went through the clauses so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Propagates until nothing follows any more; returns the constraint that was contradicted.
    ///
    /// Clauses go first, they give the shorter reasons.
    pub fn run(
        &mut self,
        trail: &mut Trail,
        database: &mut Database,
        linear: &mut LinearConstraints,
    ) -> Option<Reason> {
        loop {
            #[cfg(debug_assertions)]
            let before = trail.literals().len();
            let conflict = if let Some(&literal) = trail.literals().get(self.clause_head) {
                self.clause_head += 1;
                self.steps += 1;
                database.propagate(literal, trail).map(Reason::Clause)
            } else if let Some(&literal) = trail.literals().get(self.linear_head) {
                self.linear_head += 1;
                self.count(literal, trail, linear)
            } else {
                #[cfg(debug_assertions)]
                self.check_fixpoint(trail, linear);
                return None;
            };
            #[cfg(debug_assertions)]
            for &literal in &trail.literals()[before..] {
                Reasons { trail, database, linear }.check(literal);
            }
            if conflict.is_some() {
                return conflict;
            }
        }
    }

    /// Recomputes, now and then, that nothing was miscounted or overlooked.
    #[cfg(debug_assertions)]
    fn check_fixpoint(&self, trail: &Trail, linear: &LinearConstraints) {
        const EVERY: u64 = 32;
        if self.steps.is_multiple_of(EVERY) {
            let is_settled = |id| linear.is_settled(id, |l| trail.value(l));
            assert!((0..linear.len() as LinearRef).all(is_settled), "a linear constraint is not settled");
        }
    }

    fn count(&mut self, literal: Lit, trail: &mut Trail, linear: &mut LinearConstraints) -> Option<Reason> {
        self.triggered.clear();
        linear.count(literal, &mut self.triggered);
        self.triggered.extend_from_slice(linear.with_target(literal.var()));
        self.triggered.iter().copied().find(|&id| infer(id, trail, linear)).map(Reason::Linear)
    }

    /// Takes back all levels above `level`; `undone` receives each literal that is open again.
    pub fn backtrack_to(
        &mut self,
        level: usize,
        trail: &mut Trail,
        linear: &mut LinearConstraints,
        mut undone: impl FnMut(Lit),
    ) {
        trail.backtrack_to(level, |at, literal| {
            if at < self.linear_head {
                linear.uncount(literal);
            }
            undone(literal);
        });
        let keep = trail.literals().len();
        self.clause_head = self.clause_head.min(keep);
        self.linear_head = self.linear_head.min(keep);
    }
}

/// Applies the rules to one constraint; true when it is contradicted.
pub(super) fn infer(id: LinearRef, trail: &mut Trail, linear: &LinearConstraints) -> bool {
    let counters = *linear.counters(id);
    let target = counters.target;
    if counters.possible < 0 {
        if trail.is_open(target) {
            trail.enqueue(!target, Reason::Linear(id));
            return false;
        }
        return trail.is_true(target);
    }
    if counters.sure >= 0 {
        if trail.is_open(target) {
            trail.enqueue(target, Reason::Linear(id));
            return false;
        }
        return trail.is_false(target);
    }
    let is_missed = trail.is_true(target) && counters.possible < counters.largest;
    let is_reached = trail.is_false(target) && counters.sure + counters.largest >= 0;
    if is_missed || is_reached {
        for i in 0..linear.operands(id) {
            let (a, operand) = linear.operand(id, i);
            if if is_missed { a <= counters.possible } else { counters.sure + a < 0 } {
                break;
            }
            if trail.is_open(operand) {
                trail.enqueue(if is_missed { operand } else { !operand }, Reason::Linear(id));
            }
        }
    }
    false
}

/// The assignment with the constraints that explain it.
#[derive(Clone, Copy)]
pub(super) struct Reasons<'a> {
    pub trail: &'a Trail,
    pub database: &'a Database,
    pub linear: &'a LinearConstraints,
}

impl Reasons<'_> {
    /// The other literals of the clause by which a literal that is true became so.
    pub fn of(&self, literal: Lit, clause: &mut Vec<Lit>) {
        clause.clear();
        match self.trail.reason(literal) {
            Reason::None => {}
            Reason::Clause(stored) => clause.extend(self.database.literals(stored).filter(|&l| l != literal)),
            Reason::Linear(id) => {
                let position = self.trail.position(literal);
                let was_false = |l: Lit| self.trail.is_false(l) && self.trail.position(l) < position;
                self.linear.explain(id, Some(literal), was_false, clause);
            }
        }
    }

    /// The literals, all false, of a clause that `conflict` contradicts.
    pub fn of_conflict(&self, conflict: Reason, clause: &mut Vec<Lit>) {
        clause.clear();
        match conflict {
            Reason::None => {}
            Reason::Clause(stored) => clause.extend(self.database.literals(stored)),
            Reason::Linear(id) => {
                self.linear.explain(id, None, |l| self.trail.is_false(l), clause);
                #[cfg(debug_assertions)]
                assert!(self.linear.implies(id, clause));
            }
        }
    }

    /// Recomputes from the definition that a reason forces its literal.
    #[cfg(debug_assertions)]
    pub fn check(&self, literal: Lit) {
        let mut clause = Vec::new();
        self.of(literal, &mut clause);
        let reason = self.trail.reason(literal);
        if let Reason::Clause(stored) = reason {
            assert!(self.database.literals(stored).any(|l| l == literal), "{literal} is not in its reason");
        }
        assert!(clause.iter().all(|&l| self.trail.is_false(l)), "{literal} has an open reason {clause:?}");
        if let Reason::Linear(id) = reason {
            clause.push(literal);
            assert!(self.linear.implies(id, &clause), "{clause:?} does not follow from its constraint");
        }
    }
}
