//! Clip: the identity between two limits.

use super::{ActivationFn, Piece, Shape};

/// `min(max(z, low), high)`; with −1 and 1 it is hard tanh, with 0 and 6 it is ReLU6.
#[derive(Clone, Copy, Debug)]
pub struct Clip {
    pieces: [Piece; 3],
}

impl Clip {
    /// The function that clips to `[low, high]`; both finite, `low ≤ high`.
    #[must_use]
    pub fn new(low: f64, high: f64) -> Self {
        let (from, to) = (f64::NEG_INFINITY, f64::INFINITY);
        let pieces = [
            Piece { from, to: low, from_closed: false, to_closed: true, slope: 0.0, intercept: low },
            Piece { from: low, to: high, from_closed: true, to_closed: true, slope: 1.0, intercept: 0.0 },
            Piece { from: high, to, from_closed: true, to_closed: false, slope: 0.0, intercept: high },
        ];
        Self { pieces }
    }
}

impl ActivationFn for Clip {
    fn name(&self) -> &'static str {
        "clip"
    }

    fn shape(&self) -> Shape<'_> {
        Shape::Pieces(&self.pieces)
    }
}
