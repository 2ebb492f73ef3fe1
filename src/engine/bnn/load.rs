//! From a formula to a solver, by way of what preprocessing derives.

use super::BnnError;
use super::encode::Encoded;
use super::implied::Implied;
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

/// Derives a constraint by adding two: `first + factor · second`, by their numbers in the OPB file.
pub(super) type Combine<'a> = &'a mut dyn FnMut(u32, u32, i64);

/// Adds the formula of a query to a solver, with what follows from the ball; returns how many neurons
/// were fixed. Every derived constraint is announced to `combine`.
pub(super) fn load(
    encoded: &Encoded,
    preprocessing: Preprocessing,
    solver: &mut Solver<'_>,
    combine: Combine<'_>,
) -> Result<usize, BnnError> {
    let formula = &encoded.formula;
    while solver.vars() < formula.vars {
        solver.new_var();
    }
    let ball = encoded.inputs.ball.as_ref();
    let number_of = |index: usize| 1 + formula.constraints[..index].iter().map(|c| c.inequalities()).sum::<usize>();
    let ball_number = ball.map_or(0, |b| number_of(b.constraint)) as u32;
    let (mut fixed, mut number) = (0, 1);
    for constraint in &formula.constraints {
        let implied = ball.and_then(|ball| Implied::of(constraint, ball));
        if let Some(implied) = implied.filter(|i| if i.is_fixed { preprocessing.fix } else { preprocessing.counts }) {
            // The inequality of "target implies" comes first; it speaks of neurons that are off at the centre.
            let of_neuron = if implied.is_target { number + 1 } else { number };
            if implied.is_fixed {
                combine(of_neuron, ball_number, implied.factor);
                fixed += 1;
                solver.add_clause(&[implied.kept]);
                number += constraint.inequalities() as u32;
                continue;
            }
            if implied.factor > 0 {
                combine(of_neuron, ball_number, implied.factor);
                solver.add_reified(!implied.kept, Direction::TargetImplies, &implied.terms, implied.bound)?;
            }
        }
        constraint.add_to(solver)?;
        number += constraint.inequalities() as u32;
    }
    Ok(fixed)
}
