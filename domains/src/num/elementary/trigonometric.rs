//! Sine and cosine: `x = k π/2 + r` and Taylor polynomials in `r`; the arc tangent as a guess that these correct.

use super::around;
use crate::num::Interval;

/// The first bits of π/2, so few that their products with small integers are exact.
const HALF_PI_HIGH: f64 = 1.570_796_326_734_125_6;
/// The rest of π/2, enclosed.
const HALF_PI_LOW: Interval = around(6.077_100_506_506_192e-11);
/// π/2.
pub const HALF_PI: Interval = around(std::f64::consts::FRAC_PI_2);

/// Beyond this magnitude nothing is computed.
const LARGEST: f64 = 1e6;

/// `±1 / (2 n + first)!` with alternating signs.
const fn coefficients(first: u64) -> [Interval; 9] {
    let mut all = [Interval { lo: 1.0, hi: 1.0 }; 9];
    let (mut n, mut factorial, mut sign) = (1, 1.0, -1.0);
    while n < all.len() {
        let last = 2 * n as u64 + first;
        factorial *= (last * (last - 1)) as f64;
        all[n] = around(sign / factorial);
        sign = -sign;
        n += 1;
    }
    all
}

const OF_SINE: [Interval; 9] = coefficients(1);
const OF_COSINE: [Interval; 9] = coefficients(0);

/// For `|r| < 0.8` the terms left out alternate and fall, so the first bounds them all: `r² / 19!` and `r² / 18!`
/// beside the last coefficients.
const TAIL_OF_SINE: f64 = 6e-18;
const TAIL_OF_COSINE: f64 = 1.2e-16;

fn series(coefficients: &[Interval; 9], tail: f64, square: Interval) -> Interval {
    let [.., last] = coefficients;
    let start = *last + Interval { lo: -tail, hi: tail };
    coefficients.iter().rev().skip(1).fold(start, |sum, &c| sum * square + c)
}

/// Encloses `sin x` and `cos x`.
#[must_use]
pub fn sin_cos(x: f64) -> (Interval, Interval) {
    const ANY: Interval = Interval { lo: -1.0, hi: 1.0 };
    if x.is_nan() || x.abs() > LARGEST {
        return (ANY, ANY);
    }
    let k = (x * std::f64::consts::FRAC_2_PI).round();
    let rest = Interval::point(x) - Interval::point(k).scale(HALF_PI_HIGH) - HALF_PI_LOW.scale(k);
    debug_assert!(rest.magnitude() < 0.8);
    let r = rest.lo;
    let square = Interval::point(r).scale(r);
    // No slope exceeds 1 over what is left of the argument.
    let around = Interval { lo: -rest.width(), hi: rest.width() };
    let sine = (series(&OF_SINE, TAIL_OF_SINE, square).scale(r) + around).intersect(ANY);
    let cosine = (series(&OF_COSINE, TAIL_OF_COSINE, square) + around).intersect(ANY);
    match k.rem_euclid(4.0) as u8 {
        0 => (sine, cosine),
        1 => (cosine, -sine),
        2 => (-sine, -cosine),
        _ => (-cosine, sine),
    }
}

/// Encloses `arctan x`; the limits at ±∞.
#[must_use]
pub fn atan(x: f64) -> Interval {
    if x.is_nan() {
        return Interval::ALL;
    }
    if x.abs() > 1e18 {
        // Less than a unit in the last place from the limit.
        return if x > 0.0 { HALF_PI } else { -HALF_PI };
    }
    let guess = x.atan();
    let (sine, cosine) = sin_cos(guess);
    // x = tan (guess + arctan d), and |arctan d − d| ≤ |d|³.
    let d = (cosine.scale(x) - sine) / (cosine + sine.scale(x));
    let cube = d * d * d;
    let error = Interval { lo: -cube.magnitude(), hi: cube.magnitude() };
    Interval::point(guess) + d + error
}
