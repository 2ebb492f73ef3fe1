//! Intervals with outward rounding.

use super::round::{add_down, add_up, div_down, div_up, mul_down, mul_up};

/// A closed interval `[lo, hi]` with floating-point ends; every operation rounds outward.
///
/// `lo` may be −∞ and `hi` may be +∞; NaN never appears (see [`Interval::new`]).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
}

impl Interval {
    /// The whole real line.
    pub const ALL: Self = Self { lo: f64::NEG_INFINITY, hi: f64::INFINITY };
    /// The single point 0.
    pub const ZERO: Self = Self { lo: 0.0, hi: 0.0 };

    /// `[lo, hi]`; a NaN end means that nothing is known on that side.
    #[must_use]
    pub fn new(lo: f64, hi: f64) -> Self {
        Self { lo: super::round::lower_or_nothing(lo), hi: super::round::upper_or_nothing(hi) }
    }

    /// The interval that holds just `x`.
    #[must_use]
    pub fn point(x: f64) -> Self {
        Self::new(x, x)
    }

    /// True when `x` lies inside.
    #[must_use]
    pub fn contains(self, x: f64) -> bool {
        self.lo <= x && x <= self.hi
    }

    /// `max(|lo|, |hi|)`: the largest magnitude of a member.
    #[must_use]
    pub fn magnitude(self) -> f64 {
        self.lo.abs().max(self.hi.abs())
    }

    /// An upper bound of `hi − lo`.
    #[must_use]
    pub fn width(self) -> f64 {
        super::round::sub_up(self.hi, self.lo)
    }

    /// Some member near the middle (0 for the whole line).
    #[must_use]
    pub fn middle(self) -> f64 {
        let middle = self.lo / 2.0 + self.hi / 2.0;
        if middle.is_finite() { middle.clamp(self.lo, self.hi) } else { 0.0f64.clamp(self.lo, self.hi) }
    }

    /// The intersection; its ends may cross when it is empty.
    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        Self { lo: self.lo.max(other.lo), hi: self.hi.min(other.hi) }
    }

    /// The smallest interval that holds both.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// True when no real number lies inside.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.lo > self.hi
    }

    /// `w · self` for an exact weight.
    #[must_use]
    pub fn scale(self, w: f64) -> Self {
        if w >= 0.0 {
            Self::new(mul_down(w, self.lo), mul_up(w, self.hi))
        } else {
            Self::new(mul_down(w, self.hi), mul_up(w, self.lo))
        }
    }
}

impl std::ops::Add for Interval {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::new(add_down(self.lo, other.lo), add_up(self.hi, other.hi))
    }
}

impl std::ops::Neg for Interval {
    type Output = Self;
    fn neg(self) -> Self {
        Self { lo: -self.hi, hi: -self.lo }
    }
}

impl std::ops::Sub for Interval {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + (-other)
    }
}

impl std::ops::Mul for Interval {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let (a, b) = (self.scale(other.lo), self.scale(other.hi));
        a.join(b)
    }
}

impl std::ops::Div for Interval {
    type Output = Self;
    /// The whole line where the divisor may be zero.
    fn div(self, other: Self) -> Self {
        if other.contains(0.0) {
            return Self::ALL;
        }
        let by = |d: f64| {
            let (a, b) = if d > 0.0 { (self.lo, self.hi) } else { (self.hi, self.lo) };
            Self::new(div_down(a, d), div_up(b, d))
        };
        by(other.lo).join(by(other.hi))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn interval() -> impl Strategy<Value = Interval> {
        (-5.0..5.0f64, -5.0..5.0f64).prop_map(|(a, b)| Interval::new(a.min(b), a.max(b)))
    }

    proptest! {
        #[test]
        fn operations_contain_the_pointwise_results(
            a in interval(), b in interval(), s in 0.0..=1.0f64, t in 0.0..=1.0f64
        ) {
            let x = (a.lo + s * (a.hi - a.lo)).clamp(a.lo, a.hi);
            let y = (b.lo + t * (b.hi - b.lo)).clamp(b.lo, b.hi);
            prop_assert!((a + b).contains(x + y));
            prop_assert!((a - b).contains(x - y));
            prop_assert!((a * b).contains(x * y));
            prop_assert!(y == 0.0 || (a / b).contains(x / y));
            prop_assert!(a.join(b).contains(x) && a.join(b).contains(y));
        }
    }

    #[test]
    fn an_unknown_end_stays_unknown() {
        assert_eq!(Interval::new(f64::NAN, 1.0).lo, f64::NEG_INFINITY);
        assert_eq!(Interval::ALL.scale(0.0), Interval::ZERO);
        assert_eq!(Interval::ALL.middle(), 0.0);
    }
}
