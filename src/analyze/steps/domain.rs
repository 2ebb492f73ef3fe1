//! Steps that propagate an abstract domain and bound the margins that are open.

use super::super::analysis::unstable;
use super::super::case::CaseState;
use super::super::error::AnalyzeError;
use super::super::method::{Context, Step};
use super::super::reasons::Reason;
use crate::domains::domain::{
    AbstractDomain, Bounds, DeepPoly, DomainError, Fact, LpDomain, RationalDeepPoly, Tighten, Trace, allowance,
    margin_lattice, propagate, reach,
};
use crate::domains::network::{Arithmetic, Network};
use crate::domains::query::LinearForms;
use crate::format::certificate::{Multipliers, Script};

/// Says in a script how the bounds of neurons are recomputed that came out so.
type ScriptOf = fn(&mut Script, &Network, &Bounds);

/// What a certificate says of a step.
#[derive(Clone, Copy)]
struct Scripted {
    write: ScriptOf,
    /// Whether a checker may lose more by rounding than the step does.
    rounds: bool,
}

/// A domain as it is.
pub(in super::super) struct Domain<D> {
    pub name: &'static str,
    pub domain: D,
    /// How a checker recomputes its bounds, where it can.
    pub script: Option<ScriptOf>,
}

impl<D: AbstractDomain> Step for Domain<D> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn proves(&self) -> bool {
        self.script.is_some()
    }

    fn run(&self, case: &mut CaseState, context: &Context) -> Result<(), AnalyzeError> {
        apply(&self.domain, self.script.map(|write| Scripted { write, rounds: true }), case, context)
    }
}

/// Back-substitution in exact rationals.
pub(in super::super) struct Rational {
    /// Whether it is left out where it would take long, or stand for float32.
    pub only_if_affordable: bool,
}

impl Step for Rational {
    fn name(&self) -> &'static str {
        "rational"
    }

    fn wanted(&self, context: &Context) -> bool {
        let is_real = context.network.arithmetic() == Arithmetic::Real;
        !self.only_if_affordable || (is_real && RationalDeepPoly::is_affordable(context.network))
    }

    fn proves(&self) -> bool {
        true
    }

    fn run(&self, case: &mut CaseState, context: &Context) -> Result<(), AnalyzeError> {
        case.script.exact();
        let script = Scripted { write: Script::back_substitution, rounds: false };
        apply(&RationalDeepPoly, Some(script), case, context)?;
        case.script.float();
        Ok(())
    }
}

/// A linear program over the network.
pub(in super::super) struct LinearProgram {
    pub name: &'static str,
    /// What bounds the neurons.
    pub base: DeepPoly,
    /// Neurons that are cut together; 1 for each its own relaxation.
    pub k: usize,
    /// Whether the hulls of signs with their inputs are cut.
    pub hull: bool,
    /// Which neurons the program bounds itself.
    pub tighten: Tighten,
}

impl LinearProgram {
    /// Triangles alone.
    pub fn new(name: &'static str) -> Self {
        Self { name, base: DeepPoly::default(), k: 1, hull: false, tighten: Tighten::None }
    }
}

impl Step for LinearProgram {
    fn name(&self) -> &'static str {
        self.name
    }

    fn run(&self, case: &mut CaseState, context: &Context) -> Result<(), AnalyzeError> {
        let options = context.options;
        let domain = LpDomain {
            hull: self.hull,
            base: self.base,
            tighten: self.tighten,
            elsewhere: options.neurons.clone().filter(|_| self.k == 1 && !self.hull),
            goal: if options.all_margins { f64::INFINITY } else { 0.0 },
            fail_fast: !options.all_margins && case.case.property.disjuncts.iter().all(|d| d.atoms.len() == 1),
            ..LpDomain::kpoly(self.k, options.lp)
        };
        apply(&domain, None, case, context)
    }
}

/// Propagates the case's region through the network and bounds the margins that are wanted, as far as there is time
/// and the domain takes the network's arithmetic.
fn apply<D: AbstractDomain>(
    domain: &D,
    script: Option<Scripted>,
    case: &mut CaseState,
    context: &Context,
) -> Result<(), AnalyzeError> {
    match bound(domain, script.filter(|_| context.options.certify), case, context) {
        Ok(()) | Err(DomainError::OutOfTime) => Ok(()),
        Err(error @ (DomainError::Memory { .. } | DomainError::Float32 { .. })) => {
            case.note(Reason::Refused { step: domain.name(), error });
            Ok(())
        }
        Err(other) => Err(other.into()),
    }
}

