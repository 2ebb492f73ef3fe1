//! The solver: its parts, how constraints enter them, and the search: decide, propagate, learn, restart, forget.

use super::analyze::Analysis;
use super::database::Database;
use super::linear::LinearConstraints;
use super::order::Order;
use super::proof::Told;
use super::propagate::{Propagation, Reasons, infer};
use super::trail::{Reason, Trail};
use super::{Config, Direction, Limits, Linear, LinearError, Lit, Outcome, ProofSink, Statistics, Var};

/// How many steps pass between two looks at the clock.
const POLL_EVERY: u64 = 64;

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

/// The solver. Constraints may be added between calls of [`Solver::solve`].
pub struct Solver<'p> {
    restart: u64,
    trail: Trail,
    database: Database,
    linear: LinearConstraints,
    propagation: Propagation,
    order: Order,
    analysis: Analysis,
    proof: Told<'p>,
    statistics: Statistics,
    /// False once the constraints contradict each other.
    consistent: bool,
    model: Vec<bool>,
    core: Vec<Lit>,
}

impl<'p> Solver<'p> {
    /// A solver without variables and constraints.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            restart: config.restart,
            trail: Trail::default(),
            database: Database::new(&config),
            linear: LinearConstraints::default(),
            propagation: Propagation::default(),
            order: Order::new(&config),
            analysis: Analysis::default(),
            proof: Told::default(),
            statistics: Statistics::default(),
            consistent: true,
            model: Vec::new(),
            core: Vec::new(),
        }
    }

    /// Tells `sink` everything that the solver concludes from now on.
    pub fn log_to(&mut self, sink: &'p mut dyn ProofSink) {
        self.proof.log_to(sink);
    }

    /// A new variable.
    pub fn new_var(&mut self) -> Var {
        self.database.grow();
        self.linear.grow();
        self.order.grow();
        self.analysis.grow();
        self.trail.grow()
    }

    /// Variables of a smaller rank are decided first, whatever their activity; every rank is 0 at the start.
    pub fn set_rank(&mut self, var: Var, rank: u32) {
        self.order.set_rank(var, rank);
    }

    /// From now on decisions give every variable the value that it had last, whatever [`Config::polarity`] says.
    pub fn save_phases(&mut self) {
        self.order.save_phases();
    }

    /// The same, these values, in the order of the variables, for a start.
    pub fn prefer(&mut self, values: &[bool]) {
        self.backtrack_to(0);
        self.order.save_phases();
        self.order.prefer(values);
    }

    /// Number of variables.
    #[must_use]
    pub fn vars(&self) -> usize {
        self.trail.vars()
    }

    /// Number of linear constraints.
    #[must_use]
    pub fn linear_constraints(&self) -> usize {
        self.linear.len()
    }

    /// The value that is known of a literal whatever else happens; `None` where it is open.
    #[must_use]
    pub fn fixed(&self, literal: Lit) -> Option<bool> {
        self.trail.fixed(literal)
    }

    /// The value of a variable in the assignment that was found last.
    #[must_use]
    pub fn value(&self, var: Var) -> bool {
        self.model.get(var.index()).copied().unwrap_or(false)
    }

    /// After *unsatisfiable under assumptions*: assumptions that cannot hold together.
    #[must_use]
    pub fn core(&self) -> &[Lit] {
        &self.core
    }

    /// The work done so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics { propagations: self.propagation.steps(), ..self.statistics }
    }

    /// False once it is known that no assignment satisfies the constraints.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        self.consistent
    }

    /// Adds a clause.
    pub fn add_clause(&mut self, literals: &[Lit]) {
        self.backtrack_to(0);
        if !self.consistent {
            return;
        }
        let mut clause = literals.to_vec();
        clause.sort_unstable();
        clause.dedup();
        let is_tautology = clause.windows(2).any(|pair| pair[0] == !pair[1]);
        if is_tautology || clause.iter().any(|&l| self.trail.is_true(l)) {
            return;
        }
        clause.retain(|&l| !self.trail.is_false(l));
        match clause[..] {
            [] => self.contradiction(),
            [unit] => {
                self.trail.enqueue(unit, Reason::None);
                self.propagate_root();
            }
            _ => self.database.add(&clause),
        }
    }

    /// Adds `Σ a_i l_i ≥ bound`.
    ///
    /// # Errors
    /// Coefficients too large for 64-bit sums.
    pub fn add_at_least(&mut self, terms: &[(i64, Lit)], bound: i64) -> Result<(), LinearError> {
        let linear = Linear::new(terms.iter().copied(), bound)?;
        if linear.bound == 1 {
            let clause: Vec<Lit> = linear.terms.iter().map(|t| t.1).collect();
            self.add_clause(&clause);
            return Ok(());
        }
        // A target that is always true.
        let target = self.new_var().positive();
        self.add_clause(&[target]);
        self.add_normal(target, Direction::TargetImplies, &linear);
        Ok(())
    }

    /// Adds `target ↔ (Σ a_i l_i ≥ bound)`, or one direction of it.
    ///
    /// # Errors
    /// As [`Solver::add_at_least`].
    pub fn add_reified(
        &mut self,
        target: Lit,
        direction: Direction,
        terms: &[(i64, Lit)],
        bound: i64,
    ) -> Result<(), LinearError> {
        let linear = Linear::new(terms.iter().copied(), bound)?;
        if linear.terms.iter().any(|(_, l)| l.var() == target.var()) {
            // The rules take the target for another variable than the operands.
            let other = self.new_var().positive();
            self.add_clause(&[!target, other]);
            self.add_clause(&[target, !other]);
            self.add_normal(other, direction, &linear);
        } else {
            self.add_normal(target, direction, &linear);
        }
        Ok(())
    }

    fn add_normal(&mut self, target: Lit, direction: Direction, linear: &Linear) {
        self.backtrack_to(0);
        if !self.consistent {
            return;
        }
        // What is fixed already leaves the operands: shorter scans, shorter reasons.
        let open = linear.terms.iter().copied().filter(|&(_, l)| self.trail.is_open(l));
        let sure: i64 = linear.terms.iter().filter(|&&(_, l)| self.trail.is_true(l)).map(|t| t.0).sum();
        let bound = linear.bound - sure;
        let mut linear = Linear { terms: open.collect(), bound };
        if bound > 0 {
            linear.terms.iter_mut().for_each(|t| t.0 = t.0.min(bound));
        }
        let id = self.linear.push(target, direction, &linear);
        if infer(id, &mut self.trail, &self.linear) {
            self.contradiction();
        } else {
            self.propagate_root();
        }
    }

    fn propagate(&mut self) -> Option<Reason> {
        self.propagation.run(&mut self.trail, &mut self.database, &mut self.linear)
    }

    fn backtrack_to(&mut self, level: usize) {
        self.propagation.backtrack_to(level, &mut self.trail, &mut self.linear, |l| self.order.put_back(l));
    }

    /// Propagates at level 0.
    fn propagate_root(&mut self) {
        if self.propagate().is_some() {
            self.contradiction();
        } else {
            self.proof.units(&self.trail);
        }
    }

    fn contradiction(&mut self) {
        if self.consistent {
            self.proof.units(&self.trail);
            self.consistent = false;
            self.proof.conclude(&[]);
        }
    }

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
            let pause = self.statistics.conflicts.saturating_add(self.restart * luby(round)).min(end);
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
            self.model = (0..self.vars()).map(|v| self.trail.is_true(Var::new(v).positive())).collect();
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
                if self.trail.depth() == 0 {
                    self.contradiction();
                    return Some(Outcome::Unsatisfiable);
                }
                self.learn(conflict);
                continue;
            }
            if self.statistics.conflicts >= pause {
                return None;
            }
            if self.trail.depth() == 0 {
                self.proof.units(&self.trail);
            }
            self.statistics.deleted += self.database.forget(&mut self.trail, &mut self.proof);
            match self.next_decision(assumptions) {
                Decision::Literal(literal) => {
                    self.statistics.decisions += 1;
                    self.trail.push_level();
                    self.trail.enqueue(literal, Reason::None);
                }
                Decision::Nothing => self.trail.push_level(),
                Decision::Refuted => {
                    // That the failed assumptions cannot hold together is a conclusion, too.
                    let clause: Vec<Lit> = self.core.iter().map(|&l| !l).collect();
                    self.proof.conclude(&clause);
                    return Some(Outcome::Unsatisfiable);
                }
                Decision::Complete => return Some(Outcome::Satisfiable),
            }
        }
    }

    fn next_decision(&mut self, assumptions: &[Lit]) -> Decision {
        let Some(&assumption) = assumptions.get(self.trail.depth()) else {
            let decided = self.order.next(|var| self.trail.is_open(var.positive()));
            return decided.map_or(Decision::Complete, Decision::Literal);
        };
        if self.trail.is_false(assumption) {
            let reasons = Reasons { trail: &self.trail, database: &self.database, linear: &self.linear };
            self.core = self.analysis.analyze_final(assumption, reasons);
            Decision::Refuted
        } else if self.trail.is_true(assumption) {
            Decision::Nothing
        } else {
            Decision::Literal(assumption)
        }
    }

    fn learn(&mut self, conflict: Reason) {
        let (trail, database, order) = (&self.trail, &mut self.database, &mut self.order);
        let lesson = self.analysis.analyze(conflict, trail, database, &self.linear, order, &mut self.statistics);
        self.backtrack_to(lesson.level);
        let number = self.proof.conclude(&lesson.clause);
        let reason = if lesson.clause.len() > 1 {
            Reason::Clause(self.database.learn(&lesson.clause, lesson.distance, number))
        } else {
            Reason::None
        };
        self.trail.enqueue(lesson.clause[0], reason);
        #[cfg(debug_assertions)]
        Reasons { trail: &self.trail, database: &self.database, linear: &self.linear }.check(lesson.clause[0]);
        self.order.decay();
        self.database.decay();
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn restarts_follow_the_luby_sequence() {
        let first: Vec<u64> = (0..15).map(super::luby).collect();
        assert_eq!(first, [1, 1, 2, 1, 1, 2, 4, 1, 1, 2, 1, 1, 2, 4, 8]);
    }
}
