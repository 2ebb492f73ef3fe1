//! Activation functions. Each is one file that lists its pieces; bounds, hulls, lines and branches are
//! derived from that list here, once for all of them.
//!
//! "Unstable" means *more than one segment over the proven bounds*, never `l < 0 < u`.

mod clip;
mod derived;
mod leaky_relu;
mod relu;
mod sign;
mod staircase;

pub use clip::Clip;
pub use derived::{Activate, HalfPlane, Line, Lines, Slopes};
pub use leaky_relu::LeakyRelu;
pub use relu::Relu;
pub use sign::{Sign, SignWithZero};
pub use staircase::Staircase;

use crate::num::{Interval, Lattice};
use crate::polyhedra::Segment;

/// The values that a pre-activation can take: those of its bounds that lie on its lattice, if it is known
/// to lie on one. Bounds alone convert into it.
#[derive(Clone, Copy, Debug)]
pub struct Reach<'a> {
    /// Proven bounds.
    pub bounds: Interval,
    /// The lattice; `None` for any real number.
    pub lattice: Option<&'a Lattice>,
}

impl From<Interval> for Reach<'_> {
    fn from(bounds: Interval) -> Self {
        Self { bounds, lattice: None }
    }
}

/// One affine piece of an activation over the whole real line: `y = slope · z + intercept`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Piece {
    /// Left end (may be −∞).
    pub from: f64,
    /// Right end (may be +∞).
    pub to: f64,
    /// True when the function takes this piece's value at `from`.
    pub from_closed: bool,
    /// True when the function takes this piece's value at `to`.
    pub to_closed: bool,
    /// Slope of the piece.
    pub slope: f64,
    /// Value of the extended piece at `z = 0`.
    pub intercept: f64,
}

/// A piecewise affine activation function, applied neuron by neuron.
///
/// An implementor names itself and lists its pieces from left to right; they cover the real line.
/// Two neighbours may both be closed at their common end only if they agree there.
pub trait ActivationFn: std::fmt::Debug + Send + Sync {
    /// The field's name of the function, in lower case.
    fn name(&self) -> &'static str;

    /// The pieces, from left to right.
    fn pieces(&self) -> &[Piece];

    /// True when the function only jumps: all its pieces are constant.
    fn is_step(&self) -> bool {
        self.pieces().iter().all(|piece| piece.slope == 0.0)
    }

    /// True when all values are integers, and so the function only jumps.
    fn takes_integers(&self) -> bool {
        self.pieces().iter().all(|piece| piece.slope == 0.0 && piece.intercept.fract() == 0.0)
    }

    /// True for the signs, whatever they are at zero.
    fn is_sign(&self) -> bool {
        [Sign.pieces(), SignWithZero.pieces()].contains(&self.pieces())
    }

    /// True for the sign of the papers, whose values are ±1.
    fn is_two_valued_sign(&self) -> bool {
        self.pieces() == Sign.pieces()
    }

    /// True when the neuron may be on more than one piece over the values `z`.
    fn is_unstable(&self, z: Reach<'_>) -> bool {
        self.segments(z).len() > 1
    }

    /// The function at a float; NaN for NaN.
    fn eval(&self, z: f64) -> f64 {
        z.activate(self.pieces())
    }

    /// The segments of the closed graph over the values `z`: what the neuron can do there. On a lattice
    /// they end at the last values that each piece can take, which leaves gaps between them.
    fn segments(&self, z: Reach<'_>) -> Vec<Segment> {
        derived::segments(self.pieces(), z)
    }

    /// Bounds of the output over the values `z`.
    fn image(&self, z: Reach<'_>) -> Interval {
        derived::image(self.pieces(), z)
    }

    /// The lattice of the output over the values `z`.
    fn image_lattice(&self, z: Reach<'_>) -> Lattice {
        derived::image_lattice(self.pieces(), z)
    }

    /// Half-planes whose intersection is the convex hull of the closed graph over `z` (for ReLU the
    /// triangle; Singh et al. 2019 §3.2, Salman et al. 2019 eq. 4).
    fn hull(&self, z: Reach<'_>) -> Vec<HalfPlane> {
        derived::hull(&self.segments(z))
    }

    /// Bounds of `y − slope · z` over `z`: the narrowest band of that slope around the graph.
    fn band(&self, z: Reach<'_>, slope: f64) -> Interval {
        derived::band(&self.segments(z), slope)
    }

    /// One line below and one above the graph over `z`: the pair of least area.
    fn lines(&self, z: Reach<'_>) -> Lines {
        self.lines_with(z, Slopes::Area)
    }

    /// One line below and one above the graph over `z`, with the slopes asked for where they make sense.
    fn lines_with(&self, z: Reach<'_>, slopes: Slopes) -> Lines {
        derived::lines(&self.segments(z), z.bounds, slopes)
    }
}

/// Every activation in this crate, for tests that go through all of them.
#[must_use]
pub fn all() -> Vec<std::sync::Arc<dyn ActivationFn>> {
    use std::sync::Arc;
    vec![
        Arc::new(Relu),
        Arc::new(LeakyRelu::new(0.125)),
        Arc::new(Clip::new(-1.0, 1.0)),
        Arc::new(Sign),
        Arc::new(SignWithZero),
        Arc::new(Staircase::floor(-2, 2)),
        Arc::new(Staircase::truncation(-2, 2)),
        Arc::new(Staircase::nearest(-2, 2)),
    ]
}