/// A bound, which refutes nothing where it is above zero by no more than is `lost`. What is no number stays none.
fn beyond(bound: f64, lost: f64) -> f64 {
    if bound > 0.0 && bound <= lost { 0.0 } else { bound }
}

fn bound<D: AbstractDomain>(
    domain: &D,
    script: Option<Scripted>,
    case: &mut CaseState,
    context: &Context,
) -> Result<(), DomainError> {
    let trace = propagate(domain, context.network, &case.case.region, &case.bounds, context.run)?;
    case.bounds.intersect(&trace.bounds());
    if let Some(script) = script {
        (script.write)(&mut case.script, context.network, &case.bounds);
    }
    case.found.unstable = unstable_neurons(&trace);
    let disjuncts = &case.case.property.disjuncts;
    let wanted = case.wanted(context.options.all_margins);
    let mut atoms: Vec<(usize, usize)> = Vec::new();
    let mut joint: Vec<(usize, Vec<usize>)> = Vec::new();
    for d in wanted {
        let members = atoms.len()..atoms.len() + disjuncts[d].atoms.len();
        atoms.extend((0..members.len()).map(|a| (d, a)));
        if members.len() > 1 {
            joint.push((d, members.collect()));
        }
    }
    let forms = LinearForms::of_atoms(context.network, atoms.iter().map(|&(d, a)| &disjuncts[d].atoms[a]));
    if forms.is_empty() {
        return Ok(());
    }
    // What is above zero by less than a checker may lose is not refuted.
    let most_lost = |rows: &[usize]| match script {
        Some(Scripted { rounds: true, .. }) => allowance(reach(context.network, &forms.select(rows), &case.bounds)),
        _ => 0.0,
    };
    let lost: Vec<f64> = (0..forms.len()).map(|row| most_lost(&[row])).collect();
    let bounds = |id: usize| trace.bounds_of(id);
    for ((&(d, a), bound), lost) in atoms.iter().zip(domain.minima(&forms, &trace)?).zip(lost) {
        let bound = beyond(bound, lost);
        // The least value above the bound that the margin can take; a checker knows of no lattice.
        let lattice = margin_lattice(&trace.network, &disjuncts[d].atoms[a], &bounds);
        let bound = if context.options.certify { bound } else { lattice.at_least(bound, false) };
        if context.options.certify && bound > 0.0 && case.disjuncts()[d] <= 0.0 {
            case.script.refute_by_atom(d, a, &Multipliers::default());
        }
        case.improve(d, a, bound);
    }
    // A disjunct of several atoms may be refuted by a combination of them, which no script says.
    for (d, members) in joint {
        if case.disjuncts()[d] <= 0.0 && !context.options.certify {
            let bound = domain.minimum_of_maximum(&forms.select(&members), &trace)?;
            case.raise(d, bound);
        }
    }
    Ok(())
}

/// The unstable neurons of each activation layer.
fn unstable_neurons<F: Fact>(trace: &Trace<F>) -> Vec<usize> {
    let of_layer = |activation| unstable(activation, trace.bounds_of(activation.source));
    trace.network.activations().map(|(_, activation)| of_layer(activation)).collect()
}

#[cfg(test)]
mod tests {
    use super::beyond;

    #[test]
    fn what_is_lost_is_not_shown_and_what_is_no_number_stays_none() {
        assert_eq!([1.0, 0.5, 0.0, -0.5].map(|bound| beyond(bound, 0.5)), [1.0, 0.0, 0.0, -0.5]);
        assert_eq!([f64::NEG_INFINITY, f64::INFINITY].map(|b| beyond(b, 0.5)), [f64::NEG_INFINITY, f64::INFINITY]);
        // Zero would refute a strict disjunct.
        assert!(beyond(f64::NAN, 0.5).is_nan() && beyond(f64::NAN, 0.0).is_nan());
    }
}
