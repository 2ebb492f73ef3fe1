//! The inequalities of an OPB file, as text and with a fingerprint by which they are found again.

use absint_check::Literal;
use absint_sat::Constraint;
use dashu_int::IBig;
use std::collections::HashMap;
use std::fmt::Write;

/// A part of the body of an OPB file.
#[derive(Debug, Default)]
pub(in crate::exact::signum) struct OpbText {
    pub(super) text: String,
    /// How many inequalities it has.
    pub(super) count: usize,
    /// How many variables there are, those of the parts before it included.
    pub(super) variables: usize,
    /// The number of each inequality in this part, by its fingerprint.
    numbers: HashMap<u64, u32>,
}

/// The same for the same inequality `Σ a l ≥ bound`, whatever the order and the signs of its literals. Should
/// another one have it by chance, a proof would refer to the wrong line, and not be accepted.
fn fingerprint(terms: impl IntoIterator<Item = (i128, Literal)>, bound: i128) -> u64 {
    fn mixed(variable: u64, a: i128) -> u64 {
        let mut z = variable.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (a as u64) ^ ((a >> 64) as u64).rotate_left(32);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    let (mut sum, mut bound) = (0u64, bound);
    for (a, (variable, is_negated)) in terms {
        // a·¬x = a − a·x.
        bound = bound.wrapping_sub(if is_negated { a } else { 0 });
        sum = sum.wrapping_add(mixed(variable as u64, if is_negated { a.wrapping_neg() } else { a }));
    }
    sum.wrapping_add(mixed(0, bound))
}

impl OpbText {
    /// The part after this one, still empty.
    pub(super) fn continued(&self) -> Self {
        Self { variables: self.variables, ..Self::default() }
    }

    pub(super) fn variable(&mut self) -> usize {
        self.variables += 1;
        self.variables
    }

    /// Appends `Σ a l ≥ bound`.
    pub(super) fn at_least(&mut self, terms: &[(IBig, Literal)], bound: &IBig) {
        for (a, (variable, is_negated)) in terms {
            let _ = match i64::try_from(a) {
                Ok(small) => write!(self.text, "{small:+}"),
                Err(_) => write!(self.text, "{}{a}", if *a < IBig::ZERO { "" } else { "+" }),
            };
            let _ = write!(self.text, " {}x{variable} ", if *is_negated { "~" } else { "" });
        }
        let _ = writeln!(self.text, ">= {bound} ;");
        self.count += 1;
        let small: Option<Vec<(i128, Literal)>> =
            terms.iter().map(|(a, l)| Some((i128::try_from(a).ok()?, *l))).collect();
        if let (Some(terms), Ok(bound)) = (small, i128::try_from(bound)) {
            self.numbers.entry(fingerprint(terms, bound)).or_insert(self.count as u32);
        }
    }

    pub(super) fn clause(&mut self, literals: &[Literal]) {
        let terms: Vec<(IBig, Literal)> = literals.iter().map(|&l| (IBig::ONE, l)).collect();
        self.at_least(&terms, &IBig::ONE);
    }

    /// Appends `literal → Σ a x ≥ bound` over variables, as `Σ a x + (bound − least) ¬literal ≥ bound`.
    pub(super) fn implied(&mut self, literal: Literal, terms: &[(IBig, usize)], bound: &IBig) {
        let least: IBig = terms.iter().filter(|t| t.0 < IBig::ZERO).map(|t| &t.0).sum();
        let big = bound - least;
        let mut all: Vec<(IBig, Literal)> = terms.iter().map(|(a, v)| (a.clone(), (*v, false))).collect();
        if big > IBig::ZERO {
            all.push((big, (literal.0, !literal.1)));
        }
        self.at_least(&all, bound);
    }

    /// The numbers in this part of the inequalities that each constraint of the search's formula stands for,
    /// 0 where one always holds or there is none; `None` where they are not there.
    pub fn numbers<'a>(&self, constraints: impl IntoIterator<Item = &'a Constraint>) -> Option<Vec<[u32; 2]>> {
        let mut all = Vec::new();
        for constraint in constraints {
            let mut numbers = [0; 2];
            for ((terms, bound), number) in constraint.as_inequalities().into_iter().zip(&mut numbers) {
                let least: i128 = terms.iter().map(|t| t.0.min(0)).sum();
                let terms = terms.into_iter().map(|(a, l)| (a, (l.var().index() + 1, l.is_negative())));
                let found = self.numbers.get(&fingerprint(terms, bound)).copied();
                *number = found.or((bound <= least).then_some(0))?;
            }
            all.push(numbers);
        }
        Some(all)
    }
}
