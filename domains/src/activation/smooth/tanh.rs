//! The hyperbolic tangent.

use super::super::{ActivationFn, Shape};
use super::sigmoid::bell;
use super::{Computed, Part, Smooth, convex_then_concave};
use crate::num::Interval;
use crate::num::elementary::exp_m1;

/// `(e^z − e^−z) / (e^z + e^−z)`.
#[derive(Clone, Copy, Debug)]
pub struct Tanh;

impl ActivationFn for Tanh {
    fn name(&self) -> &'static str {
        "tanh"
    }

    fn shape(&self) -> Shape<'_> {
        Shape::Smooth(self)
    }
}

impl Smooth for Tanh {
    fn value(&self, z: f64) -> Interval {
        // With t = e^2z − 1 it is t / (t + 2), which rises with t; odd.
        let t = exp_m1(2.0 * z.abs());
        let of = |t: f64| Interval::point(t) / (Interval::point(t) + Interval::point(2.0));
        let y = Interval { lo: of(t.lo).lo, hi: of(t.hi).hi }.intersect(self.range());
        if z < 0.0 { -y } else { y }
    }

    fn slope(&self, z: f64) -> Interval {
        bell(2.0 * z).scale(4.0)
    }

    fn guess(&self, z: f64) -> [f64; 2] {
        let y = z.tanh();
        [y, 1.0 - y * y]
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
