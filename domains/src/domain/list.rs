//! The list of domains: a new one is its file and its line here, and the laws go through it by themselves.

use super::{
    AbstractDomain, Bounds, Concretise, DeepPoly, DomainError, IntervalDomain, LpDomain, RationalDeepPoly, Run,
    Tighten, Zonotope, propagate,
};
use crate::activation::Slopes;
use crate::lp::backends;
use crate::network::Network;
use crate::query::{LinearForms, Region};

/// A domain whatever its facts are.
pub trait AnyDomain: Sync {
    /// The name that users type.
    fn name(&self) -> &'static str;
    /// True when it solves linear programs, which takes far longer than all else.
    fn solves_programs(&self) -> bool;
    /// Bounds of all nodes of the network over the region, and certified lower bounds of the forms.
    ///
    /// # Errors
    /// As [`propagate`].
    fn bounds_and_minima(
        &self,
        network: &Network,
        region: &Region,
        forms: &LinearForms,
        run: Run<'_>,
    ) -> Result<(Bounds, Vec<f64>), DomainError>;
}

impl<D: AbstractDomain> AnyDomain for D {
    fn name(&self) -> &'static str {
        AbstractDomain::name(self)
    }

    fn solves_programs(&self) -> bool {
        D::SOLVES_PROGRAMS
    }

    fn bounds_and_minima(
        &self,
        network: &Network,
        region: &Region,
        forms: &LinearForms,
        run: Run<'_>,
    ) -> Result<(Bounds, Vec<f64>), DomainError> {
        let trace = propagate(self, network, region, &Bounds::unknown(), run)?;
        Ok((trace.bounds(), self.minima(forms, &trace)?))
    }
}

/// Every domain, each in all of its ways; those that solve programs last.
#[must_use]
pub fn all() -> Vec<Box<dyn AnyDomain>> {
    let mut list: Vec<Box<dyn AnyDomain>> =
        vec![Box::new(IntervalDomain), Box::new(Zonotope), Box::new(RationalDeepPoly)];
    for slopes in [Slopes::Area, Slopes::Parallel, Slopes::Zero, Slopes::One] {
        for concretise in [Concretise::Every, Concretise::Input] {
            list.push(Box::new(DeepPoly { concretise, slopes }));
        }
    }
    for k in 1..3 {
        list.push(Box::new(LpDomain { tighten: Tighten::All, ..LpDomain::kpoly(k, backends()[0]) }));
    }
    list
}
