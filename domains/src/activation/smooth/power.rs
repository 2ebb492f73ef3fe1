//! Powers with whole exponents; the square is one of them.

use super::super::{ActivationFn, Shape};
use super::{Bend, Computed, Part, Smooth, all};
use crate::num::Interval;

/// `z^n` for `n` from 2.
#[derive(Clone, Copy, Debug)]
pub struct Power {
    exponent: u32,
}

impl Power {
    /// The function with an exponent of at least 2; `None` for others.
    #[must_use]
    pub fn new(exponent: u32) -> Option<Self> {
        (exponent >= 2).then_some(Self { exponent })
    }
}

/// `z^n` by products of one sign.
fn power(z: f64, n: u32) -> Interval {
    let size = (0..n).fold(Interval::point(1.0), |product, _| product.scale(z.abs()));
    if z < 0.0 && n % 2 == 1 { -size } else { size }
}

impl ActivationFn for Power {
    fn name(&self) -> &'static str {
        "power"
    }

    fn shape(&self) -> Shape<'_> {
        Shape::Smooth(self)
    }
}

impl Smooth for Power {
    fn value(&self, z: f64) -> Interval {
        power(z, self.exponent)
    }

    fn slope(&self, z: f64) -> Interval {
        power(z, self.exponent - 1).scale(f64::from(self.exponent))
    }

    fn guess(&self, z: f64) -> [f64; 2] {
        let below = z.powi(self.exponent as i32 - 1);
        [z * below, f64::from(self.exponent) * below]
    }

    fn parts(&self, _: Interval) -> Vec<Part> {
        if self.exponent.is_multiple_of(2) {
            return all(Bend::Convex);
        }
        let (from, to) = (f64::NEG_INFINITY, f64::INFINITY);
        vec![Part { from, to: 0.0, bend: Bend::Concave }, Part { from: 0.0, to, bend: Bend::Convex }]
    }

    fn range(&self) -> Interval {
        if self.exponent.is_multiple_of(2) { Interval { lo: 0.0, hi: f64::INFINITY } } else { Interval::ALL }
    }

    fn computed(&self) -> Computed {
        // In whatever order they are multiplied, a square counts the roundings of its root twice.
        Computed::Power(self.exponent as usize - 1)
    }
}
