use super::{ActivationFn, Piece};

/// `z` for `z ≥ 0` and `alpha · z` below.
#[derive(Clone, Copy, Debug)]
pub struct LeakyRelu {
    alpha: f64,
}

impl LeakyRelu {
    /// The function with slope `alpha` (finite) on the negative side.
    #[must_use]
    pub fn new(alpha: f64) -> Self {
        Self { alpha }
    }
}

impl ActivationFn for LeakyRelu {
    fn name(&self) -> &'static str {
        "leaky_relu"
    }

    fn pieces(&self) -> Vec<Piece> {
        let (from, to) = (f64::NEG_INFINITY, f64::INFINITY);
        vec![
            Piece { from, to: 0.0, from_closed: false, to_closed: true, slope: self.alpha, intercept: 0.0 },
            Piece { from: 0.0, to, from_closed: true, to_closed: false, slope: 1.0, intercept: 0.0 },
        ]
    }
}
