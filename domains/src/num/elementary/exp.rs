//! The exponential function: `x = k ln 2 + r`, a Taylor polynomial in `r`, and a scaling by `2^k`.

use super::around;
use crate::num::Interval;
use crate::num::round::{mul_down, mul_up};

/// The first bits of ln 2, so few that their products with small integers are exact.
pub(super) const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
/// The rest of ln 2, enclosed.
pub(super) const LN2_LOW: Interval = around(1.908_214_929_270_587_7e-10);

/// Up to this magnitude of `r` the polynomial is used: a little more than half of ln 2.
const REDUCED: f64 = 0.36;

/// `1 / (n + 1)!` for n from 0, whose denominators are floats.
const COEFFICIENTS: [Interval; 14] = {
    let mut all = [Interval::ZERO; 14];
    let (mut n, mut factorial) = (0, 1.0);
    while n < all.len() {
        factorial *= n as f64 + 1.0;
        all[n] = around(1.0 / factorial);
        n += 1;
    }
    // Two of them are floats.
    all[0] = Interval { lo: 1.0, hi: 1.0 };
    all[1] = Interval { lo: 0.5, hi: 0.5 };
    all
};

/// The terms that are left out sum to at most this times `|r|^14`: they are below `r / 15!` and its geometric series.
const TAIL: f64 = 3e-13;

/// `(e^r − 1) / r` for `|r| ≤ REDUCED`.
fn series(r: f64) -> Interval {
    let [.., last] = COEFFICIENTS;
    let start = Interval::new(last.lo - TAIL, last.hi + TAIL);
    COEFFICIENTS.iter().rev().skip(1).fold(start, |sum, &c| sum.scale(r) + c)
}

/// `x · 2^k`, where the power itself need not be a float; `x ≥ 0`.
fn scaled(x: Interval, k: i32) -> Interval {
    let power = |k: i32| f64::from_bits(((1023 + k) as u64) << 52);
    let (a, b) = (power(k / 2), power(k - k / 2));
    // What underflows is still not negative.
    Interval::new(mul_down(mul_down(x.lo, a), b).max(0.0), mul_up(mul_up(x.hi, a), b))
}

/// Encloses `e^x`; the limits at ±∞.
#[must_use]
pub fn exp(x: f64) -> Interval {
    if x.is_nan() {
        return Interval::ALL;
    }
    if x > 710.0 {
        return Interval { lo: f64::MAX, hi: f64::INFINITY };
    }
    if x < -746.0 {
        // Below half of the least float.
        return Interval { lo: 0.0, hi: if x.is_infinite() { 0.0 } else { f64::from_bits(1) } };
    }
    let k = (x * std::f64::consts::LOG2_E).round();
    let r = Interval::point(x) - Interval::point(k).scale(LN2_HIGH) - LN2_LOW.scale(k);
    debug_assert!(r.magnitude() < REDUCED);
    let least = Interval::point(1.0) + series(r.lo).scale(r.lo);
    // e^w ≤ 1 + 2 w for what is left of r, w ≤ 1.
    let rest = Interval::point(1.0) + Interval { lo: 0.0, hi: r.width() }.scale(2.0);
    scaled(least * rest, k as i32)
}

/// Encloses `e^x − 1`, relatively tight near zero.
#[must_use]
pub fn exp_m1(x: f64) -> Interval {
    if x.abs() <= REDUCED { series(x).scale(x) } else { exp(x) - Interval::point(1.0) }
}
