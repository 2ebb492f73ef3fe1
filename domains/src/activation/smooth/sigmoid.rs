//! The logistic sigmoid.

use super::super::{ActivationFn, Shape};
use super::{Computed, Part, Smooth, convex_then_concave};
use crate::num::Interval;
use crate::num::elementary::exp;

/// `1 / (1 + e^−z)`.
#[derive(Clone, Copy, Debug)]
pub struct Sigmoid;

const ONE: Interval = Interval { lo: 1.0, hi: 1.0 };

/// `e^−z / (1 + e^−z)²`, the sigmoid's derivative.
pub(super) fn bell(z: f64) -> Interval {
    // It is even, and rises with e ≤ 1.
    let e = exp(-z.abs());
    let of = |e: f64| Interval::point(e) / ((ONE + Interval::point(e)) * (ONE + Interval::point(e)));
    Interval { lo: of(e.lo).lo, hi: of(e.hi.min(1.0)).hi }
}

impl ActivationFn for Sigmoid {
    fn name(&self) -> &'static str {
        "sigmoid"
    }

    fn shape(&self) -> Shape<'_> {
        Shape::Smooth(self)
    }
}

impl Smooth for Sigmoid {
    fn value(&self, z: f64) -> Interval {
        ONE / (ONE + exp(-z))
    }

    fn slope(&self, z: f64) -> Interval {
        bell(z)
    }

    fn guess(&self, z: f64) -> [f64; 2] {
        let y = 1.0 / (1.0 + (-z).exp());
        [y, y * (1.0 - y)]
    }

    fn parts(&self, _: Interval) -> Vec<Part> {
        convex_then_concave()
    }

    fn range(&self) -> Interval {
        Interval { lo: 0.0, hi: 1.0 }
    }

    fn computed(&self) -> Computed {
        Computed::Call { at_least: 1.0 }
    }
}
