//! The natural logarithm.
use super::super::{ActivationFn, Shape};
use super::{Bend, Computed, Part, Smooth, all};
use crate::num::Interval;
use crate::num::elementary::ln;

/// `ln z`, where `z` is positive.
#[derive(Clone, Copy, Debug)]
pub struct Log;

impl ActivationFn for Log {
    fn name(&self) -> &'static str {
        "log"
    }

    fn shape(&self) -> Shape<'_> {
        Shape::Smooth(self)
    }
}

impl Smooth for Log {
    fn value(&self, z: f64) -> Interval {
        ln(z)
    }

    fn slope(&self, z: f64) -> Interval {
        if z.is_infinite() { Interval::ZERO } else { Interval::point(1.0) / Interval::point(z) }
    }

    fn guess(&self, z: f64) -> [f64; 2] {
        [z.ln(), 1.0 / z]
    }

    fn parts(&self, z: Interval) -> Vec<Part> {
        if z.lo > 0.0 { all(Bend::Concave) } else { Vec::new() }
    }

    fn range(&self) -> Interval {
        Interval::ALL
    }

    fn computed(&self) -> Computed {
        Computed::Call { at_least: 1.0 }
    }
}
