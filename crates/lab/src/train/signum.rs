//! Training of signum networks.

use super::elementary::exp_of_negative;
use super::layer::Layer;

/// What follows every hidden layer, and which numbers the weights may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Neurons {
    /// ReLU, with real weights and biases; pixels in [0, 1].
    Relu,
    /// The signum with sign(0) = +1, with weights ±1 in all layers; pixels ±1.
    Signum(Signum),
}

/// A binarized network, trained by straight-through estimation (Hubara et al.: "Binarized Neural
/// Networks", 2016): the forward pass uses `sign(w)` for the latent weights `w ∈ [−1, 1]`, and gradients
/// pass the signs of weights as if these were not there and those of neurons as [`Cancelling`] says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signum {
    /// A pixel from this byte on is +1, below −1.
    pub threshold: u8,
    /// Whether neurons and outputs have a bias, an integer.
    pub bias: bool,
    /// How gradients pass the signum of a neuron.
    pub cancelling: Cancelling,
    /// Pixels that are flipped in every training image: those whose gradients promise the largest loss.
    /// The number grows linearly over the first half of the training.
    pub flips: usize,
}

/// The derivative that stands for that of the signum, as a function of the pre-activation `r` in units
/// of `√fan-in`, the deviation of a sum of so many random signs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cancelling {
    /// 1 for `|r| ≤ 1`, else 0: the derivative of `clip(r, −1, 1)`.
    Clip,
    /// `1 − tanh²(αr)` (Jia and Rinard: "Efficient exact verification of binarized neural networks",
    /// 2020, §6).
    Tanh(f64),
}

impl Cancelling {
    /// The derivative at `r`.
    pub(super) fn slope(self, r: f64) -> f64 {
        match self {
            Self::Clip => f64::from(r.abs() <= 1.0),
            Self::Tanh(alpha) => {
                // 1 − tanh²(x) = 4e / (1 + e)² with e = exp(−2|x|).
                let e = exp_of_negative(-2.0 * (alpha * r).abs());
                4.0 * e / ((1.0 + e) * (1.0 + e))
            }
        }
    }
}

impl Signum {
    /// The value of a pixel.
    pub(super) fn pixel(&self, byte: u8) -> f64 {
        sign(if byte >= self.threshold { 0.0 } else { -1.0 })
    }

    /// Sets the parameters of a layer to what its latent ones stand for, after clipping these.
    pub(super) fn quantise(&self, latent: &mut [f64], layer: &mut Layer) {
        let weights = layer.kind.weights();
        for (p, w) in layer.parameters[..weights].iter_mut().zip(&mut latent[..weights]) {
            *w = w.clamp(-1.0, 1.0);
            *p = sign(*w);
        }
        let unit = layer.kind.deviation();
        for (p, b) in layer.parameters[weights..].iter_mut().zip(&mut latent[weights..]) {
            *b = if self.bias { *b } else { 0.0 };
            *p = (*b * unit).round();
        }
    }
}

/// The signum with sign(0) = +1.
pub(super) fn sign(z: f64) -> f64 {
    if z >= 0.0 { 1.0 } else { -1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancelling_is_the_derivative_of_what_it_says() {
        for i in -400_i32..=400 {
            let r = f64::from(i) / 100.0;
            for alpha in [0.5, 1.0, 3.0] {
                let tanh = (alpha * r).tanh();
                assert!((Cancelling::Tanh(alpha).slope(r) - (1.0 - tanh * tanh)).abs() < 1e-13);
            }
            assert_eq!(Cancelling::Clip.slope(r), if i.abs() <= 100 { 1.0 } else { 0.0 });
        }
        assert_eq!((sign(0.0), sign(-0.0), sign(-1e-300)), (1.0, 1.0, -1.0));
    }
}
