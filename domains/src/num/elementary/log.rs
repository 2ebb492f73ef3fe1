//! The natural logarithm: a guess that the exponential function corrects.

use super::exp::{LN2_HIGH, LN2_LOW, exp};
use crate::num::Interval;
use crate::num::round::{add_down, add_up, div_down};

/// Encloses `ln x`; the limits at 0 and ∞, and nothing below 0.
#[must_use]
pub fn ln(x: f64) -> Interval {
    if x == 0.0 || x == f64::INFINITY {
        return Interval::point(if x == 0.0 { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    if x.is_nan() || x < 0.0 {
        return Interval::ALL;
    }
    let (m, k) = parts(x);
    let guess = m.ln();
    // ln m = guess + ln (1 + d), and d / (1 + d) ≤ ln (1 + d) ≤ d for d > −1.
    let d = exp(-guess).scale(m) - Interval::point(1.0);
    if d.magnitude() >= 0.5 || d.magnitude().is_nan() {
        return Interval::ALL;
    }
    let below = div_down(d.lo, if d.lo > 0.0 { add_up(1.0, d.lo) } else { add_down(1.0, d.lo) });
    let k = Interval::point(k);
    Interval { lo: below, hi: d.hi } + Interval::point(guess) + LN2_LOW * k + k.scale(LN2_HIGH)
}

/// `x = m · 2^k` with `√½ ≤ m ≤ √2`, for `x > 0`.
fn parts(x: f64) -> (f64, f64) {
    const POWER: f64 = (1u64 << 54) as f64;
    let (x, shift) = if x < f64::MIN_POSITIVE { (x * POWER, -54.0) } else { (x, 0.0) };
    let exponent = (x.to_bits() >> 52) as f64 - 1023.0;
    let m = f64::from_bits(x.to_bits() & ((1 << 52) - 1) | 1023 << 52);
    if m > std::f64::consts::SQRT_2 { (m / 2.0, exponent + 1.0 + shift) } else { (m, exponent + shift) }
}
