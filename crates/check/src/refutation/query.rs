//! The query that a proof is about: for each case a box of inputs and an unsafe set.

use super::text::{Reader, Refusal, Words, number, shown};
use dashu_ratio::RBig;
use std::io::BufRead;

/// Cases, each of which must be refuted.
#[derive(Debug)]
pub struct Query {
    pub(super) cases: Vec<Case>,
}

/// Inputs, and the unsafe set that none of them may reach.
#[derive(Debug)]
pub(super) struct Case {
    pub lower: Vec<RBig>,
    pub upper: Vec<RBig>,
    /// Half-spaces of the inputs, besides the box: each form is at most zero.
    pub limits: Vec<Form>,
    /// Conjunctions of forms that are at most zero.
    pub disjuncts: Vec<Vec<Form>>,
}

/// `constant + Σ c x_i + Σ c y_j` over inputs and outputs.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub constant: RBig,
    /// Coefficient, whether it is an output's, and its index.
    pub terms: Vec<(RBig, bool, usize)>,
}

/// Reads a query over so many inputs and outputs, as `docs/certificates.md` has it.
///
/// # Errors
/// The first line that is not understood.
pub fn read_query(source: impl BufRead, inputs: usize, outputs: usize) -> Result<Query, Refusal> {
    let mut reader = Reader::new(source, "query");
    reader.exactly("absint query 1")?;
    let mut cases: Vec<Case> = Vec::new();
    while let Some(mut words) = reader.next()? {
        match words.word()? {
            "case" => {
                words.end()?;
                cases.push(read_box(&mut reader, inputs)?);
            }
            keyword => {
                let Some(case) = cases.last_mut() else { return Err(words.error("a case must come first")) };
                match keyword {
                    "limit" if case.disjuncts.is_empty() => case.limits.push(read_form(words, inputs, 0)?),
                    "unsafe" => {
                        words.end()?;
                        case.disjuncts.push(Vec::new());
                    }
                    "atom" => {
                        let Some(atoms) = case.disjuncts.last_mut() else {
                            return Err(words.error("`unsafe` must come first"));
                        };
                        atoms.push(read_form(words, inputs, outputs)?);
                    }
                    other => return Err(words.error(format!("`{}` is not understood here", shown(other)))),
                }
            }
        }
    }
    Ok(Query { cases })
}

fn read_box<R: BufRead>(reader: &mut Reader<R>, inputs: usize) -> Result<Case, Refusal> {
    let mut case = Case { lower: Vec::new(), upper: Vec::new(), limits: Vec::new(), disjuncts: Vec::new() };
    for _ in 0..inputs {
        let mut words = reader.expect()?;
        words.exactly("x")?;
        case.lower.push(words.number()?);
        case.upper.push(words.number()?);
        words.end()?;
    }
    Ok(case)
}

/// `CONSTANT C Xi C Yj …`.
fn read_form(mut words: Words<'_>, inputs: usize, outputs: usize) -> Result<Form, Refusal> {
    let constant = words.number()?;
    let mut terms = Vec::new();
    while let Some(word) = words.next() {
        let c = number(word).ok_or_else(|| words.error(format!("`{}` is no number", shown(word))))?;
        let name = words.word()?;
        let wrong = || words.error(format!("`{}` is no variable", shown(name)));
        let (is_output, index, end) = match (name.strip_prefix('X'), name.strip_prefix('Y')) {
            (Some(index), _) => (false, index, inputs),
            (_, Some(index)) => (true, index, outputs),
            _ => return Err(wrong()),
        };
        let index = index.parse().ok().filter(|&index: &usize| index < end).ok_or_else(wrong)?;
        terms.push((c, is_output, index));
    }
    Ok(Form { constant, terms })
}
