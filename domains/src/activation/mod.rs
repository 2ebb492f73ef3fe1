//! Activation functions. Each is one file: a piecewise affine one lists its pieces, a [`Smooth`] one encloses its values
//! and slopes; bounds, hulls, lines and branches are derived from these, once for all of them.
//!
//! "Unstable" means *more than one segment over the proven bounds*, never `l < 0 < u`; a smooth neuron is unstable unless
//! its bounds meet.

mod clip;
mod derived;
mod leaky_relu;
mod lines;
mod relu;
mod sign;
mod smooth;
mod staircase;

pub use clip::Clip;
pub use derived::Activate;
pub use leaky_relu::LeakyRelu;
pub use lines::{HalfPlane, Line, Lines, Slopes};
pub use relu::Relu;
pub use sign::{Sign, SignWithZero};
pub use smooth::{Arctan, Cos, Elu, Erf, Exp, Gelu, Log, Power, Reciprocal, Sigmoid, Silu, Sin, Softplus, Softsign};
pub use smooth::{Bend, Computed, Part, Smooth, Sqrt, Tanh};
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
    /// Which of the bounds are no values themselves.
    pub open: OpenEnds,
}

/// Which ends of a range do not belong to it: on `[l, 0)` a sign is −1 throughout, on `[l, 0]` it jumps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenEnds {
    /// Whether the lower end is left out.
    pub lower: bool,
    /// Whether the upper end is left out.
    pub upper: bool,
}

impl Reach<'_> {
    /// The values in tighter bounds; an end that moved belongs to them.
    #[must_use]
    pub fn within(self, bounds: Interval) -> Self {
        let OpenEnds { lower, upper } = self.open;
        let open =
            OpenEnds { lower: lower && bounds.lo == self.bounds.lo, upper: upper && bounds.hi == self.bounds.hi };
        Self { bounds, open, ..self }
    }
}

