//! The formula that a certificate is about, from a second encoder that shares no code with the one the
//! search uses: every neuron, nothing fixed, nothing derived.
//!
//! The network is evaluated by the code that also replays witnesses, on numbers with unknowns, so that each
//! pre-activation becomes a sum over bits with rational coefficients. Variables are numbered in this order:
//! the inputs' bits, input by input from the lowest grid step to the highest; one bit per jump of every
//! activation, node by node and neuron by neuron; one bit per disjunct. Sums are cleared of denominators
//! and divided by the greatest common divisor of their coefficients, which makes them unique.
//!
//! Real inputs have no bits: then a neuron that reads them is only a bit, and what the inputs allow of
//! those bits comes as [lemmas](Lemma).
//!
//! What compares a file with this formula, and checks its lemmas and its proof, is the crate `absint-check`,
//! which knows no network.

mod formula;
mod inputs;
mod neurons;
mod sums;
mod symbol;

pub(super) use formula::OpbText;
pub(super) use inputs::Inputs;
pub(super) use neurons::Neurons;

use super::SignumError;
use super::quantiser::Quantiser;
use crate::domains::budget::Budget;
use crate::domains::network::Network;
use crate::domains::query::{Case, Query};
use absint_check::{Lemma, RealInputs};
use std::sync::Arc;
use thiserror::Error;

/// The formula of a case: satisfiable iff some input is unsafe.
pub(super) struct Original {
    inputs: Inputs,
    neurons: Arc<Neurons>,
    goal: Arc<OpbText>,
}

/// Why an OPB file is not about a query.
#[derive(Debug, Error)]
pub enum FormulaError {
    /// The query has no such formula.
    #[error(transparent)]
    Query(#[from] SignumError),
    /// Another formula, or lemmas that do not hold.
    #[error(transparent)]
    Given(#[from] absint_check::Refusal),
}

/// Checks that `opb` is the formula of case number `case` of a query on a network (behind its quantiser, where it
/// begins with one), with lemmas about real inputs that do hold: then a proof that it is unsatisfiable is one that no input of the case is unsafe.
///
/// # Errors
/// The first line that is not the query's.
pub fn check_formula(network: &Network, query: &Query, case: usize, opb: &str) -> Result<(), FormulaError> {
    let missing = || absint_check::Refusal { file: "formula", line: 1, what: "the query has no such case".to_owned() };
    let (case, budget) = (query.cases.get(case).ok_or_else(missing)?, Budget::unlimited());
    let quantised = Quantiser::of(network)
        .filter(|_| Quantiser::takes(case))
        .and_then(|quantiser| Some((quantiser.case(case)?, quantiser)));
    let original = match &quantised {
        Some((quantised, quantiser)) => Original::encode(quantiser.rest(), quantised, &budget)?,
        None => Original::encode(network, case, &budget)?,
    };
    original.check(opb)
}

impl Original {
    /// Encodes a case.
    ///
    /// # Errors
    /// Numbers that are not rational where they must be, inputs over a continuum in another region than a
    /// box, sums over real inputs and neurons together; or the time is up.
    pub fn encode(network: &Network, case: &Case, budget: &Budget) -> Result<Self, SignumError> {
        let inputs = Inputs::encode(&case.region)?;
        let neurons = Neurons::encode(network, &inputs, budget)?;
        let goal = neurons.goal(&case.property, &inputs, budget)?;
        Ok(Self::of(inputs, Arc::new(neurons), Arc::new(goal)))
    }

    /// The formula of its parts, each of which was made for the ones before.
    pub fn of(inputs: Inputs, neurons: Arc<Neurons>, goal: Arc<OpbText>) -> Self {
        Self { inputs, neurons, goal }
    }

    fn parts(&self) -> [&OpbText; 3] {
        [&self.inputs.opb, &self.neurons.opb, &self.goal]
    }

    /// Number of inequalities, lemmas apart.
    pub fn inequalities(&self) -> usize {
        self.parts().iter().map(|part| part.count).sum()
    }

    /// The number of bits, which the encoder of the search numbers alike.
    pub fn variables(&self) -> usize {
        self.goal.variables
    }

    /// The OPB file with lemmas.
    pub fn to_opb(&self, lemmas: &[Lemma]) -> String {
        let count = self.inequalities() + lemmas.len();
        let head = format!("* #variable= {} #constraint= {count}\n", self.variables());
        let [inputs, neurons, goal] = self.parts().map(|part| part.text.as_str());
        let mut text = [head.as_str(), inputs, neurons, goal].concat();
        for lemma in lemmas {
            text.push_str(&lemma.to_string());
        }
        text
    }

    /// The numbers of inequalities in the whole formula, given those in its parts (see [`OpbText::numbers`]).
    pub fn numbers(&self, of_parts: [&[[u32; 2]]; 3]) -> Vec<[u32; 2]> {
        let mut numbers = Vec::with_capacity(of_parts.iter().map(|part| part.len()).sum());
        let mut before = 0;
        for (part, of_part) in self.parts().into_iter().zip(of_parts) {
            let whole = |n: u32| if n == 0 { 0 } else { n + before };
            numbers.extend(of_part.iter().map(|pair| pair.map(whole)));
            before += part.count as u32;
        }
        numbers
    }

    /// Checks that a file is this formula with lemmas that hold.
    fn check(&self, opb: &str) -> Result<(), FormulaError> {
        let (lower, upper) = self.inputs.ends.clone();
        let (always, sides) = (self.inputs.always.clone(), self.neurons.sides.clone());
        let inputs = RealInputs { lower, upper, always, sides };
        let expected = self.parts().map(|part| part.text.as_str());
        Ok(absint_check::check_formula(&expected, &inputs, opb)?)
    }
}
