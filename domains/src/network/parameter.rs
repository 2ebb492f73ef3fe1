//! Parameters: rationals, or enclosures of numbers that are none.

use crate::num::round::{div_down, div_up};
use crate::num::{Interval, Rational, enclose, exact_or_zero, nearest};

/// One parameter of a network: the rational number that it is, or an enclosure where it is none or
/// is not known (`1/√v` of a batch normalisation).
#[derive(Clone, Debug, PartialEq)]
pub enum Parameter {
    /// This number.
    Exact(Rational),
    /// Some number in here.
    Enclosed(Interval),
}

impl Parameter {
    /// The number zero.
    pub const ZERO: Self = Self::Exact(Rational::ZERO);

    /// What an enclosure says: the number itself where there is only one.
    #[must_use]
    pub fn within(enclosure: Interval) -> Self {
        if enclosure.lo == enclosure.hi { Self::float(enclosure.lo) } else { Self::Enclosed(enclosure) }
    }

    /// A finite float.
    #[must_use]
    pub fn float(value: f64) -> Self {
        Self::Exact(exact_or_zero(value))
    }

    /// The tightest floats around it.
    #[must_use]
    pub fn enclosure(&self) -> Interval {
        match self {
            Self::Exact(q) => enclose(q),
            Self::Enclosed(interval) => *interval,
        }
    }

    /// The float nearest to it, or one that it may be.
    #[must_use]
    pub fn value(&self) -> f64 {
        match self {
            Self::Exact(q) => nearest(q),
            Self::Enclosed(interval) => interval.middle(),
        }
    }

    /// −1, 0 or 1, when that is certain.
    #[must_use]
    pub fn signum(&self) -> Option<f64> {
        match self {
            Self::Exact(q) if q > &Rational::ZERO => Some(1.0),
            Self::Exact(q) if q < &Rational::ZERO => Some(-1.0),
            Self::Exact(_) => Some(0.0),
            Self::Enclosed(interval) if interval.lo > 0.0 => Some(1.0),
            Self::Enclosed(interval) if interval.hi < 0.0 => Some(-1.0),
            Self::Enclosed(_) => None,
        }
    }

    /// `self + other`.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) => Self::Exact(a + b),
            (zero, any) | (any, zero) if zero == &Self::ZERO => any.clone(),
            (a, b) => Self::within(a.enclosure() + b.enclosure()),
        }
    }

    /// `self · other`.
    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) => Self::Exact(a * b),
            (zero, _) | (_, zero) if zero == &Self::ZERO => Self::ZERO,
            (a, b) => Self::within(a.enclosure() * b.enclosure()),
        }
    }

    /// `self / |divisor|`; `None` when the divisor may be zero.
    #[must_use]
    pub fn over_magnitude(&self, divisor: &Self) -> Option<Self> {
        let sign = divisor.signum().filter(|s| *s != 0.0)?;
        Some(match (self, divisor) {
            (Self::Exact(a), Self::Exact(d)) if sign > 0.0 => Self::Exact(a / d),
            (Self::Exact(a), Self::Exact(d)) => Self::Exact(-(a / d)),
            (zero, _) if zero == &Self::ZERO => Self::ZERO,
            (a, d) => {
                let (a, d) = (a.enclosure(), d.enclosure());
                let d = if sign > 0.0 { d } else { -d };
                let lo = div_down(a.lo, if a.lo >= 0.0 { d.hi } else { d.lo });
                let hi = div_up(a.hi, if a.hi >= 0.0 { d.lo } else { d.hi });
                Self::within(Interval::new(lo, hi))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::{exact, parse_decimal};

    #[test]
    fn exact_numbers_stay_exact_and_enclosures_enclose() {
        let third = Parameter::Exact(parse_decimal("-1/3").unwrap());
        assert_eq!(Parameter::float(-1.0).over_magnitude(&third), Some(Parameter::float(-3.0)));
        assert_eq!(Parameter::float(1.0).over_magnitude(&Parameter::ZERO), None);
        let interval = |lo, hi| Parameter::Enclosed(Interval::new(lo, hi));
        assert_eq!(Parameter::ZERO.times(&interval(-1.0, 2.0)), Parameter::ZERO);
        assert_eq!(interval(-1.0, 2.0).signum(), None);
        assert_eq!(interval(-1.0, 2.0).over_magnitude(&interval(0.0, 2.0)), None);
        for (a, d) in [((1.0, 2.0), (3.0, 7.0)), ((-2.0, -1.0), (-7.0, -3.0)), ((-1.0, 2.0), (3.0, 7.0))] {
            let quotient = interval(a.0, a.1).over_magnitude(&interval(d.0, d.1)).unwrap().enclosure();
            for a in [a.0, a.1] {
                for d in [d.0, d.1] {
                    let q = exact(a).unwrap() / exact(f64::abs(d)).unwrap();
                    assert!(exact(quotient.lo).unwrap() <= q && q <= exact(quotient.hi).unwrap());
                }
            }
        }
    }
}
