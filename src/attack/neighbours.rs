//! The outputs of a network at all points that differ from one point in a single coordinate.

use crate::domains::network::{Affine, Columns, LinearMap, Network, NodeKind, Product};
use ndarray::{Array2, ArrayView1};

/// A coordinate and its new value.
pub(super) type Move = (usize, f64);

/// The outputs at the neighbours, one row each.
pub(super) struct Outputs {
    /// Those of the network, in floats.
    pub(super) exact: Array2<f64>,
    /// Those of the network with smooth signs.
    pub(super) smooth: Array2<f64>,
}

/// A network prepared for evaluating neighbours.
pub(super) struct Neighbourhood<'a> {
    network: &'a Network,
    /// For every node and term that reads the input its columns.
    columns: Vec<Vec<Option<Columns<'a>>>>,
}

impl<'a> Neighbourhood<'a> {
    pub(super) fn new(network: &'a Network) -> Self {
        let of_node = |kind: &'a NodeKind| match kind {
            NodeKind::Affine(a) => a.terms.iter().map(|t| (t.source == 0).then(|| t.map.by_input())).collect(),
            NodeKind::Input | NodeKind::Activation(_) | NodeKind::Product(_) => Vec::new(),
        };
        Self { network, columns: network.nodes().iter().map(|node| of_node(&node.kind)).collect() }
    }

    /// Multiplications for one neighbour, roughly.
    pub(super) fn cost(&self) -> usize {
        let of_term = |source: usize, map: &LinearMap| match source {
            0 => map.output_len(),
            _ => map.output_len().saturating_mul(map.fan_in()),
        };
        let of_node = |kind: &NodeKind| match kind {
            NodeKind::Affine(a) => a.terms.iter().map(|t| of_term(t.source, &t.map)).sum(),
            NodeKind::Input | NodeKind::Activation(_) | NodeKind::Product(_) => 0,
        };
        self.network.nodes().iter().map(|node| of_node(&node.kind)).sum::<usize>().max(1)
    }

    /// Evaluates the neighbours of `x`. `None` when it has another length than the network's input.
    pub(super) fn evaluate(&self, x: &[f64], moves: &[Move]) -> Option<Outputs> {
        const BATCH: usize = 256;
        let here = self.network.evaluate_all(x).ok()?;
        let outputs = self.network.output_len();
        let mut all = Outputs { exact: Array2::zeros((0, outputs)), smooth: Array2::zeros((0, outputs)) };
        for batch in moves.chunks(BATCH) {
            all.exact.append(ndarray::Axis(0), self.rows(x, &here, batch, false)?.view()).ok()?;
            all.smooth.append(ndarray::Axis(0), self.rows(x, &here, batch, true)?.view()).ok()?;
        }
        Some(all)
    }

    fn rows(&self, x: &[f64], here: &[Vec<f64>], moves: &[Move], smooth: bool) -> Option<Array2<f64>> {
        let mut values: Vec<Array2<f64>> = Vec::with_capacity(self.network.nodes().len());
        for (id, node) in self.network.nodes().iter().enumerate() {
            let value = match &node.kind {
                // Nothing reads the rows of the input but activations and products.
                NodeKind::Input => {
                    let mut rows = Array2::from_shape_fn((moves.len(), x.len()), |(_, i)| x[i]);
                    moves.iter().enumerate().for_each(|(row, &(i, value))| rows[[row, i]] = value);
                    rows
                }
                NodeKind::Affine(affine) => self.affine(id, affine, x, moves, &values)?,
                NodeKind::Activation(activation) => {
                    let shape = activation.function.shape();
                    let z = &values[activation.source];
                    if smooth && activation.function.is_step() {
                        let here = &here[activation.source];
                        let typical = here.iter().map(|z| z.abs()).sum::<f64>() / here.len().max(1) as f64;
                        let scale = 0.5 * typical + f64::MIN_POSITIVE;
                        z.map(|z| z / (scale + z.abs()))
                    } else {
                        z.map(|z| shape.at(z).unwrap_or(f64::NAN))
                    }
                }
                NodeKind::Product(Product { factors: [a, b], .. }) => {
                    let (of_a, of_b) = (&values[a.source], &values[b.source]);
                    Array2::from_shape_fn((moves.len(), node.len), |(r, k)| {
                        of_a[[r, a.index[k]]] * of_b[[r, b.index[k]]]
                    })
                }
            };
            values.push(value);
        }
        Some(values.swap_remove(self.network.output()))
    }

    fn affine(
        &self,
        id: usize,
        affine: &Affine,
        x: &[f64],
        moves: &[Move],
        values: &[Array2<f64>],
    ) -> Option<Array2<f64>> {
        let mut shared = affine.bias.values().to_vec();
        for term in affine.terms.iter().filter(|t| t.source == 0) {
            term.map.apply_to(x, &mut shared)?;
        }
        let shared = ArrayView1::from(&shared);
        let mut sums = Array2::zeros((moves.len(), shared.len()));
        sums.rows_mut().into_iter().for_each(|mut row| row.assign(&shared));
        for (term, columns) in affine.terms.iter().zip(&self.columns[id]) {
            let source = &values[term.source];
            match columns {
                Some(columns) => {
                    for (row, &(i, value)) in sums.rows_mut().into_iter().zip(moves) {
                        columns.add_to(i, value - x[i], row);
                    }
                }
                None => sums += &term.map.push_forward(source.view()),
            }
        }
        Some(sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::activation::{Relu, Sign};
    use crate::domains::network::{Coefficients, Conv2d, NetworkBuilder, Term};
    use ndarray::Array4;
    use std::sync::Arc;

    #[test]
    fn neighbours_are_evaluated_like_any_point() {
        let weight = |k: usize| ((k * 7 + 3) % 11) as f64 - 5.0;
        let mut b = NetworkBuilder::new(&[1, 3, 3]);
        let kernel = Array4::from_shape_fn((2, 1, 2, 2), |(a, _, c, d)| weight(a * 4 + c * 2 + d));
        let conv = Conv2d {
            weight: kernel,
            input: [1, 3, 3],
            output: [2, 2, 2],
            stride: [1, 1],
            padding: [0, 0],
            dilation: [1, 1],
            groups: 1,
        };
        let z = b.linear("conv", 0, LinearMap::Conv2d(conv), Coefficients::floats(vec![0.5; 8])).unwrap();
        let signs = b.activation("sign", z, Arc::new(Sign)).unwrap();
        let direct = b.activation("relu", 0, Arc::new(Relu)).unwrap();
        let dense =
            |n: usize, from: usize| LinearMap::Dense(Array2::from_shape_fn((3, n), |(o, i)| weight(from + o * n + i)));
        let select = LinearMap::Select { input_len: 9, index: vec![Some(4), None, Some(4)] };
        let diagonal = LinearMap::Diagonal(Coefficients::floats(vec![2.0, 3.0, -1.0]));
        let picked = b.linear("select", 0, select, Coefficients::zeros(3)).unwrap();
        let terms = vec![
            Term { source: signs, map: dense(8, 1).into() },
            Term { source: direct, map: dense(9, 5).into() },
            Term { source: 0, map: dense(9, 2).into() },
            Term { source: picked, map: diagonal.into() },
        ];
        let sum = b.affine("sum", terms, Coefficients::floats(vec![1.0, 2.0, 3.0])).unwrap();
        let network = b.finish(sum, &[3]).unwrap();
        let x: Vec<f64> = (0..9).map(|i| weight(i) / 4.0).collect();
        let moves: Vec<Move> = (0..9).flat_map(|i| [(i, -2.0), (i, 1.25), (i, x[i])]).collect();
        let found = Neighbourhood::new(&network).evaluate(&x, &moves).unwrap();
        for (row, &(i, value)) in moves.iter().enumerate() {
            let mut x = x.clone();
            x[i] = value;
            assert_eq!(found.exact.row(row).to_vec(), network.evaluate(&x).unwrap());
        }
        assert!(Neighbourhood::new(&network).evaluate(&x[1..], &moves).is_none());
    }
}
