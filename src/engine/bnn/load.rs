//! From a formula to a solver, by way of what preprocessing derives.

use super::BnnError;
use super::encode::Encoded;
use super::implied::Implied;
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

/// Derives an inequality by adding to one of a constraint's `factor` times the ball's: the constraint's index
/// in the formula, which of its inequalities, the factor.
pub(super) type Combine<'a> = &'a mut dyn FnMut(usize, usize, i64);

/// Adds the formula of a query to a solver, with what follows from the ball; returns how many neurons
/// were fixed. Every derived constraint is announced to `combine`.
pub(super) fn load(
    encoded: &Encoded,
    preprocessing: Preprocessing,
    solver: &mut Solver<'_>,
    combine: Combine<'_>,
    budget: &Budget,
) -> Result<usize, BnnError> {
    let formula = &encoded.formula;
    while solver.vars() < formula.vars {
        solver.new_var();
    }
    let ball = encoded.inputs.ball.as_ref();
    let mut fixed = 0;
    for (index, constraint) in formula.constraints.iter().enumerate() {
        if budget.is_spent() {
            return Err(BnnError::OutOfTime);
        }
        let implied = ball.and_then(|ball| Implied::of(constraint, ball));
        if let Some(implied) = implied.filter(|i| if i.is_fixed { preprocessing.fix } else { preprocessing.counts }) {
            // The inequality of "target implies" comes first; it speaks of neurons that are off at the centre.
            let of_neuron = usize::from(implied.is_target);
            if implied.is_fixed {
                combine(index, of_neuron, implied.factor);
                fixed += 1;
                solver.add_clause(&[implied.kept]);
                continue;
            }
            if implied.factor > 0 {
                combine(index, of_neuron, implied.factor);
                solver.add_reified(!implied.kept, Direction::TargetImplies, &implied.terms, implied.bound)?;
            }
        }
        constraint.add_to(solver)?;
    }
    Ok(fixed)
}
