//! Evaluation of a network at a point, in any arithmetic.

use super::{Affine, Network, NodeKind};
use crate::activation::Activate;
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
    /// Exact evaluation meets a parameter that is not a known rational.
    #[error("node `{0}` has a parameter that is no rational number")]
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
                    let pieces = activation.function.pieces();
                    values[activation.source].iter().map(|z| z.activate(pieces)).collect()
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
