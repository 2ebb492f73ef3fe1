//! What pulling linear forms back through an affine node, `a ↦ a W`, can lose to rounding.

use super::{Affine, NodeId};
use crate::num::error::{gamma, underflow};
use crate::num::round::{add_up, mul_up};

/// What pulling a row `a` back through an affine node can lose, on a region where the node's sources
/// are bounded: at most `Σ |a_i| per_output_i + absolute`, as a change of the form's value.
#[derive(Clone, Debug, PartialEq)]
pub struct PullBackError {
    /// Factor of `|a_i|`, one per output of the node, rounded up.
    pub per_output: Vec<f64>,
    /// What underflow may lose whatever `a` is.
    pub absolute: f64,
}

impl Affine {
    /// The error of pulling forms back through this node, where `magnitude(source)` bounds the
    /// absolute values of each source.
    #[must_use]
    pub fn pull_back_error(&self, magnitude: impl Fn(NodeId) -> Vec<f64>) -> PullBackError {
        // a·b is a dot product over the outputs; its error is γ |a||b|, plus the bias's own radius.
        let n = self.bias.len();
        let of_bias = |i: usize| add_up(mul_up(gamma(n), self.bias.values()[i].abs()), self.bias.radius(i));
        let mut per_output: Vec<f64> = if self.bias.is_zero() { vec![0.0; n] } else { (0..n).map(of_bias).collect() };
        let mut absolute = if self.bias.is_zero() { 0.0 } else { underflow(n) };
        for term in &self.terms {
            let m = magnitude(term.source);
            let terms = term.map.fan_out();
            if terms > 0 {
                let rounding = gamma(terms);
                for (sum, v) in per_output.iter_mut().zip(term.map.magnitudes(&m)) {
                    *sum = add_up(*sum, mul_up(rounding, v));
                }
                let total = m.iter().fold(0.0, |s, &m| add_up(s, m));
                absolute = add_up(absolute, mul_up(underflow(terms), total));
            }
            for (i, sum) in per_output.iter_mut().enumerate() {
                if let Some((input, radius)) = term.map.radius(i) {
                    *sum = add_up(*sum, mul_up(radius, m[input]));
                }
            }
        }
        PullBackError { per_output, absolute }
    }
}
