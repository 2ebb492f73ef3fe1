//! Coefficients of a form on its way back through lines of least area, in plain floats: what guesses at good splits of
//! inputs read.

use crate::attack::backwards;
use crate::domains::activation::Piece;
use crate::domains::domain::Bounds;
use crate::domains::network::{Affine, Network};
use crate::domains::num::Interval;
use ndarray::Array2;

/// The relaxation of one activation node in plain floats.
#[derive(Clone, Default)]
pub(super) struct LineSlopes {
    /// Lower slopes.
    pub low: Vec<f64>,
    /// Slopes of the upper lines.
    pub up: Vec<f64>,
    /// Whether the neuron is unstable.
    pub free: Vec<bool>,
}

/// The two slopes of an activation with one convex corner at zero, such as ReLU.
fn corner(pieces: &[Piece]) -> Option<(f64, f64)> {
    let [left, right] = pieces else { return None };
    let is_corner = right.from == 0.0 && left.intercept == 0.0 && right.intercept == 0.0 && left.slope <= right.slope;
    is_corner.then_some((left.slope, right.slope))
}

/// The relaxation over `bounds`, with DeepPoly's lower slopes at first; `None` for other activations, and products.
pub(super) fn slopes(network: &Network, bounds: &Bounds) -> Option<Vec<LineSlopes>> {
    if network.products().next().is_some() {
        return None;
    }
    let mut all = vec![LineSlopes::default(); network.nodes().len()];
    for (id, activation) in network.activations() {
        let (left, right) = corner(activation.function.pieces()?)?;
        for Interval { lo: l, hi: u } in bounds.get(activation.source)?.iter() {
            let to = &mut all[id];
            let (low, up, free) = if l >= 0.0 {
                (right, right, false)
            } else if u <= 0.0 {
                (left, left, false)
            } else {
                (if u >= -l { right } else { left }, (right * u - left * l) / (u - l), true)
            };
            to.low.push(low);
            to.up.push(up);
            to.free.push(free);
        }
    }
    Some(all)
}

/// What the terms of an affine node make of the values of the nodes before it, row by row, added to `sums`.
pub(super) fn affine_forward(affine: &Affine, values: &[Array2<f64>], mut sums: Array2<f64>) -> Array2<f64> {
    for term in &affine.terms {
        sums += &term.map.push_forward(values[term.source].view());
    }
    sums
}

/// For each activation node the coefficients of its outputs (one row) in the form `output` over the network's outputs.
pub(super) fn coefficients(network: &Network, slopes: &[LineSlopes], output: Vec<f64>) -> Vec<Option<Array2<f64>>> {
    let mut coefficients: Vec<Option<Array2<f64>>> = vec![None; network.nodes().len()];
    let Ok(output) = Array2::from_shape_vec((1, output.len()), output) else { return coefficients };
    // There are no products.
    backwards(network, output, &[], |id, _, a| {
        coefficients[id] = Some(a.clone());
        for (a, (low, up)) in a.iter_mut().zip(slopes[id].low.iter().zip(&slopes[id].up)) {
            *a *= if *a > 0.0 { low } else { up };
        }
    });
    coefficients
}
