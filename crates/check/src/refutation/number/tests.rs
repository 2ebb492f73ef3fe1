//! Rounding.

use super::*;

#[test]
fn rounding_keeps_to_its_side_and_exact_results_stay() {
    let values = [0.0, 1.0, -1.0, 0.1, -0.3, 1e16, 3.0, 1e-310, -1e300, 5e-324];
    for a in values {
        for b in values {
            let (x, y) = (RBig::of(a), RBig::of(b));
            assert!(RBig::of(add_down(a, b)) <= &x + &y && &x + &y <= RBig::of(add_up(a, b)), "{a} + {b}");
            let (low, high) = (mul_down(a, b), mul_up(a, b));
            assert!(!low.is_finite() || RBig::of(low) <= &x * &y, "{a} * {b}");
            assert!(!high.is_finite() || &x * &y <= RBig::of(high), "{a} * {b}");
        }
    }
    assert_eq!((add_down(1.0, 2.0), mul_down(-1.0, 0.1)), (3.0, -0.1));
    assert!(add_down(f64::MAX, f64::MAX) <= f64::MAX && add_up(f64::MAX, f64::MAX) == f64::INFINITY);
    assert!(gamma(1 << 53).is_infinite() && gamma(10) > 10.0 * UNIT);
}