impl From<Interval> for Reach<'_> {
    fn from(bounds: Interval) -> Self {
        Self { bounds, lattice: None, open: OpenEnds::default() }
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

/// What a function is made of.
#[derive(Clone, Copy, Debug)]
pub enum Shape<'a> {
    /// Affine pieces from left to right; they cover the real line. Two neighbours may both be closed at their common
    /// end only if they agree there.
    Pieces(&'a [Piece]),
    /// A differentiable function.
    Smooth(&'a dyn Smooth),
}

impl Shape<'_> {
    /// The function at a number; `None` where its arithmetic cannot hold the value: that of a smooth function is seldom
    /// rational.
    pub fn at<T: Activate>(self, z: &T) -> Option<T> {
        match self {
            Self::Pieces(pieces) => Some(z.activate(pieces)),
            Self::Smooth(f) => z.activate_smooth(f),
        }
    }
}

/// An activation function, applied neuron by neuron. An implementor names itself and says what it is made of.
pub trait ActivationFn: std::fmt::Debug + Send + Sync {
    /// The field's name of the function, in lower case.
    fn name(&self) -> &'static str;

    /// What the function is made of.
    fn shape(&self) -> Shape<'_>;

    /// The affine pieces; `None` for a smooth function.
    fn pieces(&self) -> Option<&[Piece]> {
        match self.shape() {
            Shape::Pieces(pieces) => Some(pieces),
            Shape::Smooth(_) => None,
        }
    }

    /// True when the function only jumps: all its pieces are constant.
    fn is_step(&self) -> bool {
        self.pieces().is_some_and(|pieces| pieces.iter().all(|piece| piece.slope == 0.0))
    }

    /// True when the function only jumps, and only at zero: it reads nothing but signs.
    fn reads_signs(&self) -> bool {
        self.is_step()
            && self.pieces().is_some_and(|pieces| pieces.iter().all(|p| p.from == 0.0 || p.from.is_infinite()))
    }

    /// True when all values are integers, and so the function only jumps.
    fn takes_integers(&self) -> bool {
        self.pieces().is_some_and(|pieces| pieces.iter().all(|p| p.slope == 0.0 && p.intercept.fract() == 0.0))
    }

    /// True for the signs, whatever they are at zero.
    fn is_sign(&self) -> bool {
        self.is_two_valued_sign() || self.pieces() == SignWithZero.pieces()
    }

    /// True for the sign of the papers, whose values are ±1.
    fn is_two_valued_sign(&self) -> bool {
        self.pieces() == Sign.pieces()
    }

    /// True when the neuron may be on more than one piece over the values `z`, or anywhere on a curve.
    fn is_unstable(&self, z: Reach<'_>) -> bool {
        match self.shape() {
            Shape::Pieces(_) => self.segments(z).len() > 1,
            Shape::Smooth(_) => z.bounds.lo < z.bounds.hi,
        }
    }

    /// The function at a float, to nearest for pieces and about right for a curve; NaN for NaN.
    fn eval(&self, z: f64) -> f64 {
        match self.shape() {
            Shape::Pieces(pieces) => z.activate(pieces),
            Shape::Smooth(f) => f.guess(z)[0],
        }
    }

    /// The segments of the closed graph over the values `z`: what the neuron can do there. On a lattice
    /// they end at the last values that each piece can take, which leaves gaps between them. A smooth function has
    /// none.
    fn segments(&self, z: Reach<'_>) -> Vec<Segment> {
        self.pieces().map_or_else(Vec::new, |pieces| derived::segments(pieces, z))
    }

    /// Segments that span what the neuron can do over the values `z` together with others: at each argument its value is
    /// on one of them or between two. For pieces they are the segments of the graph.
    fn cover(&self, z: Reach<'_>) -> Vec<Segment> {
        match self.shape() {
            Shape::Pieces(pieces) => derived::segments(pieces, z),
            Shape::Smooth(f) => smooth::cover(f, z.bounds),
        }
    }

    /// Bounds of the output over the values `z`.
    fn image(&self, z: Reach<'_>) -> Interval {
        match self.shape() {
            Shape::Pieces(pieces) => derived::image(pieces, z),
            Shape::Smooth(f) => smooth::image(f, z.bounds),
        }
    }

    /// The lattice of the output over the values `z`.
    fn image_lattice(&self, z: Reach<'_>) -> Lattice {
        self.pieces().map_or(Lattice::Any, |pieces| derived::image_lattice(pieces, z))
    }

    /// Half-planes around the closed graph over `z`; for pieces their intersection is its convex hull (for ReLU the
    /// triangle; Singh et al. 2019 §3.2, Salman et al. 2019 eq. 4).
    fn hull(&self, z: Reach<'_>) -> Vec<HalfPlane> {
        match self.shape() {
            Shape::Pieces(pieces) => derived::hull(&derived::segments(pieces, z)),
            Shape::Smooth(f) => smooth::hull(f, z.bounds),
        }
    }

    /// Bounds of `y − slope · z` over `z`: the narrowest band of that slope around the graph.
    fn band(&self, z: Reach<'_>, slope: f64) -> Interval {
        match self.shape() {
            Shape::Pieces(pieces) => derived::band(&derived::segments(pieces, z), slope),
            Shape::Smooth(f) => smooth::band(f, z.bounds, slope),
        }
    }

    /// Bounds of the slopes of all chords of the graph over `z`; where it jumps there are none.
    fn chords(&self, z: Interval) -> Interval {
        match self.shape() {
            Shape::Pieces(pieces) => derived::chords(pieces, z),
            Shape::Smooth(f) => smooth::chords(f, z),
        }
    }

    /// One line below and one above the graph over `z`: the pair of least area.
    fn lines(&self, z: Reach<'_>) -> Lines {
        self.lines_with(z, Slopes::Area)
    }

    /// One line below and one above the graph over `z`, with the slopes asked for where they make sense.
    fn lines_with(&self, z: Reach<'_>, slopes: Slopes) -> Lines {
        match self.shape() {
            Shape::Pieces(pieces) => derived::lines(&derived::segments(pieces, z), z.bounds, slopes),
            Shape::Smooth(f) => smooth::lines(f, z.bounds, slopes),
        }
    }
}

/// Every activation in this crate, for tests that go through all of them.
#[must_use]
pub fn all() -> Vec<std::sync::Arc<dyn ActivationFn>> {
    use std::sync::Arc;
    let mut all: Vec<Arc<dyn ActivationFn>> = vec![
        Arc::new(Relu),
        Arc::new(LeakyRelu::new(0.125)),
        Arc::new(Clip::new(-1.0, 1.0)),
        Arc::new(Sign),
        Arc::new(SignWithZero),
        Arc::new(Staircase::floor(-2, 2)),
        Arc::new(Staircase::truncation(-2, 2)),
        Arc::new(Staircase::nearest(-2, 2)),
        Arc::new(Sigmoid),
        Arc::new(Tanh),
        Arc::new(Exp),
        Arc::new(Softplus),
        Arc::new(Arctan),
        Arc::new(Softsign),
        Arc::new(Silu),
        Arc::new(Gelu),
        Arc::new(Erf),
        Arc::new(Sin),
        Arc::new(Cos),
        Arc::new(Reciprocal),
        Arc::new(Sqrt),
        Arc::new(Log),
    ];
    all.extend([0.5, 1.0].into_iter().filter_map(Elu::new).map(|f| Arc::new(f) as _));
    all.extend([2, 3].into_iter().filter_map(Power::new).map(|f| Arc::new(f) as _));
    all
}
