//! The variables of version 1.0: `X_i` and `Y_j`, declared one by one and numbered without gaps.

use super::cursor::{Cursor, fault, unexpected};
use super::error::{Fault, VnnlibProblem, spelled};
use super::lexer::{Token, shortened};
use super::tensors::MOST_VARIABLES;
use crate::domains::query::Variable;

/// The variables that are declared so far: where, by number.
#[derive(Default)]
pub(super) struct Numbered {
    inputs: Vec<Option<usize>>,
    outputs: Vec<Option<usize>>,
}

impl Numbered {
    /// `declare-const` after its name.
    pub(super) fn declare_const(&mut self, tokens: &mut Cursor) -> Result<(), Fault> {
        let variable = self.name(tokens)?;
        sort(tokens, variable)
    }

    /// `declare-fun` after its name.
    pub(super) fn declare_fun(&mut self, tokens: &mut Cursor) -> Result<(), Fault> {
        let variable = self.name(tokens)?;
        match tokens.next() {
            (_, Token::Open) => tokens.close()?,
            (offset, found) => return unexpected(offset, "`()`, as variables take no arguments", found),
        }
        sort(tokens, variable)
    }

    fn name(&mut self, tokens: &mut Cursor) -> Result<Variable, Fault> {
        let (offset, name) = tokens.word("the name of a variable")?;
        let Some(variable) = variable(name) else { return fault(offset, VnnlibProblem::BadName(shortened(name))) };
        let (list, index) = match variable {
            Variable::Input(i) => (&mut self.inputs, i),
            Variable::Output(i) => (&mut self.outputs, i),
        };
        if index >= MOST_VARIABLES {
            return fault(offset, VnnlibProblem::TooLarge { limit: MOST_VARIABLES, what: "variables" });
        }
        if list.len() <= index {
            list.resize(index + 1, None);
        }
        match list[index].replace(offset) {
            None => Ok(variable),
            Some(_) => fault(offset, VnnlibProblem::DeclaredTwice(spelled(variable))),
        }
    }

    /// The declared variable that is written at `offset`.
    pub(super) fn resolve(&self, offset: usize, word: &str) -> Result<Variable, Fault> {
        let Some(variable) = variable(word) else { return fault(offset, VnnlibProblem::BadName(shortened(word))) };
        let known = match variable {
            Variable::Input(i) => self.inputs.get(i),
            Variable::Output(i) => self.outputs.get(i),
        };
        match known {
            Some(Some(_)) => Ok(variable),
            _ => fault(offset, VnnlibProblem::Undeclared(spelled(variable))),
        }
    }

    /// Where the inputs are declared, and how many outputs are; `end` is the end of the text.
    pub(super) fn finish(self, end: usize) -> Result<(Vec<usize>, usize), Fault> {
        let inputs = without_gaps(&self.inputs, Variable::Input)?;
        let outputs = without_gaps(&self.outputs, Variable::Output)?.len();
        if inputs.is_empty() { fault(end, VnnlibProblem::NoInputs) } else { Ok((inputs, outputs)) }
    }
}

/// `Real)`.
fn sort(tokens: &mut Cursor, variable: Variable) -> Result<(), Fault> {
    let (offset, sort) = tokens.word("`Real`")?;
    if sort != "Real" {
        return fault(offset, VnnlibProblem::BadSort(spelled(variable)));
    }
    tokens.close()
}

/// `X_i` or `Y_i`, `i` without leading zeros.
fn variable(name: &str) -> Option<Variable> {
    let (kind, digits) = name.split_once('_')?;
    let is_canonical = digits == "0" || !digits.starts_with('0');
    if !is_canonical || digits.len() > 9 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let index = digits.parse().ok()?;
    match kind {
        "X" => Some(Variable::Input(index)),
        "Y" => Some(Variable::Output(index)),
        _ => None,
    }
}

/// The offsets of the declarations, when every index up to the largest is declared.
fn without_gaps(list: &[Option<usize>], variable: fn(usize) -> Variable) -> Result<Vec<usize>, Fault> {
    let known: Vec<usize> = list.iter().flatten().copied().collect();
    match (list.iter().position(Option::is_none), list.last()) {
        (Some(missing), Some(Some(offset))) => {
            let declared = spelled(variable(list.len() - 1));
            fault(*offset, VnnlibProblem::Gap { declared, missing: spelled(variable(missing)) })
        }
        _ => Ok(known),
    }
}
