//! What a solver tells about its search, so that its *unsatisfiable* can be checked.

use super::Lit;

/// Receives every clause that the solver concludes, in order: each follows from the constraints and
/// the clauses before it by unit propagation alone (reverse unit propagation).
pub trait ProofSink {
    /// A clause was concluded; the empty one ends the proof. Returns its number for
    /// [`ProofSink::delete`].
    fn conclude(&mut self, clause: &[Lit]) -> u32;

    /// The clause with this number is not used any more.
    fn delete(&mut self, number: u32);
}
