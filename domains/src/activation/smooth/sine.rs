//! Sine and cosine.

use super::super::{ActivationFn, Shape};
use super::{Bend, Computed, Part, Smooth};
use crate::num::Interval;
use crate::num::elementary::{HALF_PI, sin_cos};

/// `sin z`.
#[derive(Clone, Copy, Debug)]
pub struct Sin;

/// `cos z`.
#[derive(Clone, Copy, Debug)]
pub struct Cos;

/// Further from zero, and over more half waves, only the range is known.
const FURTHEST: f64 = 1e5;
const MOST_PARTS: f64 = 64.0;

/// The half waves around `z`. Inflection `k` is at `(2 k + shift) π/2`, and the wave to its right is concave where `k`
/// is even.
fn half_waves(z: Interval, shift: f64) -> Vec<Part> {
    let number = |x: f64| ((x / HALF_PI.lo - shift) / 2.0).floor();
    let (first, last) = (number(z.lo) - 1.0, number(z.hi) + 1.0);
    if !(z.magnitude() < FURTHEST && last - first < MOST_PARTS) {
        return vec![Part { from: f64::NEG_INFINITY, to: f64::INFINITY, bend: Bend::Unknown }];
    }
    let inflection = |k: f64| HALF_PI.scale(2.0 * k + shift);
    let of_wave = |k: f64| {
        let (left, right) = (inflection(k), inflection(k + 1.0));
        let bend = if k.rem_euclid(2.0) == 0.0 { Bend::Concave } else { Bend::Convex };
        [Part { from: left.lo, to: left.hi, bend: Bend::Monotone }, Part { from: left.hi, to: right.lo, bend }]
    };
    (0..=(last - first) as usize).flat_map(|i| of_wave(first + i as f64)).collect()
}

impl ActivationFn for Sin {
    fn name(&self) -> &'static str {
        "sin"
    }

    fn shape(&self) -> Shape<'_> {
        Shape::Smooth(self)
    }
}

impl Smooth for Sin {
    fn value(&self, z: f64) -> Interval {
        sin_cos(z).0
    }

    fn slope(&self, z: f64) -> Interval {
        sin_cos(z).1
    }

    fn guess(&self, z: f64) -> [f64; 2] {
        [z.sin(), z.cos()]
    }

    fn parts(&self, z: Interval) -> Vec<Part> {
        half_waves(z, 0.0)
    }

    fn range(&self) -> Interval {
        Interval { lo: -1.0, hi: 1.0 }
    }

    fn computed(&self) -> Computed {
        Computed::Call { at_least: 1.0 }
    }
}

impl ActivationFn for Cos {
    fn name(&self) -> &'static str {
        "cos"
    }

    fn shape(&self) -> Shape<'_> {
        Shape::Smooth(self)
    }
}

impl Smooth for Cos {
    fn value(&self, z: f64) -> Interval {
        sin_cos(z).1
    }

    fn slope(&self, z: f64) -> Interval {
        -sin_cos(z).0
    }

    fn guess(&self, z: f64) -> [f64; 2] {
        [z.cos(), -z.sin()]
    }

    fn parts(&self, z: Interval) -> Vec<Part> {
        half_waves(z, -1.0)
    }

    fn range(&self) -> Interval {
        Interval { lo: -1.0, hi: 1.0 }
    }

    fn computed(&self) -> Computed {
        Computed::Call { at_least: 1.0 }
    }
}
