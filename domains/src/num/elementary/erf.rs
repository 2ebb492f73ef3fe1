//! The error function, by a series without cancellation.

use super::{around, exp};
use crate::num::Interval;

/// `2 / √π`.
const FACTOR: Interval = around(std::f64::consts::FRAC_2_SQRT_PI);

/// Encloses `2/√π ∫₀ˣ e^−t² dt`; the limits at ±∞.
#[must_use]
pub fn erf(x: f64) -> Interval {
    if x.is_nan() {
        return Interval::ALL;
    }
    if x < 0.0 {
        return -erf(-x);
    }
    if x > 6.0 {
        // 1 − erf 6 is below 3e-17.
        return Interval { lo: 1.0f64.next_down(), hi: 1.0 };
    }
    // e^(x²) erf x = 2/√π Σ x (2 x²)^n / (1 · 3 · … · (2 n + 1)).
    let square = Interval::point(x).scale(x);
    let (mut term, mut sum) = (Interval::point(x), Interval::point(x));
    let mut odd = 1.0;
    loop {
        odd += 2.0;
        term = term * square.scale(2.0) / Interval::point(odd);
        sum = sum + term;
        // Where each term is less than half of the one before, the last one bounds all that follow.
        if odd > 4.0 * square.hi && (term.hi <= 1e-18 * sum.lo || term.hi < f64::MIN_POSITIVE) {
            sum = sum + Interval { lo: 0.0, hi: term.hi };
            break;
        }
    }
    let fall = Interval { lo: exp(-square.hi).lo, hi: exp(-square.lo).hi };
    (FACTOR * fall * sum).intersect(Interval { lo: 0.0, hi: 1.0 })
}
