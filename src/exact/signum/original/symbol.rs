//! Numbers with unknowns: the network's own evaluation turns them into its sums.

use crate::domains::num::{Interval, Rational, Scalar, exact};

/// What a sum may be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unknown {
    /// A real input.
    Input(usize),
    /// The bit that is variable `x{n}` of the OPB file.
    Bit(usize),
}

/// `Σ a_u u + c` over unknowns, with a constant that is known up to `low ≤ c ≤ high`.
#[derive(Clone, Debug)]
pub(super) struct Symbol {
    /// Unknowns may repeat until [`Symbol::gathered`].
    pub terms: Vec<(Unknown, Rational)>,
    pub low: Rational,
    pub high: Rational,
    /// False once something happened that is no linear expression with rational coefficients.
    pub is_linear: bool,
}

fn is_integer(q: &Rational) -> bool {
    q.denominator().is_one()
}

/// `a · b`; almost all numbers are integers, which need no common divisors.
fn product(a: &Rational, b: &Rational) -> Rational {
    if is_integer(a) && is_integer(b) { Rational::from(a.numerator() * b.numerator()) } else { a * b }
}

/// `a + b`.
fn sum(a: &Rational, b: &Rational) -> Rational {
    if is_integer(a) && is_integer(b) { Rational::from(a.numerator() + b.numerator()) } else { a + b }
}

impl Symbol {
    pub fn constant(c: Rational) -> Self {
        Self { terms: Vec::new(), low: c.clone(), high: c, is_linear: true }
    }

    pub fn plus(mut self, unknown: Unknown, a: Rational) -> Self {
        self.terms.push((unknown, a));
        self
    }

    /// Each unknown once, in order, none with coefficient 0.
    pub fn gathered(mut self) -> Self {
        if self.terms.is_sorted_by(|s, t| s.0 < t.0) {
            self.terms.retain(|t| t.1 != Rational::ZERO);
            return self;
        }
        self.terms.sort_by_key(|t| t.0);
        let mut gathered: Vec<(Unknown, Rational)> = Vec::with_capacity(self.terms.len());
        for (unknown, a) in self.terms {
            match gathered.last_mut() {
                Some(last) if last.0 == unknown => last.1 += a,
                _ => gathered.push((unknown, a)),
            }
        }
        gathered.retain(|t| t.1 != Rational::ZERO);
        self.terms = gathered;
        self
    }

    pub fn add_scaled(&mut self, factor: &Rational, x: &Self) {
        if factor == &Rational::ZERO {
            return;
        }
        self.is_linear &= x.is_linear;
        self.terms.extend(x.terms.iter().map(|(u, a)| (*u, product(factor, a))));
        let is_exact = self.low == self.high && x.low == x.high;
        let (low, high) = if factor > &Rational::ZERO { (&x.low, &x.high) } else { (&x.high, &x.low) };
        self.low = sum(&self.low, &product(factor, low));
        self.high = if is_exact { self.low.clone() } else { sum(&self.high, &product(factor, high)) };
    }

    pub fn times(&self, factor: &Rational) -> Self {
        let mut product = Self::constant(Rational::ZERO);
        product.add_scaled(factor, self);
        product
    }

    fn known(&self) -> Option<&Rational> {
        (self.terms.is_empty() && self.low == self.high).then_some(&self.low)
    }
}

impl Scalar for Symbol {
    fn zero() -> Self {
        Self::constant(Rational::ZERO)
    }

    fn from_f64(x: f64) -> Self {
        exact(x).map_or_else(|| Self { is_linear: false, ..Self::zero() }, Self::constant)
    }

    fn from_parameter(_: f64, rational: Option<&Rational>, enclosure: Interval) -> Option<Self> {
        if let Some(q) = rational {
            return Some(Self::constant(q.clone()));
        }
        Some(Self { low: exact(enclosure.lo)?, high: exact(enclosure.hi)?, ..Self::zero() })
    }

    fn add(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        sum.add_scaled(&Rational::ONE, other);
        sum
    }

    fn mul(&self, other: &Self) -> Self {
        match (self.known(), other.known()) {
            (Some(q), _) => other.times(q),
            (_, Some(q)) => self.times(q),
            _ => Self { is_linear: false, ..Self::zero() },
        }
    }

    fn accumulate(&mut self, w: f64, x: &Self) {
        match exact(w) {
            Some(w) => self.add_scaled(&w, x),
            None => self.is_linear = false,
        }
    }
}
