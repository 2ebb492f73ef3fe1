//! What is asked of a network: a region of inputs and a set of unsafe outputs.

mod forms;
mod property;
mod region;

pub use forms::{FormTerm, LinearForms};
pub use property::{Atom, Disjunct, Property, Variable};
pub use region::{Ball, HalfSpace, Region, RegionError};

/// One region with the unsafe set that it must not reach.
#[derive(Clone, Debug)]
pub struct Case {
    /// The inputs.
    pub region: Region,
    /// The unsafe set over them.
    pub property: Property,
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
        Self { cases: vec![Case { region, property }] }
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

    /// Number of disjuncts over all cases.
    #[must_use]
    pub fn disjuncts(&self) -> usize {
        self.cases.iter().map(|c| c.property.disjuncts.len()).sum()
    }
}
