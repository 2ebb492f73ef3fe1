//! The constraints that a proof may refer to, by number.

use super::inequality::{Inequality, Literal};
use super::propagation::{Handle, Propagation};

/// A constraint with what propagation knows it as.
#[derive(Debug)]
struct Stored {
    inequality: Inequality,
    handle: Option<Handle>,
}

/// The inequalities that are alive, and what follows from them by unit propagation.
#[derive(Debug, Default)]
pub(super) struct Database {
    /// Constraint `i + 1` at place `i`.
    stored: Vec<Option<Stored>>,
    names: Names,
    propagation: Propagation,
}

/// The variables of the files by their order here, in pages, so that a large number costs no more than a small.
#[derive(Debug, Default)]
struct Names {
    pages: Vec<Vec<u32>>,
    count: u32,
}

const PAGE: u32 = 1 << 12;

impl Names {
    fn literal(&mut self, literal: Literal) -> Literal {
        let (page, at) = ((literal / 2 / PAGE) as usize, (literal / 2 % PAGE) as usize);
        if page >= self.pages.len() {
            self.pages.resize(page + 1, Vec::new());
        }
        let page = &mut self.pages[page];
        if page.is_empty() {
            page.resize(PAGE as usize, u32::MAX);
        }
        if page[at] == u32::MAX {
            page[at] = self.count;
            self.count += 1;
        }
        2 * page[at] + literal % 2
    }
}

impl Database {
    /// The terms of an inequality as propagation takes them, with coefficients up to the degree; `None` where it
    /// always holds, and where they are too large.
    fn terms(&mut self, inequality: &Inequality) -> Option<(Vec<(i64, Literal)>, i64)> {
        let degree = i64::try_from(inequality.degree).ok().filter(|&d| d > 0)?;
        let terms = inequality.terms.iter();
        let terms: Vec<_> = terms
            .map(|&(a, l)| Some((i64::try_from(a.min(degree.into())).ok()?, self.names.literal(l))))
            .collect::<Option<_>>()?;
        terms.iter().try_fold(0i64, |sum, t| sum.checked_add(t.0))?;
        self.propagation.grow(2 * self.names.count as usize);
        Some((terms, degree))
    }

    /// The constraint with this number.
    pub fn get(&self, id: u32) -> Option<&Inequality> {
        let at = (id as usize).checked_sub(1)?;
        Some(&self.stored.get(at)?.as_ref()?.inequality)
    }

    /// Adds a constraint; it gets the next number.
    pub fn add(&mut self, inequality: Inequality) {
        let handle = self.terms(&inequality).and_then(|(terms, degree)| self.propagation.add(terms, degree));
        self.stored.push(Some(Stored { inequality, handle }));
    }

    /// Forgets a constraint; false where there is none with this number.
    pub fn delete(&mut self, id: u32) -> bool {
        let at = (id as usize).checked_sub(1);
        let Some(stored) = at.and_then(|at| self.stored.get_mut(at)?.take()) else { return false };
        if let Some(handle) = stored.handle {
            self.propagation.remove(handle);
        }
        true
    }

    /// Whether the negation leads to a contradiction by unit propagation.
    pub fn implies(&mut self, inequality: &Inequality) -> bool {
        if inequality.degree <= 0 {
            return true;
        }
        // The negation of what cannot hold forces nothing.
        match inequality.negated().and_then(|negated| self.terms(&negated)) {
            Some((terms, degree)) => self.propagation.refutes(terms, degree),
            None => self.propagation.is_contradictory(),
        }
    }
}
