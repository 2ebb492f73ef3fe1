//! The error function.
use super::super::{ActivationFn, Shape};
use super::{Computed, Part, Smooth, convex_then_concave, square};
use crate::num::Interval;
use crate::num::elementary::{erf, exp};

/// `2 / √π`.
const FACTOR: Interval =
    Interval { lo: std::f64::consts::FRAC_2_SQRT_PI.next_down(), hi: std::f64::consts::FRAC_2_SQRT_PI.next_up() };

/// `2/√π ∫₀ᶻ e^−t² dt`.
#[derive(Clone, Copy, Debug)]
pub struct Erf;

impl ActivationFn for Erf {
    fn name(&self) -> &'static str {
        "erf"
    }

    fn shape(&self) -> Shape<'_> {
        Shape::Smooth(self)
    }
}

impl Smooth for Erf {
    fn value(&self, z: f64) -> Interval {
        erf(z)
    }

    fn slope(&self, z: f64) -> Interval {
        let square = square(z);
        FACTOR * Interval { lo: exp(-square.hi).lo, hi: exp(-square.lo).hi }
    }

    fn guess(&self, z: f64) -> [f64; 2] {
        [erf(z).middle(), FACTOR.lo * (-z * z).exp()]
    }

    fn parts(&self, _: Interval) -> Vec<Part> {
        convex_then_concave()
    }

    fn range(&self) -> Interval {
        Interval { lo: -1.0, hi: 1.0 }
    }

    fn computed(&self) -> Computed {
        Computed::Call { at_least: 1.0 }
    }
}
