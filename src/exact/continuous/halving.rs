//! Which input to halve: the one whose halving raises the bound of a form most, to first order.
//!
//! A box is bounded exactly where nothing is relaxed, so that halving an input helps only by what it takes from
//! the ranges of unstable neurons. A neuron of range [l, u] whose output has the coefficient `a` loses up to
//! `|a| · −l u / (u − l)`, which falls by `|a| (l² + u²) / (u − l)² / 4` for each unit that halving takes from
//! the range, on the mean of the two halves.

use super::lines::{self, LineSlopes};
use crate::domains::domain::Bounds;
use crate::domains::network::{Network, NodeKind};
use crate::domains::num::Interval;
use crate::domains::query::LinearForms;
use ndarray::Array2;

/// No neuron can gain more than it loses, in units of an eighth like the gains.
const MOST: f64 = 8.0;

/// How far the neurons of a network move, to first order, when an input of a box goes from end to end.
pub(super) struct Halving<'a> {
    network: &'a Network,
    ranges: &'a [Interval],
    bounds: &'a Bounds,
    slopes: Vec<LineSlopes>,
    /// The inputs that vary.
    inputs: Vec<usize>,
    /// By node; one row per input that varies.
    moves: Vec<Array2<f64>>,
}

impl<'a> Halving<'a> {
    /// `None` when the network has activations other than ReLU and its like, or products.
    pub fn new(network: &'a Network, ranges: &'a [Interval], bounds: &'a Bounds) -> Option<Self> {
        let slopes = lines::slopes(network, bounds)?;
        let inputs: Vec<usize> = (0..ranges.len()).filter(|&j| ranges[j].lo < ranges[j].hi).collect();
        let mut widths = Array2::zeros((inputs.len(), ranges.len()));
        for (row, &j) in inputs.iter().enumerate() {
            widths[[row, j]] = ranges[j].hi - ranges[j].lo;
        }
        let mut moves: Vec<Array2<f64>> = vec![widths];
        for (id, node) in network.nodes().iter().enumerate().skip(1) {
            let none = || Array2::zeros((inputs.len(), node.len));
            moves.push(match &node.kind {
                NodeKind::Input | NodeKind::Product(_) => none(),
                NodeKind::Affine(affine) => lines::affine_forward(affine, &moves, none()),
                NodeKind::Activation(activation) => {
                    let mut moved = moves[activation.source].clone();
                    for mut row in moved.rows_mut() {
                        row.iter_mut().zip(&slopes[id].up).for_each(|(z, slope)| *z *= slope);
                    }
                    moved
                }
            });
        }
        Some(Self { network, ranges, bounds, slopes, inputs, moves })
    }

    /// For each input what halving it gains for the combination of `forms` with `weights`.
    pub fn gains(&self, forms: &LinearForms, weights: &[f64]) -> Vec<f64> {
        let coefficients = lines::coefficients(self.network, &self.slopes, self.combined(forms, weights));
        let mut gains = vec![0.0; self.ranges.len()];
        for (id, activation) in self.network.activations() {
            let Some(a) = &coefficients[id] else { continue };
            let z = self.bounds.nodes()[activation.source].iter();
            let free = z.zip(a.row(0)).enumerate().filter(|(i, _)| self.slopes[id].free[*i]);
            for (i, (Interval { lo: l, hi: u }, a)) in free {
                let loss = a.abs() * (l * l + u * u) / ((u - l) * (u - l));
                let most = MOST * a.abs() * (-l * u) / (u - l);
                let moves = self.moves[activation.source].column(i);
                self.inputs.iter().zip(moves).for_each(|(&j, z)| gains[j] += (loss * z.abs()).min(most));
            }
        }
        gains
    }

    /// The coefficients of the combination of forms over the network's outputs.
    fn combined(&self, forms: &LinearForms, weights: &[f64]) -> Vec<f64> {
        let mut output = vec![0.0; self.network.output_len()];
        for term in forms.terms.iter().filter(|term| term.node == self.network.output()) {
            for (row, weight) in term.coefficients.rows().into_iter().zip(weights) {
                output.iter_mut().zip(row).for_each(|(to, c)| *to += weight * c);
            }
        }
        output
    }
}
