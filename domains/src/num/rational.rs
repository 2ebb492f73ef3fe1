//! Exact rationals and their nearest floats.

use super::Interval;
use super::planted::{Operation, lower};
use super::round::{lower_or_nothing, upper_or_nothing};
use dashu_base::Approximation;
use dashu_int::{IBig, UBig};
use thiserror::Error;

/// An exact rational number.
pub type Rational = dashu_ratio::RBig;

/// The float `x` as a rational; `None` for NaN and infinities.
#[must_use]
pub fn exact(x: f64) -> Option<Rational> {
    // Most parameters of quantised networks are small integers, which need no common divisor.
    let integer = x as i64;
    if integer as f64 == x && integer.unsigned_abs() < 1 << f64::MANTISSA_DIGITS {
        return Some(Rational::from(integer));
    }
    Rational::try_from(x).ok()
}

/// The float `x` as a rational, and 0 where it is none: for values already known to be finite.
#[must_use]
pub fn exact_or_zero(x: f64) -> Rational {
    exact(x).unwrap_or(Rational::ZERO)
}

/// The float nearest to `q` (infinite beyond the range).
#[must_use]
pub fn nearest(q: &Rational) -> f64 {
    match q.to_f64() {
        Approximation::Exact(x) | Approximation::Inexact(x, _) => x,
    }
}

/// The tightest floats around `q`: `lo ≤ q ≤ hi`, equal when `q` is a float.
#[must_use]
pub fn enclose(q: &Rational) -> Interval {
    let near = nearest(q);
    let Interval { lo, hi } = match exact(near) {
        Some(value) if &value == q => Interval { lo: near, hi: near },
        Some(value) if &value < q => Interval { lo: near, hi: near.next_up() },
        Some(_) => Interval { lo: near.next_down(), hi: near },
        None if near > 0.0 => Interval { lo: f64::MAX, hi: f64::INFINITY },
        None => Interval { lo: f64::NEG_INFINITY, hi: -f64::MAX },
    };
    Interval { lo: lower(Operation::Enclosure, lo), hi: lower(Operation::Enclosure, hi) }
}

/// `[lo, hi]` rounded outward.
#[must_use]
pub fn bounds_of(lo: &Rational, hi: &Rational) -> Interval {
    Interval { lo: lower_or_nothing(enclose(lo).lo), hi: upper_or_nothing(enclose(hi).hi) }
}

/// Why a text is not a decimal number.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ParseDecimalError {
    /// The text is not of the form `[+-]digits[.digits][e[+-]digits]` or `p/q`.
    #[error("`{0}` is not a decimal number")]
    Malformed(String),
    /// The exponent is so large that the exact value would not fit in memory.
    #[error("the exponent of `{0}` is out of range (at most ±4000)")]
    Exponent(String),
}

/// Reads a decimal such as `-1.25e-3`, or a fraction `p/q`, as the exact rational that it denotes.
pub fn parse_decimal(text: &str) -> Result<Rational, ParseDecimalError> {
    const LARGEST_EXPONENT: i64 = 4000;
    const LONGEST: usize = 5000;
    let shown = || text.chars().take(40).collect::<String>();
    let malformed = || ParseDecimalError::Malformed(shown());
    if text.len() > LONGEST {
        return Err(malformed());
    }
    if let Some((p, q)) = text.split_once('/') {
        if q.contains('/') {
            return Err(malformed());
        }
        let (p, q) = (parse_decimal(p)?, parse_decimal(q)?);
        return if q == Rational::ZERO { Err(malformed()) } else { Ok(p / q) };
    }
    let (negative, body) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => {
            let digits = &body[at + 1..];
            let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
            if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
                return Err(malformed());
            }
            let exponent = digits.parse::<i64>().map_err(|_| ParseDecimalError::Exponent(shown()))?;
            (&body[..at], exponent)
        }
        None => (body, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) {
        return Err(malformed());
    }
    if exponent.abs() > LARGEST_EXPONENT {
        return Err(ParseDecimalError::Exponent(shown()));
    }
    let digits = UBig::from_str_radix(&format!("0{whole}{fraction}"), 10).map_err(|_| malformed())?;
    let scale = exponent - fraction.len() as i64;
    let power = UBig::from(10u8).pow(usize::try_from(scale.unsigned_abs()).map_err(|_| malformed())?);
    let magnitude = if scale >= 0 {
        Rational::from(IBig::from(digits * power))
    } else {
        Rational::from_parts(IBig::from(digits), power)
    };
    Ok(if negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly() {
        let tenth = parse_decimal("0.1").unwrap();
        assert_eq!(&tenth * Rational::from(10), Rational::ONE);
        assert!(exact(0.1).unwrap() > tenth);
        assert_eq!(parse_decimal("-1.25e-2").unwrap(), Rational::from_parts((-1).into(), 80u8.into()));
        assert_eq!(parse_decimal("5.").unwrap(), Rational::from(5));
        assert_eq!(parse_decimal("-.5").unwrap(), exact(-0.5).unwrap());
        assert_eq!(parse_decimal("2/255").unwrap(), Rational::from_parts(2.into(), 255u8.into()));
        assert_eq!(parse_decimal("-0.0").unwrap(), Rational::ZERO);
        for bad in [
            "",
            "-",
            ".",
            "1e",
            "1e+",
            "0x10",
            "1_000",
            "nan",
            "inf",
            "1..2",
            "--1",
            "1/0",
            "1/2/3",
            "1e99999999999999999999",
        ] {
            assert!(parse_decimal(bad).is_err(), "{bad}");
        }
        assert!(parse_decimal("1e99999").is_err());
    }

    #[test]
    fn an_enclosure_is_tight_and_outward() {
        let tenth = parse_decimal("0.1").unwrap();
        let around = enclose(&tenth);
        assert!(exact(around.lo).unwrap() < tenth && tenth < exact(around.hi).unwrap());
        assert_eq!(around.lo.next_up(), around.hi);
        assert_eq!(enclose(&exact(0.375).unwrap()), Interval::point(0.375));
        let huge = parse_decimal("1e400").unwrap();
        assert_eq!(enclose(&huge).hi, f64::INFINITY);
        assert_eq!(enclose(&-huge).hi, -f64::MAX);
        let tiny = parse_decimal("1e-400").unwrap();
        assert!(enclose(&tiny).lo == 0.0 && enclose(&tiny).hi > 0.0);
    }
}
