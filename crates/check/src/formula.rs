//! Whether a file is the formula that it should be, with lemmas that hold.

use super::Refusal;
use super::lemma::{Lemma, MARK, RealInputs};

/// How many lemmas about real inputs a formula takes for granted.
#[must_use]
pub fn lemmas(opb: &str) -> usize {
    opb.lines().filter(|line| line.starts_with(MARK)).count()
}

/// Checks that below a comment `opb` has the lines of `expected`, and below these only lemmas about `inputs` that hold.
/// The first line that is not the expected one or does not hold is an error.
pub fn check_formula(expected: &[&str], inputs: &RealInputs, opb: &str) -> Result<(), Refusal> {
    let refusal = |line: usize, what: &str| Refusal { file: "formula", line, what: what.to_owned() };
    let different = |line| refusal(line, "the line is not that of this network and query");
    let mut given = opb.lines();
    if !given.next().is_some_and(|head| head.starts_with('*')) {
        return Err(different(1));
    }
    let mut line = 2;
    for expected in expected.iter().flat_map(|part| part.lines()) {
        if given.next() != Some(expected) {
            return Err(different(line));
        }
        line += 1;
    }
    let rest: Vec<&str> = given.collect();
    for lines in rest.chunks(2) {
        let checked = Lemma::parse(lines).and_then(|lemma| inputs.check(&lemma));
        checked.map_err(|what| refusal(line, what))?;
        line += 2;
    }
    Ok(())
}
