//! From a formula to a solver, by way of what preprocessing derives.

use super::BnnError;
use super::alias::Aliases;
use super::encode::Encoded;
use super::implied::{Flips, Implied};
use crate::engine::sat::{Direction, Lit, Solver};

/// What is derived before the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preprocessing {
    /// Neurons that the region's support function proves stable become constants.
    pub fix: bool,
    /// Counts of flips that follow from the ball become constraints of their own.
    pub counts: bool,
}

impl Default for Preprocessing {
    fn default() -> Self {
        Self { fix: true, counts: true }
    }
}

/// What preprocessing adds to a proof; each step returns the number of the inequality that it derives.
pub(super) trait Steps {
    /// `first + factor · second`, by their numbers.
    fn combine(&self, first: u32, second: u32, factor: i64) -> u32;

    /// The result of steps in reverse Polish notation.
    fn polish(&self, steps: &str) -> u32;

    /// A clause that follows by unit propagation.
    fn clause(&self, literals: &[Lit]) -> u32;
}

/// Adds the formula of a query to a solver, with what follows from the ball; returns how many neurons
/// were fixed. Every derived inequality is announced to `proof`, where there is one.
pub(super) fn load(
    encoded: &Encoded,
    preprocessing: Preprocessing,
    solver: &mut Solver<'_>,
    proof: Option<&dyn Steps>,
) -> Result<usize, BnnError> {
    let formula = &encoded.formula;
    while solver.vars() < formula.vars {
        solver.new_var();
    }
    let ball = encoded.inputs.ball.as_ref();
    let number_of = |index: usize| 1 + formula.constraints[..index].iter().map(|c| c.inequalities()).sum::<usize>();
    let ball_number = ball.map_or(0, |b| number_of(b.constraint)) as u32;
    let flips = ball.filter(|_| preprocessing.fix || preprocessing.counts).map(Flips::of);
    let mut aliases = Aliases::new(&encoded.inputs.values, formula.vars);
    let (mut fixed, mut number) = (0, 1);
    for original in &formula.constraints {
        let of_original = number;
        number += original.inequalities() as u32;
        let translated = aliases.translated(original);
        let constraint = translated.as_ref().unwrap_or(original);
        if let Some(clauses) = aliases.find(constraint) {
            clauses.iter().for_each(|clause| solver.add_clause(clause));
            continue;
        }
        let implied = flips.as_ref().and_then(|flips| Implied::of(constraint, flips));
        if let Some(implied) = implied.filter(|i| if i.is_fixed { preprocessing.fix } else { preprocessing.counts }) {
            // The inequality of "target implies" comes first; it speaks of neurons that are off at the centre.
            let derive = |proof: &dyn Steps| {
                let of_neuron = if implied.is_target { of_original + 1 } else { of_original };
                let of_neuron = match &translated {
                    Some(_) => aliases.derive(original, implied.is_target, of_neuron, proof),
                    None => of_neuron,
                };
                proof.combine(of_neuron, ball_number, implied.factor);
            };
            if implied.is_fixed {
                proof.into_iter().for_each(derive);
                fixed += 1;
                solver.add_clause(&[implied.kept]);
                continue;
            }
            if implied.factor > 0 {
                proof.into_iter().for_each(derive);
                solver.add_reified(!implied.kept, Direction::TargetImplies, &implied.terms, implied.bound)?;
            }
        }
        constraint.add_to(solver)?;
    }
    Ok(fixed)
}
