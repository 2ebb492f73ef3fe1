//! Directed rounding of single `f64` operations without touching the processor's rounding mode.
//!
//! Each operation computes the round-to-nearest result together with its exact error (an error-free
//! transformation: Knuth's two-sum, and the fused multiply-add for products) and steps to the
//! neighbouring float only when that error is on the wrong side. An exact result is therefore
//! returned unchanged: `add_down(1.0, 2.0)` is `3.0`, not its predecessor.

use super::planted::{Operation, lower};

/// Below this magnitude the error term of a product may itself underflow, so the error-free
/// transformation is not trusted and the result is widened by one step.
const PRODUCT_ERROR_IS_EXACT_ABOVE: f64 = 1e-290;

/// The exact error of `s = fl(a + b)`, that is `a + b − s`, for finite operands and sum.
#[inline]
fn sum_error(a: f64, b: f64, s: f64) -> f64 {
    let b_virtual = s - a;
    let a_virtual = s - b_virtual;
    (a - a_virtual) + (b - b_virtual)
}

/// The largest float that is surely at most `a + b`.
#[must_use]
#[inline]
pub fn add_down(a: f64, b: f64) -> f64 {
    let s = a + b;
    if s.is_infinite() && a.is_finite() && b.is_finite() {
        // Overflow: towards −∞ it stands, towards +∞ the largest finite float is the lower bound.
        return if s > 0.0 { f64::MAX } else { s };
    }
    let e = sum_error(a, b, s);
    lower(Operation::Sum, if e < 0.0 || (e.is_nan() && s.is_finite()) { s.next_down() } else { s })
}

/// The smallest float that is surely at least `a + b`.
#[must_use]
pub fn add_up(a: f64, b: f64) -> f64 {
    -add_down(-a, -b)
}

/// A lower bound of `a − b`.
#[must_use]
pub fn sub_down(a: f64, b: f64) -> f64 {
    add_down(a, -b)
}

/// An upper bound of `a − b`.
#[must_use]
pub fn sub_up(a: f64, b: f64) -> f64 {
    add_up(a, -b)
}

/// A lower bound of `a · b`, where `0 · ∞` counts as 0 (a coefficient of zero contributes nothing).
#[must_use]
#[inline]
pub fn mul_down(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 {
        return 0.0;
    }
    let p = a * b;
    if p.is_infinite() && a.is_finite() && b.is_finite() {
        return if p > 0.0 { f64::MAX } else { p };
    }
    if !p.is_finite() {
        return p;
    }
    if p.abs() < PRODUCT_ERROR_IS_EXACT_ABOVE {
        return p.next_down();
    }
    lower(Operation::Product, if a.mul_add(b, -p) < 0.0 { p.next_down() } else { p })
}

/// An upper bound of `a · b`, where `0 · ∞` counts as 0.
#[must_use]
pub fn mul_up(a: f64, b: f64) -> f64 {
    -mul_down(-a, b)
}

/// A lower bound of `a / b` for `b ≠ 0`.
#[must_use]
pub fn div_down(a: f64, b: f64) -> f64 {
    if a == 0.0 {
        return if b == 0.0 { f64::NAN } else { 0.0 };
    }
    let q = a / b;
    if q.is_infinite() && a.is_finite() && b != 0.0 {
        return if q > 0.0 { f64::MAX } else { q };
    }
    if !q.is_finite() || !b.is_finite() {
        return if b.is_infinite() && a.is_finite() {
            if q.is_sign_negative() { -f64::MIN_POSITIVE } else { 0.0 }
        } else {
            q
        };
    }
    // q·b − a is representable unless it underflows (Markstein); its sign says which side q lies on.
    if q.abs() < PRODUCT_ERROR_IS_EXACT_ABOVE || a.abs() < PRODUCT_ERROR_IS_EXACT_ABOVE {
        return q.next_down();
    }
    let remainder = q.mul_add(b, -a);
    let q_exceeds = if b > 0.0 { remainder > 0.0 } else { remainder < 0.0 };
    lower(Operation::Quotient, if q_exceeds || remainder.is_nan() { q.next_down() } else { q })
}

