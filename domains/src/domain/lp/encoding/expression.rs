//! Affine expressions over the variables of a linear program.

use crate::num::Interval;
use crate::num::round::{add_down, add_up, mul_up, sub_up};

/// How a neuron's value is written in the variables of the program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::domain::lp) enum Value {
    /// The same constant everywhere in the region.
    Fixed(f64),
    /// A variable.
    Variable(usize),
    /// `y − s`: the pre-activation of an unstable neuron.
    /// So up to `radius`, where a constant of its row is an interval.
    Difference { y: usize, s: usize, radius: f64 },
    /// Within `radius` of a variable.
    Near { variable: usize, radius: f64 },
    /// Not in the program: the pre-activation of a neuron whose output is constant, or a neuron outside of the
    /// cone.
    Absent,
}

impl Value {
    /// The value at a point of the program, as a float.
    pub fn at(self, point: &[f64]) -> Option<f64> {
        match self {
            Self::Fixed(x) => Some(x),
            Self::Variable(v) | Self::Near { variable: v, .. } => Some(point[v]),
            Self::Difference { y, s, .. } => Some(point[y] - point[s]),
            Self::Absent => None,
        }
    }
}

/// A linear expression over the program's variables plus an enclosed constant.
#[derive(Clone, Debug)]
pub(in crate::domain::lp) struct Expression {
    pub entries: Vec<(usize, f64)>,
    pub constant: Interval,
}

impl Expression {
    pub fn new(constant: Interval) -> Self {
        Self { entries: Vec::new(), constant }
    }

    /// Adds `c · value`.
    pub fn add(&mut self, c: f64, value: Value) {
        match value {
            _ if c == 0.0 => {}
            Value::Fixed(x) => self.constant = self.constant + Interval::point(x).scale(c),
            Value::Variable(x) => self.entries.push((x, c)),
            Value::Near { variable, radius } => {
                self.entries.push((variable, c));
                self.widen(mul_up(c.abs(), radius));
            }
            Value::Difference { y, s, radius } => {
                self.entries.extend([(y, c), (s, -c)]);
                self.widen(mul_up(c.abs(), radius));
            }
            // Whoever reads it learns nothing.
            Value::Absent => self.constant = Interval::ALL,
        }
    }

    /// Replaces the constant by its middle; how far it may be from that.
    pub fn take_radius(&mut self) -> f64 {
        let middle = Interval::point(self.constant.middle());
        let radius = (self.constant - middle).magnitude();
        if radius.is_finite() {
            self.constant = middle;
            radius
        } else {
            0.0
        }
    }

    /// Widens the constant by `± radius`.
    pub fn widen(&mut self, radius: f64) {
        if radius > 0.0 {
            self.constant = self.constant + Interval::new(-radius, radius);
        }
    }
}

/// `fl(a + b)` and an upper bound of the magnitude of its error; 0 when the sum is exact.
pub(in crate::domain::lp) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let s = a + b;
    let error = sub_up(add_up(a, b), add_down(a, b));
    (s, error)
}
