//! Evaluation of a network at a point, in any arithmetic.

use super::{Affine, Network, NodeKind, Order, Product};
use crate::activation::Activate;
use crate::num::Rational;
use ndarray::{Array2, ArrayView1};
use thiserror::Error;

/// Why a network could not be evaluated.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EvaluateError {
    /// The point has the wrong length.
    #[error("the input has {found} values, the network expects {expected}")]
    Length {
        /// Length of the point.
        found: usize,
        /// Length of the network's input.
        expected: usize,
    },
    /// Exact evaluation meets a parameter or a value that is not a known rational, or one too long to be computed.
    #[error("node `{0}` has a parameter or a value that is no rational number, or too long a one")]
    Irrational(String),
}

impl Network {
    /// The values of all nodes at the input `x`, in the arithmetic `T`.
    ///
    /// With `f32` each dot product runs from left to right; with `Interval` the result
    /// encloses the real values; with `Rational` it is exact.
    pub fn evaluate_all<T: Activate>(&self, x: &[T]) -> Result<Vec<Vec<T>>, EvaluateError> {
        if x.len() != self.input_len() {
            return Err(EvaluateError::Length { found: x.len(), expected: self.input_len() });
        }
        let mut values: Vec<Vec<T>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let value = match &node.kind {
                NodeKind::Input => x.to_vec(),
                NodeKind::Affine(affine) => {
                    affine.evaluate(&values, node.len).ok_or_else(|| EvaluateError::Irrational(node.name.clone()))?
                }
                NodeKind::Activation(activation) => {
                    let shape = activation.function.shape();
                    let values: Option<Vec<T>> = values[activation.source].iter().map(|z| shape.at(z)).collect();
                    values.ok_or_else(|| EvaluateError::Irrational(node.name.clone()))?
                }
                NodeKind::Product(product) => {
                    let products: Option<Vec<T>> =
                        product.pairs(|source, i| &values[source][i]).map(|[a, b]| a.product(b)).collect();
                    products.ok_or_else(|| EvaluateError::Irrational(node.name.clone()))?
                }
            };
            values.push(value);
        }
        Ok(values)
    }

    /// The output at the input `x`, in the arithmetic `T`.
    pub fn evaluate<T: Activate>(&self, x: &[T]) -> Result<Vec<T>, EvaluateError> {
        let mut values = self.evaluate_all(x)?;
        Ok(values.swap_remove(self.output))
    }

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
                    sum += &ArrayView1::from(affine.bias.values());
                    sum
                }
                NodeKind::Activation(activation) => {
                    let shape = activation.function.shape();
                    source(activation.source).map(|z| shape.at(z).unwrap_or(f64::NAN))
                }
                NodeKind::Product(Product { factors: [a, b], .. }) => {
                    let (of_a, of_b) = (source(a.source), source(b.source));
                    Array2::from_shape_fn((rows, node.len), |(r, k)| of_a[[r, a.index[k]]] * of_b[[r, b.index[k]]])
                }
            };
            values.push(value);
        }
        values.insert(0, x);
        Ok(values)
    }

    /// The output of the original operators at `x` in float32 arithmetic, the terms of every sum taken in this
    /// order. `None` where the execution is not known: for parameters that are no `f32`, operators that are not modelled, and
    /// functions of the runtime, of which no more is [assumed](Self::assuming) than how far they are off.
    #[must_use]
    pub fn evaluate_float32(&self, x: &[f32], order: Order) -> Option<Vec<f32>> {
        let y = self.original.evaluate(x, order, self.ulps)?;
        y.iter().map(|y| (y.lo == y.hi).then_some(y.lo as f32)).collect()
    }

    /// The same exactly, between two numbers where functions of the runtime may be off, and the products
    /// [with which](Self::with_products) a query reads it; nothing where a number is none.
    #[must_use]
    pub fn outputs_float32(&self, x: &[f32], order: Order) -> Option<Vec<[Rational; 2]>> {
        self.original.outputs(x, order, self.ulps)
    }

    /// Whether every float type's executions compute what is computed in real arithmetic, for inputs that it holds: each
    /// operator of the file at most copies numbers, or puts zero in their place.
    #[must_use]
    pub fn copies(&self) -> bool {
        self.original.copies()
    }
}

impl Affine {
    /// `Σ W x + b` given the values of all earlier nodes; `len` is the length of the result.
    pub fn evaluate<T: Activate>(&self, values: &[Vec<T>], len: usize) -> Option<Vec<T>> {
        let mut sums = vec![T::zero(); len];
        for term in &self.terms {
            term.map.apply_to(&values[term.source], &mut sums)?;
        }
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum = sum.add(&self.bias.get::<T>(i)?);
        }
        Some(sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::{Relu, Sign};
    use crate::network::{Coefficients, Factor, LinearMap, NetworkBuilder, Term};
    use ndarray::array;
    use std::sync::Arc;

    #[test]
    fn products_of_products_are_exact_as_long_as_that_is_moderate() {
        let power = |doublings: usize| {
            let mut b = NetworkBuilder::new(&[1]);
            let factor = |source| Factor { source, index: vec![0].into() };
            let last = (0..doublings).fold(0, |z, k| b.product(&format!("p{k}"), [factor(z), factor(z)]).unwrap());
            b.finish(last, &[1]).unwrap()
        };
        let x = [Rational::try_from(1.5).unwrap()];
        assert_eq!(power(2).evaluate(&x).unwrap(), [Rational::try_from(5.0625).unwrap()]);
        assert_eq!(power(40).evaluate(&x), Err(EvaluateError::Irrational("p14".into())));
    }

    #[test]
    fn a_network_with_every_kind_of_node_agrees_with_evaluation_at_a_point() {
        let mut b = NetworkBuilder::new(&[2]);
        let select = LinearMap::Select { input_len: 2, index: vec![Some(1), None, Some(0)] };
        let moved = b.linear("select", 0, select, Coefficients::floats(vec![0.5, 1.0, 0.0])).unwrap();
        let relu = b.activation("relu", moved, Arc::new(Relu)).unwrap();
        let scale = LinearMap::Diagonal(Coefficients::floats(vec![2.0, -1.0, 4.0]));
        let w = LinearMap::Dense(array![[1.0, -2.0], [0.5, 3.0], [1.0, 1.0]]);
        let terms = vec![Term { source: relu, map: scale.into() }, Term { source: 0, map: w.into() }];
        let sum = b.affine("add", terms, Coefficients::floats(vec![0.25, 0.0, -1.0])).unwrap();
        let sign = b.activation("sign", sum, Arc::new(Sign)).unwrap();
        let identity = |source| Term { source, map: LinearMap::Identity(3).into() };
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
