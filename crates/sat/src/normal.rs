//! The normal form of a linear constraint over literals.

use super::{Lit, Var};
use thiserror::Error;

/// A linear constraint that the solver cannot hold.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LinearError {
    /// Sums of the coefficients would overflow 64-bit counters.
    #[error("the coefficients of a linear constraint over {operands} literals are too large for 64-bit sums")]
    Overflow {
        /// How many literals it has.
        operands: usize,
    },
}

/// `Σ a_i l_i ≥ bound` with positive coefficients, each variable at most once, sorted from the largest
/// coefficient to the smallest, with greatest common divisor 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linear {
    /// The coefficients and their literals.
    pub terms: Vec<(i64, Lit)>,
    /// The bound; at most 0 where the constraint always holds.
    pub bound: i64,
}

/// Sums of coefficients stay below this, so that two of them can be added.
const LARGEST_SUM: i128 = 1 << 61;

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Linear {
    /// The normal form of `Σ a_i l_i ≥ bound`; literals may repeat and coefficients may be negative.
    pub fn new(terms: impl IntoIterator<Item = (i64, Lit)>, bound: i64) -> Result<Self, LinearError> {
        let mut bound = i128::from(bound);
        // Over variables, each once: a · ¬x = a − a · x.
        let mut sums: Vec<(Var, i128)> = Vec::new();
        for (a, literal) in terms {
            let a = i128::from(a);
            if literal.is_negative() {
                bound -= a;
            }
            let a = if literal.is_negative() { -a } else { a };
            sums.push((literal.var(), a));
        }
        if !sums.is_sorted_by(|a, b| a.0 < b.0) {
            sums.sort_by_key(|t| t.0);
            sums.dedup_by(|next, kept| {
                let is_same = next.0 == kept.0;
                kept.1 += if is_same { next.1 } else { 0 };
                is_same
            });
        }
        sums.retain(|t| t.1 != 0);
        let divisor = sums.iter().try_fold(0, |g, t| Some(gcd(t.1.abs(), g)).filter(|&g| g != 1)).unwrap_or(1).max(1);
        let mut terms: Vec<(i128, Lit)> = Vec::with_capacity(sums.len());
        for (var, a) in sums {
            bound -= a.min(0);
            let magnitude = if divisor == 1 { a.abs() } else { a.abs() / divisor };
            terms.push((magnitude, var.is(a > 0)));
        }
        if divisor != 1 {
            bound = bound.div_euclid(divisor) + i128::from(bound.rem_euclid(divisor) != 0);
        }
        let sum: i128 = terms.iter().map(|(a, _)| a).sum();
        if sum > LARGEST_SUM || bound.abs() > LARGEST_SUM {
            return Err(LinearError::Overflow { operands: terms.len() });
        }
        // A coefficient beyond the bound is as good as the bound.
        let cap = bound.max(1);
        let mut terms: Vec<(i64, Lit)> = terms.into_iter().map(|(a, l)| (a.min(cap) as i64, l)).collect();
        terms.sort_by_key(|&(a, l)| (std::cmp::Reverse(a), l));
        Ok(Self { terms, bound: bound as i64 })
    }

    /// The sum of all coefficients.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.terms.iter().map(|(a, _)| a).sum()
    }

    /// True when all coefficients are 1: a cardinality constraint.
    #[must_use]
    pub fn is_cardinality(&self) -> bool {
        self.terms.first().is_none_or(|&(a, _)| a == 1)
    }
}
