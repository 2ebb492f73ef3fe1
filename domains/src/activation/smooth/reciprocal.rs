//! The reciprocal.
use super::super::{ActivationFn, Shape};
use super::{Bend, Computed, Part, Smooth, all, square};
use crate::num::Interval;

/// `1 / z`, where `z` is not 0.
#[derive(Clone, Copy, Debug)]
pub struct Reciprocal;

impl ActivationFn for Reciprocal {
    fn name(&self) -> &'static str {
        "reciprocal"
    }

    fn shape(&self) -> Shape<'_> {
        Shape::Smooth(self)
    }
}

impl Smooth for Reciprocal {
    fn value(&self, z: f64) -> Interval {
        if z.is_infinite() { Interval::ZERO } else { Interval::point(1.0) / Interval::point(z) }
    }

    fn slope(&self, z: f64) -> Interval {
        if z.is_infinite() { Interval::ZERO } else { -(Interval::point(1.0) / square(z)) }
    }

    fn guess(&self, z: f64) -> [f64; 2] {
        [1.0 / z, -1.0 / (z * z)]
    }

    fn parts(&self, z: Interval) -> Vec<Part> {
        if z.lo > 0.0 {
            all(Bend::Convex)
        } else if z.hi < 0.0 {
            all(Bend::Concave)
        } else {
            Vec::new()
        }
    }

    fn range(&self) -> Interval {
        Interval::ALL
    }

    fn computed(&self) -> Computed {
        Computed::Operations(1)
    }
}
