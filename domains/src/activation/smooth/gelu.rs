//! GELU: the normal distribution function times its argument.
use super::super::{ActivationFn, Shape};
use super::{Part, Smooth, convex_within, square};
use crate::num::Interval;
use crate::num::elementary::{erf, exp};

/// The inflections are ±√2.
const INFLECTION: Interval =
    Interval { lo: std::f64::consts::SQRT_2.next_down(), hi: std::f64::consts::SQRT_2.next_up() };

/// The least value is −0.1699712….
const LEAST: Interval = Interval { lo: -0.169_972, hi: f64::INFINITY };

/// `1 / √2`, and `1 / √(2 π)`.
const ROOT: Interval =
    Interval { lo: std::f64::consts::FRAC_1_SQRT_2.next_down(), hi: std::f64::consts::FRAC_1_SQRT_2.next_up() };
const FACTOR: Interval = Interval { lo: 0.398_942_280_401_432_6, hi: 0.398_942_280_401_432_8 };

/// `Φ(z)`.
fn distribution(z: f64) -> Interval {
    let x = ROOT.scale(z);
    let erf = Interval { lo: erf(x.lo).lo, hi: erf(x.hi).hi };
    (erf + Interval::point(1.0)).scale(0.5)
}

/// `Φ'(z)`.
fn density(z: f64) -> Interval {
    let half = square(z).scale(0.5);
    FACTOR * Interval { lo: exp(-half.hi).lo, hi: exp(-half.lo).hi }
}

/// `z Φ(z) = z (1 + erf (z / √2)) / 2`.
#[derive(Clone, Copy, Debug)]
pub struct Gelu;

impl ActivationFn for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn shape(&self) -> Shape<'_> {
        Shape::Smooth(self)
    }
}

impl Smooth for Gelu {
    fn value(&self, z: f64) -> Interval {
        match z {
            f64::NEG_INFINITY => Interval::ZERO,
            f64::INFINITY => Interval::point(z),
            _ => distribution(z).scale(z),
        }
    }

    fn slope(&self, z: f64) -> Interval {
        match z {
            f64::NEG_INFINITY => Interval::ZERO,
            f64::INFINITY => Interval::point(1.0),
            _ => distribution(z) + density(z).scale(z),
        }
    }

    fn guess(&self, z: f64) -> [f64; 2] {
        let (below, density) = (distribution(z).middle(), (-z * z / 2.0).exp() * FACTOR.lo);
        [z * below, below + z * density]
    }

    fn parts(&self, _: Interval) -> Vec<Part> {
        convex_within(INFLECTION)
    }

    fn range(&self) -> Interval {
        LEAST
    }
}
