//! Arithmetic that never rounds the wrong way.
//!
//! Three layers, from fast to exact:
//!
//! * [`error`] bounds the rounding error of a whole floating-point kernel after the fact
//!   (a-priori bounds, `γ_n = n u / (1 − n u)`; Higham 2002, §3.1);
//! * [`round`] rounds single operations towards a chosen side, exactly where the result is a float;
//! * [`Rational`] is exact.
//!
//! [`Interval`] is built on [`round`]; [`Scalar`] lets one piece of code run in any of them.

pub mod elementary;
pub mod error;
/// The one door to the matrix product.
pub mod gemm;
mod interval;
pub mod kernel;
mod lattice;
pub mod planted;
mod rational;
mod real;
pub mod round;
mod scalar;
mod spare;
mod vectorised;

pub use interval::Interval;
pub use lattice::Lattice;
pub use rational::{ParseDecimalError, Rational, bounds_of, enclose, exact, exact_or_zero, nearest, parse_decimal};
pub use real::Real;
pub use scalar::Scalar;
pub use spare::Spare;
pub use vectorised::vectorised;
