use super::clauses::{ClauseRef, Clauses};
use super::heap::ActivityHeap;
use super::linear::{LinearConstraints, LinearRef};
use super::{Config, Direction, Linear, LinearError, Lit, ProofSink, Statistics, Var};

/// Why a literal is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It was decided, assumed or given.
    None,
    /// A clause whose other literals are false.
    Clause(ClauseRef),
    /// A linear constraint; in words only when asked.
    Linear(LinearRef),
}

/// A watch on a clause; while `blocker` is true the clause need not be looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    pub clause: ClauseRef,
    pub blocker: Lit,
}

pub(super) const UNASSIGNED: i8 = 0;

/// What is known of a variable while it is assigned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Assigned {
    pub level: u32,
    /// Its place in the trail.
    pub position: u32,
    pub reason: Reason,
}

/// The solver. Constraints may be added between calls of [`Solver::solve`].
pub struct Solver<'p> {
    pub(super) config: Config,
    pub(super) clauses: Clauses,
    pub(super) learnts: Vec<ClauseRef>,
    pub(super) watches: Vec<Vec<Watch>>,
    pub(super) linear: LinearConstraints,
    /// 1, −1 or 0 per literal: true, false, unassigned.
    pub(super) values: Vec<i8>,
    pub(super) assigned: Vec<Assigned>,
    pub(super) phase: Vec<bool>,
    pub(super) order: ActivityHeap,
    pub(super) trail: Vec<Lit>,
    /// Length of the trail at the start of each decision level above 0.
    pub(super) levels: Vec<usize>,
    pub(super) clause_head: usize,
    pub(super) linear_head: usize,
    /// False once the constraints contradict each other.
    pub(super) consistent: bool,
    pub(super) clause_increment: f32,
    pub(super) learnt_limit: f64,
    pub(super) random: u64,
    pub(super) statistics: Statistics,
    pub(super) model: Vec<bool>,
    pub(super) core: Vec<Lit>,
    pub(super) proof: Option<&'p mut dyn ProofSink>,
    /// How much of the trail of level 0 the proof has been told of.
    pub(super) told: usize,
    // Scratch space of conflict analysis and propagation.
    pub(super) seen: Vec<bool>,
    pub(super) reason_buffer: Vec<Lit>,
    pub(super) triggered: Vec<LinearRef>,
}

impl<'p> Solver<'p> {
    /// A solver without variables and constraints.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            clauses: Clauses::default(),
            learnts: Vec::new(),
            watches: Vec::new(),
            linear: LinearConstraints::default(),
            values: Vec::new(),
            assigned: Vec::new(),
            phase: Vec::new(),
            order: ActivityHeap::new(),
            trail: Vec::new(),
            levels: Vec::new(),
            clause_head: 0,
            linear_head: 0,
            consistent: true,
            clause_increment: 1.0,
            learnt_limit: config.learnt as f64,
            random: config.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            statistics: Statistics::default(),
            model: Vec::new(),
            core: Vec::new(),
            proof: None,
            told: 0,
            seen: Vec::new(),
            reason_buffer: Vec::new(),
            triggered: Vec::new(),
        }
    }

    /// Tells `sink` everything that the solver concludes from now on.
    pub fn log_to(&mut self, sink: &'p mut dyn ProofSink) {
        self.proof = Some(sink);
    }

    /// A new variable.
    pub fn new_var(&mut self) -> Var {
        let var = Var::new(self.assigned.len());
        self.assigned.push(Assigned { level: 0, position: 0, reason: Reason::None });
        for _ in 0..2 {
            self.watches.push(Vec::new());
            self.values.push(UNASSIGNED);
        }
        self.linear.grow();
        self.order.grow(0.0);
        self.phase.push(false);
        self.seen.push(false);
        var
    }

    /// Variables of a smaller rank are decided first, whatever their activity; every rank is 0 at the start.
    pub fn set_rank(&mut self, var: Var, rank: u32) {
        self.order.set_rank(var, rank);
    }

    /// Number of variables.
    #[must_use]
    pub fn vars(&self) -> usize {
        self.assigned.len()
    }

    /// Number of linear constraints.
    #[must_use]
    pub fn linear_constraints(&self) -> usize {
        self.linear.len()
    }

    /// The value that is known of a literal whatever else happens; `None` where it is open.
    #[must_use]
    pub fn fixed(&self, literal: Lit) -> Option<bool> {
        (self.values[literal.index()] != UNASSIGNED && self.assigned[literal.var().index()].level == 0)
            .then(|| self.values[literal.index()] > 0)
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
        self.statistics
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
        if is_tautology || clause.iter().any(|&l| self.is_true(l)) {
            return;
        }
        clause.retain(|&l| !self.is_false(l));
        match clause[..] {
            [] => self.contradiction(),
            [unit] => {
                self.enqueue(unit, Reason::None);
                self.propagate_root();
            }
            _ => {
                let stored = self.clauses.push(&clause, None, 0);
                self.watch(stored);
            }
        }
    }

    /// Adds `Σ a_i l_i ≥ bound`.
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
        let open = linear.terms.iter().copied().filter(|&(_, l)| self.fixed(l).is_none());
        let sure: i64 = linear.terms.iter().filter(|&&(_, l)| self.is_true(l)).map(|t| t.0).sum();
        let bound = linear.bound - sure;
        let mut linear = Linear { terms: open.collect(), bound };
        if bound > 0 {
            linear.terms.iter_mut().for_each(|t| t.0 = t.0.min(bound));
        }
        let id = self.linear.push(target, direction, &linear);
        if self.infer(id) {
            self.contradiction();
        } else {
            self.propagate_root();
        }
    }

    /// Propagates at level 0.
    pub(super) fn propagate_root(&mut self) {
        if self.propagate().is_some() {
            self.contradiction();
        } else {
            self.tell_units();
        }
    }

    pub(super) fn contradiction(&mut self) {
        if self.consistent {
            self.tell_units();
            self.consistent = false;
            if let Some(proof) = &mut self.proof {
                proof.conclude(&[]);
            }
        }
    }

    /// Tells the proof what became fixed, before the clauses that fixed it can be deleted.
    pub(super) fn tell_units(&mut self) {
        debug_assert!(self.levels.is_empty());
        if let Some(proof) = &mut self.proof {
            for &literal in &self.trail[self.told..] {
                if self.assigned[literal.var().index()].reason != Reason::None {
                    proof.conclude(&[literal]);
                }
            }
        }
        self.told = self.trail.len();
    }

    pub(super) fn watch(&mut self, clause: ClauseRef) {
        let (a, b) = (self.clauses.lit(clause, 0), self.clauses.lit(clause, 1));
        self.watches[(!a).index()].push(Watch { clause, blocker: b });
        self.watches[(!b).index()].push(Watch { clause, blocker: a });
    }

    pub(super) fn is_true(&self, literal: Lit) -> bool {
        self.values[literal.index()] > 0
    }

    pub(super) fn is_false(&self, literal: Lit) -> bool {
        self.values[literal.index()] < 0
    }

    pub(super) fn level(&self, literal: Lit) -> u32 {
        self.assigned[literal.var().index()].level
    }

    pub(super) fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}
