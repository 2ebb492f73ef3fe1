//! Many inputs at once through a linear map: `x ↦ W x` as matrix products, in round-to-nearest.

use super::{Conv2d, EvaluateError, LinearMap, Network, NodeKind};
use crate::activation::Activate;
use crate::num::gemm::multiply_into;
use ndarray::{Array2, ArrayView2, Axis, s};

impl Network {
    /// The values of all nodes at the inputs `x`, one input per row, as matrices of rows × length.
    ///
    /// In round-to-nearest and without any claim: for guesses that are checked afterwards.
    ///
    /// # Errors
    /// [`EvaluateError::Length`] when the rows have the wrong length.
    pub fn evaluate_rows(&self, x: Array2<f64>) -> Result<Vec<Array2<f64>>, EvaluateError> {
        if x.ncols() != self.input_len() {
            return Err(EvaluateError::Length { found: x.ncols(), expected: self.input_len() });
        }
        let rows = x.nrows();
        let mut values: Vec<Array2<f64>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes[1..] {
            // The input comes first; it is moved in below.
            let source = |id: usize| if id == 0 { &x } else { &values[id - 1] };
            let value = match &node.kind {
                NodeKind::Input => Array2::zeros((rows, node.len)),
                NodeKind::Affine(affine) => {
                    let mut sum: Option<Array2<f64>> = None;
                    for term in &affine.terms {
                        let product = term.map.push_forward(source(term.source).view());
                        sum = Some(sum.map_or_else(|| product.clone(), |sum| sum + &product));
                    }
                    let mut sum = sum.unwrap_or_else(|| Array2::zeros((rows, node.len)));
                    sum += &ndarray::ArrayView1::from(affine.bias.values());
                    sum
                }
                NodeKind::Activation(activation) => {
                    let pieces = activation.function.pieces();
                    source(activation.source).map(|z| z.activate(pieces))
                }
            };
            values.push(value);
        }
        values.insert(0, x);
        Ok(values)
    }
}

impl LinearMap {
    /// `x · Wᵀ` in round-to-nearest; `x` is rows × inputs, the result rows × outputs.
    #[must_use]
    pub fn push_forward(&self, x: ArrayView2<f64>) -> Array2<f64> {
        let mut out = Array2::zeros((x.nrows(), self.output_len()));
        match self {
            Self::Identity(_) => out.assign(&x),
            Self::Dense(w) => multiply_into(x, w.t(), out.view_mut()),
            Self::Conv2d(conv) => conv.push_forward_into(x, &mut out),
            Self::Diagonal(d) => {
                out.assign(&x);
                out *= &ndarray::ArrayView1::from(d.values());
            }
            Self::Select { index, .. } => {
                for (mut column, i) in out.axis_iter_mut(Axis(1)).zip(index) {
                    if let Some(i) = i {
                        column.assign(&x.column(*i));
                    }
                }
            }
        }
        out
    }
}

impl Conv2d {
    /// Per input and group the patches of all positions as columns, times the kernel.
    fn push_forward_into(&self, x: ArrayView2<f64>, out: &mut Array2<f64>) {
        let [_, height, width] = self.input;
        let [channels, rows, columns] = self.output;
        let (_, per_group, kernel_h, kernel_w) = self.weight.dim();
        let (taps, positions, in_group) =
            (per_group * kernel_h * kernel_w, rows * columns, channels / self.groups.max(1));
        let weight = self.weight.to_shape((channels, taps)).expect("the kernel's size is its shape's product");
        let mut patches = Array2::zeros((taps, positions));
        for (x, mut out) in x.rows().into_iter().zip(out.rows_mut()) {
            let mut out = out.view_mut().into_shape_with_order((channels, positions)).expect("channels × positions");
            for group in 0..self.groups {
                patches.fill(0.0);
                for (r, c) in (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))) {
                    for ci in 0..per_group {
                        for (kh, h) in self.taps(0, r) {
                            let line = ((group * per_group + ci) * height + h) * width;
                            for (kw, w) in self.taps(1, c) {
                                patches[[(ci * kernel_h + kh) * kernel_w + kw, r * columns + c]] = x[line + w];
                            }
                        }
                    }
                }
                let members = group * in_group..(group + 1) * in_group;
                let target = out.slice_mut(s![members.clone(), ..]);
                multiply_into(weight.slice(s![members, ..]), patches.view(), target);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pull_back::tests::convolution;
    use super::*;
    use crate::activation::{Relu, Sign};
    use crate::network::{Coefficients, NetworkBuilder, Term};
    use ndarray::array;
    use proptest::prelude::*;
    use std::sync::Arc;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// With small integers every order of summation is exact.
        #[test]
        fn many_inputs_give_what_each_gives(conv in convolution(), seed in 0..1000usize) {
            let map = LinearMap::Conv2d(conv);
            let value = |(r, i): (usize, usize)| ((seed + r * 7 + i * 13) % 5) as f64 - 2.0;
            let x = Array2::from_shape_fn((3, map.input_len()), value);
            let y = map.push_forward(x.view());
            for (x, y) in x.rows().into_iter().zip(y.rows()) {
                let mut sums = vec![0.0; map.output_len()];
                map.apply_to(x.to_slice().unwrap(), &mut sums).unwrap();
                prop_assert_eq!(&sums[..], y.to_slice().unwrap());
            }
        }
    }

    #[test]
    fn a_network_with_every_kind_of_node_agrees_with_evaluation_at_a_point() {
        let mut b = NetworkBuilder::new(&[2]);
        let select = LinearMap::Select { input_len: 2, index: vec![Some(1), None, Some(0)] };
        let moved = b.linear("select", 0, select, Coefficients::floats(vec![0.5, 1.0, 0.0])).unwrap();
        let relu = b.activation("relu", moved, Arc::new(Relu)).unwrap();
        let scale = LinearMap::Diagonal(Coefficients::floats(vec![2.0, -1.0, 4.0]));
        let w = LinearMap::Dense(array![[1.0, -2.0], [0.5, 3.0], [1.0, 1.0]]);
        let terms = vec![Term { source: relu, map: scale }, Term { source: 0, map: w }];
        let sum = b.affine("add", terms, Coefficients::floats(vec![0.25, 0.0, -1.0])).unwrap();
        let sign = b.activation("sign", sum, Arc::new(Sign)).unwrap();
        let identity = |source| Term { source, map: LinearMap::Identity(3) };
        let out = b.affine("out", vec![identity(sign), identity(relu)], Coefficients::zeros(3)).unwrap();
        let network = b.finish(out, &[3]).unwrap();
        let x = array![[0.5, -1.0], [-0.25, 2.0], [0.0, 0.0]];
        let values = network.evaluate_rows(x.clone()).unwrap();
        for (r, x) in x.rows().into_iter().enumerate() {
            let single = network.evaluate_all(x.to_slice().unwrap()).unwrap();
            for (id, value) in single.iter().enumerate() {
                assert_eq!(values[id].row(r).to_slice().unwrap(), &value[..], "node {id}");
            }
        }
        assert!(network.evaluate_rows(Array2::zeros((1, 3))).is_err());
    }
}
