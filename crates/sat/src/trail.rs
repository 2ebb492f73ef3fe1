//! The trail: which literals are true, in which order they became so, since which decision level and why.

use super::clauses::ClauseRef;
use super::linear::LinearRef;
use super::{Lit, Var};

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

/// What is known of a variable while it is assigned.
#[derive(Clone, Copy, Debug)]
struct Assigned {
    level: u32,
    /// Its place in the trail.
    position: u32,
    reason: Reason,
}

const OPEN: i8 = 0;

/// The assignment, as a stack.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// 1, −1 or 0 per literal: true, false, open.
    values: Vec<i8>,
    assigned: Vec<Assigned>,
    literals: Vec<Lit>,
    /// Length of the trail at the start of each decision level above 0.
    levels: Vec<usize>,
}

impl Trail {
    /// A new variable, still open.
    pub fn grow(&mut self) -> Var {
        self.assigned.push(Assigned { level: 0, position: 0, reason: Reason::None });
        self.values.extend([OPEN; 2]);
        Var::new(self.assigned.len() - 1)
    }

    /// Number of variables, open ones included.
    pub fn vars(&self) -> usize {
        self.assigned.len()
    }

    /// 1, −1 or 0: true, false, open.
    #[cfg(debug_assertions)]
    pub fn value(&self, literal: Lit) -> i8 {
        self.values[literal.index()]
    }

    pub fn is_true(&self, literal: Lit) -> bool {
        self.values[literal.index()] > OPEN
    }

    pub fn is_false(&self, literal: Lit) -> bool {
        self.values[literal.index()] < OPEN
    }

    pub fn is_open(&self, literal: Lit) -> bool {
        self.values[literal.index()] == OPEN
    }

    /// The level at which a literal was assigned.
    pub fn level(&self, literal: Lit) -> u32 {
        self.assigned[literal.var().index()].level
    }

    pub fn position(&self, literal: Lit) -> u32 {
        self.assigned[literal.var().index()].position
    }

    pub fn reason(&self, literal: Lit) -> Reason {
        self.assigned[literal.var().index()].reason
    }

    /// The value that a literal has whatever else happens; `None` where it is open.
    pub fn fixed(&self, literal: Lit) -> Option<bool> {
        (!self.is_open(literal) && self.level(literal) == 0).then(|| self.is_true(literal))
    }

    /// The literals that are true, in the order in which they became so.
    pub fn literals(&self) -> &[Lit] {
        &self.literals
    }

    /// The number of decision levels above 0.
    pub fn depth(&self) -> usize {
        self.levels.len()
    }

    /// The literals that are true above level 0.
    pub fn above_root(&self) -> &[Lit] {
        &self.literals[self.levels.first().map_or(self.literals.len(), |&start| start)..]
    }

    /// Opens a decision level.
    pub fn push_level(&mut self) {
        self.levels.push(self.literals.len());
    }

    /// Makes a literal true at the current level.
    pub fn enqueue(&mut self, literal: Lit, reason: Reason) {
        debug_assert!(self.is_open(literal));
        self.values[literal.index()] = 1;
        self.values[(!literal).index()] = -1;
        self.assigned[literal.var().index()] =
            Assigned { level: self.levels.len() as u32, position: self.literals.len() as u32, reason };
        self.literals.push(literal);
    }

    /// Takes back all levels above `level`; `undone` receives each literal with its place, the last one first.
    pub fn backtrack_to(&mut self, level: usize, mut undone: impl FnMut(usize, Lit)) {
        let Some(&keep) = self.levels.get(level) else { return };
        while self.literals.len() > keep {
            let Some(literal) = self.literals.pop() else { break };
            self.values[literal.index()] = OPEN;
            self.values[(!literal).index()] = OPEN;
            undone(self.literals.len(), literal);
        }
        self.levels.truncate(level);
    }

    /// Number of decision levels of literals that are assigned.
    pub fn distance(&self, clause: &[Lit]) -> u32 {
        let mut levels: Vec<u32> = clause.iter().map(|&l| self.level(l)).collect();
        levels.sort_unstable();
        levels.dedup();
        levels.len() as u32
    }

    /// Clauses moved: reasons follow them.
    pub fn relocate(&mut self, moved: impl Fn(ClauseRef) -> ClauseRef) {
        for literal in &self.literals {
            if let Reason::Clause(clause) = &mut self.assigned[literal.var().index()].reason {
                *clause = moved(*clause);
            }
        }
    }
}
