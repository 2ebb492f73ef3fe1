//! The exponential function.
use super::super::{ActivationFn, Shape};
use super::{Bend, Computed, Part, Smooth, all};
use crate::num::Interval;
use crate::num::elementary::exp;

/// `e^z`.
#[derive(Clone, Copy, Debug)]
pub struct Exp;

impl ActivationFn for Exp {
    fn name(&self) -> &'static str {
        "exp"
    }

    fn shape(&self) -> Shape<'_> {
        Shape::Smooth(self)
    }
}

impl Smooth for Exp {
    fn value(&self, z: f64) -> Interval {
        exp(z)
    }

    fn slope(&self, z: f64) -> Interval {
        exp(z)
    }

    fn guess(&self, z: f64) -> [f64; 2] {
        [z.exp(), z.exp()]
    }

    fn parts(&self, _: Interval) -> Vec<Part> {
        all(Bend::Convex)
    }

    fn range(&self) -> Interval {
        Interval { lo: 0.0, hi: f64::INFINITY }
    }

    fn computed(&self) -> Computed {
        Computed::Call { at_least: 0.0 }
    }
}
