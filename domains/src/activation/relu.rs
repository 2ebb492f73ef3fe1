//! ReLU: `max(0, z)`.

use super::{ActivationFn, Piece, Shape};

/// `max(0, z)`.
#[derive(Clone, Copy, Debug)]
pub struct Relu;

impl ActivationFn for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn shape(&self) -> Shape<'_> {
        const PIECES: [Piece; 2] = [
            Piece { from: f64::NEG_INFINITY, to: 0.0, from_closed: false, to_closed: true, slope: 0.0, intercept: 0.0 },
            Piece { from: 0.0, to: f64::INFINITY, from_closed: true, to_closed: false, slope: 1.0, intercept: 0.0 },
        ];
        Shape::Pieces(&PIECES)
    }
}
