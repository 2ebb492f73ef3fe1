//! Steps that propagate an abstract domain and bound the margins that are open.

use super::super::analysis::unstable;
use super::super::case::CaseState;
use super::super::error::AnalyzeError;
use super::super::method::{Context, Step};
use super::super::reasons::Reason;
use crate::domains::activation::{ActivationFn, Reach, Slopes};
use crate::domains::domain::{
    AbstractDomain, Argued, Argument, Bounds, Claim, DeepPoly, DomainError, Fact, LpDomain, RationalDeepPoly, Tighten,
    Trace, Zonotope, allowance, margin_lattice, propagate, reach,
};
use crate::domains::network::{Arithmetic, Network, NodeId};
use crate::domains::query::{Ball, LinearForms};
use crate::format::certificate::{Arguments, Multipliers, Script};
use std::sync::{Arc, Mutex};

/// How a checker recomputes the bounds of a domain.
#[derive(Clone, Copy)]
pub(in super::super) enum Recomputed {
    /// By interval arithmetic, as it does by itself over boxes.
    Intervals,
    /// By back-substitution through such lines.
    Lines(Slopes),
    /// By back-substitution through the bands of zonotopes.
    Bands,
}

impl Recomputed {
    /// Says so of bounds that came out; `more` says what else bounds a node's neurons.
    fn write(self, script: &mut Script, network: &Network, bounds: &Bounds, more: &mut dyn FnMut(&mut Script, NodeId)) {
        let with = |f: &dyn ActivationFn, z: Reach<'_>| match self {
            Self::Lines(slopes) => f.lines_with(z, slopes),
            Self::Bands | Self::Intervals => Zonotope::lines(f, z),
        };
        match self {
            Self::Intervals => {}
            Self::Lines(Slopes::Area) => script.back_substitution_with(network, bounds, None, more),
            Self::Lines(_) | Self::Bands => script.back_substitution_with(network, bounds, Some(&with), more),
        }
    }
}

/// What a certificate says of a step.
#[derive(Clone, Copy)]
struct Scripted<'a> {
    neurons: Recomputed,
    /// Whether a checker may lose more by rounding than the step does.
    rounds: bool,
    /// What linear programs showed.
    programs: Option<&'a Mutex<Vec<Argued>>>,
}

impl Scripted<'_> {
    /// What programs showed since the last time.
    fn argued(&self) -> Vec<Argued> {
        let kept = self.programs.and_then(|kept| kept.lock().ok());
        kept.map(|mut kept| std::mem::take(&mut *kept)).unwrap_or_default()
    }
}

/// A domain as it is.
pub(in super::super) struct Domain<D> {
    pub name: &'static str,
    pub domain: D,
    /// How a checker recomputes its bounds.
    pub neurons: Recomputed,
}

impl<D: AbstractDomain> Step for Domain<D> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn proves(&self) -> bool {
        true
    }

    fn run(&self, case: &mut CaseState, context: &Context) -> Result<(), AnalyzeError> {
        apply(&self.domain, Scripted { neurons: self.neurons, rounds: true, programs: None }, case, context)
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
        // A checker that knows of a ball, as these rationals do not, has tighter bounds and so other lines.
        if context.options.certify && case.case.region.ball() != &Ball::Box {
            return Ok(());
        }
        case.script.exact();
        let script = Scripted { neurons: Recomputed::Lines(Slopes::Area), rounds: false, programs: None };
        apply(&RationalDeepPoly, script, case, context)?;
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

    fn proves(&self) -> bool {
        true
    }

    fn run(&self, case: &mut CaseState, context: &Context) -> Result<(), AnalyzeError> {
        let options = context.options;
        // The tangents of a ball cannot be written.
        if options.certify && case.case.region.ball() != &Ball::Box {
            return Ok(());
        }
        let argued = options.certify.then(Arc::default);
        let domain = LpDomain {
            hull: self.hull,
            base: self.base,
            tighten: self.tighten,
            elsewhere: options.neurons.clone().filter(|_| self.k == 1 && !self.hull && !options.certify),
            argued: argued.clone(),
            goal: if options.all_margins { f64::INFINITY } else { 0.0 },
            fail_fast: !options.all_margins && case.case.property.disjuncts.iter().all(|d| d.atoms.len() == 1),
            ..LpDomain::kpoly(self.k, options.lp)
        };
        let neurons = Recomputed::Lines(self.base.slopes);
        apply(&domain, Scripted { neurons, rounds: true, programs: argued.as_deref() }, case, context)
    }
}

