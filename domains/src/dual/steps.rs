//! Gradient steps (Adam; Kingma & Ba 2015).

/// Running means of the gradients of one matrix of multipliers.
#[derive(Clone, Debug, Default)]
pub(super) struct Moments {
    pub first: Vec<f32>,
    pub second: Vec<f32>,
}

/// The size of one gradient step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub rate: f32,
    /// What the running means lack yet.
    pub corrections: (f32, f32),
}

impl Step {
    /// The step of round `round` (from 0).
    pub fn new(rate: f32, round: usize) -> Self {
        let t = round as i32 + 1;
        Self { rate, corrections: (1.0 / (1.0 - KEPT.0.powi(t)), 1.0 / (1.0 - KEPT.1.powi(t))) }
    }

    /// Takes in a gradient, and returns the move.
    #[inline(always)]
    pub fn of(self, gradient: f32, first: &mut f32, second: &mut f32) -> f32 {
        *first = KEPT.0 * *first + (1.0 - KEPT.0) * gradient;
        *second = KEPT.1 * *second + (1.0 - KEPT.1) * gradient * gradient;
        self.rate * *first * self.corrections.0 * inverse_root(*second * self.corrections.1 + LEAST_SQUARE)
    }
}

/// Below the square of any gradient that matters, and no subnormal.
const LEAST_SQUARE: f32 = 1e-24;

/// `1 / √x` to a share of 2⁻⁹: an estimate from the exponent and one step of Newton, since a root and a quotient cost as
/// much as all the rest of a gradient step.
#[inline(always)]
fn inverse_root(x: f32) -> f32 {
    let estimate = f32::from_bits(0x5f37_59df_u32.wrapping_sub(x.to_bits() >> 1));
    let root = estimate * (1.5 - 0.5 * x * estimate * estimate);
    // Gradients that overflow, or are no numbers, move nothing.
    if x < f32::MAX { root } else { 0.0 }
}

/// What the running means keep of themselves per step.
const KEPT: (f32, f32) = (0.9, 0.99);
