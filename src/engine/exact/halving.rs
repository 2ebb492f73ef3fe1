//! Which input to halve: the one whose halving raises the bound of a form most, to first order.
//!
//! A box is bounded exactly where nothing is relaxed, so that halving an input helps only by what it takes from
//! the ranges of unstable neurons. A neuron of range [l, u] whose output has the coefficient `a` loses up to
//! `|a| · −l u / (u − l)`, which falls by `|a| (l² + u²) / (u − l)² / 4` for each unit that halving takes from
//! the range, on the mean of the two halves.

use super::dual::{self, Row, Slopes};
use crate::domains::domain::Bounds;
use crate::domains::network::{Network, NodeKind};
use crate::domains::num::Interval;
use crate::domains::query::LinearForms;
use ndarray::Array2;

/// For each input what halving it gains for the combination of `forms` with `weights`; `None` when the network
/// has activations other than ReLU and its like.
pub(super) fn gains(
    network: &Network,
    ranges: &[Interval],
    bounds: &Bounds,
    forms: &LinearForms,
    weights: &[f64],
) -> Option<Vec<f64>> {
    let row = combined(network, forms, weights, dual::slopes(network, bounds)?);
    let found = dual::pass(network, ranges, &[&row], false);
    let mut gains = vec![0.0; ranges.len()];
    // How far each neuron moves, one row per input, when that one goes from end to end.
    let widths =
        Array2::from_shape_fn(
            (ranges.len(), ranges.len()),
            |(j, k)| {
                if j == k { ranges[j].hi - ranges[j].lo } else { 0.0 }
            },
        );
    let mut moves: Vec<Array2<f64>> = vec![widths];
    for (id, node) in network.nodes().iter().enumerate().skip(1) {
        moves.push(match &node.kind {
            NodeKind::Input => Array2::zeros((ranges.len(), node.len)),
            NodeKind::Affine(affine) => dual::affine_forward(affine, &moves, Array2::zeros((ranges.len(), node.len))),
            NodeKind::Activation(activation) => {
                let s = &row.slopes[id];
                let mut moved = moves[activation.source].clone();
                if let Some(a) = &found.coefficients[id] {
                    let z = bounds.nodes()[activation.source].iter();
                    let free = z.zip(a.row(0)).enumerate().filter(|(i, _)| s.free[*i]);
                    for (i, (Interval { lo: l, hi: u }, a)) in free {
                        let loss = a.abs() * (l * l + u * u) / ((u - l) * (u - l));
                        gains.iter_mut().zip(moved.column(i)).for_each(|(gain, z)| *gain += loss * z.abs());
                    }
                }
                moved.rows_mut().into_iter().for_each(|mut row| row.iter_mut().zip(&s.up).for_each(|(z, s)| *z *= s));
                moved
            }
        });
    }
    Some(gains)
}

/// The combination of forms in plain floats.
fn combined(network: &Network, forms: &LinearForms, weights: &[f64], slopes: Vec<Slopes>) -> Row {
    let (mut input, mut output) = (vec![0.0; network.input_len()], vec![0.0; network.output_len()]);
    for term in &forms.terms {
        let to = if term.node == 0 { &mut input } else { &mut output };
        for (row, weight) in term.coefficients.rows().into_iter().zip(weights) {
            to.iter_mut().zip(row).for_each(|(to, c)| *to += weight * c);
        }
    }
    Row { start: network.output(), output, input, constant: 0.0, slopes, sides: Vec::new(), beta: Vec::new() }
}
