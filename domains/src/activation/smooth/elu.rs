//! ELU: the identity above zero, an exponential below.

use super::super::{ActivationFn, Shape};
use super::{Bend, Computed, Part, Smooth, all};
use crate::num::Interval;
use crate::num::elementary::{exp, exp_m1};

/// `z` for `z ≥ 0` and `alpha (e^z − 1)` below.
#[derive(Clone, Copy, Debug)]
pub struct Elu {
    alpha: f64,
}

impl Elu {
    /// The function with `alpha` from 0 to 1, where it is convex; `None` for others.
    #[must_use]
    pub fn new(alpha: f64) -> Option<Self> {
        (0.0..=1.0).contains(&alpha).then_some(Self { alpha })
    }
}

impl ActivationFn for Elu {
    fn name(&self) -> &'static str {
        "elu"
    }

    fn shape(&self) -> Shape<'_> {
        Shape::Smooth(self)
    }
}

impl Smooth for Elu {
    fn value(&self, z: f64) -> Interval {
        if z >= 0.0 { Interval::point(z) } else { exp_m1(z).scale(self.alpha) }
    }

    /// At the corner, if there is one, the slope of a line that touches it.
    fn slope(&self, z: f64) -> Interval {
        if z >= 0.0 { Interval::point(1.0) } else { exp(z).scale(self.alpha) }
    }

    fn guess(&self, z: f64) -> [f64; 2] {
        if z >= 0.0 { [z, 1.0] } else { [self.alpha * z.exp_m1(), self.alpha * z.exp()] }
    }

    fn parts(&self, _: Interval) -> Vec<Part> {
        all(Bend::Convex)
    }

    fn range(&self) -> Interval {
        Interval { lo: -self.alpha, hi: f64::INFINITY }
    }

    fn computed(&self) -> Computed {
        Computed::Call { at_least: 1.0 }
    }
}
