//! Functions that are the same on every machine.

pub(super) fn softmax(z: &[f64]) -> Vec<f64> {
    let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = z.iter().map(|z| exp_of_negative(z - largest)).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}

/// `e^x` for `x ≤ 0`, to about 1e-15 relatively, by basic operations alone: `2^k e^r` with
/// `|r| ≤ ln(2)/2`, and Taylor's series for `e^r`.
pub(super) fn exp_of_negative(x: f64) -> f64 {
    if x < -700.0 || x.is_nan() {
        return if x.is_nan() { x } else { 0.0 };
    }
    let k = (x * std::f64::consts::LOG2_E).round();
    let r = x - k * std::f64::consts::LN_2;
    let series = (1..=14).rev().fold(1.0, |sum, n| 1.0 + sum * r / f64::from(n));
    series * f64::from_bits(((1023 + k as i64) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_agrees_with_the_library() {
        for i in 0..7000 {
            let x = -0.1 * f64::from(i);
            assert!((exp_of_negative(x) / x.exp() - 1.0).abs() < 1e-13, "{x}");
        }
        assert_eq!((exp_of_negative(0.0), exp_of_negative(f64::NEG_INFINITY)), (1.0, 0.0));
    }
}
