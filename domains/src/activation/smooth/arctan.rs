//! The arc tangent.
use super::super::{ActivationFn, Shape};
use super::{Computed, Part, Smooth, convex_then_concave, square};
use crate::num::Interval;
use crate::num::elementary::{HALF_PI, atan};

/// `arctan z`, between −π/2 and π/2.
#[derive(Clone, Copy, Debug)]
pub struct Arctan;

impl ActivationFn for Arctan {
    fn name(&self) -> &'static str {
        "arctan"
    }

    fn shape(&self) -> Shape<'_> {
        Shape::Smooth(self)
    }
}

impl Smooth for Arctan {
    fn value(&self, z: f64) -> Interval {
        atan(z)
    }

    fn slope(&self, z: f64) -> Interval {
        let one = Interval::point(1.0);
        one / (one + square(z))
    }

    fn guess(&self, z: f64) -> [f64; 2] {
        [z.atan(), 1.0 / (1.0 + z * z)]
    }

    fn parts(&self, _: Interval) -> Vec<Part> {
        convex_then_concave()
    }

    fn range(&self) -> Interval {
        Interval { lo: -HALF_PI.hi, hi: HALF_PI.hi }
    }

    fn computed(&self) -> Computed {
        Computed::Call { at_least: 1.0 }
    }
}
