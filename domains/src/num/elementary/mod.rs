//! Elementary functions of floats as enclosures: every step rounds outward and every remainder is bounded, so that
//! nothing rests on what a platform's library promises.

mod erf;
mod exp;
mod log;
mod trigonometric;

pub use erf::erf;
pub use exp::{exp, exp_m1};
pub use log::ln;
pub use trigonometric::{HALF_PI, atan, sin_cos};

use super::Interval;

/// What a float that was rounded once to nearest stands for.
const fn around(x: f64) -> Interval {
    Interval { lo: x.next_down(), hi: x.next_up() }
}
