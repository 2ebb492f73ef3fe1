//! Which bits the search decides first.
//!
//! In a small ball few neurons of the first layer can change, and what they do decides everything behind them; so it is in
//! a box of quantised inputs. With more than one layer of neurons the search over their values is far shorter than one that is also free to
//! guess inputs or neurons farther back; with a single one the inputs are the better guesses now and then, and the
//! activities alone decide. In a box, which may have all inputs changed at once, bits keep the values that they had last:
//! whole patterns are moved about instead of being drawn anew.

use super::ascent::is_box;
use super::encode::Encoded;
use absint_sat::{Direction, Lit, Solver, Var};

/// Has the neurons of the first layer decided before all other bits, where there are deeper ones and no real inputs; in a box
/// bits keep their last values.
pub(super) fn rank(encoded: &Encoded, solver: &mut Solver<'_>) {
    if encoded.inputs.cells.is_some() {
        return;
    }
    let depths = depths(encoded);
    if depths.iter().all(|&depth| depth < 2) {
        return;
    }
    for (i, &depth) in depths.iter().enumerate() {
        solver.set_rank(Var::new(i), u32::from(depth != 1));
    }
    if is_box(encoded) {
        solver.save_phases();
    }
}

/// For each variable the number of layers up to its neuron: 0 for inputs, and for thresholds of a single one of them.
fn depths(encoded: &Encoded) -> Vec<usize> {
    let mut depths = vec![0; encoded.vars()];
    // Of which input a variable is a bit.
    let mut inputs: Vec<Option<usize>> = vec![None; encoded.vars()];
    for (i, value) in encoded.inputs.values.iter().enumerate() {
        value.steps.iter().for_each(|(_, l)| inputs[l.var().index()] = Some(i));
    }
    for constraint in encoded.constraints() {
        if let Some((target, Direction::Both)) = constraint.target {
            let before = constraint.terms.iter().map(|t| depths[t.1.var().index()]).max().unwrap_or(0);
            let input = |t: &(i64, Lit)| inputs[t.1.var().index()];
            let first = constraint.terms.first().and_then(input);
            let is_of_one_input = constraint.terms.iter().all(|t| first.is_some() && input(t) == first);
            depths[target.var().index()] = before + usize::from(constraint.terms.len() > 1 && !is_of_one_input);
        }
    }
    depths
}
