//! Linear inequalities over Booleans, and the operations of cutting planes.

use std::collections::BTreeMap;

/// `Σ a_l l ≥ degree` with positive coefficients, each variable at most once. A literal is twice its
/// variable, plus one when negated.
#[derive(Clone, Debug, Default)]
pub(super) struct Inequality {
    pub terms: BTreeMap<u32, (i128, bool)>,
    pub degree: i128,
}

impl Inequality {
    /// The inequality, if its coefficients and its degree are so small that no sum or difference of them
    /// overflows. Nothing else is ever stored or propagated.
    pub fn if_small(self) -> Option<Self> {
        const LARGEST: i128 = i128::MAX / 8;
        let total = self.terms.values().try_fold(0i128, |sum, t| sum.checked_add(t.0))?;
        (total <= LARGEST && (-LARGEST..=LARGEST).contains(&self.degree)).then_some(self)
    }

    pub fn add_term(&mut self, a: i128, var: u32, is_negated: bool) -> Option<()> {
        // In terms of the variable: a·¬x = a − a·x.
        let (signed, constant) = if is_negated { (a.checked_neg()?, a) } else { (a, 0) };
        self.degree = self.degree.checked_sub(constant)?;
        let before = match self.terms.get(&var) {
            None => 0,
            Some(&(b, false)) => b,
            Some(&(b, true)) => {
                self.degree = self.degree.checked_sub(b)?;
                -b
            }
        };
        let sum = before.checked_add(signed)?;
        if sum < 0 {
            self.degree = self.degree.checked_sub(sum)?;
            self.terms.insert(var, (sum.checked_neg()?, true));
        } else if sum > 0 {
            self.terms.insert(var, (sum, false));
        } else {
            self.terms.remove(&var);
        }
        Some(())
    }

    pub fn plus(&self, other: &Self) -> Option<Self> {
        let mut sum = self.clone();
        sum.degree = sum.degree.checked_add(other.degree)?;
        for (&var, &(a, is_negated)) in &other.terms {
            sum.add_term(a, var, is_negated)?;
        }
        Some(sum)
    }

    pub fn times(&self, factor: i128) -> Option<Self> {
        let terms = self.terms.iter().map(|(&v, &(a, n))| Some((v, (a.checked_mul(factor)?, n))));
        Some(Self { terms: terms.collect::<Option<_>>()?, degree: self.degree.checked_mul(factor)? })
    }

    pub fn saturated(&self) -> Self {
        let cap = self.degree.max(0);
        let terms = self.terms.iter().map(|(&v, &(a, n))| (v, (a.min(cap), n))).filter(|(_, (a, _))| *a > 0);
        Self { terms: terms.collect(), degree: self.degree }
    }

    pub fn divided(&self, by: i128) -> Self {
        let up = |a: i128| a.div_euclid(by) + i128::from(a.rem_euclid(by) != 0);
        Self { terms: self.terms.iter().map(|(&v, &(a, n))| (v, (up(a), n))).collect(), degree: up(self.degree) }
    }

    /// What holds exactly where this does not: `Σ a ¬l ≥ Σ a − degree + 1`.
    pub fn negated(&self) -> Option<Self> {
        let total = self.terms.values().try_fold(0i128, |s, t| s.checked_add(t.0))?;
        let terms = self.terms.iter().map(|(&v, &(a, n))| (v, (a, !n))).collect();
        Some(Self { terms, degree: total.checked_sub(self.degree)?.checked_add(1)? })
    }
}
