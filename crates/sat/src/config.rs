//! Settings and results of a solver.

/// The value that a decision variable gets first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polarity {
    /// A random one: the better choice for networks (Jia & Rinard 2020 §4.2).
    Random,
    /// The one it had last (phase saving).
    Saved,
}

/// Settings of the search. None of them influences an answer, only the time it takes.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Seed of the random polarity.
    pub seed: u64,
    /// How decision variables get their value, unless the search is told otherwise.
    pub polarity: Polarity,
    /// Conflicts before the first restart; later ones follow the Luby sequence.
    pub restart: u64,
    /// Factor by which activities of variables decay with each conflict.
    pub decay: f64,
    /// Learnt clauses that are kept before the first reduction.
    pub learnt: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { seed: 1, polarity: Polarity::Random, restart: 100, decay: 0.95, learnt: 4000 }
    }
}

/// The answer of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is an assignment; the solver holds it.
    Satisfiable,
    /// There is none under the assumptions.
    Unsatisfiable,
    /// The limits were reached first.
    Interrupted,
}

/// When to give up. `interrupt` is polled some hundred times a second.
pub struct Limits<'a> {
    /// Conflicts allowed in this call.
    pub conflicts: u64,
    /// Returns true when the search should stop.
    pub interrupt: &'a mut dyn FnMut() -> bool,
}

/// How much work a solver has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Conflicts, each of which taught one clause.
    pub conflicts: u64,
    /// Decisions.
    pub decisions: u64,
    /// Literals that propagation went through.
    pub propagations: u64,
    /// Restarts.
    pub restarts: u64,
    /// Learnt clauses thrown away.
    pub deleted: u64,
    /// Literals of learnt clauses, after minimisation.
    pub literals: u64,
    /// Literals that minimisation removed.
    pub minimised: u64,
}

impl Statistics {
    /// Adds the work of another solver.
    pub fn add(&mut self, other: &Self) {
        self.conflicts += other.conflicts;
        self.decisions += other.decisions;
        self.propagations += other.propagations;
        self.restarts += other.restarts;
        self.deleted += other.deleted;
        self.literals += other.literals;
        self.minimised += other.minimised;
    }
}
