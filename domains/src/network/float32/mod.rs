//! Float32 execution of a network: what it can lose ([`Rounding`]), and replaying it in one order of summation.

mod operator;
mod order;
mod original;
mod rounding;

pub use operator::Operator;
pub use order::Order;
pub(crate) use original::Original;
pub use rounding::Rounding;
pub(crate) use rounding::{Growth, Row};

use super::{Coefficients, Network, NodeId, NodeKind};
use std::borrow::Cow;
use std::fmt;

/// The arithmetic in which a network is executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arithmetic {
    /// Real numbers.
    #[default]
    Real,
    /// IEEE 754 single precision, round to nearest, gradual underflow; the sums of every operator in any order, with
    /// or without fused multiply-add.
    Float32,
}

impl fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Real => "real",
            Self::Float32 => "float32",
        })
    }
}

impl Network {
    /// The arithmetic in which the network is executed.
    #[must_use]
    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    /// The same network executed in another arithmetic. Domains then bound the values of every float32 execution:
    /// each affine node gets the interval of [`Rounding`] added to its bias, as far as the bounds of what it reads
    /// tell.
    #[must_use]
    pub fn in_arithmetic(&self, arithmetic: Arithmetic) -> Cow<'_, Self> {
        if self.arithmetic == arithmetic {
            Cow::Borrowed(self)
        } else {
            Cow::Owned(Self { arithmetic, ..self.clone() })
        }
    }

    /// The first activation that rounds in float32, which no bound accounts for: one with a slope other than 0 and 1,
    /// or with a value that is no `f32`.
    #[must_use]
    pub fn rounded_activation(&self) -> Option<NodeId> {
        let is_exact = |piece: &crate::activation::Piece| {
            let ends = [piece.from, piece.to].into_iter().filter(|end| end.is_finite());
            let is_float32 = |x: f64| f64::from(x as f32) == x;
            ends.chain([piece.intercept]).all(is_float32)
                && (piece.slope == 0.0 || (piece.slope == 1.0 && piece.intercept == 0.0))
        };
        self.activations().find(|(_, a)| !a.function.pieces().iter().all(is_exact)).map(|(id, _)| id)
    }

    /// Replaces the bias of an affine node, in the copy of the network that a float32 analysis widens as it goes.
    pub(crate) fn replace_bias(&mut self, id: NodeId, bias: Coefficients) {
        if let Some(NodeKind::Affine(affine)) = self.nodes.get_mut(id).map(|node| &mut node.kind) {
            affine.bias = bias;
        }
    }
}
