//! Bounds of neurons refined by search, before programs read them.

use super::super::case::CaseState;
use super::super::error::AnalyzeError;
use super::super::method::{Context, Step};
use crate::domains::dual::{Compiled, Record, Refinement};
use crate::domains::network::Arithmetic;
use crate::exact::continuous::Lemmas;

/// The share of the time left that it may take.
const SHARE: f64 = 0.6;

/// Slopes alone are optimised first; then each neuron side of the last layer has up to so many parts at once, since
/// nothing in between could save the costlier round.
const PARTS: usize = 256;

/// Tightens the bounds of unstable neurons layer by layer.
pub(in super::super) struct Refine;

impl Step for Refine {
    fn name(&self) -> &'static str {
        "refine"
    }

    fn wanted(&self, context: &Context) -> bool {
        context.network.arithmetic() == Arithmetic::Real
    }

    fn has_margins(&self) -> bool {
        false
    }

    fn proves(&self) -> bool {
        true
    }

    fn run(&self, case: &mut CaseState, context: &Context) -> Result<(), AnalyzeError> {
        let Context { network, run, .. } = *context;
        if case.bounds.nodes().len() < network.nodes().len() {
            return Ok(());
        }
        let certify = context.options.certify;
        // A certificate says how these are found, and of no others.
        let mut bounds = if certify { case.bounds.loosened(network).checked(network)? } else { case.bounds.clone() };
        let mut lemmas = Lemmas::default();
        let compiled = Compiled::new(network);
        let budget = run.budget.share(SHARE);
        let mut next = Some(Refinement { share: 0.9, ..Refinement::default() });
        while let Some(refinement) = next.filter(|_| !budget.is_spent()) {
            let before = budget.remaining();
            let record = certify.then_some(&mut lemmas as &mut dyn Record);
            let refined = refinement.recorded(&compiled, &case.case.region, &mut bounds, &budget, record);
            case.count("parts", refined.parts as u64);
            case.count("sides_refined", refined.sides as u64);
            case.count("neurons_fixed", refined.settled as u64);
            next = refinement.next(PARTS / refinement.parts, before, budget.remaining());
        }
        case.script.append(&lemmas.script);
        case.bounds = bounds.checked(network)?;
        Ok(())
    }
}
