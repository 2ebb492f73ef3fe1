use crate::domains::network::{Network, NodeKind};
use ndarray::Array2;

/// The gradient of `seed · output` with respect to the input, by reverse mode over the graph; `values`
/// are those of all nodes at the point.
///
/// Where an activation is flat around a jump (sign), the straight-through estimator passes the gradient
/// on times `1 − tanh²(αz)` (Jia and Rinard: "Efficient exact verification of binarized neural networks",
/// 2020, §6), with `1/α` the root mean square of the layer's `z`: so the pre-activations of binarized
/// layers, large integers, do not cancel all of it.
#[must_use]
pub fn gradient(network: &Network, values: &[Vec<f64>], seed: &[f64]) -> Vec<f64> {
    let mut adjoints: Vec<Option<Array2<f64>>> = vec![None; network.nodes().len()];
    adjoints[network.output()] = Some(row(seed));
    for id in (1..=network.output()).rev() {
        let Some(adjoint) = adjoints[id].take() else { continue };
        match &network.node(id).kind {
            NodeKind::Input => {}
            NodeKind::Affine(affine) => {
                for term in &affine.terms {
                    add(&mut adjoints[term.source], term.map.pull_back(adjoint.view()));
                }
            }
            NodeKind::Activation(activation) => {
                let pieces = activation.function.pieces();
                let jumps = pieces.iter().all(|p| p.slope == 0.0);
                let spread = root_mean_square(&values[activation.source]);
                let slope = |z: f64| {
                    if jumps {
                        let cancelled = (z / spread).tanh();
                        return 1.0 - cancelled * cancelled;
                    }
                    pieces.iter().rfind(|p| p.from <= z).map_or(0.0, |p| p.slope)
                };
                let slopes: Vec<f64> = values[activation.source].iter().map(|&z| slope(z)).collect();
                add(&mut adjoints[activation.source], adjoint * &row(&slopes));
            }
        }
    }
    match adjoints.swap_remove(0) {
        Some(adjoint) => adjoint.into_iter().collect(),
        None => vec![0.0; network.input_len()],
    }
}

/// Never 0.
fn root_mean_square(z: &[f64]) -> f64 {
    (z.iter().map(|z| z * z).sum::<f64>() / z.len().max(1) as f64).sqrt().max(f64::MIN_POSITIVE)
}

fn row(values: &[f64]) -> Array2<f64> {
    Array2::from_shape_fn((1, values.len()), |(_, i)| values[i])
}

fn add(sum: &mut Option<Array2<f64>>, more: Array2<f64>) {
    match sum {
        Some(sum) => *sum += &more,
        None => *sum = Some(more),
    }
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
        let terms = vec![Term { source: relu, map: w() }, Term { source: 0, map: LinearMap::Identity(2) }];
        let sum = b.affine("add", terms, Coefficients::zeros(2)).unwrap();
        let network = b.finish(sum, &[2]).unwrap();
        let (x, seed) = ([0.7, -0.4], [2.0, -1.0]);
        let exact = gradient(&network, &network.evaluate_all(&x).unwrap(), &seed);
        for i in 0..2 {
            let at = |h: f64| {
                let mut x = x;
                x[i] += h;
                let y = network.evaluate(&x).unwrap();
                seed[0] * y[0] + seed[1] * y[1]
            };
            assert!((exact[i] - (at(1e-6) - at(-1e-6)) / 2e-6).abs() < 1e-6);
        }
    }
}
