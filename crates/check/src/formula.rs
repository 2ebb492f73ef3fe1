//! Whether a file is the formula that it should be, with lemmas that hold.

use super::lemma::{Lemma, LemmaError, MARK, RealInputs};
use thiserror::Error;

/// Why an OPB file is not about a query.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FormulaError {
    /// Another formula.
    #[error("line {0} of the formula is not that of this network and query")]
    Different(usize),
    /// A lemma that does not hold.
    #[error("line {line} of the formula: {what}")]
    Lemma {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        what: LemmaError,
    },
}

/// How many lemmas about real inputs a formula takes for granted.
#[must_use]
pub fn lemmas(opb: &str) -> usize {
    opb.lines().filter(|line| line.starts_with(MARK)).count()
}

/// Checks that below its first line, a comment with two counts, `opb` has the lines of `expected`, and below
/// these nothing but lemmas about `inputs` that hold.
///
/// # Errors
/// The first line that is not the expected one or does not hold.
pub fn check_formula(expected: &[&str], inputs: &RealInputs, opb: &str) -> Result<(), FormulaError> {
    let mut given = opb.lines();
    let head = given.next();
    let mut line = 2;
    for expected in expected.iter().flat_map(|part| part.lines()) {
        if given.next() != Some(expected) {
            return Err(FormulaError::Different(line));
        }
        line += 1;
    }
    if !head.is_some_and(|head| head.starts_with('*')) {
        return Err(FormulaError::Different(1));
    }
    let rest: Vec<&str> = given.collect();
    for lines in rest.chunks(2) {
        let checked = Lemma::parse(lines).and_then(|lemma| inputs.check(&lemma));
        checked.map_err(|what| FormulaError::Lemma { line, what })?;
        line += 2;
    }
    Ok(())
}
