//! Rounding to the nearest, charged in the end.

use super::*;
use proptest::prelude::*;

/// Floats of every size, many of which cancel, underflow or overflow.
pub(in crate::refutation) fn floats() -> impl Strategy<Value = f64> {
    let exponent = prop_oneof![3 => -3..4i32, 2 => -60..60i32, 1 => -1074..-990i32, 1 => 900..971i32];
    let whole = prop_oneof![Just(0i64), -4..5i64, -(1i64 << 53)..(1 << 53)];
    (whole, exponent).prop_map(|(p, e)| p as f64 * power(e))
}

/// `2ᵉ`, whose reciprocal may overflow.
fn power(e: i32) -> f64 {
    2f64.powi(e / 2) * 2f64.powi(e - e / 2)
}

/// The same, and what is no number.
fn anything() -> impl Strategy<Value = f64> {
    prop_oneof![20 => floats(), 1 => prop::sample::select(vec![f64::INFINITY, f64::NEG_INFINITY, f64::NAN])]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// No sum is above what it is exactly, nor far below where nothing is extreme; what has no value bounds nothing.
    #[test]
    fn sums_are_lower_bounds(products in prop::collection::vec((anything(), anything(), anything()), 0..12), constant in floats()) {
        let q = RBig::of(constant);
        let mut sum = <[f64; 2] as Lanes>::sums(&[&q, &q]);
        let (mut exact, mut is_number, mut magnitude) = (q, true, constant.abs());
        for (a, low, high) in products {
            [a, 0.0].add_end(&mut sum, [Some(low), Some(high)]);
            if a != 0.0 {
                let end = if a > 0.0 { low } else { high };
                is_number &= a.is_finite() && end.is_finite();
                exact += RBig::of(a) * RBig::of(end);
                magnitude += (a * end).abs();
            }
        }
        let bounds = <[f64; 2]>::bounds(&sum);
        prop_assert!(RBig::of(bounds[1].0) <= RBig::of(constant) && bounds[1].0 >= constant - 1e-14 * constant.abs() - 1e-300);
        if !is_number {
            prop_assert_eq!(bounds[0], UNKNOWN);
        } else if bounds[0].0.is_finite() {
            let (low, high) = (RBig::of(bounds[0].0), RBig::of(bounds[0].1));
            prop_assert!(low <= exact && exact <= high, "{} > {}", bounds[0].0, nearest(&exact));
            let loss = nearest(&(exact - low));
            prop_assert!(magnitude > 1e300 || loss <= 1e-13 * magnitude + 1e-300, "{loss:e} of {magnitude:e}");
        } else {
            prop_assert!(magnitude > 1e300);
        }
    }

    /// Coefficients that are added up, scaled and charged: what is lost is less than what is charged.
    #[test]
    fn coefficients_lose_no_more_than_is_charged(
        first in floats(),
        a in prop::collection::vec((floats(), floats()), 0..6),
        slope in prop_oneof![-1.0..1.0, floats().prop_filter("at most 1", |x| x.abs() <= 1.0)],
        more in floats(),
        reach in floats(),
        part in -4..5i8,
    ) {
        let reach = reach.abs();
        let none = RBig::ZERO;
        let mut sum = <[f64; 1] as Lanes>::sums(&[&none]);
        let (mut c, mut exact) = ([first], RBig::of(first));
        let rate = gamma(a.len() + 1);
        if !a.is_empty() {
            [first].charge(&mut sum, rate, reach, TINY);
        }
        for &(a, w) in &a {
            c.accumulate(&[a], w);
            exact += RBig::of(a) * RBig::of(w);
            // What a state knows of a row: an upper bound of |w| · reach.
            [a].charge(&mut sum, rate, mul_up(w.abs(), reach), TINY * reach.max(1.0));
        }
        c.add(&[more], reach, &mut sum);
        exact += RBig::of(more);
        let c = c.along(slope, slope, reach, &mut sum);
        // The charges are those of coefficients: with a slope of at most 1 they hold behind it.
        exact *= RBig::of(slope);
        let x = RBig::of(reach) * RBig::from(part) / RBig::from(4);
        // c x ≥ the computed coefficient times x, less what was charged.
        c.add_end(&mut sum, [Some(nearest(&x)); 2]);
        let low = <[f64; 1]>::bounds(&sum)[0].0;
        let is_float = RBig::try_from(nearest(&x)).is_ok_and(|near| near == x);
        prop_assert!(!is_float || !low.is_finite() || RBig::of(low) <= exact * x, "{low:e}");
    }
}

/// What a product with a slope loses is charged where the slope times a unit, or the coefficient times a neuron, underflows.
#[test]
fn a_product_of_a_large_and_a_small_number_is_charged() {
    let odd = 1.0 + f64::EPSILON;
    // Smaller than any normal number, but with digits enough that products with it round.
    let subnormal = (1.0 + power(-10)) * power(-1060);
    let cases =
        [(power(-1000), odd * power(1000), -100), (power(1000), odd * power(-1000), 0), (power(1000), subnormal, 0)];
    for (a, slope, reach) in cases.map(|(a, slope, reach)| (odd * a, slope, power(reach))) {
        let mut sum = <[f64; 1] as Lanes>::sums(&[&RBig::ZERO]);
        let [product] = [a].along(slope, slope, reach, &mut sum);
        let lost = (RBig::of(a) * RBig::of(slope) - RBig::of(product)) * RBig::of(reach);
        let low = <[f64; 1]>::bounds(&sum)[0].0;
        assert!(lost > RBig::ZERO && RBig::of(low) <= -lost, "{a:e} {slope:e}: {low:e}");
    }
}
