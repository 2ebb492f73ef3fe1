//! What is asked of a network: a region of inputs and a set of unsafe outputs.

mod forms;
mod property;
mod region;

pub use forms::{FormTerm, LinearForms};
pub use property::{Atom, Disjunct, Property, Ties, Variable};
pub use region::{Ball, HalfSpace, Region, RegionError};

use std::borrow::Cow;

/// One region with the unsafe set that it must not reach.
#[derive(Clone, Debug)]
pub struct Case {
    /// Number of its first disjunct in the query.
    pub first: usize,
    /// The inputs.
    pub region: Region,
    /// The unsafe set over them.
    pub property: Property,
}

impl Case {
    /// The only case, or the first one, of a query.
    #[must_use]
    pub fn new(region: Region, property: Property) -> Self {
        Self { first: 0, region, property }
    }

    /// The numbers that its disjuncts have in the query.
    #[must_use]
    pub fn numbers(&self) -> std::ops::Range<usize> {
        self.first..self.first + self.property.disjuncts.len()
    }
}

/// A query: the network is safe iff every case is. Disjuncts are numbered through all cases, in file
/// order.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The cases; disjuncts that share a region share a case.
    pub cases: Vec<Case>,
}

impl Query {
    /// One region and one property.
    #[must_use]
    pub fn over(region: Region, property: Property) -> Self {
        Self { cases: vec![Case::new(region, property)] }
    }

    /// Robustness of class `label` over `region`: unsafe where another of the `classes` outputs reaches
    /// output `label`.
    #[must_use]
    pub fn robustness(region: Region, classes: usize, label: usize) -> Self {
        Self::over(region, Property::robustness(classes, label))
    }

    /// Robustness of class `label` for one network ([`Property::robustness`]), or for an ensemble of
    /// `members` networks that rejects inputs on which they disagree ([`Property::agreement`]).
    #[must_use]
    pub fn reliable(region: Region, members: usize, classes: usize, label: usize) -> Self {
        match members {
            0 | 1 => Self::robustness(region, classes, label),
            _ => Self::over(region, Property::agreement(members, classes, label)),
        }
    }

    /// The same where equalities count as asked: safe ones make every atom strict.
    #[must_use]
    pub fn with_ties(mut self, ties: Ties) -> Self {
        let disjuncts = self.cases.iter_mut().flat_map(|case| &mut case.property.disjuncts);
        disjuncts.flat_map(|d| &mut d.atoms).for_each(|atom| atom.is_strict |= ties == Ties::Safe);
        self
    }

    /// The case that holds disjunct `number` of the query.
    #[must_use]
    pub fn case_of(&self, number: usize) -> Option<&Case> {
        self.cases.iter().find(|case| case.numbers().contains(&number))
    }

    /// The cases, for who looks at one after the other: what is made of a region that is one of several goes with its
    /// clone.
    pub fn one_by_one(&self) -> impl Iterator<Item = Cow<'_, Case>> {
        let is_one = self.cases.len() == 1;
        self.cases.iter().map(move |case| if is_one { Cow::Borrowed(case) } else { Cow::Owned(case.clone()) })
    }

    /// Number of disjuncts over all cases.
    #[must_use]
    pub fn disjuncts(&self) -> usize {
        self.cases.iter().map(|c| c.property.disjuncts.len()).sum()
    }
}
