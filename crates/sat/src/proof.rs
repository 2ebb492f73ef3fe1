//! What a solver tells about its search, so that its *unsatisfiable* can be checked.

use super::Lit;
use super::trail::{Reason, Trail};

/// Receives every clause that the solver concludes, in order: each follows from the constraints and
/// the clauses before it by unit propagation alone (reverse unit propagation).
pub trait ProofSink {
    /// A clause was concluded; the empty one ends the proof. Returns its number for
    /// [`ProofSink::delete`].
    fn conclude(&mut self, clause: &[Lit]) -> u32;

    /// The clause with this number is not used any more.
    fn delete(&mut self, number: u32);
}

/// The proof that somebody may be listening to.
#[derive(Default)]
pub(super) struct Told<'p> {
    sink: Option<&'p mut dyn ProofSink>,
    /// How much of the trail of level 0 the proof knows of.
    units: usize,
}

impl<'p> Told<'p> {
    /// Everything from now on goes to `sink`.
    pub fn log_to(&mut self, sink: &'p mut dyn ProofSink) {
        self.sink = Some(sink);
    }

    /// The number of a clause that was concluded; 0 where nobody listens.
    pub fn conclude(&mut self, clause: &[Lit]) -> u32 {
        self.sink.as_mut().map_or(0, |sink| sink.conclude(clause))
    }

    /// The clause with this number is not used any more.
    pub fn delete(&mut self, number: u32) {
        if let Some(sink) = &mut self.sink {
            sink.delete(number);
        }
    }

    /// Tells what became fixed, before the clauses that fixed it can be deleted.
    pub fn units(&mut self, trail: &Trail) {
        debug_assert!(trail.depth() == 0);
        if let Some(sink) = &mut self.sink {
            for &literal in &trail.literals()[self.units..] {
                if trail.reason(literal) != Reason::None {
                    sink.conclude(&[literal]);
                }
            }
        }
        self.units = trail.literals().len();
    }
}
