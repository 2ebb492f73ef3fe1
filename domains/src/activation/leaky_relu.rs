//! LeakyReLU: the identity above zero, a small slope below.

use super::{ActivationFn, Piece, Shape};

/// `z` for `z ≥ 0` and `alpha · z` below.
#[derive(Clone, Copy, Debug)]
pub struct LeakyRelu {
    pieces: [Piece; 2],
}

impl LeakyRelu {
    /// The function with slope `alpha` (finite) on the negative side.
    #[must_use]
    pub fn new(alpha: f64) -> Self {
        let (from, to) = (f64::NEG_INFINITY, f64::INFINITY);
        let pieces = [
            Piece { from, to: 0.0, from_closed: false, to_closed: true, slope: alpha, intercept: 0.0 },
            Piece { from: 0.0, to, from_closed: true, to_closed: false, slope: 1.0, intercept: 0.0 },
        ];
        Self { pieces }
    }
}

impl ActivationFn for LeakyRelu {
    fn name(&self) -> &'static str {
        "leaky_relu"
    }

    fn shape(&self) -> Shape<'_> {
        Shape::Pieces(&self.pieces)
    }
}
