//! What all tallies over a file of results have in common.

/// Counts over the lines of a file of results.
pub trait Outcomes {
    /// Counts one line.
    fn add(&mut self, line: &serde_json::Value);
    /// Images counted so far.
    fn images(&self) -> usize;
    /// Images that ended in an internal error.
    fn errors(&self) -> usize;
    /// The counts in a few words.
    fn short(&self) -> String;
}
