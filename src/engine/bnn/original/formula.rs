//! The inequalities of an OPB file, as text and with a key by which they are found again.

use dashu_int::IBig;
use std::collections::HashMap;
use std::fmt::Write;

/// `Σ a_v x_v ≥ bound`, in terms of variables only: each once, by increasing number.
pub(super) type Key = (Vec<(usize, IBig)>, IBig);

/// The body of an OPB file.
#[derive(Debug, Default)]
pub(super) struct OpbText {
    pub text: String,
    pub count: usize,
    pub variables: usize,
    /// The number of each inequality.
    pub numbers: HashMap<Key, u32>,
}

/// A literal of the file: a variable, and whether it is negated.
pub(super) type Literal = (usize, bool);

pub(super) fn spelled((variable, is_negated): Literal) -> String {
    format!("{}x{variable}", if is_negated { "~" } else { "" })
}

/// The key of `Σ a l ≥ bound`.
pub(super) fn key(terms: impl IntoIterator<Item = (IBig, Literal)>, mut bound: IBig) -> Key {
    let mut sorted: Vec<(usize, IBig)> = Vec::new();
    for (a, (variable, is_negated)) in terms {
        // a·¬x = a − a·x.
        if is_negated {
            bound -= &a;
        }
        sorted.push((variable, if is_negated { -a } else { a }));
    }
    sorted.sort_by_key(|t| t.0);
    (sorted, bound)
}

impl OpbText {
    pub fn variable(&mut self) -> usize {
        self.variables += 1;
        self.variables
    }

    /// Appends `Σ a l ≥ bound`.
    pub fn at_least(&mut self, terms: Vec<(IBig, Literal)>, bound: IBig) {
        for (a, l) in &terms {
            let sign = if *a < IBig::ZERO { "" } else { "+" };
            let _ = write!(self.text, "{sign}{a} {} ", spelled(*l));
        }
        let _ = writeln!(self.text, ">= {bound} ;");
        self.count += 1;
        self.numbers.entry(key(terms, bound)).or_insert(self.count as u32);
    }

    pub fn clause(&mut self, literals: &[Literal]) {
        self.at_least(literals.iter().map(|&l| (IBig::ONE, l)).collect(), IBig::ONE);
    }

    /// Appends `literal → Σ a x ≥ bound` over variables, as `Σ a x + (bound − least) ¬literal ≥ bound`.
    pub fn implied(&mut self, literal: Literal, terms: &[(IBig, usize)], bound: IBig) {
        let least: IBig = terms.iter().filter(|t| t.0 < IBig::ZERO).map(|t| t.0.clone()).sum();
        let big = &bound - least;
        let mut all: Vec<(IBig, Literal)> = terms.iter().map(|(a, v)| (a.clone(), (*v, false))).collect();
        if big > IBig::ZERO {
            all.push((big, (literal.0, !literal.1)));
        }
        self.at_least(all, bound);
    }
}