/// An upper bound of `a / b` for `b ≠ 0`.
#[must_use]
pub fn div_up(a: f64, b: f64) -> f64 {
    -div_down(-a, b)
}

/// A lower bound of `√a` for `a ≥ 0`.
#[must_use]
pub fn sqrt_down(a: f64) -> f64 {
    let s = a.sqrt();
    if s == 0.0 || !s.is_finite() {
        return s;
    }
    if a < PRODUCT_ERROR_IS_EXACT_ABOVE || s.mul_add(s, -a) > 0.0 { s.next_down() } else { s }
}

/// An upper bound of `√a` for `a ≥ 0`.
#[must_use]
pub fn sqrt_up(a: f64) -> f64 {
    let s = a.sqrt();
    if s == 0.0 || !s.is_finite() {
        return s;
    }
    if a < PRODUCT_ERROR_IS_EXACT_ABOVE || s.mul_add(s, -a) < 0.0 { s.next_up() } else { s }
}

/// NaN is no bound: as a lower bound it becomes −∞.
#[must_use]
pub fn lower_or_nothing(x: f64) -> f64 {
    if x.is_nan() { f64::NEG_INFINITY } else { x }
}

/// NaN is no bound: as an upper bound it becomes +∞.
#[must_use]
pub fn upper_or_nothing(x: f64) -> f64 {
    if x.is_nan() { f64::INFINITY } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::{Rational, exact};
    use proptest::prelude::*;

    fn any_float() -> impl Strategy<Value = f64> {
        prop_oneof![
            -1e3..1e3f64,
            any::<i16>().prop_map(f64::from),
            (any::<f64>()).prop_filter("finite", |x| x.is_finite()),
            (-1.0..1.0f64, -1070..1020i32).prop_map(|(m, e)| m * 2f64.powi(e)),
        ]
    }

    fn at_most(x: f64, exact_value: &Rational) -> bool {
        x == f64::NEG_INFINITY || (x.is_finite() && exact(x).is_some_and(|x| &x <= exact_value))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn every_operation_brackets_the_exact_value(a in any_float(), b in any_float()) {
            let (ra, rb) = (exact(a).unwrap(), exact(b).unwrap());
            prop_assert!(at_most(add_down(a, b), &(&ra + &rb)));
            prop_assert!(at_most(-add_up(a, b), &(-(&ra + &rb))));
            prop_assert!(at_most(mul_down(a, b), &(&ra * &rb)));
            prop_assert!(at_most(-mul_up(a, b), &(-(&ra * &rb))));
            if b != 0.0 {
                prop_assert!(at_most(div_down(a, b), &(&ra / &rb)));
                prop_assert!(at_most(-div_up(a, b), &(-(&ra / &rb))));
            }
            let s = exact(sqrt_down(a.abs())).unwrap();
            prop_assert!(&s * &s <= exact(a.abs()).unwrap());
            let s = exact(sqrt_up(a.abs())).unwrap();
            prop_assert!(&s * &s >= exact(a.abs()).unwrap());
        }

        #[test]
        fn exact_results_are_returned_unchanged(a in any::<i16>(), b in any::<i16>()) {
            let (a, b) = (f64::from(a), f64::from(b));
            prop_assert_eq!(add_down(a, b), a + b);
            prop_assert_eq!(add_up(a, b), a + b);
            prop_assert_eq!(mul_down(a, b), a * b);
            prop_assert_eq!(mul_up(a, b), a * b);
        }
    }

    #[test]
    fn overflow_keeps_a_valid_bound() {
        assert_eq!(add_down(f64::MAX, f64::MAX), f64::MAX);
        assert_eq!(add_up(f64::MAX, f64::MAX), f64::INFINITY);
        assert_eq!(mul_down(f64::MAX, -2.0), f64::NEG_INFINITY);
        assert_eq!(mul_up(f64::MAX, -2.0), -f64::MAX);
        assert_eq!(mul_down(0.0, f64::INFINITY), 0.0);
    }
}
