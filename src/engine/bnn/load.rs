//! From a formula to a solver, by way of what preprocessing derives.

use super::BnnError;
use super::alias::Aliases;
use super::encode::Encoded;
use super::implied::{Flips, Implied};
use super::ledger::Ledger;
use crate::domains::budget::Budget;
use crate::engine::sat::{Direction, Solver};

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

/// Adds the formula of a query to a solver, with what follows from the ball; returns how many neurons
/// were fixed. Every derived constraint is written into the ledger.
pub(super) fn load(
    encoded: &Encoded,
    preprocessing: Preprocessing,
    solver: &mut Solver<'_>,
    ledger: &Ledger<'_>,
    budget: &Budget,
) -> Result<usize, BnnError> {
    while solver.vars() < encoded.vars() {
        solver.new_var();
    }
    let ball = encoded.inputs.ball.as_ref();
    let flips = ball.map(Flips::of);
    let mut aliases = Aliases::new(&encoded.inputs.values, encoded.vars());
    let mut fixed = 0;
    for (index, original) in encoded.constraints().enumerate() {
        if budget.is_spent() {
            return Err(BnnError::OutOfTime);
        }
        let translated = aliases.translated(original);
        let constraint = translated.as_ref().unwrap_or(original);
        if let Some(clauses) = aliases.find(constraint) {
            if ledger.is_open() {
                aliases.tell(constraint, &clauses, ledger);
            }
            clauses.iter().for_each(|clause| solver.add_clause(clause));
            continue;
        }
        let implied = flips.as_ref().and_then(|flips| Implied::of(constraint, flips));
        if let Some(implied) = implied.filter(|i| if i.is_fixed { preprocessing.fix } else { preprocessing.counts }) {
            // The inequality of "target implies" comes first; it speaks of neurons that are off at the centre.
            if ledger.is_open() && (implied.is_fixed || implied.factor > 0) {
                let of_neuron = ledger.number((index, usize::from(implied.is_target)));
                let of_ball = ball.map_or(0, |b| ledger.number((b.constraint, 0)));
                if translated.is_none() {
                    ledger.combine(of_neuron, of_ball, implied.factor);
                } else if let Some(ball) = ball.filter(|_| aliases.are_first(original)) {
                    let over_neurons = aliases.ball(ball, of_ball, ledger);
                    ledger.combine(of_neuron, over_neurons, implied.factor);
                } else {
                    let own = aliases.derive(original, implied.is_target, of_neuron, ledger);
                    ledger.combine(own, of_ball, implied.factor);
                }
            }
            if implied.is_fixed {
                fixed += 1;
                solver.add_clause(&[implied.kept]);
                continue;
            }
            if implied.factor > 0 {
                solver.add_reified(!implied.kept, Direction::TargetImplies, &implied.terms, implied.bound)?;
            }
        }
        constraint.add_to(solver)?;
    }
    Ok(fixed)
}