/// Propagates the case's region through the network and bounds the margins that are wanted, as far as there is time
/// and the domain takes the network's arithmetic.
fn apply<D: AbstractDomain>(
    domain: &D,
    script: Scripted,
    case: &mut CaseState,
    context: &Context,
) -> Result<(), AnalyzeError> {
    match bound(domain, Some(script).filter(|_| context.options.certify), case, context) {
        Ok(()) | Err(DomainError::OutOfTime) => Ok(()),
        Err(error @ (DomainError::Memory { .. } | DomainError::Float32 { .. })) => {
            case.note(Reason::Refused { step: domain.name(), error });
            Ok(())
        }
        Err(other) => Err(other.into()),
    }
}

/// A bound, which refutes nothing where it is above zero by no more than is `lost`. What is no number stays none.
pub(super) fn beyond(bound: f64, lost: f64) -> f64 {
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
    let mut arguments = Arguments::new(context.network);
    if let Some(script) = script {
        let argued = script.argued();
        let neurons = match (script.neurons, case.case.region.ball()) {
            (Recomputed::Intervals, Ball::L1 { .. } | Ball::L2 { .. }) => Recomputed::Lines(Slopes::Area),
            (neurons, _) => neurons,
        };
        neurons.write(&mut case.script, context.network, &case.bounds, &mut |script, id| {
            let of_node = |a: &&Argued| matches!(a.claim, Claim::Neuron { node, .. } if node == id);
            arguments.lemmas(argued.iter().filter(of_node), script);
        });
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
    let minima = domain.minima(&forms, &trace)?;
    let mut argued = script.map(|script| script.argued()).unwrap_or_default();
    for (form, ((&(d, a), bound), lost)) in atoms.iter().zip(minima).zip(lost).enumerate() {
        let bound = beyond(bound, lost);
        // The least value above the bound that the margin can take; a checker knows of no lattice.
        let lattice = margin_lattice(&trace.network, &disjuncts[d].atoms[a], &bounds);
        let bound = if context.options.certify { bound } else { lattice.at_least(bound, false) };
        let is_argued = argued.iter().any(|argued| matches!(argued.claim, Claim::Form(of) if of == form));
        if context.options.certify && bound > 0.0 && case.disjuncts()[d] <= 0.0 && !is_argued {
            case.script.refute_by_atom(d, a, &Multipliers::default());
        }
        case.improve(d, a, bound);
    }
    // A disjunct of several atoms may be refuted by a combination of them, which only programs say.
    let mut sums = Vec::new();
    for (d, members) in joint {
        if case.disjuncts()[d] <= 0.0 && script.is_none_or(|script| script.programs.is_some()) {
            let bound = domain.minimum_of_maximum(&forms.select(&members), &trace)?;
            let new = script.map(|script| script.argued()).unwrap_or_default();
            sums.extend(new.iter().map(|_| d));
            argued.extend(new);
            case.raise(d, bound);
        }
    }
    let mut sums = sums.into_iter();
    let of_claim = |argued: Argued| match argued.claim {
        Claim::Form(form) => {
            let (d, a) = atoms[form];
            Some((d, [vec![0.0; a], vec![1.0]].concat(), argued.argument))
        }
        Claim::Sum(weights) => sums.next().map(|d| (d, weights, argued.argument)),
        Claim::Neuron { .. } => None,
    };
    let all: Vec<(usize, Vec<f64>, Argument)> = argued.into_iter().filter_map(of_claim).collect();
    arguments.refute(&all, &mut case.script);
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
