//! Steps of gradient descent.

/// The state of Adam (Kingma, Ba 2015) for one layer.
pub(super) struct Adam {
    mean: Vec<f64>,
    square: Vec<f64>,
    /// `β₁^t` and `β₂^t`.
    powers: (f64, f64),
}

impl Adam {
    const BETA: (f64, f64) = (0.9, 0.999);

    pub(super) fn new(parameters: usize) -> Self {
        Self { mean: vec![0.0; parameters], square: vec![0.0; parameters], powers: (1.0, 1.0) }
    }

    pub(super) fn step(&mut self, parameters: &mut [f64], gradient: &[f64], batch: usize, rate: f64, decay: f64) {
        let (b1, b2) = Self::BETA;
        self.powers = (self.powers.0 * b1, self.powers.1 * b2);
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for ((parameter, g), (mean, square)) in parameters.iter_mut().zip(gradient).zip(moments) {
            let g = g / batch as f64;
            *mean = b1 * *mean + (1.0 - b1) * g;
            *square = b2 * *square + (1.0 - b2) * g * g;
            let (m, v) = (*mean / (1.0 - self.powers.0), *square / (1.0 - self.powers.1));
            *parameter -= rate * (m / (v.sqrt() + 1e-8) + decay * *parameter);
        }
    }
}
