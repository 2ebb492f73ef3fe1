//! Linear inequalities over Booleans, and the operations of cutting planes.

/// A literal: twice its variable, plus one when negated.
pub(super) type Literal = u32;

/// `Σ a_l l ≥ degree` with positive coefficients, each variable at most once, by increasing variable.
#[derive(Clone, Debug, Default)]
pub(super) struct Inequality {
    pub terms: Vec<(i128, Literal)>,
    pub degree: i128,
}

/// `a·l + b·m` over the same variable: a term with the rest moved into the degree.
fn gathered((a, l): (i128, Literal), (b, m): (i128, Literal), degree: &mut i128) -> Option<(i128, Literal)> {
    if l == m {
        return Some((a.checked_add(b)?, l));
    }
    // a·l + b·¬l = b + (a − b)·l.
    *degree = degree.checked_sub(a.min(b))?;
    Some(if a >= b { (a - b, l) } else { (b - a, m) })
}

impl Inequality {
    /// `Σ a l ≥ degree` from terms in any order, with coefficients of any sign.
    pub fn new(mut terms: Vec<(i128, Literal)>, mut degree: i128) -> Option<Self> {
        for term in &mut terms {
            if term.0 < 0 {
                // −a·l = −a + a·¬l.
                degree = degree.checked_sub(term.0)?;
                *term = (term.0.checked_neg()?, term.1 ^ 1);
            }
        }
        if !terms.is_sorted_by(|s, t| s.1 >> 1 < t.1 >> 1) {
            terms.sort_by_key(|t| t.1 >> 1);
            let mut once: Vec<(i128, Literal)> = Vec::with_capacity(terms.len());
            for term in terms {
                match once.last_mut() {
                    Some(last) if last.1 >> 1 == term.1 >> 1 => *last = gathered(*last, term, &mut degree)?,
                    _ => once.push(term),
                }
            }
            terms = once;
        }
        terms.retain(|t| t.0 != 0);
        Some(Self { terms, degree })
    }

    /// The inequality, if no sum or difference of its numbers overflows. Nothing else is ever stored or propagated.
    pub fn if_small(self) -> Option<Self> {
        const LARGEST: i128 = i128::MAX / 8;
        let total = self.total()?;
        (total <= LARGEST && (-LARGEST..=LARGEST).contains(&self.degree)).then_some(self)
    }

    fn total(&self) -> Option<i128> {
        self.terms.iter().try_fold(0i128, |sum, t| sum.checked_add(t.0))
    }

    /// True where no assignment satisfies it.
    pub fn is_contradiction(&self) -> bool {
        self.total().is_some_and(|total| self.degree > total)
    }

    /// The sum of both.
    pub fn plus(&self, other: &Self) -> Option<Self> {
        Self::new([&self.terms[..], &other.terms[..]].concat(), self.degree.checked_add(other.degree)?)
    }

    pub fn times(&self, factor: i128) -> Option<Self> {
        let terms = self.terms.iter().map(|&(a, l)| Some((a.checked_mul(factor)?, l)));
        Some(Self { terms: terms.collect::<Option<_>>()?, degree: self.degree.checked_mul(factor)? })
    }

    pub fn saturated(&self) -> Self {
        let cap = self.degree.max(0);
        let terms = self.terms.iter().map(|&(a, l)| (a.min(cap), l)).filter(|t| t.0 > 0);
        Self { terms: terms.collect(), degree: self.degree }
    }

    pub fn divided(&self, by: i128) -> Self {
        let up = |a: i128| a.div_euclid(by) + i128::from(a.rem_euclid(by) != 0);
        Self { terms: self.terms.iter().map(|&(a, l)| (up(a), l)).collect(), degree: up(self.degree) }
    }

    /// What holds exactly where this does not: `Σ a ¬l ≥ Σ a − degree + 1`.
    pub fn negated(&self) -> Option<Self> {
        let terms = self.terms.iter().map(|&(a, l)| (a, l ^ 1)).collect();
        Some(Self { terms, degree: self.total()?.checked_sub(self.degree)?.checked_add(1)? })
    }
}
