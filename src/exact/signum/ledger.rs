//! Where derived inequalities are written down, so that the proof can use them; nowhere when no
//! certificate is wanted.

use absint_sat::{Lit, ProofSink, VeripbLog};
use std::cell::RefCell;
use std::io::Write;

/// What preprocessing adds to a proof; each returns the number of its line's inequality.
pub(super) trait Lines {
    /// `first + factor · second`, by their numbers.
    fn combine(&self, first: u32, second: u32, factor: i64) -> u32;

    /// The result of steps in reverse Polish notation.
    fn polish(&self, steps: &str) -> u32;

    /// A clause that follows by unit propagation.
    fn clause(&self, literals: &[Lit]) -> u32;
}

impl<W: Write> Lines for RefCell<&mut VeripbLog<W>> {
    fn combine(&self, first: u32, second: u32, factor: i64) -> u32 {
        self.borrow_mut().combine(first, second, factor)
    }

    fn polish(&self, steps: &str) -> u32 {
        self.borrow_mut().polish(steps)
    }

    fn clause(&self, literals: &[Lit]) -> u32 {
        self.borrow_mut().conclude(literals)
    }
}

/// An inequality of a constraint: the constraint's index in the formula, and 0 for "target implies" or 1.
pub(super) type Source = (usize, usize);

/// The proof, with the numbers that the formula's inequalities have in it.
pub(super) struct Ledger<'a> {
    numbers: &'a [[u32; 2]],
    lines: Option<&'a dyn Lines>,
}

impl<'a> Ledger<'a> {
    /// A ledger for a certificate, where the inequalities of each constraint have these numbers.
    pub fn new(numbers: &'a [[u32; 2]], lines: &'a dyn Lines) -> Self {
        Self { numbers, lines: Some(lines) }
    }

    /// A ledger that nobody reads.
    pub fn closed() -> Self {
        Self { numbers: &[], lines: None }
    }

    /// True where anybody reads it.
    pub fn is_open(&self) -> bool {
        self.lines.is_some()
    }

    /// The number of an inequality; 0 where there is no ledger.
    pub fn number(&self, (constraint, inequality): Source) -> u32 {
        self.numbers.get(constraint).and_then(|n| n.get(inequality)).copied().unwrap_or(0)
    }

    /// Derives `first + factor · second` from inequalities with these numbers.
    pub fn combine(&self, first: u32, second: u32, factor: i64) {
        if let Some(lines) = self.lines {
            lines.combine(first, second, factor);
        }
    }

    /// Derives the result of steps in reverse Polish notation; 0 where there is no ledger.
    pub fn polish(&self, steps: &str) -> u32 {
        self.lines.map_or(0, |lines| lines.polish(steps))
    }

    /// The number of a clause that follows by unit propagation.
    pub fn clause(&self, literals: &[Lit]) -> u32 {
        self.lines.map_or(0, |lines| lines.clause(literals))
    }
}
