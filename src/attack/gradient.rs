//! Gradients of the outputs, and subgradients where activations have corners or jumps.

use crate::domains::activation::Shape;
use crate::domains::network::{Activation, Network, NodeId, NodeKind, Product};
use crate::domains::num::Interval;
use crate::domains::query::Region;
use ndarray::{Array2, ArrayView1};

/// How far the arguments of step functions can move within a region: half the width of their intervals.
///
/// In a small region most neurons of binarized layers cannot change at all, and a gradient that passes
/// through them leads nowhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach(Vec<Vec<f64>>);

impl Reach {
    /// Empty where the network has no step functions.
    pub(super) fn of(network: &Network, region: &Region) -> Self {
        let values = if network.has_steps() {
            network.evaluate_all::<Interval>(region.bounds()).unwrap_or_default()
        } else {
            Vec::new()
        };
        let half = |values: Vec<Interval>| values.iter().map(|z| 0.5 * (z.hi - z.lo)).collect();
        Self(values.into_iter().map(half).collect())
    }

    fn at(&self, node: usize, i: usize) -> f64 {
        self.0.get(node).and_then(|values| values.get(i)).copied().unwrap_or(f64::INFINITY)
    }
}

/// Row by row the gradient of `seed · output` with respect to the input, by reverse mode over the graph;
/// `values` are those of all nodes ([`Network::evaluate_rows`]), `seeds` is rows × outputs.
///
/// Where an activation is flat around a jump (sign), the straight-through estimator passes the gradient
/// on times `1 − tanh²(αz)` (Jia and Rinard: "Efficient exact verification of binarized neural networks",
/// 2020, §6), with `1/α` the root mean square of the layer's `z`: so the pre-activations of binarized
/// layers, large integers, do not cancel all of it.
#[must_use]
pub fn gradient(network: &Network, values: &[Array2<f64>], seeds: Array2<f64>) -> Array2<f64> {
    gradient_within(network, values, seeds, &Reach::default(), 1.0)
}

/// [`gradient`] with `α` times `sharpness`, where the `1/α` of a neuron is at most half of how far its `z` can move.
pub(super) fn gradient_within(
    network: &Network,
    values: &[Array2<f64>],
    seeds: Array2<f64>,
    reach: &Reach,
    sharpness: f64,
) -> Array2<f64> {
    let rows = seeds.nrows();
    let at_input = backwards(network, seeds, values, |_, activation, adjoints| {
        let shape = activation.function.shape();
        let jumps = activation.function.is_step();
        for (mut adjoint, z) in adjoints.rows_mut().into_iter().zip(values[activation.source].rows()) {
            if jumps {
                let typical = root_mean_square(z) / sharpness;
                for (i, (a, z)) in adjoint.iter_mut().zip(z).enumerate() {
                    let spread = typical.min(0.5 * reach.at(activation.source, i)).max(f64::MIN_POSITIVE);
                    let cancelled = (z / spread).tanh();
                    *a *= 1.0 - cancelled * cancelled;
                }
            } else {
                let slope = |z: f64| match shape {
                    Shape::Pieces(pieces) => pieces.iter().rfind(|p| p.from <= z).map_or(0.0, |p| p.slope),
                    Shape::Smooth(f) => f.guess(z)[1],
                };
                adjoint.zip_mut_with(&z, |a, &z| *a *= slope(z));
            }
        }
    });
    at_input.unwrap_or_else(|| Array2::zeros((rows, network.input_len())))
}

/// Carries coefficients of the outputs (row by row) back to the input, where `pass` makes those of an activation's
/// arguments of those of its values, and products are passed at the `values` of all nodes.
pub(crate) fn backwards(
    network: &Network,
    seeds: Array2<f64>,
    values: &[Array2<f64>],
    mut pass: impl FnMut(NodeId, &Activation, &mut Array2<f64>),
) -> Option<Array2<f64>> {
    let mut adjoints: Vec<Option<Array2<f64>>> = vec![None; network.nodes().len()];
    let add = |to: &mut Option<Array2<f64>>, more: Array2<f64>| match to {
        Some(sum) => *sum += &more,
        None => *to = Some(more),
    };
    adjoints[network.output()] = Some(seeds);
    for id in (1..=network.output()).rev() {
        let Some(mut adjoint) = adjoints[id].take() else { continue };
        match &network.node(id).kind {
            NodeKind::Input => {}
            NodeKind::Affine(affine) => {
                for term in &affine.terms {
                    add(&mut adjoints[term.source], term.map.pull_back(adjoint.view()));
                }
            }
            NodeKind::Activation(activation) => {
                pass(id, activation, &mut adjoint);
                add(&mut adjoints[activation.source], adjoint);
            }
            NodeKind::Product(Product { factors: [a, b], .. }) => {
                for (own, other) in [(a, b), (b, a)] {
                    let mut passed = Array2::zeros((adjoint.nrows(), network.node(own.source).len));
                    for ((r, k), adjoint) in adjoint.indexed_iter() {
                        passed[[r, own.index[k]]] += adjoint * values[other.source][[r, other.index[k]]];
                    }
                    add(&mut adjoints[own.source], passed);
                }
            }
        }
    }
    adjoints.swap_remove(0)
}

/// Never 0.
fn root_mean_square(z: ArrayView1<f64>) -> f64 {
    (z.iter().map(|z| z * z).sum::<f64>() / z.len().max(1) as f64).sqrt().max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::activation::Relu;
    use crate::domains::network::{Coefficients, LinearMap, NetworkBuilder, Term};
    use ndarray::array;
    use std::sync::Arc;

    #[test]
    fn it_agrees_with_finite_differences_on_a_residual_network() {
        let mut b = NetworkBuilder::new(&[2]);
        let w = || LinearMap::Dense(array![[1.0, -2.0], [0.5, 3.0]]);
        let fc = b.linear("fc", 0, w(), Coefficients::floats(vec![0.3, -0.2])).unwrap();
        let relu = b.activation("relu", fc, Arc::new(Relu)).unwrap();
        let terms =
            vec![Term { source: relu, map: w().into() }, Term { source: 0, map: LinearMap::Identity(2).into() }];
        let sum = b.affine("add", terms, Coefficients::zeros(2)).unwrap();
        let network = b.finish(sum, &[2]).unwrap();
        let points = array![[0.7, -0.4], [-0.1, 0.2]];
        let seeds = array![[2.0, -1.0], [0.5, 3.0]];
        let found = gradient(&network, &network.evaluate_rows(points.clone()).unwrap(), seeds.clone());
        for (r, i) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let at = |h: f64| {
                let mut x = points.row(r).to_vec();
                x[i] += h;
                let y = network.evaluate(&x).unwrap();
                seeds[[r, 0]] * y[0] + seeds[[r, 1]] * y[1]
            };
            assert!((found[[r, i]] - (at(1e-6) - at(-1e-6)) / 2e-6).abs() < 1e-6);
        }
    }
}
