//! Smooth activations. Each is one file that encloses its values and slopes and lists the parts on which it bends one
//! way; images, bands, lines and hulls are derived from these, once for all of them.

mod arctan;
mod elu;
mod envelope;
mod erf;
mod exp;
mod gelu;
mod log;
mod power;
mod reciprocal;
mod sigmoid;
mod silu;
mod sine;
mod softplus;
mod softsign;
mod sqrt;
mod tanh;

pub use arctan::Arctan;
pub use elu::Elu;
pub(super) use envelope::{band, chords, cover, hull, image, lines};
pub use erf::Erf;
pub use exp::Exp;
pub use gelu::Gelu;
pub use log::Log;
pub use power::Power;
pub use reciprocal::Reciprocal;
pub use sigmoid::Sigmoid;
pub use silu::Silu;
pub use sine::{Cos, Sin};
pub use softplus::Softplus;
pub use softsign::Softsign;
pub use sqrt::Sqrt;
pub use tanh::Tanh;

use crate::num::Interval;

/// Which way a function bends on a part of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bend {
    /// Its slope does not fall.
    Convex,
    /// Its slope does not rise.
    Concave,
    /// Nothing but that it is monotone: between the ends of the enclosure of an inflection that is no float.
    Monotone,
    /// Nothing at all: its range is all that is known.
    Unknown,
}

/// A closed part of the line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// Left end (may be −∞).
    pub from: f64,
    /// Right end (may be +∞).
    pub to: f64,
    /// How the function bends between them.
    pub bend: Bend,
}

/// How runtimes compute a smooth function in float32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Computed {
    /// By so many operations of IEEE 754, each of which multiplies the result by `1 + δ`, `|δ| ≤ 2⁻²⁴`.
    Operations(usize),
    /// By a function of their own, whose error is counted in units in the last place of the exact value, or of
    /// `at_least` where that is larger: what is put together of parts of size 1 has their errors near 0, too.
    Call {
        /// 0 or 1.
        at_least: f64,
    },
    /// By a function of their own as above, with units of the exact value, or by that many operations of IEEE 754.
    Power(usize),
    /// In ways of which none is modelled.
    Unknown,
}

/// A differentiable activation function.
pub trait Smooth: std::fmt::Debug + Send + Sync {
    /// Encloses the value at a float; at ±∞ the limit. Nothing is known where the function is not defined.
    fn value(&self, z: f64) -> Interval;

    /// Encloses the derivative at a float.
    fn slope(&self, z: f64) -> Interval;

    /// Value and derivative in floats, without any claim: for guesses.
    fn guess(&self, z: f64) -> [f64; 2];

    /// Parts from left to right, each beginning where the one before ends, that cover `z`: none where the function is
    /// not defined on all of it.
    fn parts(&self, z: Interval) -> Vec<Part>;

    /// Bounds of all values.
    fn range(&self) -> Interval;

    /// How runtimes compute it in float32.
    fn computed(&self) -> Computed {
        Computed::Unknown
    }
}

/// One part, the whole line.
fn all(bend: Bend) -> Vec<Part> {
    vec![Part { from: f64::NEG_INFINITY, to: f64::INFINITY, bend }]
}

/// The parts of a function that is convex below an inflection at zero and concave above.
fn convex_then_concave() -> Vec<Part> {
    let (from, to) = (f64::NEG_INFINITY, f64::INFINITY);
    vec![Part { from, to: 0.0, bend: Bend::Convex }, Part { from: 0.0, to, bend: Bend::Concave }]
}

/// The parts of a function that is convex between two inflections, enclosed and opposite, and concave outside.
fn convex_within(inflection: Interval) -> Vec<Part> {
    let Interval { lo: a, hi: b } = inflection;
    let ends = [f64::NEG_INFINITY, -b, -a, a, b, f64::INFINITY];
    let bends = [Bend::Concave, Bend::Monotone, Bend::Convex, Bend::Monotone, Bend::Concave];
    ends.windows(2).zip(bends).map(|(ends, bend)| Part { from: ends[0], to: ends[1], bend }).collect()
}

/// `z²`.
fn square(z: f64) -> Interval {
    Interval::point(z).scale(z)
}
