//! The square root.
use super::super::{ActivationFn, Shape};
use super::{Bend, Computed, Part, Smooth, all};
use crate::num::Interval;
use crate::num::round::{sqrt_down, sqrt_up};

/// `√z`, where `z` is at least 0.
#[derive(Clone, Copy, Debug)]
pub struct Sqrt;

impl ActivationFn for Sqrt {
    fn name(&self) -> &'static str {
        "sqrt"
    }

    fn shape(&self) -> Shape<'_> {
        Shape::Smooth(self)
    }
}

impl Smooth for Sqrt {
    fn value(&self, z: f64) -> Interval {
        if z < 0.0 { Interval::ALL } else { Interval::new(sqrt_down(z), sqrt_up(z)) }
    }

    fn slope(&self, z: f64) -> Interval {
        // Steeper than any float at 0.
        match z {
            0.0 => Interval { lo: f64::MAX, hi: f64::INFINITY },
            f64::INFINITY => Interval::ZERO,
            _ => Interval::point(0.5) / self.value(z),
        }
    }

    fn guess(&self, z: f64) -> [f64; 2] {
        [z.sqrt(), 0.5 / z.sqrt()]
    }

    fn parts(&self, z: Interval) -> Vec<Part> {
        if z.lo >= 0.0 { all(Bend::Concave) } else { Vec::new() }
    }

    fn range(&self) -> Interval {
        Interval { lo: 0.0, hi: f64::INFINITY }
    }

    fn computed(&self) -> Computed {
        Computed::Operations(1)
    }
}
