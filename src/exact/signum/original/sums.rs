//! Sums in unknowns, as inequalities: with coprime integers over bits, as half-spaces over real inputs.

use super::SignumError;
use super::symbol::{Symbol, Unknown};
use crate::domains::num::Rational;
use absint_check::HalfSpace;
use dashu_base::Gcd;
use dashu_int::IBig;

/// `sum ≥ 0` (`> 0` where strict) over bits with coprime integer coefficients, and a bound that the sum
/// just misses or just surpasses where it would lie farther out.
pub(super) fn integer_sum(sum: Symbol, name: &str, is_strict: bool) -> Result<(Vec<(IBig, usize)>, IBig), SignumError> {
    if !sum.is_linear {
        return Err(SignumError::Irrational(name.to_owned()));
    }
    let mut scale = IBig::ONE;
    for (_, a) in &sum.terms {
        if !a.denominator().is_one() {
            let d = IBig::from(a.denominator().clone());
            scale = &scale * &d / IBig::from((&scale).gcd(&d));
        }
    }
    let mut terms = Vec::with_capacity(sum.terms.len());
    let mut divisor = IBig::ZERO;
    for (unknown, a) in &sum.terms {
        let Unknown::Bit(bit) = unknown else { return Err(SignumError::Mixed(name.to_owned())) };
        let integer =
            if scale == IBig::ONE { a.numerator().clone() } else { (a * Rational::from(scale.clone())).trunc() };
        if divisor != IBig::ONE {
            divisor = IBig::from((&divisor).gcd(&integer));
        }
        terms.push((integer, *bit));
    }
    if divisor == IBig::ZERO {
        divisor = IBig::ONE;
    }
    if divisor != IBig::ONE {
        terms.iter_mut().for_each(|t| t.0 = &t.0 / &divisor);
    }
    let factor = Rational::from(scale) / Rational::from(divisor);
    // Σ a x ≥ −c.
    let bound = |c: &Rational| {
        let exactly = -(c * &factor);
        if is_strict { exactly.floor() + IBig::ONE } else { exactly.ceil() }
    };
    let (bound, other) = (bound(&sum.low), bound(&sum.high));
    if bound != other {
        return Err(SignumError::Irrational(name.to_owned()));
    }
    let least: IBig = terms.iter().filter(|t| t.0 < IBig::ZERO).map(|t| &t.0).sum();
    let most: IBig = terms.iter().filter(|t| t.0 > IBig::ZERO).map(|t| &t.0).sum();
    Ok((terms, bound.clamp(least, most + IBig::ONE)))
}

/// `sum ≥ 0` (`> 0` where strict) over real inputs alone, divided so that its first coefficient is ±1.
pub(super) fn real_side(sum: &Symbol, is_strict: bool) -> Option<HalfSpace> {
    let first = sum.terms.first().map_or(Rational::ONE, |t| t.1.clone());
    let scale = if first < Rational::ZERO { -first } else { first };
    let term = |(unknown, a): &(Unknown, Rational)| match unknown {
        Unknown::Input(i) => Some((*i, a / &scale)),
        Unknown::Bit(_) => None,
    };
    let terms = sum.terms.iter().map(term).collect::<Option<_>>()?;
    (sum.is_linear && sum.low == sum.high).then(|| HalfSpace { terms, bound: -&sum.low / &scale, is_strict })
}
