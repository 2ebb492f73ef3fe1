//! Lines and half-planes around the graph of an activation.

use crate::num::Interval;
use crate::num::round::{add_down, add_up, mul_down, mul_up};

/// `z · z_coefficient + y · y_coefficient ≤ rhs`, valid in real arithmetic for every point of the graph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HalfPlane {
    /// Coefficient of the pre-activation.
    pub z: f64,
    /// Coefficient of the post-activation.
    pub y: f64,
    /// Right side, rounded up.
    pub rhs: f64,
}

/// `slope · z + intercept`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Slope, an exact float.
    pub slope: f64,
    /// Intercept, rounded to the safe side of the graph.
    pub intercept: f64,
}

/// A line below and a line above the graph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lines {
    /// `y ≥ lower`.
    pub lower: Line,
    /// `y ≤ upper`.
    pub upper: Line,
}

/// The lines of an unstable neuron, where there is a choice: below a graph that is convex with one kink (ReLU
/// and its leaky relatives) every slope between those of its two pieces; on either side of a step (sign) the
/// flat line or the sloped edge of its hull. Any other neuron keeps the lines of least area.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slopes {
    /// Least area: the slope of one of the pieces (DeepPoly, and CROWN's adaptive choice).
    #[default]
    Area,
    /// The slope of the line above (Fast-Lin, DeepZ, and the greedy dual solution of Wong and Kolter 2018).
    Parallel,
    /// The slope of the left piece: 0 for ReLU. The flat lines of a step.
    Zero,
    /// The slope of the right piece: 1 for ReLU. The sloped lines of a step.
    One,
}

impl Lines {
    /// About how far they are apart over `z` where they are most.
    #[must_use]
    pub fn gap(self, z: Interval) -> f64 {
        let at = |z: f64| (self.upper.slope - self.lower.slope) * z + (self.upper.intercept - self.lower.intercept);
        at(z.lo).max(at(z.hi))
    }
}

impl Line {
    /// Bounds of the line's value at `z`.
    #[must_use]
    pub fn at(self, z: f64) -> Interval {
        Interval::new(add_down(mul_down(self.slope, z), self.intercept), add_up(mul_up(self.slope, z), self.intercept))
    }
}
