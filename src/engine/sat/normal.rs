//! The normal form of a linear constraint over literals.

use super::{Lit, Var};
use std::collections::BTreeMap;
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
        let mut coefficients: BTreeMap<Var, i128> = BTreeMap::new();
        let mut bound = i128::from(bound);
        for (a, literal) in terms {
            let a = i128::from(a);
            let entry = coefficients.entry(literal.var()).or_default();
            if literal.is_negative() {
                // a · ¬x = a − a · x.
                *entry -= a;
                bound -= a;
            } else {
                *entry += a;
            }
        }
        let mut terms: Vec<(i128, Lit)> = Vec::new();
        for (var, a) in coefficients {
            if a > 0 {
                terms.push((a, var.positive()));
            } else if a < 0 {
                terms.push((-a, var.negative()));
                bound -= a;
            }
        }
        let divisor = terms.iter().fold(0, |g, (a, _)| gcd(*a, g)).max(1);
        for (a, _) in &mut terms {
            *a /= divisor;
        }
        bound = bound.div_euclid(divisor) + i128::from(bound.rem_euclid(divisor) != 0);
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
