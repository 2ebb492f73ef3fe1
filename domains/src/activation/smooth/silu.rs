//! SiLU: the sigmoid times its argument.
use super::super::{ActivationFn, Shape};
use super::{Part, Sigmoid, Smooth, convex_within};
use crate::num::Interval;

/// The inflections are where `z tanh (z / 2) = 2`, between these floats and their opposites.
const INFLECTION: Interval = Interval { lo: 2.399_357_280_515_467_5, hi: 2.399_357_280_515_468 };

/// The least value is −0.2784645….
const LEAST: Interval = Interval { lo: -0.278_465, hi: f64::INFINITY };

/// `z / (1 + e^−z)`.
#[derive(Clone, Copy, Debug)]
pub struct Silu;

impl ActivationFn for Silu {
    fn name(&self) -> &'static str {
        "silu"
    }

    fn shape(&self) -> Shape<'_> {
        Shape::Smooth(self)
    }
}

impl Smooth for Silu {
    fn value(&self, z: f64) -> Interval {
        match z {
            f64::NEG_INFINITY => Interval::ZERO,
            f64::INFINITY => Interval::point(z),
            _ => Sigmoid.value(z).scale(z),
        }
    }

    fn slope(&self, z: f64) -> Interval {
        match z {
            f64::NEG_INFINITY => Interval::ZERO,
            f64::INFINITY => Interval::point(1.0),
            _ => Sigmoid.value(z) + Sigmoid.slope(z).scale(z),
        }
    }

    fn guess(&self, z: f64) -> [f64; 2] {
        let [y, slope] = Sigmoid.guess(z);
        [z * y, y + z * slope]
    }

    fn parts(&self, _: Interval) -> Vec<Part> {
        convex_within(INFLECTION)
    }

    fn range(&self) -> Interval {
        LEAST
    }
}
