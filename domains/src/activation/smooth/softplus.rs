//! Softplus: a smooth ReLU.
use super::super::{ActivationFn, Shape};
use super::{Bend, Computed, Part, Sigmoid, Smooth, all};
use crate::num::Interval;
use crate::num::elementary::{exp, ln};

/// `ln (1 + e^z)`.
#[derive(Clone, Copy, Debug)]
pub struct Softplus;

impl ActivationFn for Softplus {
    fn name(&self) -> &'static str {
        "softplus"
    }

    fn shape(&self) -> Shape<'_> {
        Shape::Smooth(self)
    }
}

impl Smooth for Softplus {
    fn value(&self, z: f64) -> Interval {
        // |z|⁺ + ln (1 + e), and e − e² / 2 ≤ ln (1 + e) ≤ e.
        let e = exp(-z.abs());
        let one = Interval::point(1.0);
        let logarithm = Interval { lo: ln((one + e).lo).lo, hi: ln((one + e).hi).hi };
        let series = Interval { lo: (e - (e * e).scale(0.5)).lo, hi: e.hi };
        logarithm.intersect(series) + Interval::point(z.max(0.0))
    }

    fn slope(&self, z: f64) -> Interval {
        Sigmoid.value(z)
    }

    fn guess(&self, z: f64) -> [f64; 2] {
        [z.max(0.0) + (-z.abs()).exp().ln_1p(), Sigmoid.guess(z)[0]]
    }

    fn parts(&self, _: Interval) -> Vec<Part> {
        all(Bend::Convex)
    }

    fn range(&self) -> Interval {
        Interval { lo: 0.0, hi: f64::INFINITY }
    }

    fn computed(&self) -> Computed {
        Computed::Call { at_least: 1.0 }
    }
}
