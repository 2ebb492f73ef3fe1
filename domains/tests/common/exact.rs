//! Exact values that certified floats are compared with, without any tolerance on the unsound side.

use absint_domains::num::{Rational, exact, nearest, parse_decimal};

/// `a − √q` with rational `a` and `q ≥ 0`.
#[derive(Clone, Debug)]
pub struct Exact {
    a: Rational,
    q: Rational,
}

impl Exact {
    /// Reads `p/q` or `a-sqrt(q)`.
    pub fn parse(text: &str) -> Self {
        let (a, q) = match text.split_once("-sqrt(") {
            Some((a, q)) => (a, parse_decimal(q.trim_end_matches(')')).unwrap()),
            None => (text, Rational::ZERO),
        };
        Self { a: parse_decimal(a).unwrap(), q }
    }

    /// The value, if it is rational.
    pub fn rational(&self) -> Option<&Rational> {
        (self.q == Rational::ZERO).then_some(&self.a)
    }

    /// Whether the float is at most this value; −∞ always is, NaN and +∞ never.
    pub fn is_at_least(&self, bound: f64) -> bool {
        if bound == f64::NEG_INFINITY {
            return true;
        }
        // b ≤ a − √q where a − b ≥ 0 and q ≤ (a − b)².
        exact(bound).is_some_and(|b| {
            let gap = &self.a - b;
            gap >= Rational::ZERO && self.q <= &gap * &gap
        })
    }

    /// The value as a float, for showing and for tolerances on the sound side.
    pub fn value(&self) -> f64 {
        nearest(&self.a) - nearest(&self.q).sqrt()
    }

    /// How far the float lies below, relative to max(1, |value|).
    pub fn shortfall(&self, bound: f64) -> f64 {
        let exact_gap = exact(bound).map(|b| nearest(&(&self.a - b)) - nearest(&self.q).sqrt());
        exact_gap.unwrap_or(f64::INFINITY) / self.value().abs().max(1.0)
    }
}

impl From<Rational> for Exact {
    fn from(a: Rational) -> Self {
        Self { a, q: Rational::ZERO }
    }
}
