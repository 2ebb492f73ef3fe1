//! The list of domains: a new one is its file and its line here, and the laws go through it by themselves.

use super::{
    AbstractDomain, Bounds, Concretise, DeepPoly, DomainError, IntervalDomain, LpDomain, RationalDeepPoly, Run,
    Tighten, Wanted, Zonotope, propagate,
};
use crate::activation::Slopes;
use crate::lp::backends;
use crate::network::Network;
use crate::query::{LinearForms, Region};

/// A domain whatever its facts are.
pub struct AnyDomain {
    /// The name that users type.
    pub name: &'static str,
    /// True when it solves linear programs, which takes far longer than all else.
    pub solves_programs: bool,
    /// Bounds of all nodes of a network over a region, and certified lower bounds of the forms.
    pub bounds_and_minima: Box<BoundsAndMinima>,
}

type BoundsAndMinima = dyn Fn(&Network, &Region, &LinearForms, Run<'_>) -> Result<(Bounds, Vec<f64>), DomainError>;

impl AnyDomain {
    fn of<D: AbstractDomain + 'static>(domain: D) -> Self {
        let (name, solves_programs) = (domain.name(), D::SOLVES_PROGRAMS);
        let bounds_and_minima = move |network: &Network, region: &Region, forms: &LinearForms, run: Run<'_>| {
            let trace = propagate(&domain, network, region, &Bounds::unknown(), run)?;
            Ok((trace.bounds(), domain.minima(forms, &trace)?))
        };
        Self { name, solves_programs, bounds_and_minima: Box::new(bounds_and_minima) }
    }
}

/// Every domain, each in all of its ways; those that solve programs last.
#[must_use]
pub fn all() -> Vec<AnyDomain> {
    let mut list = vec![AnyDomain::of(IntervalDomain), AnyDomain::of(Zonotope), AnyDomain::of(RationalDeepPoly)];
    for slopes in [Slopes::Area, Slopes::Parallel, Slopes::Zero, Slopes::One] {
        for concretise in [Concretise::Every, Concretise::Input] {
            for wanted in [Wanted::All, Wanted::Unstable] {
                list.push(AnyDomain::of(DeepPoly { concretise, slopes, wanted }));
            }
        }
    }
    for k in 1..3 {
        list.push(AnyDomain::of(LpDomain { tighten: Tighten::All, ..LpDomain::kpoly(k, backends()[0]) }));
    }
    list
}
