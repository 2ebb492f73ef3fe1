//! Softsign.
use super::super::{ActivationFn, Shape};
use super::{Computed, Part, Smooth, convex_then_concave};
use crate::num::Interval;

/// `z / (1 + |z|)`.
#[derive(Clone, Copy, Debug)]
pub struct Softsign;

impl ActivationFn for Softsign {
    fn name(&self) -> &'static str {
        "softsign"
    }

    fn shape(&self) -> Shape<'_> {
        Shape::Smooth(self)
    }
}

impl Smooth for Softsign {
    fn value(&self, z: f64) -> Interval {
        if z.is_infinite() {
            return Interval::point(z.signum());
        }
        Interval::point(z) / (Interval::point(1.0) + Interval::point(z.abs()))
    }

    fn slope(&self, z: f64) -> Interval {
        let one = Interval::point(1.0);
        let below = one + Interval::point(z.abs());
        one / (below * below)
    }

    fn guess(&self, z: f64) -> [f64; 2] {
        let below = 1.0 + z.abs();
        [z / below, 1.0 / (below * below)]
    }

    fn parts(&self, _: Interval) -> Vec<Part> {
        convex_then_concave()
    }

    fn range(&self) -> Interval {
        Interval { lo: -1.0, hi: 1.0 }
    }

    fn computed(&self) -> Computed {
        // |z|, a sum and a quotient, which underflows only where it is exact.
        Computed::Operations(2)
    }
}
