//! A-priori bounds on the rounding error of floating-point kernels.
//!
//! A dot product of `n` terms computed in round-to-nearest `f64`, in any order of summation and with
//! or without fused multiply-add, differs from the exact value by at most `γ_n Σ|a_i b_i|` plus
//! `n · η` for underflow, where `u = 2⁻⁵³`, `γ_n = n u / (1 − n u)` and `η` is the smallest subnormal
//! (Higham, *Accuracy and Stability of Numerical Algorithms*, §3.1).
//!
//! The helpers below return values that are already rounded up, and that leave room for the rounding
//! of the *evaluation* of the bound itself (which is a dot product too): a caller multiplies, adds and
//! subtracts once, away from zero.

use super::planted::charge;

/// The unit roundoff of `f64`.
pub const UNIT: f64 = f64::EPSILON / 2.0;

/// The smallest positive subnormal: what one operation can lose to underflow.
pub const ETA: f64 = 5e-324;

/// An upper bound of `γ_n`, with room for evaluating a sum of `n` magnitudes in floats.
///
/// If `s = fl(Σ|a_i b_i|)` then `gamma(n) · s` bounds the error of `fl(Σ a_i b_i)`: the factor covers
/// `γ_n / (1 − γ_{n+2})` for every `n` below 2⁴⁰ and is infinite beyond.
#[must_use]
pub fn gamma(n: usize) -> f64 {
    // (n + 4) u (1 + 2⁻¹⁰) ≥ γ_n / (1 − γ_{n+2}) whenever n u ≤ 2⁻¹³.
    const LARGEST: usize = 1 << 40;
    if n > LARGEST {
        return f64::INFINITY;
    }
    charge((n as f64 + 4.0) * UNIT * (1.0 + 1.0 / 1024.0))
}

/// An upper bound of what `n` products and sums can lose to underflow.
#[must_use]
pub fn underflow(n: usize) -> f64 {
    // Products may lose η/2 each; sums of subnormals are exact. Twice that, in floats that are exact.
    (n as f64 + 4.0) * ETA
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::{Rational, exact};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_charged_error_covers_a_dot_product(
            terms in prop::collection::vec((-1e3..1e3f64, -1e3..1e3f64, -300..10i32), 1..60)
        ) {
            let a: Vec<f64> = terms.iter().map(|t| t.0 * 2f64.powi(t.2)).collect();
            let b: Vec<f64> = terms.iter().map(|t| t.1 * 2f64.powi(t.2)).collect();
            let computed: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
            let magnitude: f64 = a.iter().zip(&b).map(|(a, b)| (a * b).abs()).sum();
            let charged = gamma(a.len()) * magnitude + underflow(a.len());
            let mut difference = a.iter().zip(&b).fold(Rational::ZERO, |s, (&a, &b)| {
                s + exact(a).unwrap() * exact(b).unwrap()
            }) - exact(computed).unwrap();
            if difference < Rational::ZERO {
                difference = -difference;
            }
            prop_assert!(difference <= exact(charged).unwrap());
        }
    }
}
